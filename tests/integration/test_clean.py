"""What is deleted, when, and what must never be: real ledger, real archive."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from node.clean import Cleaned, Retention, clean
from pipeline.core.job import State
from storage import Archive
from tests.support.blobs import write_blobs
from tests.support.desk import Node, route

WEEK = Retention(timedelta(days=7), timedelta(days=30), timedelta(days=30))
DAY_S = 86400.0


def _clean(node: Node, retention: Retention = WEEK) -> Cleaned:
    return clean(node.ledger, node.archive, retention, node.clock)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    made = Node(tmp_path / "node", (route(destinations=()),))
    made.clock.now = datetime.now(UTC)  # files carry the real time
    made.receive(write_blobs(tmp_path / "series"))
    return made


def _files(archive: Archive) -> set[str]:
    return {path for path, _ in archive.stored()}


def test_images_go_when_their_time_is_over_and_results_stay_for_theirs(node: Node) -> None:
    node.quiet()
    node.worker().tick()
    assert node.states() == [State.DELIVERED]
    results = {r.path for _, r in node.ledger.results()}
    assert _clean(node) == Cleaned()
    node.clock.advance(8 * DAY_S)
    assert _clean(node).studies == 1
    assert _files(node.archive) == results
    node.clock.advance(30 * DAY_S)
    assert _clean(node).results == 4
    assert _files(node.archive) == set()


def test_a_study_whose_job_has_not_run_is_never_deleted(node: Node) -> None:
    node.quiet()
    node.clock.advance(365 * DAY_S)
    assert _clean(node) == Cleaned()
    assert len(_files(node.archive)) == 8


def test_kept_for_ever_means_for_ever(node: Node) -> None:
    node.quiet()
    node.worker().tick()
    node.clock.advance(3650 * DAY_S)
    assert _clean(node, Retention(None, None, None)) == Cleaned()


def test_only_old_files_without_a_row_count_as_orphans(node: Node) -> None:
    young, old = node.archive.put(b"written just now"), node.archive.put(b"left by a crash")
    os.utime(node.archive.absolute(old.path), (0, 0))
    assert _clean(node).files == 1
    assert young.path in _files(node.archive)
    assert old.path not in _files(node.archive)


def test_a_file_that_got_a_row_after_its_study_was_forgotten_stays(node: Node, tmp_path: Path) -> None:
    """The study is sent again between the deletion of its rows and that of its files."""
    node.quiet()
    node.worker().tick()
    node.clock.advance(8 * DAY_S)
    (study,) = node.ledger.forgettable_studies(node.clock(), node.clock())
    paths = node.ledger.forget_study(study, node.clock(), node.clock())
    node.receive(sorted((tmp_path / "series").iterdir()))
    assert not any(node.archive.remove_unless(path, node.ledger.refers_to) for path in paths)
    assert set(paths) <= _files(node.archive)


def test_a_file_whose_row_is_being_written_is_not_deleted_before(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    stored = archive.put(b"an image")
    rows: set[str] = set()
    removed: list[bool] = []
    cleaner = threading.Thread(target=lambda: removed.append(archive.remove_unless(stored.path, rows.__contains__)))
    with archive.keeping(stored.path):
        cleaner.start()
        cleaner.join(0.2)
        assert removed == []
        rows.add(stored.path)
    cleaner.join(5)
    assert removed == [False]
    archive.remove(stored.path)
    with pytest.raises(FileNotFoundError), archive.keeping(stored.path):
        pass
