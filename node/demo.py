"""The main job from end to end, on this machine: `lantern demo`.

A node of its own in a temporary folder, a stand-in PACS, a study sent over a real association, and what comes back.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from rich.console import Console

from node.cli.progress import Stage, stages
from node.demo_shown import Shown, show_demo
from node.demo_studies import Pipeline, Sample, made_up, own
from node.demo_watch import became
from node.scu import Status, echo, send
from node.standin import stand_in_pacs
from pipeline.core.errors import ConfigInvalid, LanternError, PeerUnreachable, PipelineFailed
from pipeline.core.job import Job
from pipeline.core.route import Destination
from pipeline.core.study import Study
from pipeline.findings import RESEARCH_USE_ONLY
from storage import Ledger, open_database

AE, PACS_AE, SENDER_AE = "LANTERN", "DEMO_PACS", "DEMO_MR"
STARTS_WITHIN_S = 60.0
ENDS_WITHIN_S = 60.0
DONE_WITHIN_S = 900.0

SHOWN = ("results.png", "page-[0-9]*.png", "mammography-page-[0-9]*.png", "node.log")
"""What a run leaves in its folder, beside what the stand-in PACS received and the made-up images."""

CONFIG = """\
[node]
ae_title = "{ae}"
host = "127.0.0.1"
port = {port}
min_free_disk_mb = 100

[web]
port = {web_port}

[[peer]]
name = "scanner"
ae_title = "{sender}"
host = "127.0.0.1"

[[destination]]
name = "pacs"
ae_title = "{pacs}"
host = "127.0.0.1"
port = {pacs_port}

[[route]]
name = "brain"
when = {{ Modality = "MR" }}
pipeline = "srs"
destinations = ["pacs"]
quiet_period_s = 2

[[route]]
name = "breast"
when = {{ Modality = "MG" }}
pipeline = "mammography"
destinations = ["pacs"]
quiet_period_s = 2
"""


@dataclass(frozen=True, slots=True)
class Node:
    """A running node: its process and log, its port, and the ledger to watch it by."""

    process: subprocess.Popen[bytes]
    log: Path
    port: int
    ledger: Ledger


def run_demo(study_folder: Path | None, out: Path, only: Pipeline | None = None) -> None:
    """Run it, print what came back, and leave results, pictures and log in `out`. Raises LanternError when it failed.

    only: one of the made-up studies; None sends both.

    Nothing of an earlier run is touched before there is a study to send. Ends with 3 where the study was declined.
    """
    console = Console()
    received = out / "received"
    console.print(f"[bold]Lantern[/bold]: {RESEARCH_USE_ONLY}\n")
    given = own(study_folder) if study_folder else None
    _clear(out, received, given or [])
    with (
        _ends_in_order(),
        tempfile.TemporaryDirectory(prefix="lantern-demo-") as temporary,
        stages(console) as stage,
    ):
        stage("studies", 0.05)
        samples = given or list(made_up([only] if only else list(Pipeline), out))
        stage("starting a stand-in PACS and a node", 0.15)
        with stand_in_pacs(PACS_AE, received) as port, _node(Path(temporary), port, out / "node.log") as node:
            stage(f"sending {sum(len(s.study.instances) for s in samples)} images by C-STORE", 0.3)
            for sample in samples:
                _send(sample.study, node.port)
            jobs = _wait(node, samples, stage)
    for sample in samples:
        show_demo(Shown(jobs[sample.study.study_instance_uid], sample, received, out))


def _clear(out: Path, received: Path, given: Sequence[Sample]) -> None:
    """Remove what an earlier run left, all together: nothing of it may be taken for what this one makes."""
    out.mkdir(parents=True, exist_ok=True)
    place = received.resolve()
    if any(i.path.resolve().is_relative_to(place) for sample in given for i in sample.study.instances):
        raise ConfigInvalid(f"the study has files in {received}, which every run clears", "give another --out")
    if received.exists():
        shutil.rmtree(received)
    for old in (path for name in SHOWN for path in out.glob(name)):
        old.unlink()


@contextmanager
def _ends_in_order() -> Iterator[None]:
    """Let SIGTERM and SIGHUP, as Ctrl-C does, end the node and remove what it kept; a second signal changes nothing."""

    def end(number: int, _frame: FrameType | None) -> None:
        for n in before:
            signal.signal(n, signal.SIG_IGN)
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    wanted = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    before = {n: handler for n in wanted if (handler := signal.getsignal(n)) is not signal.SIG_IGN}
    for n in before:
        signal.signal(n, end)
    try:
        yield
    finally:
        for n, handler in before.items():
            signal.signal(n, handler)


@contextmanager
def _node(work: Path, pacs_port: int, log: Path) -> Iterator[Node]:
    config, port, web_port = work / "lantern.toml", _free_port(), _free_port()
    config.write_text(
        CONFIG.format(ae=AE, port=port, web_port=web_port, sender=SENDER_AE, pacs=PACS_AE, pacs_port=pacs_port)
    )
    command = [sys.executable, "-m", "node", "serve", "--config", str(config)]
    with log.open("wb") as f:
        process = subprocess.Popen(command, stdout=f, stderr=f, env=_environment())
    try:
        _wait_for_port(port, process, log)
        database = open_database(f"sqlite:///{work}/lantern-data/lantern.db")
        yield Node(process, log, port, Ledger(database))
        database.close()
    finally:
        process.terminate()
        try:
            process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment() -> Mapping[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("LANTERN_")}


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < until and process.poll() is None:
        try:
            echo(Destination("node", AE, "127.0.0.1", port), calling_ae=SENDER_AE)
        except LanternError:
            time.sleep(0.3)
        else:
            return
    raise PeerUnreachable("the node did not start", f"see {log}")


def _send(study: Study, port: int) -> None:
    files = [i.path for i in study.instances]
    outcomes = send(Destination("node", AE, "127.0.0.1", port), files, calling_ae=SENDER_AE)
    refused = [o for o in outcomes if o.status is not Status.ACCEPTED]
    if refused:
        raise PipelineFailed(f"the node did not take {len(refused)} of {len(files)} images: {refused[0].detail}")


def _wait(node: Node, samples: Sequence[Sample], stage: Stage) -> Mapping[str, Job | str]:
    """What became of each study, when that is known of all, by Study Instance UID: its job, or why there is none."""
    until = time.monotonic() + DONE_WITHIN_S
    while time.monotonic() < until:
        now = {s.study.study_instance_uid: became(node.ledger, s.study.study_instance_uid) for s in samples}
        ended = {uid: b.end for uid, b in now.items() if b.end is not None}
        if len(ended) == len(now):
            stage("done", 1.0)
            return ended
        if node.process.poll() is not None:
            raise PipelineFailed("the node has ended by itself", f"see {node.log}")
        stage(", ".join(b.words for b in now.values()), 0.4 + 0.6 * len(ended) / len(now))
        time.sleep(0.2)
    raise PipelineFailed(f"nothing came back within {DONE_WITHIN_S:.0f} s", f"see {node.log}")
