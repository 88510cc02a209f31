"""`lantern serve`: all processes of a node under one supervisor, for a single machine."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from node.loop import Stop, notify

log = logging.getLogger(__name__)

RESTART_CAP_S = 30.0
"""Seconds that the wait before a restart never exceeds."""
STEADY_S = 60.0
"""A process that ran this long is restarted without a wait."""
GRACE_S = 30.0
"""Seconds that processes get to end before they are killed."""

_PR_SET_PDEATHSIG = 1  # prctl(2)


@dataclass
class Child:
    """One process, and how often it died young."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_after: float = 0.0
    young_deaths: int = field(default=0)

    def start(self, environment: Mapping[str, str]) -> None:
        """Start it; it is told to end when the supervisor dies, however that happens."""
        self.started_at = time.monotonic()
        begin = partial(_end_with_parent, os.getpid())
        try:
            self.process = subprocess.Popen(self.command, env=dict(environment), preexec_fn=begin)  # noqa: PLW1509
        except OSError as e:
            log.error("%s: could not be started: %s", self.name, e.strerror)
            self.start_after = self.started_at + RESTART_CAP_S
            return
        log.info("%s: started as PID %d", self.name, self.process.pid)

    def look(self) -> None:
        """Notice a death, and set the time of the next start."""
        if self.process is None or self.process.poll() is None:
            return
        now = time.monotonic()
        steady = now - self.started_at > STEADY_S
        self.young_deaths = 0 if steady else self.young_deaths + 1
        wait = 0.0 if self.young_deaths <= 1 else min(RESTART_CAP_S, 0.5 * 2.0**self.young_deaths)
        self.start_after = now + wait
        log.error("%s: ended with %s; starting again in %.0f s", self.name, _how(self.process.returncode), wait)
        self.process = None


def supervise(
    commands: Sequence[Sequence[str]],
    environment: Mapping[str, str],
    stop: Stop,
    look: Callable[[], None] = lambda: None,
) -> None:
    """Run `lantern COMMAND` for each command line, restart what dies, end all when asked to stop.

    look: called now and then, while they run.
    """
    children = [Child(c[0], [sys.executable, "-m", "node", *c]) for c in commands]
    try:
        while not stop.asked:
            for child in children:
                child.look()
                if child.process is None and time.monotonic() >= child.start_after:
                    child.start(environment)
            look()
            notify("READY=1\nWATCHDOG=1")
            stop.wait(0.3)
    finally:
        _end_all(children)


def _end_all(children: Sequence[Child]) -> None:
    running = [c.process for c in children if c.process and c.process.poll() is None]
    for process in running:
        process.terminate()
    deadline = time.monotonic() + GRACE_S
    for process in running:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _end_with_parent(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before it could be watched
        os.kill(os.getpid(), signal.SIGTERM)


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    known = {s.value: s.name for s in signal.Signals}
    return f"signal {known.get(-code, -code)}"
