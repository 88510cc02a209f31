"""The set of a run as a whole: key objects, one report that names all others, series that sort."""

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from pipeline.encode import Encoded, Part, encode, to_bytes
from pipeline.encode.codes import RESULTS
from pipeline.findings import Extra, Findings
from pipeline.sessions.case import Wishes
from tests.support.findings import (
    STAMP,
    Grid,
    findings_on,
    planned,
    spheres,
    with_rejected,
    write_classic,
    write_enhanced,
)
from tests.support.mammograms import marked, unmarked, write_study

GRID = Grid((12, 40, 36), (2.0, 1.0, 1.0))
LABELS = spheres(GRID, ((5, 12, 12), 9.0), ((8, 28, 24), 7.0))


def two_lesions(folder: Path) -> Findings:
    return findings_on(write_classic(folder, GRID), GRID, LABELS)


def everything(folder: Path) -> Findings:
    findings = planned(two_lesions(folder), Wishes(sessions=2))
    assert findings.labels is not None
    likely = findings.labels.with_array(np.where(LABELS > 0, 0.9, 0.0).astype(np.float32))
    findings = replace(findings, probability=likely[3:10])
    return with_rejected(findings, GRID, spheres(GRID, ((6, 30, 10), 5.0)), drawn=True)


def read(made: tuple[Encoded, ...]) -> dict[str, Dataset]:
    return {e.name: dcmread(BytesIO(to_bytes(e.dataset))) for e in made}


def items(ds: Dataset) -> Iterator[Dataset]:
    for item in ds.get("ContentSequence", ()):
        yield item
        yield from items(item)


def name_of(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeValue) if "ConceptNameCodeSequence" in item else ""


def named_in(ds: Dataset) -> list[str]:
    return [i.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for i in items(ds) if "ReferencedSOPSequence" in i]


def evidence_of(ds: Dataset) -> set[tuple[str, str, str]]:
    return {
        (series.SeriesInstanceUID, sop.ReferencedSOPClassUID, sop.ReferencedSOPInstanceUID)
        for study in ds.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for sop in series.ReferencedSOPSequence
    }


def test_the_key_image_of_a_lesion_is_the_one_where_it_is_largest(tmp_path: Path) -> None:
    findings = two_lesions(tmp_path)
    ko = read(encode(findings, STAMP))["KO"]
    best = [i for i in items(ko) if name_of(i) == "121080"]
    assert [i.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for i in best] == [
        findings.frames[5].sop_instance_uid,
        findings.frames[8].sop_instance_uid,
    ]
    (said,) = (i.TextValue for i in items(ko) if name_of(i) == "113012")
    assert said.startswith("RESEARCH USE ONLY") and "BM01 image 6, BM02 image 9" in said
    assert ko.Modality == "KO" and ko.ConceptNameCodeSequence[0].CodeValue == "113000"


def test_lesions_that_are_largest_in_one_image_are_shown_by_it_once(tmp_path: Path) -> None:
    labels = spheres(GRID, ((5, 12, 12), 9.0), ((5, 28, 24), 7.0))
    ko = read(encode(findings_on(write_classic(tmp_path, GRID), GRID, labels), STAMP))["KO"]
    assert sum(name_of(i) == "121080" for i in items(ko)) == 1


def test_key_images_of_a_multi_frame_object_are_its_frames(tmp_path: Path) -> None:
    findings = findings_on(write_enhanced(tmp_path, GRID), GRID, LABELS)
    ko = read(encode(findings, STAMP))["KO"]
    frames = [i.ReferencedSOPSequence[0].get("ReferencedFrameNumber") for i in items(ko) if i.ValueType == "IMAGE"]
    assert frames[:2] == [findings.frames[5].frame_number, findings.frames[8].frame_number]


def test_the_key_image_is_never_one_that_is_not_there(tmp_path: Path) -> None:
    refs = list(write_classic(tmp_path, GRID))
    refs[5] = refs[4]  # slice 5 was made up from its neighbours
    ko = read(encode(findings_on(tuple(refs), GRID, LABELS), STAMP))["KO"]
    first = next(i for i in items(ko) if i.ValueType == "IMAGE").ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    assert first in {refs[4].sop_instance_uid, refs[6].sop_instance_uid}


def test_without_lesions_there_are_no_key_objects(tmp_path: Path) -> None:
    made = encode(findings_on(write_classic(tmp_path, GRID), GRID, 0 * LABELS, extras=frozenset({Extra.PAGE})), STAMP)
    assert [e.part for e in made] == [Part.PAGE, Part.SR]


