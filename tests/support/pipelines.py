"""Small real pipelines for the tests of whatever runs pipelines, each with one habit, good or bad.

They are named to executors by `dotted("FINDS")`. What a test wants to tell a pipeline goes into `Inputs.options`.
"""

from __future__ import annotations

import ctypes
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np

from pipeline.contract import Declined, Earlier, Inputs, Runtime
from pipeline.core import errors
from pipeline.core.study import Study
from pipeline.findings import Algorithm, Findings, Lesion
from tests.support.bright import SOUGHT, Bright

ALGORITHM = Algorithm(
    name="test", version="1", weights_sha256="0" * 64, evidence_tier="T0", training="Not trained; it is a test."
)
MEGABYTE = 1 << 20


def dotted(attribute: str) -> str:
    """The name under which an executor finds the pipeline of this module."""
    return f"{__name__}:{attribute}"


def given(**options: Any) -> Inputs:
    """Inputs without series, with options."""
    return Inputs(series={}, options=options)


@dataclass(frozen=True)
class Small:
    """A pipeline made of one function."""

    name: str
    body: Callable[[Inputs, Runtime], Any]
    roles: tuple[str, ...] = ()

    @property
    def algorithm(self) -> Algorithm:
        return ALGORITHM

    def select(self, study: Study, options: Mapping[str, Any]) -> Inputs | Declined:
        return Inputs(series={}, options=options)

    def run(self, inputs: Inputs, runtime: Runtime) -> Findings | Declined:
        found: Findings | Declined = self.body(inputs, runtime)
        return found


class Chokes(Small):
    """Cannot even choose its series."""

    def select(self, study: Study, options: Mapping[str, Any]) -> Inputs | Declined:
        raise ValueError("a header that nobody foresaw")


def one_lesion(runtime: Runtime) -> Findings:
    """One cube of 3 x 4 x 5 voxels of 1 x 0.5 x 0.5 mm; the timings hold random numbers, the remarks who computed."""
    import torch

    labels = np.zeros((10, 20, 30), np.uint16)
    labels[2:5, 3:7, 4:9] = 1
    volume = hd.Volume(labels, np.diag([1.0, 0.5, 0.5, 1.0]), "PATIENT")
    lesion = Lesion(1, "BM01", "2.25.1", (3.0, 2.25, 3.0), 15.0, 3.0, 2.5, 4.0, 0.9)
    drawn = {"random": random.random(), "numpy": float(np.random.rand()), "torch": float(torch.rand(()))}
    said = (f"pid {os.getpid()}", f"{runtime.device} {runtime.threads} threads, torch {torch.get_num_threads()}")
    return Findings("t1c", ALGORITHM, SOUGHT, volume, (), (lesion,), said, drawn)


def _sleep(inputs: Inputs, runtime: Runtime) -> Findings:
    if "pid_file" in inputs.options:
        Path(inputs.options["pid_file"]).write_text(str(os.getpid()))
    time.sleep(inputs.options["seconds"])
    return one_lesion(runtime)


def _spawn_helper(inputs: Inputs, runtime: Runtime) -> Findings:
    import subprocess

    helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(inputs.options["pid_file"]).write_text(str(helper.pid))
    time.sleep(600)
    return one_lesion(runtime)


def _eat(inputs: Inputs, runtime: Runtime) -> Findings:
    eaten = []
    for _ in range(0, inputs.options["megabytes"], 50):
        eaten.append(np.ones(50 * MEGABYTE, np.uint8))
        time.sleep(0.02)
    time.sleep(inputs.options.get("seconds", 0))
    return replace(one_lesion(runtime), remarks=(f"ate {len(eaten) * 50} MB",))


def _raise(inputs: Inputs, runtime: Runtime) -> Findings:
    raise ValueError("the third slice is upside down")


def _raise_ours(inputs: Inputs, runtime: Runtime) -> Findings:
    raise getattr(errors, inputs.options["error"])("what happened", "what to do")


