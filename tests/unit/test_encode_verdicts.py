"""Sites, distances, agreement, verdicts and rejected candidates in the objects."""

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.sr.coding import Code

from node.told import told
from pipeline.core.errors import OurFault
from pipeline.core.result import Kind
from pipeline.encode import Part, encode, to_bytes
from pipeline.findings import Findings, Lesion, Site, Verdict
from tests.support.findings import (
    AGAINST,
    DISTANCES_MM,
    SITES,
    STAMP,
    Grid,
    findings_on,
    sited,
    spheres,
    with_rejected,
    write_classic,
)

GRID = Grid((24, 44, 40))
LESIONS = spheres(GRID, ((10, 20, 20), 8.0), ((16, 30, 12), 5.0), ((5, 10, 30), 5.0))
REJECTED = spheres(GRID, ((5, 30, 30), 4.0), ((18, 12, 12), 3.0))


@pytest.fixture
def found(tmp_path: Path) -> Findings:
    return sited(findings_on(write_classic(tmp_path, GRID), GRID, LESIONS))


def objects(findings: Findings) -> dict[Part, Dataset]:
    return {e.part: dcmread(BytesIO(to_bytes(e.dataset))) for e in encode(findings, STAMP)}


def measured(findings: Findings) -> list[hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations]:
    sr = hd.sr.srread(BytesIO(to_bytes({e.part: e.dataset for e in encode(findings, STAMP)}[Part.SR])))
    return list(sr.content.get_volumetric_roi_measurement_groups())


def walk(item: Dataset) -> Iterator[Dataset]:
    for child in item.get("ContentSequence", ()):
        yield child
        yield from walk(child)


def named(item: Dataset, code: str) -> list[Dataset]:
    return [
        i for i in walk(item) if i.get("ConceptNameCodeSequence") and i.ConceptNameCodeSequence[0].CodeValue == code
    ]


def number(item: Dataset) -> float:
    return float(item.MeasuredValueSequence[0].NumericValue)


def test_a_site_has_its_side_in_the_report_and_in_the_segmentation(found: Findings) -> None:
    segments = objects(found)[Part.SEG].SegmentSequence
    for lesion, group, segment in zip(found.lesions, measured(found), segments, strict=True):
        assert lesion.site is not None
        (site,) = group.finding_sites
        assert (site.value, site.laterality) == (lesion.site.code, lesion.site.laterality)
        (region,) = segment.AnatomicRegionSequence
        sides = [i.CodeMeaning for i in region.get("AnatomicRegionModifierSequence", ())]
        assert region.CodeValue == lesion.site.code.value
        assert sides == ([lesion.site.laterality.meaning] if lesion.site.laterality else [])


def test_the_label_is_long_in_segmentation_and_report_and_short_in_the_structure_set(found: Findings) -> None:
    made = objects(found)
    for lesion, segment, roi, seen, group in zip(
        found.lesions,
        made[Part.SEG].SegmentSequence,
        made[Part.RTSTRUCT].StructureSetROISequence,
        made[Part.RTSTRUCT].RTROIObservationsSequence,
        measured(found),
        strict=True,
    ):
        assert segment.SegmentLabel == segment.TrackingID == group.tracking_identifier == lesion.label
        assert roi.ROIName == seen.ROIObservationLabel == lesion.short_label
        assert segment.TrackingUID == group.tracking_uid == lesion.tracking_uid
        for described in (roi.ROIDescription, seen.ROIObservationDescription):
            assert lesion.tracking_uid in described
            assert lesion.label in described


def test_names_too_long_or_not_ascii_fit_their_attributes(tmp_path: Path) -> None:
    findings = findings_on(write_classic(tmp_path, GRID), GRID, LESIONS)
    site = Site(
        Code("113305005", "SCT", "Größte Struktur des Kleinhirns – rechts" * 3), None, "Hirn", "X" * 80, "Y" * 20
    )
    label = "BM0100_" + "ÄÖ×" * 40
    findings = replace(findings, lesions=tuple(replace(n, label=label, site=site) for n in findings.lesions))
    made = objects(findings)
    assert len(made[Part.SEG].SegmentSequence[0].SegmentLabel) == 64
    roi = made[Part.RTSTRUCT].StructureSetROISequence[0]
    assert roi.ROIName == "BM0100_" + "Y" * 9
    for text in (made[Part.SEG].SegmentSequence[0].SegmentLabel, roi.ROIDescription):
        assert text.isascii()
    assert made[Part.SEG].SegmentSequence[0].AnatomicRegionSequence[0].CodeMeaning.startswith("Gro")
    assert len(made[Part.SEG].SegmentSequence[0].AnatomicRegionSequence[0].CodeMeaning) == 64
    assert len(measured(findings)[0].finding_sites[0].value.meaning) == 64


