"""The verdict on every object before it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import Dataset

from node import gate
from node.gate import judge
from node.quarantine import clear, keep
from pipeline.encode import Encoded, encode, to_bytes
from pipeline.findings import Extra, Findings
from pipeline.proof import Fault
from pipeline.sessions.case import Wishes
from tests.support.findings import STAMP, Grid, findings_on, planned, spheres, write_classic

GRID = Grid((12, 40, 36), (2.0, 1.0, 1.0))
LABELS = spheres(GRID, ((5, 12, 12), 9.0), ((8, 28, 24), 7.0))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    refs = write_classic(tmp_path_factory.mktemp("mr"), GRID)
    return planned(findings_on(refs, GRID, LABELS), Wishes(sessions=1), extras=(Extra.DOSE_MAP, Extra.RT_DOSE))


@pytest.fixture
def objects(found: Findings) -> tuple[Encoded, ...]:
    return encode(found, STAMP)


def _uid(objects: Sequence[Encoded], name: str) -> str:
    return str(next(e.dataset.SOPInstanceUID for e in objects if e.name == name))


def _proof(monkeypatch: pytest.MonkeyPatch, *faults: tuple[str, str]) -> None:
    made = tuple(Fault(uid, words) for uid, words in faults)
    monkeypatch.setattr(gate, "prove", lambda files, found, tick: made)


def test_what_is_right_has_no_fault_and_no_doubt_and_is_judged_by_the_bytes_that_are_kept(
    objects: tuple[Encoded, ...], found: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _proof(monkeypatch)
    judged = judge(objects, found)
    assert [j.encoded for j in judged] == list(objects)
    assert [j.data for j in judged] == [to_bytes(e.dataset) for e in objects]
    assert {(j.fault, j.doubts, j.copied) for j in judged} == {("", (), ())}


def test_what_refers_to_a_faulty_object_is_faulty_too_and_names_the_cause(
    objects: tuple[Encoded, ...], found: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    structures = _uid(objects, "RTSTRUCT")
    _proof(monkeypatch, (structures, "BM01 lies 3.0 mm off."), (structures, "It names a strange frame."))
    by = {j.encoded.name: j.fault for j in judge(objects, found)}
    assert by["RTSTRUCT"] == "BM01 lies 3.0 mm off. It names a strange frame."
    assert by["RTDOSE_1"] == f"It refers to RTSTRUCT ({structures}), which is held back"
    assert by["SR"].startswith("It refers to RTSTRUCT")
    assert {name for name, fault in by.items() if not fault} == {"SEG", "PM_1"}


def test_an_object_that_cannot_even_be_named_holds_all_of_them_back(
    objects: tuple[Encoded, ...], found: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = {e.name: to_bytes(e.dataset) for e in objects}
    cut_off = iter([b"" if e.name == "SEG" else written[e.name] for e in objects])
    monkeypatch.setattr(gate, "to_bytes", lambda _: next(cut_off))
    by = {j.encoded.name: j.fault for j in judge(objects, found)}
    assert all(by.values())
    assert "cannot be read" in by["RTSTRUCT"], "nothing is wrong with it; but it may be the one"


def test_what_refers_to_what_refers_is_held_back_as_well(
    objects: tuple[Encoded, ...], found: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    *rest, report = objects
    structures = next(e for e in rest if e.name == "RTSTRUCT")
    report.dataset.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[:] = []
    for e in rest:  # of all that the report refers to, the dose alone is left
        if e.name == "RTDOSE_1":
            report.dataset.ReferencedImageSequence = [_reference(e)]
    report.dataset.ContentSequence = []
    _proof(monkeypatch, (str(structures.dataset.SOPInstanceUID), "It is mirrored."))
    by = {j.encoded.name: j.fault for j in judge((report, *rest), found)}
    dose = _uid(objects, "RTDOSE_1")
    assert by["SR"] == f"It refers to RTDOSE_1 ({dose}), which is held back"


def _reference(encoded: Encoded) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = encoded.dataset.SOPClassUID
    item.ReferencedSOPInstanceUID = encoded.dataset.SOPInstanceUID
    return item


def test_breaches_are_doubts_and_those_of_the_images_are_told_apart(
    objects: tuple[Encoded, ...], found: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _proof(monkeypatch)
    seg = next(e for e in objects if e.name == "SEG").dataset
    seg.ContentLabel = ""
    seg.SegmentSequence[0].SegmentDescription = "病変"  # which Latin-1 does not have
    seg.PatientBirthDate = "31.01.1957"
    (judged,) = judge([e for e in objects if e.name == "SEG"], found)
    assert not judged.fault
    assert [w.split(" (")[0] for w in judged.doubts] == ["SegmentDescription", "ContentLabel"]
    assert {w.split(" (")[0] for w in judged.copied} == {"PatientBirthDate"}
    assert not [w for w in (*judged.doubts, *judged.copied) if "1957" in w]


def test_a_study_id_that_is_lost_is_a_doubt_of_ours(
    objects: tuple[Encoded, ...], found: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _proof(monkeypatch)
    del objects[0].dataset.StudyID
    judged = judge(objects, found)
    assert any(w.startswith("StudyID (0020,0010) is missing") for w in judged[0].doubts)
    assert judged[0].copied == ()


def test_what_is_held_back_is_kept_apart_with_its_reasons_and_goes_with_the_next_run(
    objects: tuple[Encoded, ...], found: Findings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _proof(monkeypatch, (_uid(objects, "PM_1"), "It is shifted by one slice."))
    objects[0].dataset.ContentLabel = ""
    judged = judge(objects, found)
    kept = keep(judged, tmp_path)
    held = {k.path.relative_to(tmp_path).as_posix() for k in kept if k.is_held_back}
    assert held == {"quarantine/PM_1.dcm", "quarantine/KO.dcm", "quarantine/SR.dcm"}
    assert (tmp_path / "quarantine/PM_1.txt").read_text() == "It is shifted by one slice.\n"
    assert {p.name for p in tmp_path.glob("*.dcm")} == {"SEG.dcm", "RTSTRUCT.dcm", "RTDOSE_1.dcm"}
    (tmp_path / "quarantine/mine.txt").write_text("a note")
    clear(tmp_path, ["PM_[0-9]*", "KO", "SR"])
    assert [p.name for p in (tmp_path / "quarantine").iterdir()] == ["mine.txt"]
    assert keep([replace(judged[0], fault="")], tmp_path)[0].path == tmp_path / "SEG.dcm"
