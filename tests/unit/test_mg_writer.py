"""A picture becomes a mammogram in every maker's habits, and comes back pixel for pixel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.pixels import apply_voi_lut, pixel_array
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless

from pipeline.core.errors import OurFault
from pipeline.datasets.mg_breast import chest_wall
from pipeline.datasets.mg_writer import (
    Display,
    Edge,
    MgAcquisition,
    MgHabit,
    Modifier,
    Syntax,
    mammogram,
    write_mammogram,
)
from pipeline.marks import Laterality
from tests.support.mammo import breast

MLO = MgAcquisition(Laterality.LEFT, "MLO", (0.07, 0.08))


@pytest.mark.parametrize("habit", MgHabit)
def test_what_is_stored_is_the_picture_and_monochrome1_its_inverse(tmp_path: Path, habit: MgHabit):
    picture = breast()
    write_mammogram(picture, tmp_path / "a.dcm", replace(MLO, habit=habit))
    ds = dcmread(tmp_path / "a.dcm")
    stored = pixel_array(ds)
    if habit is MgHabit.FUJI:
        assert (ds.PhotometricInterpretation, ds.PresentationLUTShape) == ("MONOCHROME1", "INVERSE")
        stored = 2**ds.BitsStored - 1 - stored
    assert np.array_equal(stored, picture)
    assert [float(v) for v in ds.ImagerPixelSpacing] == [0.07, 0.08]


@pytest.mark.parametrize(
    ("syntax", "uid"),
    [
        (Syntax.JPEG_LOSSLESS, JPEGLosslessSV1),
        (Syntax.JPEG_LS, JPEGLSLossless),
        (Syntax.JPEG_2000, JPEG2000Lossless),
        (Syntax.RLE, RLELossless),
    ],
)
@pytest.mark.parametrize("bits", [8, 12, 14, 16])
def test_compressed_pixels_come_back_unchanged(tmp_path: Path, syntax: Syntax, uid: str, bits: int):
    picture = (np.random.default_rng(bits).random((61, 43)) * (2**bits - 1)).astype(
        np.uint8 if bits == 8 else np.uint16
    )
    picture[0, 0], picture[0, 1] = 0, 2**bits - 1
    write_mammogram(picture, tmp_path / "a.dcm", replace(MLO, bits=bits, syntax=syntax))
    ds = dcmread(tmp_path / "a.dcm")
    assert ds.file_meta.TransferSyntaxUID == uid
    assert np.array_equal(pixel_array(ds), picture)


@pytest.mark.parametrize("display", [Display.WINDOW, Display.WINDOW_EXACT, Display.SIGMOID, Display.TABLE])
def test_every_way_of_display_keeps_the_order_of_grey_values(display: Display):
    picture = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    ds = mammogram(picture, replace(MLO, display=display))
    shown = apply_voi_lut(pixel_array(ds), ds).astype(float).ravel()
    assert (np.diff(shown) >= 0).all()
    assert shown[-1] - shown[0] > 2000


def test_the_window_of_a_film_shows_its_values_as_they_are():
    ds = mammogram(np.arange(256, dtype=np.uint8).reshape(16, 16), MLO)
    assert (ds.BitsAllocated, ds.BitsStored) == (8, 8)
    shown = apply_voi_lut(pixel_array(ds), ds).ravel()
    assert np.abs(shown - np.arange(256)).max() < 1e-6


@pytest.mark.parametrize(
    ("side", "view", "wall", "expected"),
    [
        (Laterality.LEFT, "MLO", Edge.LEFT, ["A", "FR"]),
        (Laterality.RIGHT, "MLO", Edge.RIGHT, ["P", "FL"]),
        (Laterality.LEFT, "CC", Edge.LEFT, ["A", "R"]),
        (Laterality.RIGHT, "CC", Edge.RIGHT, ["P", "L"]),
        (Laterality.RIGHT, "ML", Edge.LEFT, ["A", "F"]),
    ],
)
def test_patient_orientation_follows_side_view_and_chest_wall(side, view, wall, expected):
    ds = mammogram(breast(wall=wall.value), replace(MLO, laterality=side, view=view))
    assert list(ds.PatientOrientation) == expected


@given(st.integers(30, 300), st.integers(30, 300), st.booleans())
def test_the_chest_wall_is_seen_in_pictures_of_any_size(rows: int, columns: int, at_right: bool):
    picture = breast((rows, columns), "right" if at_right else "left")
    assert chest_wall(picture) is (Edge.RIGHT if at_right else Edge.LEFT)


def test_equal_pictures_make_equal_objects_and_others_make_others():
    again, other = mammogram(breast(), MLO), mammogram(breast(), replace(MLO, view="CC"))
    first = mammogram(breast(), MLO)
    assert first == again
    assert first.SOPInstanceUID != other.SOPInstanceUID
    together = [mammogram(breast(), replace(MLO, study="x", view=v)) for v in ("CC", "MLO")]
    assert together[0].StudyInstanceUID == together[1].StudyInstanceUID


def test_modifiers_implant_magnification_and_partial_view_are_written():
    asked = replace(
        MLO, modifiers=(Modifier.MAGNIFICATION, Modifier.SPOT), magnification=1.8, implant=True, partial=True
    )
    ds = mammogram(breast(), asked)
    meanings = [m.CodeMeaning for m in ds.ViewCodeSequence[0].ViewModifierCodeSequence]
    assert meanings == ["Magnification", "Spot Compression"]
    assert (ds.BreastImplantPresent, ds.PartialView) == ("YES", "YES")
    assert float(ds.EstimatedRadiographicMagnificationFactor) == 1.8


def test_raw_values_fall_where_the_picture_rises():
    ds = mammogram(np.arange(0, 4096, dtype=np.uint16).reshape(64, 64), replace(MLO, for_processing=True))
    assert ds.PresentationIntentType == "FOR PROCESSING"
    assert (ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign) == ("LIN", 1)
    assert (np.diff(pixel_array(ds).ravel().astype(int)) <= 0).all()


def test_values_that_do_not_fit_are_scaled_to_the_whole_range():
    ds = mammogram(np.linspace(-1.0, 3.0, 100).reshape(10, 10), replace(MLO, bits=14))
    assert (pixel_array(ds).min(), pixel_array(ds).max()) == (0, 2**14 - 1)


def test_a_picture_in_colour_is_refused():
    with pytest.raises(OurFault, match="dimensions"):
        mammogram(np.zeros((4, 4, 3), np.uint8), MLO)
