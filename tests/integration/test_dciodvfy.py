"""dciodvfy as a second opinion: what it finds is passed on, what it quotes is not, and it may fail."""

from __future__ import annotations

import json
import logging
import time
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from typer.testing import CliRunner

from node import dciodvfy
from node.cli import app
from node.dciodvfy import Opinions, find, second_opinion
from pipeline.encode import encode, to_bytes
from pipeline.iod.frames import LABEL_MAP
from pipeline.sessions.case import Wishes
from tests.support.findings import STAMP, Grid, findings_on, planned, spheres, write_classic
from tests.support.peers import require

TOOL = "/usr/bin/dciodvfy"
GRID = Grid((12, 40, 36), (2.0, 1.0, 1.0))
LABELS = spheres(GRID, ((5, 12, 12), 9.0))


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    refs = write_classic(tmp_path_factory.mktemp("mr"), GRID)
    found = planned(findings_on(refs, GRID, LABELS), Wishes(sessions=1))
    return {e.name: to_bytes(e.dataset) for e in encode(found, STAMP)}


@pytest.fixture
def tool() -> str:
    return str(require(TOOL))


@pytest.fixture(autouse=True)
def _nothing_said_yet() -> None:
    dciodvfy._say_once.cache_clear()


@pytest.mark.real("dicom3tools")
def test_it_finds_nothing_in_any_object_of_ours(objects: dict[str, bytes], tool: str) -> None:
    assert {name: said for name, data in objects.items() if (said := second_opinion(data, tool))} == {}


@pytest.mark.real("dicom3tools")
def test_what_it_finds_is_told_with_its_place_and_the_values_it_quotes_are_not(
    objects: dict[str, bytes], tool: str
) -> None:
    ds = dcmread(BytesIO(objects["RTSTRUCT"]))
    ds.PatientName, ds.PatientID = "Geheim - Rat > <X>='Y'^" + "Mustermann" * 7, "Geheim = 'Z'\x07"
    ds.PatientBirthDate, ds.PatientSex, ds.StudyDate = "31.Jan.1957", "MAENNLICH", "20261399"
    ds.StructureSetROISequence[0].ROIName = "Mustermann" * 7
    del ds.StructureSetROISequence[0].ROINumber
    found = second_opinion(to_bytes(ds), tool)
    words = [b.words for b in found]
    assert any(w.startswith("ROINumber (3006,0022) in StructureSetROISequence[1] is in error: Missing") for w in words)
    assert any(w.startswith("ROIName (3006,0026) in StructureSetROISequence[1] is in error") for w in words)
    assert {b.where for b in found if b.copied} >= {"PatientName (0010,0010)", "PatientBirthDate (0010,0030)"}
    for secret in ("Geheim", "Rat", "Muster", "1957", "MAENN", "1399", "'"):
        assert not [w for w in words if secret in w]


@pytest.mark.real("dicom3tools")
def test_the_label_map_that_its_edition_does_not_know_is_no_doubt_and_another_error_beside_it_is(
    objects: dict[str, bytes], tool: str
) -> None:
    label_map = dcmread(BytesIO(objects["SEG"]))
    label_map.SOPClassUID = label_map.file_meta.MediaStorageSOPClassUID = LABEL_MAP
    assert second_opinion(to_bytes(label_map), tool) == ()
    report = objects["SR"].replace(b"1.2.840.10008.5.1.4.1.1.66.4", LABEL_MAP.encode())
    assert second_opinion(report, tool) == ()
    ds = dcmread(BytesIO(report))
    del ds.CompletionFlag
    assert [b.where for b in second_opinion(to_bytes(ds), tool)] == ["CompletionFlag (0040,A491)"]


@pytest.mark.real("dicom3tools")
def test_holes_by_xor_are_no_doubt_and_a_contour_type_that_there_is_not_is_one(
    objects: dict[str, bytes], tool: str
) -> None:
    ds = dcmread(BytesIO(objects["RTSTRUCT"]))
    contours = ds.ROIContourSequence[0].ContourSequence
    contours[0].ContourGeometricType = "CLOSEDPLANAR_XOR"
    assert second_opinion(to_bytes(ds), tool) == ()
    contours[1].ContourGeometricType = "CLOSED"
    *_, doubt = second_opinion(to_bytes(ds), tool)
    assert doubt.where.startswith("ContourGeometricType (3006,0042)")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("#!/bin/sh\nsleep 30\n", "took longer than"),
        ("#!/bin/sh\necho 'Error - </Rows(0028,0010)> - Missing'\nkill -SEGV $$\n", "was ended by signal 11"),
        (None, "cannot be run"),
        ("no program\n", "cannot be run"),
    ],
    ids=["slow", "crash", "missing", "no program"],
)
def test_a_tool_that_fails_makes_up_no_doubt_and_is_logged_once(
    tmp_path: Path, script: str | None, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    program = tmp_path / "tool"
    if script is not None:
        program.write_text(script)
        program.chmod(0o755)
    with caplog.at_level(logging.WARNING):
        assert second_opinion(b"", str(program), within_s=0.5) == ()
        assert second_opinion(b"", str(program), within_s=0.5) == ()
    assert [words in r.message for r in caplog.records] == [True]


def test_all_objects_of_a_run_have_one_limit_together_and_the_rest_goes_without_it(
    objects: dict[str, bytes], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    slow = tmp_path / "slow"
    slow.write_text('#!/bin/sh\necho asked >> "$0.log"\nexec sleep 30\n')
    slow.chmod(0o755)
    opinions = Opinions(str(slow), within_s=0.5)
    begun = time.monotonic()
    with caplog.at_level(logging.WARNING, "node.dciodvfy"):
        assert [opinions.on(objects["SR"]) for _ in range(5)] == [()] * 5
    assert time.monotonic() - begun < 20
    assert Path(f"{slow}.log").read_text() == "asked\n"
    assert len([r for r in caplog.records if "one set" in r.getMessage()]) == 1


def test_it_is_looked_for_unless_it_is_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "dciodvfy"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (find("auto"), find("off"), find(str(program))) == (str(program), "", str(program))
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert (find("auto"), find(str(tmp_path / "other"))) == ("", "")


@pytest.mark.real("dicom3tools")
def test_check_object_shows_what_both_find_and_ends_with_1(
    objects: dict[str, bytes], tool: str, tmp_path: Path
) -> None:
    good, bad = tmp_path / "good.dcm", tmp_path / "bad.dcm"
    good.write_bytes(objects["SEG"])
    ds = dcmread(BytesIO(objects["RTSTRUCT"]))
    del ds.StructureSetROISequence[0].ROIGenerationAlgorithm
    bad.write_bytes(to_bytes(ds))
    run = CliRunner().invoke
    done = run(app, ["check-object", str(good)])
    assert (done.exit_code, done.output) == (0, "Breaches: none\n")
    done = run(app, ["check-object", str(good), str(bad), "--json"])
    assert done.exit_code == 1
    assert {(row["file"], row["where"], row["rule"]) for row in json.loads(done.output)} == {
        (str(bad), "ROIGenerationAlgorithm (3006,0036) in StructureSetROISequence[1]", rule)
        for rule in ("PS3.3", "dciodvfy")
    }
    assert run(app, ["check-object", str(bad), "--dciodvfy", "/no/such"]).exit_code == 2
