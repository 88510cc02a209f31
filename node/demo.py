"""The main job from end to end, on this machine: `lantern demo`.

A node of its own in a temporary folder, a stand-in PACS, a study sent over a real association, and what comes back.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from node.demo_shown import Shown, show_demo
from node.demo_studies import Pipeline, Sample, made_up, own
from node.scu import Status, echo, send
from node.standin import stand_in_pacs
from pipeline.core.errors import LanternError, PeerUnreachable, PipelineFailed
from pipeline.core.job import ENDS, Job, State
from pipeline.core.route import Destination
from pipeline.core.study import Study
from pipeline.findings import RESEARCH_USE_ONLY
from storage import Ledger, open_database

AE, PACS_AE, SENDER_AE = "LANTERN", "DEMO_PACS", "DEMO_MR"
STARTS_WITHIN_S = 60.0
DONE_WITHIN_S = 900.0

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
    """A running node: its configuration, its port, and the ledger to watch it by."""

    config: Path
    port: int
    ledger: Ledger


def run_demo(study_folder: Path | None, out: Path, only: Pipeline | None = None) -> None:
    """Run it, print what came back, and leave results, pictures and log in `out`. Raises LanternError when it failed.

    only: one of the made-up studies; None sends both.
    """
    console = Console()
    out.mkdir(parents=True, exist_ok=True)
    received = out / "received"
    shutil.rmtree(received, ignore_errors=True)
    console.print(f"[bold]Lantern[/bold]: {RESEARCH_USE_ONLY}\n")
    with tempfile.TemporaryDirectory(prefix="lantern-demo-") as temporary, _stages(console) as stage:
        work = Path(temporary)
        stage("studies", 0.05)
        samples = own(study_folder) if study_folder else list(made_up([only] if only else list(Pipeline), out))
        stage("starting a stand-in PACS and a node", 0.15)
        with stand_in_pacs(PACS_AE, received) as pacs_port, _node(work, pacs_port, out / "node.log") as node:
            stage(f"sending {sum(len(s.study.instances) for s in samples)} images by C-STORE", 0.3)
            for sample in samples:
                _send(sample.study, node.port)
            jobs = _wait(node.ledger, samples, stage)
    for sample in samples:
        show_demo(Shown(jobs[sample.study.study_instance_uid], sample, received, out))


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
        yield Node(config, port, Ledger(database))
        database.close()
    finally:
        process.terminate()
        process.wait(60)


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


def _wait(ledger: Ledger, samples: Sequence[Sample], stage: Any) -> Mapping[str, Job]:
    """The job of each study, when all have ended, by Study Instance UID."""
    wanted = {sample.study.study_instance_uid for sample in samples}
    until = time.monotonic() + DONE_WITHIN_S
    stage("waiting for the studies to fall quiet", 0.4)
    while time.monotonic() < until:
        jobs = {job.work.study_instance_uid: job for job in ledger.jobs()}
        ended = [job for job in jobs.values() if job.state in ENDS or job.state is State.FAILED]
        if wanted <= {job.work.study_instance_uid for job in ended}:
            stage("done", 1.0)
            return jobs
        if jobs:
            said = ", ".join(f"{job.work.pipeline} {job.state.value}" for job in jobs.values())
            stage(said, 0.5 + 0.5 * len(ended) / len(wanted))
        time.sleep(0.2)
    raise PipelineFailed(f"nothing came back within {DONE_WITHIN_S:.0f} s")


@contextmanager
def _stages(console: Console) -> Iterator[Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=1.0)

        def stage(what: str, done: float) -> None:
            progress.update(task, description=f"{what:44}", completed=done)

        yield stage
