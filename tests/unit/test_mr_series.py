"""What a series is, in the habits of five vendors, and which one to read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import SecondaryCaptureImageStorage

from pipeline.core.study import Instance, Series
from pipeline.imaging.mr_contrast import contrast_of
from pipeline.imaging.mr_series import Contrast, Weighting, classify, rank_t1c
from tests.support.mr import header_series

SIEMENS_MPRAGE: dict[str, Any] = {
    "Manufacturer": "SIEMENS",
    "ImageType": ("ORIGINAL", "PRIMARY", "M", "ND", "NORM"),
    "ScanningSequence": ("GR", "IR"),
    "SequenceVariant": ("SK", "SP", "MP"),
    "SequenceName": "*tfl3d1_16ns",
    "MRAcquisitionType": "3D",
    "RepetitionTime": 2300.0,
    "EchoTime": 2.32,
    "InversionTime": 900.0,
    "FlipAngle": 8.0,
    "SeriesDescription": "t1_mprage_sag_p2_iso",
}
GE_BRAVO: dict[str, Any] = {
    "Manufacturer": "GE MEDICAL SYSTEMS",
    "ImageType": ("ORIGINAL", "PRIMARY", "OTHER"),
    "ScanningSequence": "GR",
    "SequenceVariant": ("SS", "SP", "SK"),
    "ScanOptions": ("FAST_GEMS", "EDR_GEMS"),
    "MRAcquisitionType": "3D",
    "RepetitionTime": 8.5,
    "EchoTime": 3.2,
    "InversionTime": 450.0,
    "FlipAngle": 12.0,
    "SeriesDescription": "Ax BRAVO",
    "ProtocolName": "BRAIN W/WO CONTRAST",
}
PHILIPS_TFE: dict[str, Any] = {
    "Manufacturer": "Philips Medical Systems",
    "ImageType": ("ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"),
    "ScanningSequence": "GR",
    "SequenceVariant": "MP",
    "MRAcquisitionType": "3D",
    "RepetitionTime": 8.1,
    "EchoTime": 3.7,
    "FlipAngle": 8.0,
    "SeriesDescription": "sT1W_3D_TFE",
}
CANON_SE: dict[str, Any] = {
    "Manufacturer": "TOSHIBA_MEC",
    "ImageType": ("ORIGINAL", "PRIMARY", "OTHER"),
    "ScanningSequence": "SE",
    "SequenceVariant": "NONE",
    "MRAcquisitionType": "2D",
    "RepetitionTime": 540.0,
    "EchoTime": 15.0,
    "FlipAngle": 70.0,
    "SeriesDescription": "T1 AX",
}
HITACHI_RSSG: dict[str, Any] = {
    "Manufacturer": "Hitachi Medical Corporation",
    "ImageType": ("ORIGINAL", "PRIMARY", "OTHER"),
    "ScanningSequence": "GR",
    "SequenceVariant": "SP",
    "MRAcquisitionType": "3D",
    "RepetitionTime": 16.0,
    "EchoTime": 4.4,
    "FlipAngle": 20.0,
    "SeriesDescription": "3D T1 RSSG",
}
VENDORS = [SIEMENS_MPRAGE, GE_BRAVO, PHILIPS_TFE, CANON_SE, HITACHI_RSSG]
BY_VENDOR = pytest.mark.parametrize("header", VENDORS, ids=lambda h: h["Manufacturer"].split()[0])


def t1c(**more: Any) -> Series:
    return header_series(**{**SIEMENS_MPRAGE, "ContrastBolusAgent": "Gadobutrol", **more})


@BY_VENDOR
def test_a_vendors_t1_is_t1_and_without_contrast(header: dict[str, Any]) -> None:
    about = classify(header_series(**header))
    assert about.weighting is Weighting.T1
    assert about.contrast.given is Contrast.NO
    assert (about.plane, about.n_slices, about.thickness_mm) == ("axial", 160, 1.0)
    assert not (about.derived or about.localizer or about.subtraction)


@BY_VENDOR
def test_the_description_is_not_needed(header: dict[str, Any]) -> None:
    about = classify(header_series(**{**header, "SeriesDescription": "", "ProtocolName": ""}))
    assert about.weighting is Weighting.T1


@BY_VENDOR
def test_the_agent_alone_makes_it_contrast_enhanced(header: dict[str, Any]) -> None:
    evidence = classify(header_series(**header, ContrastBolusAgent="DOTAREM")).contrast
    assert (evidence.given, evidence.strong) == (Contrast.YES, True)
    assert "DOTAREM" in evidence.why


@pytest.mark.parametrize(
    "header",
    [
        {"ContrastBolusAgentAdministered": "YES"},
        {"ContrastBolusAgentSequence": ("Gadolinium product",)},
        {"ContrastBolusIngredient": "GADOLINIUM"},
        {"ContrastBolusVolume": 7.5},
        {"ContrastBolusTotalDose": 7.5},
    ],
)
def test_related_attributes_say_yes(header: dict[str, Any]) -> None:
    assert contrast_of(header_series(**header)).given is Contrast.YES


@pytest.mark.parametrize(
    "header",
    [
        {"ContrastBolusAgent": "NONE"},
        {"ContrastBolusAgent": "No"},
        {"ContrastBolusAgent": "N/A"},
        {"ContrastBolusAgent": "ohne"},
        {"ContrastBolusAgent": "NONE", "SeriesDescription": "T1 POST"},
        {"ContrastBolusAgentAdministered": "NO"},
        {"ContrastBolusVolume": 0.0},
        {"ContrastBolusAgent": "Lumirem", "ContrastBolusRoute": "ORAL"},
    ],
)
def test_attributes_that_say_no(header: dict[str, Any]) -> None:
    assert contrast_of(header_series(**header)).given is Contrast.NO


@pytest.mark.parametrize(
    "text",
    [
        "AX T1 +C",
        "Ax T1 C+",
        "t1_mprage_sag_KM",
        "T1+C MPRAGE",
        "bravo+c",
        "MPRAGE POST GAD",
        "T1W_3D_TFE_CE",
        "T1 Gd 1mm",
        "AX T1 w contrast",
        "t1 nach KM",
        "t1 nach KM vor Bestrahlung",
        "T1 GADO",
        "AX T1 POST",
        "T1C 3D",
        "CE T1",
        "T1 IV+",
    ],
)
def test_words_for_contrast_are_weak_evidence(text: str) -> None:
    evidence = contrast_of(header_series(SeriesDescription=text))
    assert (evidence.given, evidence.strong) == (Contrast.YES, False)


@pytest.mark.parametrize(
    "text",
    [
        "AX T1 PRE",
        "T1 w/o",
        "T1 nativ",
        "t1 ohne KM",
        "T1 non-contrast",
        "Pre-Contrast",
        "T1 sans gado",
        "T1 C-",
        "T1 without contrast",
        "T1 SE",
        "SAG MPRAGE",
        "T1 POST-OP",
        "MPRAGE POST SRS",
        "posterior fossa",
        "AX T1 POST FOSSA",
        "T1 pre-op",
        "T1 post RX",
        "t1_tra_vor_KM",
        "T1 prä KM",
        "t1 prae km",
        "t1 tra o. KM",
        "t1_tra_oKM",
        "T1 W/OUT CONTRAST",
        "T1 before contrast",
        "AX T1 NO GAD",
        "T1 non gad",
        "T1 vor OP",
    ],
)
def test_words_against_contrast_win_and_other_words_do_not_count(text: str) -> None:
    assert contrast_of(header_series(SeriesDescription=text)).given is Contrast.NO


def test_an_agent_against_the_word_pre_cannot_be_decided() -> None:
    evidence = contrast_of(header_series(SeriesDescription="AX T1 PRE", ContrastBolusAgent="Gadavist"))
    assert evidence.given is Contrast.UNKNOWN
    ranking = rank_t1c([t1c(SeriesDescription="t1 pre")])
    assert "may have no contrast agent" in ranking.reason


def test_the_name_of_a_whole_protocol_says_nothing_about_its_series() -> None:
    assert contrast_of(header_series(**GE_BRAVO)).given is Contrast.NO
    assert contrast_of(header_series(**{**GE_BRAVO, "SeriesDescription": "Ax BRAVO +C"})).given is Contrast.YES
    assert classify(header_series(**{**GE_BRAVO, "ProtocolName": "BRAIN MRA"})).weighting is Weighting.T1


@pytest.mark.parametrize(
    ("weighting", "header"),
    [
        ("T2", {"ScanningSequence": "SE", "RepetitionTime": 4500.0, "EchoTime": 95.0}),
        ("T2", {"ScanningSequence": "RM", "RepetitionTime": 5200.0, "EchoTime": 102.0, "FlipAngle": 142.0}),
        ("PD", {"ScanningSequence": "SE", "RepetitionTime": 3000.0, "EchoTime": 14.0}),
        (
            "FLAIR",
            {"ScanningSequence": ("SE", "IR"), "RepetitionTime": 9000.0, "EchoTime": 90.0, "InversionTime": 2500.0},
        ),
        ("FLAIR", {"SequenceName": "*spcir_278ns", "RepetitionTime": 5000.0, "EchoTime": 388.0}),
        ("FLAIR", {"ScanningSequence": "IR", "RepetitionTime": 4800.0, "EchoTime": 340.0, "InversionTime": 1650.0}),
        ("T1", {"ScanningSequence": ("SE", "IR"), "RepetitionTime": 2200.0, "EchoTime": 9.0, "InversionTime": 860.0}),
        ("T1", {"ScanningSequence": "RM", "RepetitionTime": 7.3, "EchoTime": 2.8, "FlipAngle": 11.0}),
        ("T1", {"ScanningSequence": "SE", "MRAcquisitionType": "3D", "RepetitionTime": 700.0, "EchoTime": 11.0}),
        ("T1", {"ScanningSequence": "GR", "RepetitionTime": 250.0, "EchoTime": 2.5, "FlipAngle": 70.0}),
        (
            "STIR",
            {"ScanningSequence": ("SE", "IR"), "RepetitionTime": 5000.0, "EchoTime": 60.0, "InversionTime": 160.0},
        ),
        ("SWI", {"ScanningSequence": "GR", "RepetitionTime": 27.0, "EchoTime": 20.0, "FlipAngle": 15.0}),
        ("DWI", {"ScanningSequence": "EP", "DiffusionBValue": 1000.0, "RepetitionTime": 6000.0, "EchoTime": 80.0}),
        ("DWI", {"SequenceName": "*ep_b1000t", "RepetitionTime": 6000.0, "EchoTime": 80.0}),
        ("ADC", {"ImageType": ("DERIVED", "PRIMARY", "DIFFUSION", "ADC")}),
        ("ANGIO", {**GE_BRAVO, "AngioFlag": "Y"}),
        ("ANGIO", {**GE_BRAVO, "SeriesDescription": "3D TOF MRA"}),
        ("ANGIO", {**SIEMENS_MPRAGE, "SequenceName": "*fl3d1r_t50"}),
        ("PERFUSION", {"ScanningSequence": ("EP", "GR"), "RepetitionTime": 1500.0, "EchoTime": 30.0}),
        ("PERFUSION", {**GE_BRAVO, "SeriesDescription": "DCE T1"}),
        ("T2", {"AcquisitionContrast": "T2"}),
        ("T2", {**GE_BRAVO, "RepetitionTime": 4.9, "FlipAngle": 50.0, "SeriesDescription": "Ax 3D FIESTA-C +C"}),
        ("T2", {**PHILIPS_TFE, "FlipAngle": 45.0, "SeriesDescription": "3D_bFFE"}),
        (
            "T2",
            {
                "ScanningSequence": "GR",
                "SequenceVariant": ("SK", "SS", "SP"),
                "SequenceName": "*ci3d1rs41",
                "RepetitionTime": 5.9,
                "EchoTime": 2.6,
                "FlipAngle": 70.0,
                "SeriesDescription": "ax thin KM",
            },
        ),
        ("T1", {"AcquisitionContrast": "UNKNOWN", "SeriesDescription": "T1 AX"}),
        ("T1", {"EchoPulseSequence": "GRADIENT", "RepetitionTime": 8.0, "EffectiveEchoTime": 3.7, "FlipAngle": 8.0}),
        ("FLAIR", {"SeriesDescription": "AX T2 FLAIR"}),
        ("UNKNOWN", {}),
    ],
)
def test_weighting_comes_from_what_was_played_out(weighting: str, header: dict[str, Any]) -> None:
    about = classify(header_series(**header))
    assert about.weighting == weighting, about.evidence


def test_a_wrong_description_does_not_make_a_t2_a_t1() -> None:
    t2 = header_series(ScanningSequence="SE", RepetitionTime=4500.0, EchoTime=95.0, SeriesDescription="T1 +C")
    assert classify(t2).weighting is Weighting.T2


@pytest.mark.parametrize(
    ("said", "header"),
    [
        ("is a localizer", {"ImageType": ("ORIGINAL", "PRIMARY", "LOCALIZER")}),
        ("is a localizer", {"SeriesDescription": "3Plane Loc"}),
        ("is a localizer", {"SeriesDescription": "Survey_SHC"}),
        ("shows the knee", {"BodyPartExamined": "KNEE", "SeriesDescription": ""}),
        ("shows the spine", {"BodyPartExamined": "HEAD", "SeriesDescription": "SPINE SAG T1 +C"}),
        ("shows the c spine", {"AnatomicRegionSequence": ("C spine",)}),
        ("is a subtraction", {"SeriesDescription": "t1_mprage_SUB"}),
        ("is a subtraction", {"ImageType": ("DERIVED", "PRIMARY", "SUBTRACT")}),
        ("is a projection", {"ImageType": ("DERIVED", "SECONDARY", "MIP")}),
        ("is a phase image", {"ImageType": ("ORIGINAL", "PRIMARY", "P", "ND")}),
        ("is a real image", {"ComplexImageComponent": "REAL"}),
        ("is FLAIR; this model reads T1-weighted", {"SequenceName": "*spcir", "EchoTime": 388.0}),
        ("is in colour", {"SamplesPerPixel": 3}),
        ("T1-weighted series 3 has no contrast agent: ContrastBolusAgent is NONE", {"ContrastBolusAgent": "NONE"}),
    ],
)
def test_each_rejection_is_in_a_radiologists_words(said: str, header: dict[str, Any]) -> None:
    ranking = rank_t1c([t1c(**header)])
    assert ranking.best is None
    assert said in ranking.reason
    assert ranking.reason.startswith(("series 3 ", "T1-weighted series 3 "))


def test_ct_and_captures_are_rejected_by_name() -> None:
    assert "is CT; this pipeline reads MR" in rank_t1c([header_series(modality="CT")]).reason
    capture = t1c()
    instances = [Instance(i.sop_instance_uid, str(SecondaryCaptureImageStorage), *_rest(i)) for i in capture.instances]
    assert "is no MR image" in rank_t1c([Series(capture.series_instance_uid, tuple(instances))]).reason
    assert "only 4 slice(s)" in rank_t1c([t1c_of(4)]).reason
    assert rank_t1c([]).reason == "the study has no series"


def _rest(i: Instance) -> tuple[Any, ...]:
    return (i.series_instance_uid, i.study_instance_uid, i.transfer_syntax_uid, i.modality, i.path, i.sha256, i.header)


def t1c_of(n_slices: int) -> Series:
    return header_series(n_slices, **SIEMENS_MPRAGE, ContrastBolusAgent="Gadobutrol")


def test_without_contrast_is_read_only_when_told_to() -> None:
    plain = header_series(**SIEMENS_MPRAGE)
    assert rank_t1c([plain]).reason == (
        "T1-weighted series 3 has no contrast agent: no ContrastBolusAgent, and no word for contrast in the "
        "description; this model reads contrast-enhanced T1"
    )
    assert rank_t1c([plain], require_contrast=False).best.series == plain
    assert rank_t1c([plain, t1c()], require_contrast=False).best.series == t1c()


def test_the_best_of_many_is_the_thin_original_with_contrast() -> None:
    best = t1c(SeriesNumber=9)
    thick = header_series(24, 6.0, **{**CANON_SE, "ContrastBolusAgent": "Gadobutrol", "SeriesNumber": 8})
    mpr = t1c(SeriesNumber=10, ImageType=("DERIVED", "SECONDARY", "MPR"))
    plain = header_series(**SIEMENS_MPRAGE)
    worded = header_series(**{**SIEMENS_MPRAGE, "SeriesDescription": "t1_mprage_KM", "SeriesNumber": 11})
    ranking = rank_t1c([thick, mpr, plain, worded, best])
    assert [c.series.get("SeriesNumber") for c in ranking.candidates] == [9, 11, 8, 10]
    assert [r.series_instance_uid for r in ranking.rejected] == [plain.series_instance_uid]
    assert "series 9 is 3D axial T1-weighted contrast-enhanced, 160 slices of 1 mm" in ranking.best.why


def test_a_thick_whole_head_is_read_before_thin_slices_of_a_part_of_it() -> None:
    head = header_series(24, 6.0, **CANON_SE, ContrastBolusAgent="Gadobutrol", SeriesNumber=4)
    pituitary = header_series(20, 2.0, **CANON_SE, ContrastBolusAgent="Gadobutrol", SeriesNumber=5)
    ranking = rank_t1c([pituitary, head])
    assert [c.series for c in ranking.candidates] == [head, pituitary]
    assert "covering only 40 mm of the head" in ranking.candidates[1].why


def test_thick_slices_are_not_isotropic_and_planes_are_named() -> None:
    thick = classify(header_series(24, 6.0, **CANON_SE))
    assert (thick.isotropic, thick.thickness_mm, thick.acquisition) == (False, 6.0, "2D")
    assert classify(header_series(ImageOrientationPatient=(0.0, 1.0, 0.0, 0.0, 0.0, -1.0))).plane == "sagittal"
    tilted = (1.0, 0.0, 0.0, 0.0, 0.8, 0.6)
    assert classify(header_series(ImageOrientationPatient=tilted)).plane == "oblique axial"


@given(order=st.permutations(range(4)))
def test_the_choice_does_not_depend_on_the_order_of_series(order: list[int]) -> None:
    series = [t1c(SeriesNumber=5), t1c(SeriesNumber=5, EchoTime=2.4), t1c(SeriesNumber=4), header_series(**GE_BRAVO)]
    assert rank_t1c([series[i] for i in order]).best == rank_t1c(series).best


JUNK = st.one_of(
    st.none(), st.text(max_size=8), st.integers(), st.floats(), st.tuples(st.text(max_size=4), st.floats())
)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "ImageType",
                "ImageOrientationPatient",
                "PixelSpacing",
                "EchoTime",
                "RepetitionTime",
                "InversionTime",
                "ContrastBolusAgent",
                "SeriesDescription",
                "NumberOfFrames",
                "SequenceName",
                "FlipAngle",
                "SeriesNumber",
                "ImagePositionPatient",
                "SliceThickness",
                "BodyPartExamined",
                "DiffusionBValue",
                "SamplesPerPixel",
            ]
        ),
        JUNK,
    )
)
def test_junk_in_headers_never_raises(header: dict[str, Any]) -> None:
    ranking = rank_t1c([header_series(9, **header)], require_contrast=False)
    assert len(ranking.candidates) + len(ranking.rejected) == 1
