"""`lantern analyze` and the gate: what is wrong is held back, named, and the exit code says so."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from typer.testing import CliRunner

from node import gate
from node.cli import app
from pipeline.contract import Found
from pipeline.proof import Fault
from tests.support.blobs import write_blobs
from tests.support.bright import NAME

MIRRORED = "BM01 is mirrored: it lies 41.2 mm from where it was found."


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("series")
    write_blobs(folder)
    return folder


def _structures_are_wrong(files: Sequence[bytes], found: Found, tick: Callable[[], None]) -> tuple[Fault, ...]:
    headers = [dcmread(BytesIO(f)) for f in files]
    return tuple(Fault(str(h.SOPInstanceUID), MIRRORED) for h in headers if h.Modality == "RTSTRUCT")


def test_a_faulty_object_is_in_quarantine_with_what_refers_to_it_and_the_exit_code_is_4(
    series: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    asked = ["analyze", str(series), "--pipeline", NAME, "--out", str(out), "--device", "cpu", "--picture"]
    with monkeypatch.context() as wrong:
        wrong.setattr(gate, "prove", _structures_are_wrong)
        done = CliRunner().invoke(app, asked)
    assert done.exit_code == 4, done.output
    assert f"completed, but 3 objects held back in {out / 'quarantine'}\n" in done.stdout
    assert f"SEG.dcm and summary.json are in {out}\n" in done.stdout
    assert f"Held back: {out / 'quarantine' / 'RTSTRUCT.dcm'}: {MIRRORED}" in done.stderr
    assert [p.name for p in sorted(out.iterdir())] == ["SEG.dcm", "quarantine", "summary.json"]
    assert (out / "quarantine/RTSTRUCT.txt").read_text() == f"{MIRRORED}\n"
    assert (out / "quarantine/SR.txt").read_text().startswith("It refers to RTSTRUCT (2.25.")
    summary = json.loads((out / "summary.json").read_text())
    assert summary["outcome"] == "completed"
    assert [o["file"] for o in summary["objects"]] == ["SEG.dcm"]
    held = [(q["file"], q["part"]) for q in summary["quarantined"]]
    assert held == [("RTSTRUCT.dcm", "RTSTRUCT"), ("KO.dcm", "KO"), ("SR.dcm", "SR")]
    assert summary["quarantined"][0]["why"] == MIRRORED
    again = CliRunner().invoke(app, asked)
    assert again.exit_code == 0, again.output
    names = ["KO.dcm", "RTSTRUCT.dcm", "SEG.dcm", "SR.dcm", "picture.png", "summary.json"]
    assert [p.name for p in sorted(out.iterdir())] == names
    assert json.loads((out / "summary.json").read_text())["quarantined"] == []


def test_where_everything_is_held_back_the_last_words_are_that_nothing_may_be_used(
    series: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def all_wrong(files: Sequence[bytes], _found: Found, _tick: Callable[[], None]) -> tuple[Fault, ...]:
        return tuple(Fault(str(dcmread(BytesIO(f)).SOPInstanceUID), MIRRORED) for f in files)

    monkeypatch.setattr(gate, "prove", all_wrong)
    asked = ["analyze", str(series), "--pipeline", NAME, "--out", str(tmp_path), "--device", "cpu"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 4, done.output
    said = f"completed, but nothing may be used: 4 objects held back in {tmp_path / 'quarantine'}\n"
    assert said in done.stdout
    assert done.stdout.endswith(f"summary.json is in {tmp_path}\n")


def test_what_the_images_have_wrong_is_a_doubt_and_holds_nothing_back(series: Path, tmp_path: Path) -> None:
    for path in series.iterdir():
        ds = dcmread(path)
        ds.PatientBirthDate = "1957.01.31"
        ds.save_as(tmp_path / path.name)
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["analyze", str(tmp_path), "--pipeline", NAME, "--out", str(out), "--device", "cpu"])
    assert done.exit_code == 0, done.output
    summary = json.loads((out / "summary.json").read_text())
    assert {d["file"] for d in summary["doubts"]} == {"SEG.dcm", "RTSTRUCT.dcm", "KO.dcm", "SR.dcm"}
    assert all(
        d["words"] == [] and d["copied"][0].startswith("PatientBirthDate (0010,0030)") for d in summary["doubts"]
    )
    assert "PatientBirthDate (0010,0030) has a value of 10 bytes" in done.output
    assert "1957" not in done.output
