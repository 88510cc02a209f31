"""Claim, run, encode, hand over: and every way in which that can go wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from pydicom import dcmread

from node.loop import Stop
from node.worker import Bench, Worker
from pipeline.contract import Declined, Inputs
from pipeline.core.errors import LedgerUnavailable
from pipeline.core.job import State
from pipeline.core.result import Kind
from tests.support.blobs import write_blobs
from tests.support.desk import Node, route
from tests.support.pipelines import dotted


def _node(tmp_path: Path, **options: object) -> Node:
    node = Node(tmp_path / "node", (route(options=options),))
    node.receive(write_blobs(tmp_path / "series"))
    node.quiet()
    return node


def test_a_job_ends_in_four_objects_that_wait_to_be_sent(tmp_path: Path) -> None:
    node = _node(tmp_path)
    assert node.worker().tick()
    assert node.states() == [State.DELIVERING]
    kinds = [r.kind for _, r in node.ledger.results()]
    assert kinds == [Kind.SEG, Kind.RTSTRUCT, Kind.KO, Kind.SR]
    assert len(node.ledger.deliveries(destination="pacs")) == 4
    for _, r in node.ledger.results():
        ds = dcmread(node.archive.absolute(r.path))
        assert ds.SOPInstanceUID == r.sop_instance_uid
        assert "RESEARCH" in ds.SeriesDescription.upper()


def test_a_study_without_a_lesion_gives_an_sr_that_says_so(tmp_path: Path) -> None:
    node = _node(tmp_path, threshold=5000)
    node.worker().tick()
    assert [r.kind for _, r in node.ledger.results()] == [Kind.SR]


def test_there_is_nothing_to_do_without_a_job(tmp_path: Path) -> None:
    node = _node(tmp_path)
    worker = node.worker()
    assert worker.tick()
    assert not worker.tick()


def test_a_declined_study_leaves_a_reason_and_no_delivery(tmp_path: Path) -> None:
    node = _node(tmp_path, reject="a knee is no head")
    node.worker().tick()
    assert node.states() == [State.DECLINED]
    assert node.jobs()[0].reason == "a knee is no head"
    assert node.ledger.deliveries() == []


@pytest.mark.parametrize("error", ["GeometryUnusable", "WeightsCorrupt", "IllegalMove"])
def test_lasting_trouble_parks_the_job_with_its_reason(tmp_path: Path, error: str) -> None:
    node = _node(tmp_path, fail=error)
    node.worker().tick()
    assert node.states() == [State.FAILED]
    assert "it was told to" in node.jobs()[0].reason


def test_passing_trouble_is_tried_again_later_and_in_the_end_parked(tmp_path: Path) -> None:
    node = _node(tmp_path, fail="ExecutorDied")
    worker = node.worker()
    for _ in range(3):
        assert worker.tick()
        assert not worker.tick()  # not at once
        node.clock.advance(3600)
    assert node.states() == [State.FAILED]
    assert "tried 3 times" in node.jobs()[0].reason


def test_a_job_whose_images_are_gone_says_so(tmp_path: Path) -> None:
    node = _node(tmp_path)
    for path, _ in node.ledger.instance_files(node.jobs()[0].work.study_instance_uid):
        node.archive.remove(path)
    node.worker().tick()
    assert node.states() == [State.FAILED]
    assert "send it again" in node.jobs()[0].reason


def test_the_same_work_done_twice_makes_the_same_objects(tmp_path: Path) -> None:
    node = _node(tmp_path)
    node.worker("w1").tick()
    first = [r.sop_instance_uid for _, r in node.ledger.results()]
    job = node.jobs()[0].id
    node.ledger.cancel(job, "test")
    node.ledger.retry(job, "test")
    node.clock.advance(1000)
    node.worker("w2").tick()
    assert [r.sop_instance_uid for _, r in node.ledger.results()] == first


def test_a_worker_whose_job_was_taken_hands_nothing_over(tmp_path: Path) -> None:
    node = _node(tmp_path)
    job = node.ledger.claim("slow", node.clock() + timedelta(seconds=5))
    assert job is not None
    node.clock.advance(6)
    node.intake.tick()
    node.worker("quick").tick()
    assert node.states() == [State.DELIVERING]
    assert not node.ledger.produced(job.id, "slow", [])
    assert len(node.ledger.results()) == 4


def test_superseding_results_name_what_they_replace(tmp_path: Path) -> None:
    files = write_blobs(tmp_path / "series")
    node = Node(tmp_path / "node", (route(),))
    node.receive(files[:7])
    node.quiet()
    worker = node.worker()
    worker.tick()
    (old_sr,) = [r for _, r in node.ledger.results(kind=Kind.SR)]
    node.receive(files[7:])
    node.quiet()
    worker.tick()
    new = node.ledger.results(job_id=node.jobs()[1].id, kind=Kind.SR)[0][1]
    ds = dcmread(node.archive.absolute(new.path))
    named = ds.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert named.ReferencedSOPInstanceUID == old_sr.sop_instance_uid
    assert ds.SeriesDescription.startswith("SR rev 2 RESEARCH USE ONLY")
    old_seg, new_seg = (r for _, r in node.ledger.results(kind=Kind.SEG))
    seg = dcmread(node.archive.absolute(new_seg.path))
    assert [s.SeriesInstanceUID for s in seg.RelatedSeriesSequence] == [old_seg.series_instance_uid]
    assert "rev" not in dcmread(node.archive.absolute(old_seg.path)).SeriesDescription


def _held(tmp_path: Path) -> tuple[Node, Worker]:
    """A worker whose executor ticks once in each run, and the node it works in."""
    node = _node(tmp_path)
    ticks: list[Callable[[], None]] = []

    class Slow:
        def run(self, name: str, inputs: Inputs) -> Declined:
            ticks[0]()
            return Declined("ticked")

        def close(self) -> None: ...

    def make(tick: Callable[[], None]) -> Slow:
        ticks.append(tick)
        return Slow()

    return node, Worker(Bench(node.ledger, node.archive, make, "work@here:1:1", 60.0, 3, node.clock))


def test_a_worker_says_that_it_is_alive_while_a_job_runs(tmp_path: Path) -> None:
    node, worker = _held(tmp_path)
    worker.tick()
    assert node.ledger.heartbeats() == {"work@here:1:1": node.clock()}


def test_a_database_that_fails_for_a_moment_costs_no_computation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, worker = _held(tmp_path)

    def unavailable(*_: object) -> bool:
        raise LedgerUnavailable("the database is being restarted")

    monkeypatch.setattr(node.ledger, "renew", unavailable)
    worker.tick()
    assert node.states() == [State.DECLINED]
    assert node.jobs()[0].reason == "ticked"


def test_a_worker_that_is_asked_to_end_gives_its_job_back_unspent(tmp_path: Path) -> None:
    stop = Stop()
    node = Node(tmp_path / "node", (route(pipeline=dotted("SLEEPS"), options={"seconds": 600}),))
    node.receive(write_blobs(tmp_path / "series"))
    node.quiet()
    worker = node.worker(kind="process", stop=stop)
    asked = threading.Timer(1.0, stop.ask)
    asked.start()
    assert worker.tick()
    worker.close()
    assert node.states() == [State.QUEUED]
    assert node.jobs()[0].attempts == 0


def test_an_error_that_nobody_foresaw_parks_the_job_without_its_words(tmp_path: Path) -> None:
    node = Node(tmp_path / "node", (route(pipeline=dotted("RAISES")),))
    node.receive(write_blobs(tmp_path / "series"))
    node.quiet()
    node.worker().tick()
    assert node.states() == [State.FAILED]
    assert "ValueError at" in node.jobs()[0].reason
    assert "upside down" not in node.jobs()[0].reason
