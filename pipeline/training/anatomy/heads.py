"""Where the structure network learns from: heads as tissues (to paint) and structures (to find), 1 to 1.5 mm."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipeline.phantom.phantom import axial_head
from pipeline.phantom.tissue import Tissue
from pipeline.recipes.srs.anatomy.network import Structure
from pipeline.training.anatomies import FREESURFER, load_canonical

T, S = Tissue, Structure
ByteArray = npt.NDArray[np.uint8]

STRUCTURES: dict[Structure, tuple[int, ...]] = {
    S.CSF: (24, 25, 57),
    S.L_CEREBRUM: (2, 3, 17, 18, 30),
    S.R_CEREBRUM: (41, 42, 53, 54, 62),
    S.L_DEEP_GREY: (10, 11, 12, 13, 26, 28, 136, 137),
    S.R_DEEP_GREY: (49, 50, 51, 52, 58, 60, 163, 164),
    S.VENTRICLE: (4, 5, 14, 15, 43, 44, 72),
    S.L_CEREBELLUM: (7, 8),
    S.R_CEREBELLUM: (46, 47),
    S.BRAINSTEM: (16,),
}
"""Label numbers of the SynthSeg maps; 85, the optic chiasm, swims in cerebrospinal fluid and is left with it."""

MIRRORED = np.arange(len(S), dtype=np.uint8)
"""MIRRORED[structure] is the same structure of the other side."""
for _left in (S.L_CEREBRUM, S.L_DEEP_GREY, S.L_CEREBELLUM):
    MIRRORED[[_left, _left + 1]] = (_left + 1, _left)


@dataclass(frozen=True, slots=True)
class TrainingHead:
    """tissues and structures: (slices to the head, rows to the back, columns to the left); middle: of the brain."""

    tissues: ByteArray
    structures: ByteArray
    spacing_mm: float
    middle: tuple[float, float, float]
    name: str


def label_map_path(data: Path, number: int) -> Path:
    """Where label map `number` lies in the data folder."""
    return data / "brain" / "synthseg_labelmaps" / f"training_seg_{number:02d}.nii.gz"


def label_map_head(data: Path, number: int) -> TrainingHead:
    """One SynthSeg head, 1 mm, cropped to what is not air."""
    labels = load_canonical(label_map_path(data, number))[0].astype(np.int16)
    box = ndimage.find_objects((labels > 0).astype(np.uint8))[0]
    labels = labels[box]
    tissues = _table({int(t): n for t, n in FREESURFER.items()}, int(T.OTHER), int(T.AIR))[labels]
    structures = _table({int(s): n for s, n in STRUCTURES.items()}, int(S.HEAD), int(S.AIR))[labels]
    structures[labels == 85] = int(S.CSF)
    _membranes(tissues)
    return _head(tissues, structures, 1.0, f"labelmap {number:02d}")


def procedural_head(seed: int) -> TrainingHead:
    """A head of pipeline.phantom at 1.5 mm, so that simple shapes do not puzzle the network."""
    tissues = axial_head(np.random.default_rng((77, seed)), (128, 160, 128), (1.5, 1.5, 1.5))
    left = np.arange(128)[None, None, :] >= 64
    names = {
        T.CSF: S.CSF,
        T.DURA: S.CSF,
        T.SINUS: S.CSF,
        T.VENTRICLE: S.VENTRICLE,
        T.CHOROID: S.VENTRICLE,
        T.CORTEX: S.R_CEREBRUM,
        T.WHITE: S.R_CEREBRUM,
        T.DEEP_GREY: S.R_DEEP_GREY,
        T.CEREBELLAR_CORTEX: S.R_CEREBELLUM,
        T.CEREBELLAR_WHITE: S.R_CEREBELLUM,
        T.BRAINSTEM: S.BRAINSTEM,
    }
    table = np.full(256, int(S.HEAD), np.uint8)
    table[int(T.AIR)] = int(S.AIR)
    table[[int(t) for t in names]] = [int(s) for s in names.values()]
    structures = table[tissues]
    # Arteries and dura lie among cerebrospinal fluid inside the skull and among muscle outside of it.
    brain = ndimage.binary_dilation(structures > S.CSF, iterations=3)
    structures[(structures == S.CSF) & ~brain] = int(S.HEAD)
    structures[(tissues == T.ARTERY) & brain] = int(S.CSF)
    return _head(tissues, np.where(left, MIRRORED[structures], structures), 1.5, f"procedural {seed}")


def _table(groups: dict[int, tuple[int, ...]], other: int, air: int) -> ByteArray:
    table = np.full(1024, other, np.uint8)
    table[0] = air
    for value, numbers in groups.items():
        table[list(numbers)] = value
    return table


def _membranes(tissues: ByteArray) -> None:
    """Dura and sinuses, as tissues of their own: the painter makes them bright, or leaves them as dark as the fluid."""
    csf = tissues == T.CSF
    bone = np.isin(tissues, (T.BONE, T.MARROW, T.OTHER))
    near_bone = ndimage.binary_dilation(bone, iterations=2)
    cerebrum = np.isin(tissues, (T.CORTEX, T.WHITE))
    middle = round(float(ndimage.center_of_mass(cerebrum)[2]))
    falx = np.zeros_like(csf)
    falx[:, :, middle - 1 : middle + 2] = True
    falx &= ndimage.binary_dilation(cerebrum, iterations=6)
    tissues[csf & (near_bone | falx)] = int(T.DURA)
    midline = np.zeros_like(csf)
    midline[int(len(csf) * 0.4) :, :, middle - 4 : middle + 5] = True
    tissues[csf & midline & ndimage.binary_dilation(bone, iterations=6)] = int(T.SINUS)


def _head(tissues: ByteArray, structures: ByteArray, spacing_mm: float, name: str) -> TrainingHead:
    middle = tuple(float(v) for v in ndimage.center_of_mass(structures > S.CSF))
    return TrainingHead(
        np.ascontiguousarray(tissues),
        np.ascontiguousarray(structures),
        spacing_mm,
        (middle[0], middle[1], middle[2]),
        name,
    )
