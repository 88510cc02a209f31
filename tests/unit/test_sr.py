from dataclasses import replace
from io import BytesIO
from pathlib import Path

import highdicom as hd
import numpy as np
from pydicom import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import Comprehensive3DSRStorage

from pipeline.core.result import Kind
from pipeline.encode import Stamp, encode, to_bytes
from pipeline.findings import RESEARCH_USE_ONLY, Findings
from tests.support.findings import ALGORITHM, STAMP, Grid, findings_on, spheres, write_classic, write_enhanced

GRID = Grid()
LABELS = spheres(GRID, ((10, 20, 20), 8.0), ((16, 30, 12), 5.0))


def report_of(findings: Findings, stamp: Stamp = STAMP) -> hd.sr.Comprehensive3DSR:
    (sr,) = (e.dataset for e in encode(findings, stamp) if e.kind is Kind.SR)
    return hd.sr.srread(BytesIO(to_bytes(sr)))


def texts(item: Dataset) -> list[str]:
    own = [item.TextValue] if item.get("ValueType") == "TEXT" else []
    return own + [t for child in item.get("ContentSequence", ()) for t in texts(child)]


def codes_of(item: Dataset) -> set[tuple[str, str]]:
    own = set()
    if item.get("ValueType") == "CODE":
        own = {(item.ConceptNameCodeSequence[0].CodeValue, item.ConceptCodeSequence[0].CodeValue)}
    return own.union(*(codes_of(child) for child in item.get("ContentSequence", ())))


def test_each_lesion_is_a_volumetric_group_that_points_at_its_segment(tmp_path: Path) -> None:
    findings = findings_on(write_classic(tmp_path, GRID), GRID, LABELS)
    seg, _, _, sr = (e.dataset for e in encode(findings, STAMP))
    groups = hd.sr.srread(BytesIO(to_bytes(sr))).content.get_volumetric_roi_measurement_groups()
    for lesion, group in zip(findings.lesions, groups, strict=True):
        assert (group.tracking_identifier, group.tracking_uid) == (lesion.label, lesion.tracking_uid)
        segment = group.referenced_segment
        assert segment.referenced_sop_instance_uid == seg.SOPInstanceUID
        assert segment.referenced_segment_numbers == [lesion.number] or segment.segment_number == lesion.number
        assert group.finding_type == Code("14799000", "SCT", "Neoplasm, Secondary")
        assert group.finding_sites[0].value == Code("12738006", "SCT", "Brain")


def test_measurements_are_those_of_the_findings_in_their_units(tmp_path: Path) -> None:
    findings = findings_on(write_classic(tmp_path, GRID), GRID, LABELS)
    groups = report_of(findings).content.get_volumetric_roi_measurement_groups()
    for lesion, group in zip(findings.lesions, groups, strict=True):
        found = {m.name.value: (float(m.value), m.unit.value) for m in group.get_measurements()}
        assert found == {
            "118565006": (round(lesion.volume_mm3, 3), "mm3"),
            "103339001": (round(lesion.long_axis_mm, 3), "mm"),
            "103340004": (round(lesion.short_axis_mm, 3), "mm"),
            "L0JK": (round(lesion.max_diameter_3d_mm, 3), "mm"),
            "111012": (round(100 * lesion.probability, 3), "%"),
        }


def test_without_lesions_the_report_alone_is_made_and_says_so_as_a_code_and_in_words(tmp_path: Path) -> None:
    findings = findings_on(write_classic(tmp_path, GRID), GRID, np.zeros(GRID.shape, np.uint16))
    (made,) = encode(findings, STAMP)
    assert made.kind is Kind.SR
    report = report_of(findings)
    assert ("14799000", "260415000") in codes_of(report)
    assert ("111017", "111241") in codes_of(report)
    assert not any(name == "121071" for name, _ in codes_of(report))
    assert any(t.startswith("No lesion found") for t in texts(report))


def test_the_reader_is_told_the_warning_the_model_the_tier_the_training_and_the_remarks(tmp_path: Path) -> None:
    findings = findings_on(write_classic(tmp_path, GRID), GRID, LABELS)
    said = " ".join(texts(report_of(findings)))
    for words in (
        RESEARCH_USE_ONLY,
        "Algorithm srs 1.2.3",
        ALGORITHM.weights_sha256,
        "Evidence tier T1",
        "no patient was seen in training",
        "One duplicate image was left out.",
        "Lesions found: 2.",
        f"Images analysed: {GRID.shape[0]}",
    ):
        assert words in said
    assert "not verified" not in said
    assert "supersedes" not in said


def test_an_unverified_image_count_is_said(tmp_path: Path) -> None:
    findings = findings_on(write_classic(tmp_path, GRID), GRID, LABELS)
    assert "image count was not verified" in " ".join(texts(report_of(findings, replace(STAMP, verified=False))))


def test_a_report_names_those_that_it_supersedes(tmp_path: Path) -> None:
    findings = findings_on(write_classic(tmp_path, GRID), GRID, LABELS)
    old = (Comprehensive3DSRStorage, "1.2.3.4", "1.2.3")
    report = report_of(findings, replace(STAMP, supersedes=(old,)))
    (study,) = report.PredecessorDocumentsSequence
    (series,) = study.ReferencedSeriesSequence
    (instance,) = series.ReferencedSOPSequence
    assert study.StudyInstanceUID == report.StudyInstanceUID
    assert (instance.ReferencedSOPClassUID, instance.ReferencedSOPInstanceUID, series.SeriesInstanceUID) == old
    assert any("supersedes" in t and "1.2.3.4" in t for t in texts(report))


def test_the_report_is_complete_but_preliminary_and_verified_by_nobody(tmp_path: Path) -> None:
    report = report_of(findings_on(write_classic(tmp_path, GRID), GRID, LABELS))
    assert (report.CompletionFlag, report.PreliminaryFlag) == ("COMPLETE", "PRELIMINARY")
    assert report.VerificationFlag == "UNVERIFIED"


def test_images_segmentation_and_structure_set_are_evidence(tmp_path: Path) -> None:
    findings = findings_on(write_classic(tmp_path, GRID), GRID, LABELS)
    seg, rtstruct, keys, sr = (e.dataset for e in encode(findings, STAMP))
    referenced = {
        instance.ReferencedSOPInstanceUID
        for study in sr.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    }
    images = {f.sop_instance_uid for f in findings.frames}
    assert referenced == images | {seg.SOPInstanceUID, rtstruct.SOPInstanceUID, keys.SOPInstanceUID}


def test_the_image_library_lists_only_the_frames_that_were_used(tmp_path: Path) -> None:
    findings = findings_on(write_enhanced(tmp_path, GRID, extra=2), GRID, LABELS)
    (library,) = (
        item for item in report_of(findings).ContentSequence if item.ConceptNameCodeSequence[0].CodeValue == "111028"
    )
    (image,) = (i for i in library.ContentSequence[0].ContentSequence if i.ValueType == "IMAGE")
    frames = image.ReferencedSOPSequence[0].ReferencedFrameNumber
    assert list(frames) == list(range(3, 3 + GRID.shape[0]))
