"""Instances, works and results made up for ledger tests, and a clock that tests can turn."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.core.job import Decision, Job, Outcome, Work
from pipeline.core.result import Kind, Result
from pipeline.core.study import Association, Instance, Reception
from storage import Ledger

PACS = Association("PACS", "LANTERN", "127.0.0.1")
START = datetime(2026, 1, 1, tzinfo=UTC)


class HandClock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def instance(n: int = 1, *, study: str = "1.2.3", series: str = "1.2.3.4", content: str = "") -> Instance:
    sha256 = hashlib.sha256(f"{study}/{n}/{content}".encode()).hexdigest()
    return Instance(
        sop_instance_uid=f"{study}.{n}",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.4",
        series_instance_uid=series,
        study_instance_uid=study,
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        modality="MR",
        path=Path(f"files/{sha256}.dcm"),
        sha256=sha256,
    )


def receive(
    ledger: Ledger, n: int = 3, *, study: str = "1.2.3", association: Association = PACS, first: int = 1
) -> None:
    for k in range(first, first + n):
        i = instance(k, study=study)
        ledger.add_instance(i, str(i.path), association, 1000)


def reception(ledger: Ledger, study: str = "1.2.3", called_ae: str = "LANTERN") -> Reception:
    return next(r for r in ledger.receptions(study) if r.called_ae == called_ae)


def work(key: str = "k1", *, study: str = "1.2.3", priority: int = 0, revision: int = 1) -> Work:
    return Work(key, study, "LANTERN", revision, "srs", "0.1", ("1.2.3.4",), {"a": 1}, priority)


def open_job(
    ledger: Ledger,
    clock: HandClock,
    key: str = "k1",
    *,
    study: str = "1.2.3",
    destinations: tuple[str, ...] = ("pacs",),
    priority: int = 0,
    route: str = "srs",
) -> int:
    if not ledger.receptions(study):
        receive(ledger, study=study)
    seen = reception(ledger, study)
    decision = Decision(route, Outcome.RUN, "", seen.revision, clock())
    job_id = ledger.open_job(
        seen, decision, work(key, study=study, priority=priority), [f"{study}.{k}" for k in (1, 2, 3)], destinations
    )
    assert job_id is not None
    return job_id


def claim(ledger: Ledger, clock: HandClock, holder: str = "w1") -> Job:
    job = ledger.claim(holder, clock() + timedelta(seconds=60))
    assert job is not None
    return job


def result(kind: Kind = Kind.SEG, tag: str = "") -> Result:
    return Result(
        f"2.25.{abs(hash((kind, tag))) % 10**9}", "1.2.3", "1.2.4", kind, f"files/{kind}{tag}.dcm", "00", "1.2"
    )
