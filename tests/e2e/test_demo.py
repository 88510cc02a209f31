"""`lantern demo` where it does not go as usual: a wrong path, a study that nothing is made for, an end from outside."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydicom import dcmread

from node.demo import run_demo
from pipeline.core.errors import ConfigInvalid, HeaderUnusable
from tests.support import node as n
from tests.support.blobs import write_blobs

OLD = ("received/001-SEG.dcm", "results.png", "page-1.png", "mammography-page-2.png", "node.log", "series/0001.dcm")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The folder of a run before."""
    for name in OLD:
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_bytes(b"of an earlier run")
    return tmp_path / "out"


@pytest.fixture
def ct(tmp_path: Path) -> Path:
    """One CT image, which no route of the demonstration takes."""
    folder = tmp_path / "ct"
    first = write_blobs(folder)[0]
    ds = dcmread(first)
    ds.Modality = "CT"
    for file in folder.iterdir():
        file.unlink()
    ds.save_as(first)
    return folder


def _there(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_a_wrong_path_changes_nothing_of_the_run_before(out: Path, tmp_path: Path) -> None:
    with pytest.raises(HeaderUnusable, match="no DICOM image was found"):
        run_demo(tmp_path / "nix", out)
    assert _there(out) == set(OLD)


def test_a_study_that_would_be_cleared_away_is_not_sent(out: Path) -> None:
    write_blobs(out / "received")
    before = _there(out)
    with pytest.raises(ConfigInvalid, match="give another --out"):
        run_demo(out / "received", out)
    assert _there(out) == before


def test_a_study_that_no_route_takes_ends_at_once_with_the_reason_and_3(out: Path, ct: Path) -> None:
    began = time.monotonic()
    done = n.lantern("demo", "--study", str(ct), "--out", str(out))
    assert done.returncode == 3, done.stderr
    assert time.monotonic() - began < 60
    assert "declined: no route takes the study: brain: no series for which" in done.stdout
    assert "this study has CT" in done.stdout
    # Nothing that moves on a screen is there: each step is a line, and what a run before left is gone as a whole.
    assert " s  sending 1 images by C-STORE" in done.stdout
    assert " s  waiting for the study to fall quiet" in done.stdout
    assert _there(out) == {"node.log", "series/0001.dcm"}
    assert "earlier" not in (out / "node.log").read_text()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGINT, 130)])
def test_a_signal_ends_the_node_too_and_leaves_no_image_behind(
    ct: Path, tmp_path: Path, number: signal.Signals, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    heed = ["/usr/bin/env", "--default-signal=INT"]  # who runs tests in the background may have it ignored
    command = [*heed, sys.executable, "-m", "node", "demo", "--study", str(ct), "--out", str(tmp_path / "out")]
    with subprocess.Popen(command, cwd=n.ROOT, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        assert any("waiting for the study" in line for line in demo.stdout)
        assert list((tmp_path / "temporary").iterdir())
        demo.send_signal(number)
        demo.communicate(timeout=90)
    assert demo.returncode == code
    assert list((tmp_path / "temporary").iterdir()) == []
    assert _commands_with(str(tmp_path / "temporary")) == []


def _commands_with(text: str) -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            said = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended meanwhile
            continue
        found += [said] if text in said else []
    return found
