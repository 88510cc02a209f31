"""A job stays with its worker while results are written, however long that takes, and no longer than that."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from node import gate, produce
from node.gate import Judged
from node.hold import held
from node.worker import Bench, Worker
from pipeline.contract import Found
from pipeline.core.errors import LedgerUnavailable
from pipeline.core.job import State
from pipeline.encode import Encoded, Stamp, encode
from pipeline.execute import ExecutorOptions, make_executor
from tests.support.blobs import write_blobs
from tests.support.desk import Node, route

LEASE_S = 1.0


def _node(tmp_path: Path) -> tuple[Node, Worker]:
    node = Node(tmp_path / "node", (route(),))
    node.receive(write_blobs(tmp_path / "series"))
    node.quiet()
    bench = Bench(
        node.ledger, node.archive, lambda tick: make_executor("inline", ExecutorOptions(device="cpu"), tick),
        "w1", LEASE_S, 3, node.clock,
    )  # fmt: skip
    return node, Worker(bench)


def _encode_slowly(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], None]) -> None:
    def slow(found: Found, stamp: Stamp) -> tuple[Encoded, ...]:
        meanwhile()
        return encode(found, stamp)

    monkeypatch.setattr(produce, "encode", slow)


def test_an_encoder_that_takes_three_leases_does_not_lose_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, worker = _node(tmp_path)
    renewed, renew = threading.Event(), node.ledger.renew

    def noticed(job_id: int, holder: str, until: datetime) -> bool:
        done = renew(job_id, holder, until)
        renewed.set()
        return done

    lost: list[int] = []

    def three_leases() -> None:
        for _ in range(5):
            node.clock.advance(0.6 * LEASE_S)
            renewed.clear()
            assert renewed.wait(30), "nobody renews the lease"
            lost.extend(node.ledger.expire([], 3))

    monkeypatch.setattr(node.ledger, "renew", noticed)
    _encode_slowly(monkeypatch, three_leases)
    worker.tick()
    assert lost == []
    assert node.states() == [State.DELIVERING]
    assert len(node.ledger.results()) == 4


def test_a_job_that_is_cancelled_while_it_is_written_is_noticed_before_it_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, worker = _node(tmp_path)
    judged: list[int] = []
    monkeypatch.setattr(gate, "judge", lambda *_, **__: judged.append(1))
    _encode_slowly(monkeypatch, lambda: node.ledger.cancel(node.jobs()[0].id, "admin") and None)
    worker.tick()
    assert judged == []
    assert node.states() == [State.CANCELLED]
    assert node.ledger.results() == []


def test_a_worker_that_is_asked_to_end_does_not_judge_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node, worker = _node(tmp_path)
    judge, proven = gate.judge, []

    def asked(*args: object, **more: object) -> tuple[Judged, ...]:
        worker._bench.stop.ask()
        done: tuple[Judged, ...] = judge(*args, **more)  # type: ignore[arg-type]
        proven.append(1)
        return done

    monkeypatch.setattr(gate, "judge", asked)
    worker.tick()
    assert proven == []
    assert node.states() == [State.QUEUED]
    assert node.jobs()[0].attempts == 0


def test_a_step_that_never_ends_is_not_held_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    counted: list[int] = []

    def renew() -> bool:
        counted.append(1)
        return True

    with caplog.at_level(logging.ERROR, "node.hold"), held(renew, 0.01, step_s=0.1):
        _wait(lambda: bool(caplog.records))
        before = len(counted)
        threading.Event().wait(0.1)
        assert len(counted) == before > 0


def test_a_database_that_is_away_for_a_moment_does_not_end_the_renewing() -> None:
    counted: list[int] = []

    def renew() -> bool:
        counted.append(1)
        if len(counted) < 3:
            raise LedgerUnavailable("the database is being restarted")
        return len(counted) < 5

    with held(renew, 0.01):
        _wait(lambda: len(counted) == 5)
        threading.Event().wait(0.1)
    assert len(counted) == 5


def _wait(until: Callable[[], bool]) -> None:
    for _ in range(1000):
        if until():
            return
        threading.Event().wait(0.02)
    raise AssertionError("it never came")
