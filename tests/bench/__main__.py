"""`make bench`: how long things take, as ratios against a peer in the same run.

Receiving: 192 MR images of 131 kB over one association from dcmsend, into DCMTK's storescp (not durable), Orthanc
(durable, indexed) and Lantern (durable, in the ledger), in turn, so that a noisy machine is noisy for all.
Walking: a 180-slice synthetic head, and four mammograms, from dcmsend until their results are in Orthanc, by stage.
Analyzing: the same from files, with its peak memory. Judging: model 2 against pyradiomics on whole images.
Planning: model 3, with a hundred lesions and with a proof; simpler splits as ratios to it; what a wrong kernel costs.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import highdicom as hd
import numpy as np

from pipeline.core.breast import Laterality
from pipeline.core.job import State
from pipeline.datasets.mg_habits import MgHabit
from pipeline.datasets.mg_study import write_study
from pipeline.datasets.mr_writer import Acquisition, write_volume
from pipeline.phantom import t1c_phantom
from pipeline.phantom.mammogram import Plan, Shape, mammogram_study
from tests.bench.judging import judging
from tests.bench.planning import against_naive, planning, regret
from tests.support import node as n
from tests.support.bright import NAME
from tests.support.peers import DCMSEND, NO_NAGLE, OrthancPeer, StoreScp

ROUNDS = int(os.environ.get("LANTERN_BENCH_ROUNDS", "5"))
IMAGES = 192


def main() -> None:
    """Run all and print them."""
    with tempfile.TemporaryDirectory(prefix="lantern-bench-") as temporary:
        judging()
        planning()
        against_naive()
        regret()
        analyzing(Path(temporary))
        receiving(Path(temporary))
        walking(Path(temporary) / "heads", "srs", "180 slices", head)
        walking(Path(temporary) / "breasts", "mammography", "four mammograms of 0.07 mm", breasts)


def receiving(folder: Path) -> None:
    """Seconds for one association of IMAGES images, and the ratio to each peer, pair by pair."""
    times: dict[str, list[float]] = {"storescp": [], "Orthanc": [], "Lantern": []}
    (folder / "storescp").mkdir()
    with (
        StoreScp(folder / "storescp", "+B") as scp,
        OrthancPeer(folder / "orthanc") as orthanc,
        n.RunningNode(folder / "node", n.route([], NAME, quiet_period_s=3600)) as node,
    ):
        node.start("receive")
        node.wait_for_port()
        for k in range(ROUNDS + 1):
            series = images(folder / f"series-{k}", k)
            for name, port in (("storescp", scp.port), ("Orthanc", orthanc.dicom_port), ("Lantern", node.port)):
                times[name].append(timed(partial(send, port, series)))
    print(f"receiving {IMAGES} MR images of 131 kB, seconds (minimum, median, maximum of {ROUNDS})")
    for name, seconds in times.items():
        counted = sorted(seconds[1:])
        print(f"  {name:9} {counted[0]:6.2f} {statistics.median(counted):6.2f} {counted[-1]:6.2f}")
    for peer in ("storescp", "Orthanc"):
        ratios = [a / b for a, b in zip(times["Lantern"][1:], times[peer][1:], strict=True)]
        print(f"  Lantern / {peer}: {statistics.median(ratios):.2f} (median of pairs)")


def images(folder: Path, seed: int) -> Path:
    """IMAGES slices of 256 x 256, 16 bit."""
    random = np.random.default_rng(seed)
    array = random.integers(0, 2000, (IMAGES, 256, 256), np.int16)
    write_volume(hd.Volume(array, np.diag([1.0, 1.0, 1.0, 1.0]), "PATIENT"), folder, Acquisition(seed=str(seed)))
    return folder


def send(port: int, folder: Path) -> None:
    """With dcmsend, which waits for every answer."""
    command = [DCMSEND, "-aec", n.AE, "+sd", "127.0.0.1", str(port), str(folder)]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | NO_NAGLE)


def timed(do: Callable[[], None]) -> float:
    """Wall-clock seconds."""
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def head(folder: Path, seed: int) -> None:
    """180 slices."""
    write_volume(t1c_phantom(seed=40 + seed).image, folder, Acquisition(seed=f"walk {seed}"))


def breasts(folder: Path, seed: int) -> None:
    """Four full-field digital views with a mass and a cluster of calcifications."""
    plans = (Plan(Shape.SPICULATED, Laterality.RIGHT), Plan(Shape.CLUSTER, Laterality.LEFT))
    made = mammogram_study(40 + seed, plans, spacing_mm=0.07)
    write_study(made, folder, habit=MgHabit.HOLOGIC, patient_id=f"BENCH-{seed}")


def walking(folder: Path, pipeline: str, what: str, write: Callable[[Path, int], None]) -> None:
    """Seconds from the first image to the last delivered object of a study, with a quiet period of 1 s."""
    with OrthancPeer(folder / "pacs") as pacs:
        tables = [n.destination("pacs", pacs.ae_title, pacs.dicom_port), n.route(["pacs"], pipeline, quiet_period_s=1)]
        with n.RunningNode(folder / "walker", *tables).serve() as node:
            for k, state in enumerate(("cold", "warm")):
                write(folder / f"study-{k}", k)
                began = time.time()
                send(node.port, folder / f"study-{k}")
                received = time.time()
                job = node.ended(k + 1, within_s=600)[-1]
                assert job.state is State.DELIVERED, job.reason
                moves = {m.event.value: m.at.timestamp() for m in node.ledger.moves(job.id)}
                print(
                    f"{what}, {state} worker: received {received - began:.1f} s, quiet and routed "
                    f"{moves['claim'] - received:.1f} s, computed {moves['produce'] - moves['claim']:.1f} s, "
                    f"delivered {moves['finish'] - moves['produce']:.1f} s; in all {moves['finish'] - began:.1f} s"
                )


def analyzing(folder: Path) -> None:
    """Seconds and peak memory of `lantern analyze` on 180 slices, its start included; before any other child."""
    write_volume(t1c_phantom(seed=42).image, folder / "study", Acquisition(seed="analyze"))
    command = [sys.executable, "-m", "node", "analyze", str(folder / "study"), "--pipeline", "srs"]
    seconds = timed(lambda: subprocess.run([*command, "--out", str(folder / "out")], check=True, capture_output=True))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(f"180 slices from files to results: {seconds:.1f} s, peak memory {peak / 1e6:.1f} GB, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
