"""Which images of a study are mammograms that can be read, by role, and why the others are not."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.uid import (
    BreastProjectionXRayImageStorageForPresentation,
    BreastTomosynthesisImageStorage,
    ComputedRadiographyImageStorage,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForProcessing,
    MRImageStorage,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
)

from pipeline.core.breast import Laterality, Shortcoming
from pipeline.core.study import Instance, group
from pipeline.datasets.mg_writer import Modifier
from pipeline.imaging.header import header_of
from pipeline.imaging.mammogram.image import MgImage, Origin, describe
from pipeline.imaging.mammogram.study import matching_roles, select_views
from pipeline.imaging.mammogram.views import Modifier as Read
from pipeline.imaging.view_codes import MODIFIER_CODES, SOURCE_IMAGES, VIEW_CODE, view_codes
from tests.support.breasts import drawn, sent

_number = itertools.count(1)


def image(laterality="R", view="MLO", sop=DigitalMammographyXRayImageStorageForPresentation, **header) -> Instance:
    """A header of a full-field mammogram; None leaves an attribute out."""
    raw = sop == DigitalMammographyXRayImageStorageForProcessing
    base = {
        "Rows": 3328,
        "Columns": 2560,
        "ImagerPixelSpacing": (0.07, 0.07),
        "EstimatedRadiographicMagnificationFactor": 1.06,
        "BitsStored": 12,
        "SamplesPerPixel": 1,
        "ImageType": ("ORIGINAL", "PRIMARY"),
        "PresentationIntentType": "FOR PROCESSING" if raw else "FOR PRESENTATION",
        "ImageLaterality": laterality,
        "ViewPosition": view,
        "Modality": "MG",
    } | header
    kept = {k: v for k, v in base.items() if v is not None}
    uid = f"1.2.3.{next(_number)}"
    return Instance(uid, str(sop), "1.2.3", "1.2", "1.2.840.10008.1.2.1", str(base["Modality"]), Path(), header=kept)


def selected(*images: Instance):
    return select_views(group(list(images))[0])


def why(one: Instance) -> str:
    found = describe(one)
    assert isinstance(found, str), found
    return found


def read(one: Instance) -> MgImage:
    found = describe(one)
    assert isinstance(found, MgImage), found
    return found


def test_a_screening_study_has_four_roles_and_misses_none():
    found = selected(*(image(side, view) for side in "RL" for view in ("CC", "MLO")))
    assert sorted(found.views) == ["L-CC", "L-MLO", "R-CC", "R-MLO"]
    assert not found.unread
    assert not found.missing


def test_a_missing_view_is_said_so():
    found = selected(image("R", "CC"), image("R", "MLO"), image("L", "MLO"))
    assert [(n.role, n.shortcoming) for n in found.missing] == [("L-CC", Shortcoming.MISSING_VIEW)]
    assert "left" in found.missing[0].words


def test_several_exposures_of_a_view_are_numbered_as_they_were_taken():
    later, earlier = image(AcquisitionTime="101500"), image(AcquisitionTime="101200")
    found = selected(later, earlier)
    assert {r: v.instance.sop_instance_uid for r, v in found.views.items()} == {
        "R-MLO": earlier.sop_instance_uid,
        "R-MLO-2": later.sop_instance_uid,
    }


def test_a_whole_view_goes_before_a_partial_one():
    part, whole = image(PartialView="YES", AcquisitionTime="100000"), image(AcquisitionTime="110000")
    found = selected(part, whole)
    assert found.views["R-MLO"].instance is whole
    assert found.views["R-MLO-2"].partial
    assert "partial" in found.views["R-MLO-2"].remarks[0]


@pytest.mark.parametrize("link", [{"AcquisitionTime": "101500"}, {}])
def test_the_image_for_presentation_goes_before_the_raw_one_of_the_same_exposure(link):
    raw = image(sop=DigitalMammographyXRayImageStorageForProcessing, **link)
    shown = image(**link)
    found = selected(raw, shown)
    assert [v.instance for v in found.views.values()] == [shown]
    assert [u.sop_instance_uid for u in found.unread] == [raw.sop_instance_uid]
    assert "raw values" in found.unread[0].why


def test_raw_and_presentation_of_different_exposures_are_both_read():
    raw = image(sop=DigitalMammographyXRayImageStorageForProcessing, AcquisitionTime="101500")
    found = selected(raw, image(AcquisitionTime="101900"))
    assert len(found.views) == 2


def test_raw_images_alone_are_read():
    found = selected(image(sop=DigitalMammographyXRayImageStorageForProcessing))
    assert found.views["R-MLO"].for_processing


def test_one_of_two_presentations_of_one_raw_image_is_read():
    a, b = (image(**{SOURCE_IMAGES: ("1.9",), "AcquisitionTime": t}) for t in ("10", "11"))
    found = selected(a, b)
    assert len(found.views) == 1
    assert "another presentation" in found.unread[0].why


@pytest.mark.parametrize(
    "header",
    [
        {"SeriesDescription": "L CC C-View"},
        {"SeriesDescription": "R MLO S-View"},
        {"SeriesDescription": "R MLO Intelligent 2D"},
        {"SeriesDescription": "Insight 2D"},
        {"SeriesDescription": "V-Preview"},
        {"ImageType": ("DERIVED", "PRIMARY", "TOMOSYNTHESIS", "GENERATED_2D")},
        {"ImageType": ("DERIVED", "PRIMARY", "TOMO_PROJ", "GENERATED_2D")},
        {"ImageType": ("DERIVED", "PRIMARY", "TOMOSYNTHESIS", "GENERATED_2D"), "sop": BreastTomosynthesisImageStorage},
        {"NumberOfFrames": 1, "sop": BreastTomosynthesisImageStorage, "SeriesDescription": "R MLO C-View"},
    ],
)
def test_synthetic_views_are_read_and_said_to_be_such(header):
    found = read(image(**header))
    assert found.origin is Origin.SYNTHETIC
    assert "synthetic" in found.remarks[0].lower()


def test_a_synthetic_view_gives_way_to_the_acquired_one():
    synthetic, acquired = image(SeriesDescription="R MLO C-View"), image()
    found = selected(synthetic, acquired)
    assert [v.instance for v in found.views.values()] == [acquired]
    assert "synthetic" in found.unread[0].why


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"sop": BreastTomosynthesisImageStorage, "NumberOfFrames": 60}, "slices of a tomosynthesis"),
        ({"sop": SecondaryCaptureImageStorage, "NumberOfFrames": 15}, "slices of a tomosynthesis"),
        ({"sop": BreastProjectionXRayImageStorageForPresentation}, "projections of a tomosynthesis"),
        ({"ImageType": ("ORIGINAL", "PRIMARY", "TOMO_PROJ", "RIGHT")}, "projections of a tomosynthesis"),
        ({"ImageType": ("DERIVED", "PRIMARY", "STEREO", "LEFT")}, "biopsy"),
        ({"ImageType": ("DERIVED", "PRIMARY", "POST_CONTRAST", "SUBTRACTION")}, "contrast"),
        ({"EstimatedRadiographicMagnificationFactor": 1.8}, "magnification view (1.8 times)"),
        ({"BreastImplantPresent": "YES"}, "implant is in view"),
        ({"sop": UltrasoundImageStorage, "Modality": "US"}, "an ultrasound image"),
        ({"sop": MRImageStorage, "Modality": "MR"}, "a magnetic resonance image"),
        ({"sop": ComputedRadiographyImageStorage, "Modality": "CR", "BodyPartExamined": "CHEST"}, "shows a breast"),
        ({"SamplesPerPixel": 3}, "colour"),
        ({"sop": SecondaryCaptureImageStorage, "BitsStored": 8, "ConversionType": "WSD"}, "screen copy of 8 bits"),
        ({"BitsStored": 8, "ImageType": ("DERIVED", "SECONDARY")}, "screen copy of 8 bits"),
        ({"Rows": 256, "Columns": 200, "ImagerPixelSpacing": None}, "too small: 200 x 256 pixels"),
        ({"Rows": 788, "Columns": 600}, "a part of a breast"),
        ({"ImageLaterality": "B"}, "both breasts"),
        ({"ImageLaterality": None}, "does not say the side"),
        ({"ViewPosition": None, "ImageLaterality": None}, "does not say the side and the view"),
        ({"QualityControlImage": "YES"}, "quality control"),
        ({VIEW_CODE: ("127457009",)}, "specimen"),
        ({"SeriesDescription": "ROI mask images"}, "a piece cut out of a mammogram"),
    ],
)
def test_what_is_not_read_has_a_reason_that_a_radiologist_understands(header, words):
    one = image(**header)
    assert words in why(one)
    assert [u.why for u in selected(one).unread] == [why(one)]


@pytest.mark.parametrize("modality", ["SR", "PR", "SEG"])
def test_reports_and_markings_are_no_images_and_are_passed_over(modality):
    found = selected(image(Modality=modality, Rows=None), image())
    assert not found.unread
    assert list(found.views) == ["R-MLO"]


@pytest.mark.parametrize("scheme", ["SRT", "SNM3", "SCT"])
def test_codes_of_views_and_modifiers_are_read_in_old_and_new_snomed(scheme):
    codes = {"SCT": ("399162004", "399055006")}.get(scheme, ("R-10242", "R-102D7"))
    ds, view, modifier = Dataset(), Dataset(), Dataset()
    for item, code in ((view, codes[0]), (modifier, codes[1])):
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, scheme, "?"
    view.ViewModifierCodeSequence = [modifier]
    ds.ViewCodeSequence = [view]
    assert view_codes(ds) == {VIEW_CODE: ("399162004",), MODIFIER_CODES: ("399055006",)}


def test_a_malformed_sequence_of_views_leaves_the_rest_of_the_header():
    ds = Dataset()
    ds.Modality, ds.SOPInstanceUID, ds.SOPClassUID = "MG", "1.2.3", "1.2.4"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.5", "1.2.6"
    ds.ViewCodeSequence = [Dataset()]
    assert header_of(ds, Path()).modality == "MG"


@pytest.mark.parametrize("modifier", list(Modifier))
def test_every_modifier_that_a_mammograph_writes_is_understood(tmp_path, modifier):
    one = sent(tmp_path, drawn("CC"), view="CC", modifiers=(modifier,))
    found = describe(one)
    if modifier in (Modifier.IMPLANT_DISPLACED, Modifier.ROLLED_LATERAL, Modifier.ROLLED_MEDIAL):
        assert isinstance(found, MgImage)
        assert [m.name for m in found.modifiers] == [modifier.name]
        assert found.remarks
    else:
        assert Read[modifier.name].value.split()[0] in str(found)


def test_an_implant_that_was_pushed_aside_is_read(tmp_path):
    one = sent(tmp_path, drawn("CC"), view="CC", modifiers=(Modifier.IMPLANT_DISPLACED,), implant=True)
    assert read(one).implant


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ({"ImageLaterality": None, "FrameLaterality": "L"}, "L-MLO"),
        ({"ImageLaterality": None, "Laterality": "L"}, "L-MLO"),
        ({"ImageLaterality": None, "ViewPosition": None, "SeriesDescription": "LCC"}, "L-CC"),
        ({"ViewPosition": "RMLO"}, "R-MLO"),
        ({"ViewPosition": "MLO", VIEW_CODE: ("399162004",)}, "R-CC"),
        ({"ViewPosition": None, "PatientOrientation": "CC"}, "R-CC"),
        (
            {
                "sop": SecondaryCaptureImageStorage,
                "ImageLaterality": None,
                "ViewPosition": None,
                "PatientOrientation": "CC",
                "PatientID": "Calc-Test_P_00038_LEFT_CC",
                "BitsStored": 16,
                "ConversionType": "WSD",
            },
            "L-CC",
        ),
    ],
)
def test_side_and_view_are_taken_from_where_makers_write_them(header, name):
    assert read(image(**header)).side_and_view == name


@pytest.mark.parametrize(
    ("header", "mm"),
    [
        ({}, (0.07 / 1.06, 0.07 / 1.06)),
        ({"EstimatedRadiographicMagnificationFactor": None}, (0.07, 0.07)),
        (
            {
                "EstimatedRadiographicMagnificationFactor": None,
                "DistanceSourceToDetector": 660.0,
                "DistanceSourceToPatient": 600.0,
            },
            (0.07 / 1.1, 0.07 / 1.1),
        ),
        ({"PixelSpacing": (0.065, 0.065), "PixelSpacingCalibrationType": "GEOMETRY"}, (0.065, 0.065)),
        ({"PixelSpacing": (0.07, 0.07)}, (0.07 / 1.06, 0.07 / 1.06)),
        ({"ImagerPixelSpacing": None, "PixelSpacing": (0.05, 0.05), "Rows": 4696, "Columns": 3024}, (0.05, 0.05)),
        ({"ImagerPixelSpacing": None, "NominalScannedPixelSpacing": (0.05, 0.05)}, (0.05, 0.05)),
        ({"ImagerPixelSpacing": None}, None),
    ],
)
def test_the_size_of_a_pixel_is_that_in_the_breast_or_unknown(header, mm):
    spacing = read(image(**header)).spacing
    assert spacing.mm == (None if mm is None else pytest.approx(mm))
    assert mm is not None or "unknown" in spacing.words


@pytest.mark.parametrize(("shape", "mm"), [((4096, 3328), 0.065), ((5928, 4728), 0.05), ((4800, 3000), 0.05)])
def test_without_a_spacing_a_scale_is_assumed_and_nothing_is_measured(shape, mm):
    spacing = read(image(ImagerPixelSpacing=None, Rows=shape[0], Columns=shape[1])).spacing
    assert (spacing.mm, spacing.working) == (None, (mm, mm))


@pytest.mark.parametrize(("value", "count"), [("01", 1), ("00", 0), (None, 0)])
def test_lossy_compression_is_remarked(value, count):
    remarks = read(image(LossyImageCompression=value)).remarks
    assert sum("lossy compression: small calcifications may be lost" in r for r in remarks) == count


def test_views_of_an_earlier_study_are_matched_by_breast_and_view():
    now = selected(image("R", "CC"), image("R", "MLO"), image("L", "MLO")).views
    before = selected(image("R", "LMO"), image("L", "MLO"), image("L", "CC")).views
    assert matching_roles(now, before) == {"R-MLO": "R-LMO", "L-MLO": "L-MLO"}


@pytest.mark.parametrize("missing", ["Rows", "ImageType", "BitsStored", "ImagerPixelSpacing", "PresentationIntentType"])
def test_selecting_never_raises_on_a_header_with_holes(missing):
    selected(image(**{missing: None}), image(InstanceNumber=("a", "b"), ImageType="X", NumberOfFrames="?"))


def test_the_side_of_the_other_breast():
    assert Laterality.LEFT.other is Laterality.RIGHT
