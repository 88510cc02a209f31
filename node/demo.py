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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from node.cli.show import show
from node.picture import draw
from node.scu import Status, echo, send
from node.standin import stand_in_pacs
from node.told import Told, told
from pipeline.core.errors import HeaderUnusable, LanternError, PeerUnreachable, PipelineFailed
from pipeline.core.job import ENDS, Job, State
from pipeline.core.route import Destination
from pipeline.core.study import Study
from pipeline.findings import RESEARCH_USE_ONLY
from pipeline.imaging.header import scan
from pipeline.imaging.structures import structures
from storage import Ledger, open_database

if TYPE_CHECKING:
    from pipeline.phantom import PhantomLesion

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
name = "demo"
pipeline = "srs"
destinations = ["pacs"]
quiet_period_s = 2
"""


@dataclass(frozen=True, slots=True)
class Node:
    """A running node: its configuration, its port, and the ledger to watch it by."""

    config: Path
    port: int
    ledger: Ledger


def run_demo(study_folder: Path | None, out: Path) -> None:
    """Run it, print what came back, and leave results, picture and log in `out`. Raises LanternError when it failed."""
    console = Console()
    out.mkdir(parents=True, exist_ok=True)
    received = out / "received"
    shutil.rmtree(received, ignore_errors=True)
    console.print(f"[bold]Lantern[/bold]: {RESEARCH_USE_ONLY}\n")
    with tempfile.TemporaryDirectory(prefix="lantern-demo-") as temporary, _stages(console) as stage:
        work = Path(temporary)
        stage("a study", 0.05)
        study, put_in = _study(study_folder, work / "study")
        stage("starting a stand-in PACS and a node", 0.15)
        with stand_in_pacs(PACS_AE, received) as pacs_port, _node(work, pacs_port, out / "node.log") as node:
            stage(f"sending {len(study.instances)} images by C-STORE", 0.3)
            _send(study, node.port)
            job = _wait(node.ledger, stage)
        _report(job, study, put_in, received, out)


def _study(folder: Path | None, work: Path) -> tuple[Study, tuple[PhantomLesion, ...] | None]:
    """The study, and of a made-up one the lesions that were put in."""
    put_in = None
    if folder is None:
        # The workshop is needed here alone: a node that serves a hospital never makes images up.
        from pipeline.datasets.mr_writer import write_volume  # noqa: PLC0415
        from pipeline.phantom import t1c_phantom  # noqa: PLC0415

        made = t1c_phantom(seed=7, lesions=4)
        write_volume(made.image, work)
        folder, put_in = work, made.lesions
    studies = scan(folder)
    if not studies:
        raise HeaderUnusable(f"no DICOM image was found in {folder}", "give the folder that holds the series")
    return studies[0], put_in


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


def _wait(ledger: Ledger, stage: Any) -> Job:
    said = {State.QUEUED: 0.5, State.RUNNING: 0.6, State.DELIVERING: 0.9}
    until = time.monotonic() + DONE_WITHIN_S
    stage("waiting for the study to fall quiet", 0.4)
    while time.monotonic() < until:
        for job in ledger.jobs(limit=1):
            if job.state in ENDS or job.state is State.FAILED:
                stage("done", 1.0)
                return job
            stage(f"job {job.id} is {job.state.value}", said[job.state])
        time.sleep(0.2)
    raise PipelineFailed(f"nothing came back within {DONE_WITHIN_S:.0f} s")


def _report(job: Job, study: Study, put_in: tuple[PhantomLesion, ...] | None, received: Path, out: Path) -> None:
    if job.state is State.DECLINED:
        print(f"\ndeclined: {job.reason}")
        raise SystemExit(3)
    if job.state is not State.DELIVERED:
        raise PipelineFailed(f"the job is {job.state.value}: {job.reason}", f"see {out / 'node.log'}")
    objects = [(p, dcmread(p)) for p in sorted(received.iterdir())]
    rows = [
        {"object": str(ds.SOPClassUID.name), "series": str(ds.get("SeriesDescription", "")), "file": str(p)}
        for p, ds in objects
    ]
    show("The PACS received", rows, as_json=False)
    report = next(p for p, ds in objects if ds.Modality == "SR")
    lesions, rejected = _lesions(dcmread(report))
    show("Lesions, as the SR says", lesions, as_json=False, empty="none")
    if rejected:
        show("Rejected candidates, not lesions", rejected, as_json=False)
    rtstruct = next((p for p, ds in objects if ds.Modality == "RTSTRUCT"), None)
    if put_in is not None:
        _compare(put_in, dcmread(rtstruct) if rtstruct else None)
    used = set(job.work.series_instance_uids)
    images = [i.path for i in study.instances if i.series_instance_uid in used and i.path.exists()]
    if images:
        draw(rtstruct, images, out / "results.png", RESEARCH_USE_ONLY, report=report)
        print(f"\nThe picture is {out / 'results.png'}; the objects are in {received}.")


def _compare(put_in: tuple[PhantomLesion, ...], rtstruct: Dataset | None) -> None:
    """Say of each lesion of the made-up head whether it was outlined, and which outlines have none in them."""
    outlines = _outlines(rtstruct) if rtstruct else {}
    right: set[str] = set()
    rows = []
    for lesion in put_in:
        centre, reach_mm = np.array(lesion.centre_mm), max(lesion.diameter_mm / 2, 2.0)
        found = [name for name, points in outlines.items() if _distance_mm(points, centre) <= reach_mm]
        right.update(found)
        size = f"{lesion.diameter_mm:.0f}"
        rows.append({"put in": lesion.number, "diameter mm": size, "found as": ", ".join(found) or "not found"})
    show("What was put into this made-up head", rows, as_json=False)
    wrong = sorted(outlines.keys() - right)
    if wrong:
        print(f"Nothing was put in at {', '.join(wrong)}: found wrongly.")


def _outlines(rtstruct: Dataset) -> dict[str, NDArray[np.float64]]:
    """All contour points in LPS mm, (n, 3), by ROI name."""
    return {roi.name: np.concatenate(roi.contours) for roi in structures(rtstruct)}


def _distance_mm(points: NDArray[np.float64], centre: NDArray[np.float64]) -> float:
    """From the middle of an outline's box."""
    return float(np.linalg.norm((points.min(axis=0) + points.max(axis=0)) / 2 - centre))


def _lesions(sr: Dataset) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Rows for lesions and for rejected candidates, from the content tree of the SR alone."""
    found = told(sr)
    lesions = [
        {
            **_row(t),
            "agreement": "" if t.agreement is None else f"{t.agreement:.0%}",
            "nearest structure": t.nearest,
        }
        for t in found
        if not t.rejected
    ]
    return lesions, [{**_row(t), "because": "; ".join(t.against)} for t in found if t.rejected]


def _row(t: Told) -> dict[str, str]:
    return {
        "label": t.label,
        "site": t.site,
        "volume mm3": f"{t.volume_mm3:.0f}",
        "size mm": f"{t.size_mm[0]:.1f} x {t.size_mm[1]:.1f}",
        "probability": "" if t.certainty is None else f"{t.certainty:.0%}",
    }


@contextmanager
def _stages(console: Console) -> Iterator[Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=1.0)

        def stage(what: str, done: float) -> None:
            progress.update(task, description=f"{what:44}", completed=done)

        yield stage
