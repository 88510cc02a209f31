"""kill -9 of every process at random moments while studies are sent: nothing acknowledged is lost, nothing comes twice.

Short by default; `make torture` runs 30 rounds of 20 studies. LANTERN_TORTURE_SEED repeats a run's choices.
"""

from __future__ import annotations

import hashlib
import logging
import os
import random
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from node import scu
from pipeline.core.errors import PeerUnreachable
from pipeline.core.job import State
from pipeline.core.route import Destination
from tests.support import node as n
from tests.support.blobs import write_blobs
from tests.support.bright import NAME
from tests.support.peers import OrthancPeer, eventually

ROUNDS = int(os.environ.get("LANTERN_TORTURE_ROUNDS", "2"))
STUDIES = int(os.environ.get("LANTERN_TORTURE_STUDIES", "5"))
SEED = int(os.environ.get("LANTERN_TORTURE_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
QUIET_S = 8.0
VICTIMS = {"receive": 4, "work": 4, "executor": 3, "deliver": 4, "web": 1, "clean": 1, "serve": 1}
"""Whom to kill, and how often; with "serve" everything ends, which leaves the others little time to die alone."""


class Killer(threading.Thread):
    """Sends SIGKILL to a random process of the node every now and then; brings `serve` back when it was that one."""

    def __init__(self, node: n.RunningNode, choices: random.Random) -> None:
        super().__init__(daemon=True)
        self.node, self.choices, self.killed = node, choices, Counter[str]()
        self.stop = threading.Event()

    def run(self) -> None:
        while not self.stop.wait(self.choices.uniform(0.1, 1.5)):
            (victim,) = self.choices.choices(list(VICTIMS), list(VICTIMS.values()))
            for pid in pids(self.node, victim)[:1]:
                os.kill(pid, signal.SIGKILL)
                self.killed[victim] += 1
            serve = self.node.processes["serve"]
            if serve.poll() is not None:
                self.node.start("serve")


def pids(node: n.RunningNode, process: str) -> list[int]:
    """PIDs of a kind of process of this node; "executor" is the child in which the pipeline runs."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ").split()
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if process == "executor":
            if parent in pids(node, "work") and "spawn_main" in " ".join(words):
                found.append(int(folder.name))
        elif process in words and str(node.config) in words:
            found.append(int(folder.name))
    return found


def send_until_acknowledged(node: n.RunningNode, files: list[Path], acknowledged: set[str]) -> None:
    """As a PACS does: what was not acknowledged is sent again."""
    to, waiting = Destination("node", n.AE, "127.0.0.1", node.port, timeout_s=10), list(files)
    deadline = time.monotonic() + 120
    while waiting:
        assert time.monotonic() < deadline, "the node took no images for two minutes"
        try:
            outcomes = scu.send(to, waiting, calling_ae="PACS")
        except PeerUnreachable:
            time.sleep(0.2)
            continue
        taken = {o.sop_instance_uid for o in outcomes if o.status is scu.Status.ACCEPTED}
        acknowledged |= taken
        waiting = [f for f, o in zip(waiting, outcomes, strict=True) if o.sop_instance_uid not in taken]


def check_nothing_is_missing(node: n.RunningNode, acknowledged: set[str]) -> None:
    for uid in acknowledged:
        known = node.ledger.known(uid)
        assert known is not None, f"{uid} was acknowledged and is not in the ledger"
        content = (node.folder / "data" / "archive" / known.path).read_bytes()
        assert hashlib.sha256(content).hexdigest() == known.sha256


def check_results_are_there_once(orthanc: OrthancPeer, studies: int) -> None:
    found: Counter[tuple[str, str]] = Counter()
    for series in orthanc.series():
        found[series["ParentStudy"], series["MainDicomTags"]["Modality"]] += len(series["Instances"])
    assert len({study for study, _ in found}) == studies
    assert set(found.values()) == {1}, f"not once: {[k for k, v in found.items() if v != 1]}"
    assert len(found) == 4 * studies


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_kill_dash_nine_costs_delay_and_nothing_else(tmp_path: Path, orthanc: OrthancPeer) -> None:
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # every refused connection would be a line
    print(f"\ntorture: {ROUNDS} rounds of {STUDIES} studies, LANTERN_TORTURE_SEED={SEED}")
    choices = random.Random(SEED)
    route = n.route(["pacs"], NAME, quiet_period_s=QUIET_S)
    tables = [n.destination("pacs", orthanc.ae_title, orthanc.dicom_port), route]
    acknowledged: set[str] = set()
    killed: Counter[str] = Counter()
    with n.RunningNode(tmp_path / "node", *tables) as node:
        node.config.write_text(node.config.read_text().replace("[work]", "[work]\nmax_attempts = 1000"))
        node.serve()
        for k in range(ROUNDS):
            began = time.monotonic()
            studies = [write_blobs(tmp_path / f"{k}-{s}", k * 1000 + s) for s in range(STUDIES)]
            killer = Killer(node, choices)
            killer.start()
            with ThreadPoolExecutor(4) as senders:
                for sending in [senders.submit(send_until_acknowledged, node, f, acknowledged) for f in studies]:
                    sending.result()
            # The worst moments come after the last image: deciding, computing, sending.
            killer.stop.wait(QUIET_S + 6)
            killer.stop.set()
            killer.join()
            killed += killer.killed
            if node.processes["serve"].poll() is not None:
                node.start("serve")
            jobs = node.ended((k + 1) * STUDIES, within_s=300)
            assert {j.state for j in jobs} == {State.DELIVERED}, [j.reason for j in jobs]
            eventually(lambda: node.ledger.open_receptions() == [])
            check_nothing_is_missing(node, acknowledged)
            check_results_are_there_once(orthanc, (k + 1) * STUDIES)
            print(f"round {k + 1}: {len(acknowledged)} images acknowledged, killed {dict(killer.killed)}, "
                  f"{time.monotonic() - began:.0f} s", flush=True)  # fmt: skip
    assert len(acknowledged) == ROUNDS * STUDIES * 8
    assert sum(killed.values()) >= ROUNDS
    print(f"killed in all: {dict(killed)}")
