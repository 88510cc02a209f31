"""Brain and places in real images, where the folder with them is at hand."""

from __future__ import annotations

import os
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest

from pipeline.imaging.header import scan
from pipeline.imaging.read import read_volume
from pipeline.recipes.srs.anatomy import anatomy_of
from pipeline.recipes.srs.params import PARAMS
from pipeline.recipes.srs.suitability import why_not_brain
from pipeline.training.anatomies import load_canonical

DATA = Path(os.environ.get("LANTERN_SHARED_DATA") or Path(__file__).parents[2] / ".." / "shared" / "data") / "brain"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no images in {DATA}")


def a_volume(array: np.ndarray, spacing_mm: tuple[float, float, float]) -> hd.Volume:
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]]) * np.array(spacing_mm)
    return hd.Volume(array, affine, "PATIENT")


def test_the_mni_average_lies_where_its_header_says() -> None:
    image, spacing = load_canonical(DATA / "icbm152_2009a" / "mni_icbm152_t1_tal_nlin_sym_09a.nii.gz")
    anatomy = anatomy_of(a_volume(image, spacing), threads=1)
    assert anatomy is not None
    points = np.array([[0, 0, 0], [40, -40, 20], [-40, 60, 20], [0, 30, -40], [30, 0, 60]], float)
    found = anatomy.atlas_mm(points + np.array((98, 98, 72)))
    assert np.linalg.norm(found - points, axis=1).max() < 8


def test_a_stripped_contrast_enhanced_head_and_an_unstripped_volunteer_are_heads() -> None:
    stripped = a_volume(*load_canonical(DATA / "t1c_no_lesion" / "MR_Gd.nii.gz"))
    (study,) = scan(DATA / "t1_dicom_siemens_trio")
    volunteer = read_volume(study.series[0], fill_missing=1).volume
    for volume in (stripped, volunteer):
        assert why_not_brain(anatomy_of(volume, threads=1), volume, PARAMS) == ""


@pytest.mark.parametrize("patient", ["01", "02", "04", "06", "07", "08", "09", "11"])
def test_tumours_in_thick_slices_lie_in_the_brain_and_on_their_side(patient: str) -> None:
    folder = DATA / "btp_t1c" / patient
    spacing = (6.0, 0.9375, 0.9375)  # the headers' 1 mm is wrong
    image = a_volume(load_canonical(folder / "Post_Scan_T1.nii.gz")[0], spacing)
    truth = load_canonical(folder / "Post_Mask.nii.gz")[0] > 0
    anatomy = anatomy_of(image, threads=1)
    assert why_not_brain(anatomy, image, PARAMS) == ""
    assert anatomy is not None
    assert anatomy.brain[truth].mean() > 0.9
    site = anatomy.site(image.with_array(truth.astype(np.uint8)), 1)
    assert site is not None
    middle = np.flatnonzero(anatomy.brain.any((0, 1))).mean()
    offset = np.argwhere(truth)[:, 2].mean() - middle
    if abs(offset) * spacing[2] > 10:
        assert site.name[0] == ("L" if offset > 0 else "R")
