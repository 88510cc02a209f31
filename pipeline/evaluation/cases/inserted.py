"""Tier T1: real scans without a lesion, and lesions put into them.

`t1c_no_lesion` is contrast-enhanced and skull-stripped, `t1_dicom_siemens_trio` has a skull and no contrast, `icbm152`
is an average of many heads. Which of them a reader was trained on, it says itself (`reading.Subject.seen`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipeline.datasets.nifti import to_lps_volume
from pipeline.evaluation.cases.case import Case, Entry, make_case
from pipeline.evaluation.insertion import insert_lesions
from pipeline.imaging.header import scan
from pipeline.imaging.read import read_volume

Mask = npt.NDArray[np.bool_]
Base = Callable[[Path], tuple[hd.Volume, Mask]]

SEED, DRAWS, LESIONS = 20260, 6, 8
"""Every second draw is mirrored left to right."""


def inserted_entries(data: Path, draws: int = DRAWS) -> list[Entry]:
    """For each base that is there: the scan itself, and `draws` with lesions."""
    brain = data / "brain"
    bases: tuple[tuple[str, str, Base], ...] = (
        ("t1c", "t1c_no_lesion", _t1c),
        ("trio", "t1_dicom_siemens_trio", _trio),
        ("icbm", "icbm152_2009a", _icbm),
    )
    return [
        Entry(_name(base, draw), "T1", partial(_load, base, load, brain / folder, draw))
        for base, folder, load in bases
        if (brain / folder).is_dir()
        for draw in range(draws + 1)
    ]


def _name(base: str, draw: int) -> str:
    return f"{base}-draw{draw}" if draw else f"{base}-without"


def _load(base: str, load: Base, folder: Path, draw: int) -> Case:
    image, inside = load(folder)
    truth = np.zeros(image.spatial_shape, np.uint16)
    remarks: tuple[str, ...] = ("as scanned, no lesion",)
    if draw:
        if draw % 2 == 0:
            image, inside = _mirrored(image, inside)
        rng = np.random.default_rng((SEED, sum(map(ord, base)), draw))
        made = insert_lesions(rng, image, _parenchyma(image, inside), LESIONS)
        image, truth = made.image, made.truth
        remarks = (f"{len(made.lesions)} inserted lesions" + (", mirrored" if draw % 2 == 0 else ""),)
    return make_case(_name(base, draw), base, "T1", image, truth, drawn="tumour", remarks=remarks)


def _t1c(folder: Path) -> tuple[hd.Volume, Mask]:
    image = to_lps_volume(folder / "MR_Gd.nii.gz")
    whole = ndimage.binary_closing(image.array > 0, iterations=2)
    return image, np.asarray(ndimage.binary_erosion(whole, iterations=3), np.bool_)


def _icbm(folder: Path) -> tuple[hd.Volume, Mask]:
    image, grey, white = (
        to_lps_volume(folder / f"mni_icbm152_{part}_tal_nlin_sym_09a.nii.gz") for part in ("t1", "gm", "wm")
    )
    return image, np.asarray(grey.array.astype(np.float32) + white.array > 140, np.bool_)


def _trio(folder: Path) -> tuple[hd.Volume, Mask]:
    """Deep inside the head and above its lower half: no brain mask comes with it, and face and neck must stay out."""
    (study,) = scan(folder)
    image = read_volume(study.series[0], fill_missing=1).volume  # one of its slices was lost before it came here
    upright = image.to_patient_orientation("HPL")
    pixels = np.asarray(upright.array, np.float32)
    solid = ndimage.binary_fill_holes(ndimage.gaussian_filter(pixels, 2) > 0.15 * np.percentile(pixels, 99))
    depth = ndimage.distance_transform_edt(solid, sampling=upright.spacing)
    deep = (depth > 24) & (np.arange(len(pixels))[:, None, None] > 0.45 * len(pixels))
    back = upright.with_array(deep.astype(np.uint8)).to_patient_orientation(image.get_closest_patient_orientation())
    return image, np.asarray(back.array > 0, np.bool_)


def _parenchyma(image: hd.Volume, inside: Mask) -> Mask:
    """Where the smoothed signal is that of brain: no ventricles, cisterns, sinuses."""
    smooth = ndimage.gaussian_filter(np.asarray(image.array, np.float32), [1.0 / s for s in image.spacing])
    middle = float(np.median(smooth[inside]))
    return np.asarray(inside & (smooth > 0.72 * middle) & (smooth < 1.35 * middle), np.bool_)


def _mirrored(image: hd.Volume, mask: Mask) -> tuple[hd.Volume, Mask]:
    """The anatomy left for right; the grid stays where it is."""
    axis = int(np.argmax(np.abs(image.affine[0, :3]) / image.spacing))
    return image.with_array(np.flip(image.array, axis).copy()), np.flip(mask, axis).copy()