def test_agreement_enhancing_volume_and_calibrated_probability_stand_among_the_measurements(found: Findings) -> None:
    for lesion, group in zip(found.lesions, measured(found), strict=True):
        values = {m.name.value: m.value for m in group.get_measurements()}
        assert lesion.agreement is not None
        assert lesion.enhancing_volume_mm3 is not None
        assert values["AGREEMENT"] == pytest.approx(100 * lesion.agreement)
        assert values["ENHANCING_VOLUME"] == pytest.approx(lesion.enhancing_volume_mm3, abs=1e-3)
        assert values["118565006"] == pytest.approx(lesion.volume_mm3, abs=1e-3)
        (certainty,) = (m for m in group.get_measurements() if m.name.value == "111012")
        assert certainty.value == pytest.approx(100 * lesion.probability, abs=1e-3)
        assert certainty.method.value == "CALIBRATED"


def test_a_distance_names_the_structure_and_its_side(found: Findings) -> None:
    for group in measured(found):
        distances = [m for m in group.get_measurements() if m.name.value == "121206"]
        assert [(m.value, m.unit.value) for m in distances] == [(round(d, 3), "mm") for d in DISTANCES_MM.values()]
        said = [[(s.value.value, s.laterality and s.laterality.meaning) for s in m.finding_sites] for m in distances]
        assert said == [
            [("119238007", None)],
            [("18234004", None), ("244453006", None), ("53238003", None)],
            [("80169004", "Left")],
            [("80169004", "Right")],
        ]


def test_a_structure_without_a_standard_code_has_one_of_ours(found: Findings) -> None:
    far = replace(found.lesions[0], distances_mm={"right lacrimal gland": 4.0})
    group, *_ = measured(replace(found, lesions=(far, *found.lesions[1:])))
    (distance,) = (m for m in group.get_measurements() if m.name.value == "121206")
    (site,) = distance.finding_sites
    assert (site.value, site.laterality.meaning) == (Code("LACRIMAL_GLAND", "99LANTERN", "lacrimal gland"), "Right")


def test_what_the_numbers_mean_is_said_once(found: Findings) -> None:
    said = [i.TextValue for i in named(objects(found)[Part.SR], "121106")]
    for words in ("corner to corner of voxels", "calibrated probability", "Agreement is", "Distances are the shortest"):
        assert sum(words in s for s in said) == 1
    bare = replace(found, lesions=tuple(replace(n, verdict=None, agreement=None) for n in found.lesions))
    said = [i.TextValue for i in named(objects(bare)[Part.SR], "121106")]
    assert any("not calibrated" in s for s in said)
    assert not any("Agreement is" in s for s in said)


def test_a_rejected_candidate_is_in_the_report_with_score_place_and_reasons(found: Findings) -> None:
    findings = with_rejected(found, GRID, REJECTED)
    candidates = named(objects(findings)[Part.SR], "REJECTED_ONE")
    for candidate, item in zip(findings.rejected, candidates, strict=True):
        assert candidate.verdict is not None
        assert named(item, "112039")[0].TextValue == candidate.label
        assert candidate.tracking_uid == named(item, "112040")[0].UID
        assert number(named(item, "111012")[0]) == pytest.approx(100 * candidate.verdict.score, abs=1e-3)
        assert number(named(item, "THRESHOLD")[0]) == pytest.approx(35)
        assert np.allclose(named(item, "111010")[0].GraphicData, candidate.centroid_mm, atol=1e-3)
        reasons = [i.TextValue for i in named(item, "REASON_AGAINST")]
        assert [r.partition(" (")[0] for r in reasons] == [r.words for r in AGAINST]
        assert "original_shape_Elongation = 0.31" in reasons[0]


@pytest.mark.parametrize("drawn", [False, True])
def test_rejected_candidates_are_never_counted_as_lesions(found: Findings, drawn: bool) -> None:
    findings = with_rejected(found, GRID, REJECTED, drawn=drawn)
    made = objects(findings)
    assert len(measured(findings)) == len(named(made[Part.SR], "125007")) == 3
    for candidate in named(made[Part.SR], "REJECTED_ONE"):
        assert not named(candidate, "121071")
        assert "14799000" not in {c.CodeValue for i in walk(candidate) for c in i.get("ConceptCodeSequence", ())}
    assert any(i.TextValue == "Lesions found: 3." for i in named(made[Part.SR], "121106"))
    assert len(made[Part.SEG].SegmentSequence) == len(made[Part.RTSTRUCT].StructureSetROISequence) == 3


def test_with_rejected_candidates_alone_the_report_still_says_that_no_lesion_was_found(found: Findings) -> None:
    findings = with_rejected(replace(found, lesions=(), labels=None), GRID, REJECTED)
    (made,) = encode(findings, STAMP)
    assert made.part is Part.SR
    values = {c.CodeValue for i in walk(made.dataset) for c in i.get("ConceptCodeSequence", ())}
    assert {"260415000", "111241"} <= values
    assert len(named(made.dataset, "REJECTED_ONE")) == 2


def test_without_labels_of_rejected_candidates_there_is_no_second_segmentation(found: Findings) -> None:
    assert Part.REJECTED_SEG not in objects(with_rejected(found, GRID, REJECTED))


