"""`lantern serve`: all processes of a node under one supervisor, for a single machine."""

from __future__ import annotations

import ctypes
import gc
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.context import ForkProcess

from setproctitle import setproctitle

from node.loop import Stop, notify

log = logging.getLogger(__name__)

RESTART_CAP_S = 30.0
"""Seconds that the wait before a restart never exceeds."""
STEADY_S = 60.0
"""A process that ran this long is restarted without a wait."""
GRACE_S = 30.0
"""Seconds that processes get to end before they are killed."""

_PR_SET_PDEATHSIG = 1  # prctl(2)

Run = Callable[[Sequence[str]], None]
"""Runs `lantern COMMAND` for a command line, in the process that calls it."""


@dataclass
class Child:
    """One process, and how often it died young."""

    command: Sequence[str]
    run: Run
    process: ForkProcess | None = None
    started_at: float = 0.0
    start_after: float = 0.0
    young_deaths: int = field(default=0)

    @property
    def name(self) -> str:
        """What its command is called."""
        return self.command[0]

    def start(self) -> None:
        """Start it; it is told to end when the supervisor dies, however that happens."""
        self.started_at = time.monotonic()
        # Forked, it has at once what the supervisor has loaded, and shares the memory of it.
        process = multiprocessing.get_context("fork").Process(
            target=_begin, args=(os.getpid(), self.run, self.command), name=self.name
        )
        try:
            process.start()
        except OSError as e:
            log.error("%s: could not be started: %s", self.name, e.strerror)
            self.start_after = self.started_at + RESTART_CAP_S
            return
        self.process = process
        log.info("%s: started as PID %d", self.name, process.pid)

    def look(self) -> None:
        """Notice a death, and set the time of the next start."""
        if self.process is None or self.process.exitcode is None:
            return
        now = time.monotonic()
        steady = now - self.started_at > STEADY_S
        self.young_deaths = 0 if steady else self.young_deaths + 1
        wait = 0.0 if self.young_deaths <= 1 else min(RESTART_CAP_S, 0.5 * 2.0**self.young_deaths)
        self.start_after = now + wait
        log.error("%s: ended with %s; starting again in %.0f s", self.name, _how(self.process.exitcode), wait)
        self.process = None


def supervise(commands: Sequence[Sequence[str]], run: Run, stop: Stop, look: Callable[[], None] = lambda: None) -> None:
    """Run each command line, restart what dies, end all when asked to stop. To be called where no other thread is.

    look: called now and then, while they run.
    """
    children = [Child(c, run) for c in commands]
    gc.freeze()  # what is never collected stays in memory that they share
    try:
        while not stop.asked:
            for child in children:
                child.look()
                if child.process is None and time.monotonic() >= child.start_after:
                    child.start()
            look()
            notify("READY=1\nWATCHDOG=1")
            stop.wait(0.3)
    finally:
        _end_all(children)


def _end_all(children: Sequence[Child]) -> None:
    running = [c.process for c in children if c.process and c.process.is_alive()]
    for process in running:
        process.terminate()
    deadline = time.monotonic() + GRACE_S
    for process in running:
        process.join(max(0.1, deadline - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()


def _begin(parent: int, run: Run, command: Sequence[str]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)  # the supervisor's own handlers are not for its children
    _end_with_parent(parent)
    setproctitle(" ".join(["lantern", *command]))
    run(command)


def _end_with_parent(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before it could be watched
        os.kill(os.getpid(), signal.SIGTERM)


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    known = {s.value: s.name for s in signal.Signals}
    return f"signal {known.get(-code, -code)}"
