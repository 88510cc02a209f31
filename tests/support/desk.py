"""A node without its network: real ledger, real archive, intake and worker, in one process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from node.intake import CountInstances, Desk, Intake
from node.loop import Stop
from node.worker import Bench, Worker
from pipeline.core.job import Job, State
from pipeline.core.route import Peer, Route
from pipeline.core.study import Association
from pipeline.execute import ExecutorOptions, Kind, make_executor
from pipeline.imaging.header import read_header
from storage import Archive, Ledger, open_database
from tests.support.bright import NAME
from tests.support.ledger import HandClock

PACS = Association("PACS", "LANTERN", "127.0.0.1")


def route(**changes: object) -> Route:
    return Route(**({"name": "srs", "pipeline": NAME, "destinations": ("pacs",), "quiet_period_s": 60} | changes))  # type: ignore[arg-type]


def nobody(_peer: Peer, _study: str) -> int | None:
    raise AssertionError("no route of this test asks a peer")


@dataclass
class Node:
    folder: Path
    routes: tuple[Route, ...]
    count: CountInstances = nobody
    clock: HandClock = field(default_factory=HandClock)

    def __post_init__(self) -> None:
        database = open_database(f"sqlite:///{self.folder}/lantern.db")
        database.migrate()
        self.archive = Archive(self.folder / "archive")
        self.ledger = Ledger(database, self.clock)
        self.intake = self.make_intake(self.routes)

    def make_intake(self, routes: tuple[Route, ...], since: datetime | None = None) -> Intake:
        peers = {"pacs": Peer("pacs", "PACS", "127.0.0.1", 104)}
        return Intake(
            Desk(
                self.ledger,
                self.archive,
                routes,
                peers,
                self.count,
                3,
                lambda holder: False,
                self.clock,
                since,
                {"pacs": frozenset({"pacs"})},
            )
        )

    def worker(self, holder: str = "w1", kind: Kind = "inline", stop: Stop | None = None) -> Worker:
        return Worker(
            Bench(
                self.ledger, self.archive, lambda tick: make_executor(kind, ExecutorOptions(device="cpu"), tick),
                holder, 60.0, 3, self.clock, stop or Stop(),
            )
        )  # fmt: skip

    def receive(self, files: Sequence[Path], association: Association = PACS) -> str:
        """As the acceptor does; returns the Study Instance UID."""
        study = ""
        for file in files:
            stored = self.archive.put(file.read_bytes())
            instance = read_header(self.archive.absolute(stored.path), stored.sha256)
            self.ledger.add_instance(instance, stored.path, association, stored.size_bytes)
            study = instance.study_instance_uid
        return study

    def quiet(self, seconds: float = 61) -> bool:
        """Let time pass, and let intake look."""
        self.clock.advance(seconds)
        return self.intake.tick()

    def jobs(self) -> list[Job]:
        """Oldest first."""
        return self.ledger.jobs()[::-1]

    def states(self) -> list[State]:
        return [j.state for j in self.jobs()]
