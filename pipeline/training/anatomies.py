"""Tissue maps from the SynthSeg label maps: FreeSurfer numbers in, `Tissue` out, enhancing structures added."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipeline.phantom.noise import FloatArray, smooth_noise
from pipeline.phantom.tissue import Tissue, TissueMap

T = Tissue

FREESURFER: dict[Tissue, tuple[int, ...]] = {
    T.WHITE: (2, 41, 28, 60),
    T.CORTEX: (3, 42, 17, 53, 18, 54),
    T.VENTRICLE: (4, 5, 43, 44, 14, 15),
    T.CEREBELLAR_WHITE: (7, 46),
    T.CEREBELLAR_CORTEX: (8, 47),
    T.DEEP_GREY: (10, 11, 12, 13, 26, 49, 50, 51, 52, 58, 85, 136, 137, 163, 164),
    T.BRAINSTEM: (16,),
    T.CSF: (24, 25, 57),
    T.ARTERY: (30, 62, 502),
    T.MUSCLE: (507, 508),
    T.SKIN: (511,),
    T.BONE: (515,),
    T.MARROW: (516,),
    T.MUCOSA: (506, 509),
    T.OTHER: (514, 530),
    T.EYE: (512,),
}
"""Numbers above 500 have no published names in the set; these are by where they lie in the head."""

Mask = npt.NDArray[np.bool_]


def load_canonical(path: Path) -> tuple[npt.NDArray[np.float32], tuple[float, float, float]]:
    """A NIfTI image as (slices to the head, rows to the back, columns to the left), and its spacing in mm."""
    image = nib.load(path)
    turn = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(image.affine), nib.orientations.axcodes2ornt("SPL")
    )
    turned = image.as_reoriented(turn)
    slice_mm, row_mm, column_mm = (float(v) for v in turned.header.get_zooms()[:3])
    return np.asarray(turned.dataobj, np.float32), (slice_mm, row_mm, column_mm)


def label_map_anatomy(rng: np.random.Generator, path: Path) -> TissueMap:
    """One SynthSeg head as tissues, 1 mm, cropped to the head, randomly tilted, scaled and mirrored."""
    labels = load_canonical(path)[0].astype(np.int16)
    table = np.full(1024, int(T.OTHER), np.uint8)
    table[0] = int(T.AIR)
    for tissue, numbers in FREESURFER.items():
        table[list(numbers)] = int(tissue)
    tissues = _tilted(rng, table[labels])
    if rng.random() < 0.5:
        tissues = tissues[:, :, ::-1].copy()
    _soft_tissue(rng, tissues)
    _enhancing(rng, tissues)
    return tissues


def _tilted(rng: np.random.Generator, tissues: TissueMap) -> TissueMap:
    box = ndimage.find_objects((tissues > 0).astype(np.uint8))[0]
    cropped = tissues[tuple(slice(max(0, s.start - 6), s.stop + 6) for s in box)]
    angles = np.radians(rng.uniform(-10, 10, 3))
    cos, sin = np.cos(angles), np.sin(angles)
    turn = (
        np.array([[1, 0, 0], [0, cos[0], -sin[0]], [0, sin[0], cos[0]]])
        @ np.array([[cos[1], 0, sin[1]], [0, 1, 0], [-sin[1], 0, cos[1]]])
        @ np.array([[cos[2], -sin[2], 0], [sin[2], cos[2], 0], [0, 0, 1]])
    ) / rng.uniform(0.88, 1.1, 3)
    middle = (np.array(cropped.shape) - 1) / 2
    turned = ndimage.affine_transform(cropped, turn, middle - turn @ middle, order=0)
    return np.asarray(turned, np.uint8)


def _soft_tissue(rng: np.random.Generator, tissues: TissueMap) -> None:
    """The maps have one label for what is neither bone nor skin: part it into fat and muscle."""
    lumps = smooth_noise(rng, tissues.shape, 12.0)
    tissues[(tissues == T.MUSCLE) & (lumps > float(rng.uniform(-1, 1)))] = T.FAT
    if rng.random() < 0.4:
        tissues[tissues == T.SKIN] = T.FAT


def _enhancing(rng: np.random.Generator, tissues: TissueMap) -> None:
    """Dura, falx, tentorium, sinuses, choroid plexus, pituitary: bright with contrast, and no metastasis."""
    noise = smooth_noise(rng, tissues.shape, 20.0)
    bone_near = _grown((tissues == T.BONE) | (tissues == T.OTHER) | (tissues == T.MARROW), 2)
    csf = tissues == T.CSF
    tissues[csf & bone_near & (noise > float(rng.uniform(-1.5, 1.0)))] = T.DURA
    _falx(rng, tissues, csf, noise)
    fine = smooth_noise(rng, tissues.shape, 5.0)
    ventricle = tissues == T.VENTRICLE
    tissues[ventricle & (np.abs(fine) < 0.35) & (noise > float(rng.uniform(0.0, 1.2)))] = T.CHOROID
    below = np.argwhere(tissues == T.BRAINSTEM)
    if len(below):
        top = below[np.argmax(below[:, 0])]
        centre = top + np.array([-12 + rng.integers(-4, 4), -22 + rng.integers(-5, 5), 0])
        _blob(tissues, centre, (4, 4.5, 6.5), T.PITUITARY)


def _falx(rng: np.random.Generator, tissues: TissueMap, csf: Mask, noise: FloatArray) -> None:
    cerebrum = (tissues == T.CORTEX) | (tissues == T.WHITE)
    columns = np.arange(tissues.shape[2])
    weight = cerebrum.sum((0, 1))
    middle = round(float((columns * weight).sum() / max(weight.sum(), 1)))
    near = np.zeros(tissues.shape, bool)
    near[:, :, max(0, middle - 5) : middle + 6] = True
    cerebellum = (tissues == T.CEREBELLAR_CORTEX) | (tissues == T.CEREBELLAR_WHITE)
    thin = np.abs(smooth_noise(rng, tissues.shape, 30.0)) < 1.2
    tissues[csf & near & thin] = T.DURA
    tent = csf & _grown(cerebellum, 3) & _grown(cerebrum, 3)
    tissues[tent & (noise > -0.7)] = T.DURA
    bone_near = _grown(tissues == T.BONE, 6)
    sagittal = csf & near & bone_near
    sagittal[: int(tissues.shape[0] * 0.35)] = False
    tissues[sagittal] = T.SINUS
    lateral = csf & bone_near & _grown(cerebellum, 5) & _grown(cerebrum, 6) & (noise > -0.8)
    tissues[lateral] = T.SINUS


def _grown(mask: Mask, steps: int) -> Mask:
    return ndimage.binary_dilation(mask, iterations=steps)


def _blob(tissues: TissueMap, centre: npt.NDArray[np.int_], axes: tuple[float, float, float], tissue: Tissue) -> None:
    grids = np.ogrid[tuple(slice(0, n) for n in tissues.shape)]
    rho = sum(((g - c) / a) ** 2 for g, c, a in zip(grids, centre, axes, strict=True))
    tissues[(rho < 1) & ~np.isin(tissues, (T.BRAINSTEM, T.CORTEX, T.WHITE))] = tissue