def test_the_second_segmentation_holds_the_rejected_candidates_and_says_so(found: Findings) -> None:
    findings = with_rejected(found, GRID, REJECTED, drawn=True)
    made = objects(findings)
    assert list(made) == [Part.SEG, Part.RTSTRUCT, Part.REJECTED_SEG, Part.KEY_OBJECTS, Part.SR]
    second = made[Part.REJECTED_SEG]
    assert Part.REJECTED_SEG.kind is Kind.SEG
    assert second.SeriesDescription.startswith("SEG rejected candidates, RESEARCH USE ONLY")
    assert second.SeriesInstanceUID != made[Part.SEG].SeriesInstanceUID
    assert second.SeriesNumber == 90079
    for candidate, segment in zip(findings.rejected, second.SegmentSequence, strict=True):
        assert (segment.SegmentLabel, segment.TrackingUID) == (candidate.label, candidate.tracking_uid)
        assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "111102"
    read = hd.seg.segread(BytesIO(to_bytes(second)))
    pixels = read.get_volume(combine_segments=True, rescale_fractional=False)
    z, y, x = (
        int(n) for n in np.round(pixels.map_reference_to_indices(np.array([findings.rejected[0].centroid_mm]))[0])
    )
    assert pixels.array[z, y, x] == 1
    assert int((pixels.array > 0).sum()) == int((REJECTED > 0).sum())
    for number_, item in enumerate(named(made[Part.SR], "REJECTED_ONE"), start=1):
        reference = named(item, "121191")[0].ReferencedSOPSequence[0]
        assert reference.ReferencedSOPInstanceUID == second.SOPInstanceUID
        assert reference.ReferencedSegmentNumber == number_


def test_the_second_segmentation_changes_no_other_uid_and_no_other_byte_of_segmentation_and_structure_set(
    found: Findings,
) -> None:
    without = {e.part: to_bytes(e.dataset) for e in encode(with_rejected(found, GRID, REJECTED), STAMP)}
    drawn = {e.part: to_bytes(e.dataset) for e in encode(with_rejected(found, GRID, REJECTED, drawn=True), STAMP)}
    assert without[Part.SEG] == drawn[Part.SEG]
    assert without[Part.RTSTRUCT] == drawn[Part.RTSTRUCT]
    again = {e.part: to_bytes(e.dataset) for e in encode(with_rejected(found, GRID, REJECTED, drawn=True), STAMP)}
    assert again == drawn


def test_labels_that_do_not_hold_the_rejected_candidates_are_refused(found: Findings) -> None:
    findings = with_rejected(found, GRID, REJECTED, drawn=True)
    one: tuple[Lesion, ...] = findings.rejected[:1]
    with pytest.raises(OurFault, match="do not match"):
        encode(replace(findings, rejected=one), STAMP)


def test_the_private_scheme_is_identified(found: Findings) -> None:
    (scheme,) = objects(found)[Part.SR].CodingSchemeIdentificationSequence
    assert scheme.CodingSchemeDesignator == "99LANTERN"
    assert len({s.short_name for s in SITES}) == 3


def test_a_filled_slice_without_lesions_is_not_counted_as_an_image(tmp_path: Path) -> None:
    frames = list(write_classic(tmp_path, GRID))
    frames[5] = frames[4]
    findings = findings_on(tuple(frames), GRID, np.zeros(GRID.shape, np.uint16))
    (sr,) = objects(findings).values()
    assert any(f"Images analysed: {GRID.shape[0] - 1} " in i.TextValue for i in named(sr, "121106"))
    assert len(named(sr, "260753009")) == GRID.shape[0] - 1


def test_what_is_barred_is_rejected_at_any_score_and_the_report_says_why(found: Findings) -> None:
    barred = Verdict(0.9, 0.35, AGAINST, barred="lies outside the brain, as an eye does")
    assert not barred.kept
    assert Verdict(0.9, 0.35).kept
    rejected = with_rejected(found, GRID, REJECTED)
    rejected = replace(rejected, rejected=tuple(replace(c, verdict=barred) for c in rejected.rejected))
    report = objects(rejected)[Part.SR]
    for candidate in told(report)[len(found.lesions) :]:
        assert candidate.rejected
        assert candidate.against == (barred.barred, *(r.words for r in AGAINST))
    (sentence,) = (s for s in comments(report) if s.startswith("Certainty of Finding"))
    assert "but for those that something else bars" in sentence


def test_a_score_that_was_not_calibrated_for_the_model_is_not_called_calibrated(found: Findings) -> None:
    other = Verdict(0.8, 0.35, calibrated=False)
    told_of = replace(found, lesions=tuple(replace(n, verdict=other) for n in found.lesions))
    made = objects(told_of)
    for group in measured(told_of):
        (certainty,) = (m for m in group.get_measurements() if m.name.value == "111012")
        assert certainty.method is None
    assert all("calibrated" not in s.SegmentDescription for s in made[Part.SEG].SegmentSequence)
    assert all("calibrated" not in r.ROIDescription for r in made[Part.RTSTRUCT].StructureSetROISequence)
    (sentence,) = (s for s in comments(made[Part.SR]) if s.startswith("Certainty of Finding"))
    assert "not calibrated for this model" in sentence


def comments(report: Dataset) -> list[str]:
    return [i.TextValue for i in walk(report) if i.ValueType == "TEXT"]