def test_key_objects_do_not_point_at_rejected_candidates(tmp_path: Path) -> None:
    made = read(encode(everything(tmp_path), STAMP))
    assert made["SEG"].SOPInstanceUID in named_in(made["KO"])
    assert made["SEG_REJECTED"].SOPInstanceUID not in named_in(made["KO"])


def test_key_images_of_mammograms_are_the_views_with_marks_under_their_presentation_states(tmp_path: Path) -> None:
    study = marked(write_study(tmp_path))
    made = read(encode(study, STAMP))
    roles = {m.role for m in study.marks}
    expected = {v.sop_instance_uid for v in study.views if v.role in roles}
    shown = [i.ReferencedSOPSequence[0] for i in items(made["KO"]) if i.ValueType == "IMAGE"][: len(expected)]
    assert {i.ReferencedSOPInstanceUID for i in shown} == expected
    states = {i.ReferencedSOPInstanceUID: i.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for i in shown}
    for name in (n for n in made if n.startswith("GSPS")):
        (image,) = made[name].ReferencedSeriesSequence[0].ReferencedImageSequence
        assert states[image.ReferencedSOPInstanceUID] == made[name].SOPInstanceUID


def test_without_marks_there_are_no_key_objects(tmp_path: Path) -> None:
    assert Part.KEY_OBJECTS not in {e.part for e in encode(unmarked(write_study(tmp_path)), STAMP)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studies")


@pytest.fixture(scope="module")
def studies(folder: Path) -> dict[str, tuple[Encoded, ...]]:
    none = findings_on(write_classic(folder / "none", GRID), GRID, 0 * LABELS, extras=frozenset({Extra.PAGE}))
    views = write_study(folder / "views")
    return {
        "everything": encode(everything(folder / "all"), STAMP),
        "bare": encode(two_lesions(folder / "bare"), STAMP),
        "no lesion": encode(none, STAMP),
        "marks": encode(marked(views), STAMP),
        "no marks": encode(unmarked(views), STAMP),
    }


def test_one_report_names_every_other_object_and_nothing_that_is_not_there(
    studies: dict[str, tuple[Encoded, ...]],
) -> None:
    seen: set[Part] = set()
    for of, encoded in studies.items():
        made = read(encoded)
        sr = made["SR"]
        boxes = [i for i in sr.ContentSequence if name_of(i) == RESULTS.value]
        listed = [uid for box in boxes for uid in named_in(box)]
        others = [e.dataset for e in encoded if e.part is not Part.SR]
        assert sorted(listed) == sorted(o.SOPInstanceUID for o in others), of
        known = evidence_of(sr)
        assert {(o.SeriesInstanceUID, o.SOPClassUID, o.SOPInstanceUID) for o in others} <= known, of
        assert set(named_in(sr)) <= {uid for _, _, uid in known}, of
        seen |= {e.part for e in encoded}
    assert seen == set(Part)


def test_every_image_and_object_that_a_document_names_is_in_its_evidence_and_exists(
    folder: Path, studies: dict[str, tuple[Encoded, ...]]
) -> None:
    images = {dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in folder.rglob("*.dcm")}
    for of, encoded in studies.items():
        made = read(encoded)
        ours = {ds.SOPInstanceUID: (ds.SeriesInstanceUID, ds.SOPClassUID) for ds in made.values()}
        for name in ("SR", "KO", "CADSR"):
            if name not in made:
                continue
            known = evidence_of(made[name])
            assert set(named_in(made[name])) <= {uid for _, _, uid in known}, (of, name)
            for series, of_class, uid in known:
                assert ours.get(uid, (series, of_class)) == (series, of_class), (of, name)
                assert uid in images or uid in ours, (of, name)


ORDER = ["SR", "KO", "SEG", "CADSR", "RTSTRUCT", "GSPS", "PM_PROBABILITY", "PM", "RTDOSE", "SC", "SEG_REJECTED"]


def test_series_of_results_follow_the_images_and_keep_their_order(studies: dict[str, tuple[Encoded, ...]]) -> None:
    for of, encoded in studies.items():
        made = [e.dataset for e in encoded]
        parts = {ds.SeriesInstanceUID: e.part for ds, e in zip(made, encoded, strict=True)}
        numbers = {ds.SeriesNumber: parts[ds.SeriesInstanceUID] for ds in made}
        assert len(numbers) == len(parts), of
        sorted_parts = [numbers[n].value for n in sorted(numbers)]
        assert sorted_parts == [p for p in ORDER if p in sorted_parts], of
        assert min(numbers) > 90_000
        assert len({(ds.SeriesDate, ds.SeriesTime) for ds in made}) == 1
        for e in encoded:
            assert e.dataset.InstanceNumber == max(e.number, 1)
            assert e.dataset.SeriesDescription and len(e.dataset.SeriesDescription) <= 64
