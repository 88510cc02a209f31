"""A node in one process whose destinations are real archives: a worker that asks them, deliverers that send to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydicom import Dataset, dcmread

from node import scu
from node.delivery import Backoff, Deliverer, Desk
from node.probe import probe
from node.profiles import Prober, Profiles
from node.worker import Bench, Worker
from pipeline.core.profile import Profile
from pipeline.core.route import Destination
from pipeline.core.wishes import Wishes
from pipeline.execute import ExecutorOptions, make_executor
from tests.support.blobs import write_blobs
from tests.support.desk import Node, route


class Archive(Protocol):
    """A destination that keeps what it takes as files."""

    ae_title: str
    port: int

    def files(self) -> list[Path]:
        """What it has received."""


@dataclass
class Shop:
    """One study is received at once, split into `parts`; `work()` runs its job, `deliver()` sends what waits."""

    folder: Path
    peers: Mapping[str, Archive]
    wishes: dict[str, Wishes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.node = Node(self.folder / "node", (route(destinations=tuple(self.peers)),))
        self.files = write_blobs(self.folder / "series")
        self.profiles = Profiles(self.node.ledger, self._ask, self.node.clock)

    def receive(self, files: Sequence[Path] = ()) -> None:
        self.node.receive(files or self.files)
        self.node.quiet()

    @property
    def destinations(self) -> dict[str, Destination]:
        return {
            name: Destination(
                name, p.ae_title, "127.0.0.1", p.port, timeout_s=5, wishes=self.wishes.get(name, Wishes())
            )
            for name, p in self.peers.items()
        }

    def work(self) -> None:
        node = self.node
        bench = Bench(
            node.ledger, node.archive, lambda tick: make_executor("inline", ExecutorOptions(device="cpu"), tick),
            "w1", 60.0, 3, node.clock, destinations=self.destinations, profiles=self.profiles,
        )  # fmt: skip
        assert Worker(bench).tick()

    def deliver(self, *names: str) -> None:
        ledger, archive, clock = self.node.ledger, self.node.archive, self.node.clock
        desk = Desk(ledger, archive, self._send, Backoff(10, 600), "d1", clock, self.profiles)
        for name in names or self.peers:
            to = self.destinations[name]
            prober = Prober(self.profiles, to)
            while Deliverer(desk, to, prober.doubt).tick():
                pass
            prober.tick()

    def received(self, name: str) -> dict[str, Dataset]:
        """Modality -> object, of what has arrived there."""
        return {str(ds.Modality): ds for ds in map(dcmread, self.peers[name].files())}

    def config(self) -> Path:
        """A configuration file that describes this node, for the command line."""
        tables = [
            f'[[destination]]\nname = "{d.name}"\nae_title = "{d.ae_title}"\nhost = "{d.host}"\nport = {d.port}\n'
            for d in self.destinations.values()
        ]
        file = self.folder / "lantern.toml"
        where = f'archive_dir = "{self.node.archive.root}"\ndatabase_url = "sqlite:///{self.node.folder}/lantern.db"\n'
        file.write_text(f"[storage]\n{where}\n" + "\n".join(tables))
        return file

    def lantern(self, *command: str) -> tuple[int, str]:
        """A command of the command line, in this process: its exit code and what it printed."""
        return lantern(self.config(), *command)

    def _ask(self, destination: Destination, timeout_s: float | None) -> Profile:
        return probe(destination, calling_ae="LANTERN", timeout_s=timeout_s, clock=self.node.clock)

    @staticmethod
    def _send(destination: Destination, files: Sequence[Path]) -> list[scu.Outcome]:
        return scu.send(destination, files, calling_ae="LANTERN")


def lantern(config: Path, *command: str) -> tuple[int, str]:
    """`lantern COMMAND --config FILE` in this process; much quicker than a process of its own."""
    from typer.testing import CliRunner

    from node.cli import app

    done: Any = CliRunner().invoke(app, [*command, "--config", str(config)], env={"COLUMNS": "200"})
    return done.exit_code, done.output