class AbroadError(errors.GeometryUnusable):
    """An error class that only the pipeline's own distribution has."""


def _raise_abroad(inputs: Inputs, runtime: Runtime) -> Findings:
    raise AbroadError("two slices share a place", "export the series again")


def _fill_device(inputs: Inputs, runtime: Runtime) -> Findings:
    """As torch does when memory is short: fits only on the device and at the tile scale that the options name."""
    import torch

    if [runtime.device, runtime.tile_scale] != inputs.options.get("fits"):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
    return one_lesion(runtime)


def _really_fill(inputs: Inputs, runtime: Runtime) -> Findings:
    """Asks torch's and numpy's own allocators for a petabyte, until the tiles are small."""
    import torch

    if runtime.tile_scale == 1.0:
        torch.empty(10**15)
    if runtime.tile_scale == 0.5:
        np.ones(10**15)
    return one_lesion(runtime)


def _print(inputs: Inputs, runtime: Runtime) -> Findings:
    print("a pipeline's chatter", flush=True)
    return one_lesion(runtime)


def _unpicklable(inputs: Inputs, runtime: Runtime) -> Findings:
    return replace(one_lesion(runtime), timings_s={"f": lambda: 0})  # type: ignore[dict-item]


FINDS = Small("finds", lambda inputs, runtime: one_lesion(runtime))
DECLINES = Small("declines", lambda inputs, runtime: Declined("No contrast agent was given."))
SLEEPS = Small("sleeps", _sleep)
STARTS_A_HELPER = Small("starts-a-helper", _spawn_helper)
PRINTS = Small("prints", _print)
SEGFAULTS = Small("segfaults", lambda inputs, runtime: ctypes.string_at(0))
ABORTS = Small("aborts", lambda inputs, runtime: os.abort())
IS_KILLED = Small("is-killed", lambda inputs, runtime: os.kill(os.getpid(), signal.SIGKILL))
LEAVES = Small("leaves", lambda inputs, runtime: os._exit(3))
EXITS = Small("exits", lambda inputs, runtime: sys.exit(1))
EATS_MEMORY = Small("eats-memory", _eat)
RAISES = Small("raises", _raise)
RAISES_OURS = Small("raises-ours", _raise_ours)
RAISES_ABROAD = Small("raises-abroad", _raise_abroad)
FILLS_DEVICE = Small("fills-device", _fill_device)
REALLY_FILLS_MEMORY = Small("really-fills-memory", _really_fill)
RETURNS_NONSENSE = Small("returns-nonsense", lambda inputs, runtime: "done")
UNPICKLABLE = Small("unpicklable", _unpicklable)
CHOKES = Chokes("chokes", _raise)
NOT_A_PIPELINE = object()


@dataclass(frozen=True)
class FollowsUp(Bright):
    """Finds what is bright, and says in its remarks what of earlier work it was given."""

    name: str = "follows-up"
    prior_modality: str = "MR"

    def recall(self, inputs: Inputs, earlier: Earlier) -> Inputs:
        """All that there is: the newest earlier study's series by modality, own results as "own"."""
        found = {f"prior_{n}_{s.modality}": s for n, study in enumerate(earlier.priors) for s in study.series}
        found |= {f"own_{s.modality}": s for s in (earlier.own.series if earlier.own else ())}
        return replace(inputs, series={**inputs.series, **found})

    def run(self, inputs: Inputs, runtime: Runtime) -> Findings | Declined:
        """One remark for each role that was recalled: its name, and how many files of it can be read."""
        found = super().run(inputs, runtime)
        if isinstance(found, Declined):
            return found
        read = {role: sum(i.path.stat().st_size > 0 for i in s.instances) for role, s in inputs.series.items()}
        given = tuple(f"{role}: {count}" for role, count in sorted(read.items()) if role != "mr")
        return replace(found, remarks=(*found.remarks, *inputs.remarks, *given))


FOLLOWS_UP = FollowsUp()
