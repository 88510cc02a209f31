"""Bytes that are durable, named by their content, and never more than the disk holds."""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.core.errors import DiskFull
from storage import Archive


def test_what_was_put_is_there_under_the_hash_of_its_content(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "a")
    stored = archive.put(b"an image")
    assert stored.sha256 == hashlib.sha256(b"an image").hexdigest()
    assert archive.absolute(stored.path).read_bytes() == b"an image"
    assert stored.size_bytes == 8
    assert list(archive.incoming_dir.iterdir()) == []


def test_equal_content_is_one_file(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "a")
    assert archive.put(b"x") == archive.put(b"x")
    assert len(list(archive.stored())) == 1


def test_no_path_is_made_from_what_a_sender_chose(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "a")
    file = archive.incoming_dir / "..%2f..%2fevil"
    file.write_bytes(b"evil")
    stored = archive.adopt(file)
    assert Path(stored.path).name == f"{stored.sha256}.dcm"
    assert archive.absolute(stored.path).resolve().is_relative_to(tmp_path / "a")


def test_below_the_minimum_of_free_space_nothing_is_taken(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "a", min_free_bytes=1 << 62)
    with pytest.raises(DiskFull, match="must stay"):
        archive.put(b"x")
    assert list(archive.stored()) == []


def test_a_disk_that_fills_up_while_writing_is_said_and_leaves_nothing_behind(tmp_path: Path) -> None:
    code = f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
from pathlib import Path
from pipeline.core.errors import DiskFull
from storage import Archive
archive = Archive(Path({str(tmp_path / "a")!r}))
try:
    archive.put(b"x" * 5000)
except DiskFull:
    print("full", list(archive.incoming_dir.iterdir()), list(archive.stored()))
"""
    assert resource.RLIMIT_FSIZE >= 0
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True
    )
    assert said.stdout == "full [] []\n", said.stderr


def test_removing_twice_is_fine_and_old_temporary_files_are_swept(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "a")
    stored = archive.put(b"x")
    archive.remove(stored.path)
    archive.remove(stored.path)
    old, young = archive.incoming_dir / "old", archive.incoming_dir / "young"
    old.touch()
    young.touch()
    os.utime(old, (1, 1))
    assert archive.sweep_incoming(time.time() - 60) == 1
    assert list(archive.incoming_dir.iterdir()) == [young]
