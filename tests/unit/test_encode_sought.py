"""A pipeline's own codes stand in its objects, and what a reader of one object alone must know stands in each."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.sr.coding import Code

from pipeline.encode import Part, encode, to_bytes
from pipeline.findings import Findings, Sought
from tests.support.findings import STAMP, Grid, findings_on, sited, spheres, with_rejected, write_classic

GRID = Grid((24, 44, 40))
LESIONS = spheres(GRID, ((10, 20, 20), 8.0), ((16, 30, 12), 5.0))
REJECTED = spheres(GRID, ((5, 30, 30), 4.0))
MASS = Sought(finding=Code("4147007", "SCT", "Mass"), site=None)
IN_BREAST = replace(MASS, site=Code("76752008", "SCT", "Breast"))
REMARK = "Slice 7 was missing and was filled."
FINDING, FINDING_SITE = "121071", "363698007"


@pytest.fixture
def found(tmp_path: Path) -> Findings:
    return findings_on(write_classic(tmp_path, GRID), GRID, LESIONS, remarks=(REMARK,))


def objects(findings: Findings) -> dict[Part, Dataset]:
    return {e.part: dcmread(BytesIO(to_bytes(e.dataset))) for e in encode(findings, STAMP)}


def codes(item: Dataset, name: str) -> set[str]:
    """The values of all content items of that name, however deep."""
    found: set[str] = set()
    for child in item.get("ContentSequence", ()):
        if child.ValueType == "CODE" and child.ConceptNameCodeSequence[0].CodeValue == name:
            found.add(child.ConceptCodeSequence[0].CodeMeaning)
        found |= codes(child, name)
    return found


def test_findings_are_called_what_the_pipeline_looks_for(found: Findings) -> None:
    made = objects(replace(found, sought=MASS))
    assert codes(made[Part.SR], FINDING) == {"Mass"}
    assert {s.SegmentedPropertyTypeCodeSequence[0].CodeMeaning for s in made[Part.SEG].SegmentSequence} == {"Mass"}
    for seen in made[Part.RTSTRUCT].RTROIObservationsSequence:
        assert seen.RTROIIdentificationCodeSequence[0].CodeMeaning == "Mass"
        assert seen.RTROIInterpretedType == ""


def test_nobody_makes_up_a_site(found: Findings) -> None:
    unplaced = with_rejected(replace(found, sought=MASS), GRID, REJECTED, drawn=True)
    unplaced = replace(unplaced, rejected=tuple(replace(c, site=None) for c in unplaced.rejected))
    made = objects(unplaced)
    assert codes(made[Part.SR], FINDING_SITE) == set()
    assert all("AnatomicRegionSequence" not in s for s in made[Part.SEG].SegmentSequence)
    assert codes(objects(replace(found, sought=IN_BREAST))[Part.SR], FINDING_SITE) == {"Breast"}


def test_without_a_lesion_the_report_says_what_was_looked_for(found: Findings) -> None:
    none = replace(found, labels=None, lesions=())
    for sought, sites in ((MASS, set()), (IN_BREAST, {"Breast"})):
        report = objects(replace(none, sought=sought))[Part.SR]
        assert codes(report, FINDING_SITE) == sites
        assert codes(report, MASS.finding.value) == {"Not detected"}


def test_every_object_says_what_holds_of_this_study_alone(found: Findings) -> None:
    made = objects(found)
    assert REMARK in made[Part.RTSTRUCT].StructureSetDescription
    for ds in made.values():
        (said,) = (
            e.ContributionDescription for e in ds.ContributingEquipmentSequence if "ContributionDescription" in e
        )
        assert said.index("RESEARCH USE ONLY") < said.index(REMARK) < said.index("Training")


def test_probability_and_agreement_stand_beside_each_outline(found: Findings) -> None:
    told = sited(found)
    made = objects(told)
    for lesion, segment, roi in zip(
        told.lesions, made[Part.SEG].SegmentSequence, made[Part.RTSTRUCT].StructureSetROISequence, strict=True
    ):
        for text in (segment.SegmentDescription, roi.ROIDescription):
            assert text.startswith("RESEARCH USE ONLY")
            assert f"probability {lesion.probability:.3f} (calibrated)" in text
            assert f"agreement {lesion.agreement:.2f}" in text
