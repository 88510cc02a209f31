"""What every process does: tick, sleep, stop when told, tell systemd and the ledger that it is alive."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.core.errors import LanternError

log = logging.getLogger(__name__)

BEAT_EVERY_S = 5.0
"""Seconds between two heartbeats of a process."""
TROUBLE_PAUSE_S = 2.0
"""Seconds to wait after a tick that failed, so that a dead database is not hammered."""


class Stop:
    """Whether this process was asked to end; SIGTERM and SIGINT ask for it."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def on_signals(self) -> None:
        """Let SIGTERM and SIGINT ask for the end. Main thread only."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.ask())

    def ask(self) -> None:
        """Ask the process to end."""
        self._asked.set()

    @property
    def asked(self) -> bool:
        """True once the process is to end."""
        return self._asked.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep, but not past the request to end; True when that came."""
        return self._asked.wait(seconds)


def run(tick: Callable[[], bool], stop: Stop, *, poll_s: float, beat: Callable[[], None] = lambda: None) -> None:
    """Call `tick` until asked to stop; at once again when it says that it did something, else after `poll_s`.

    beat: called every few seconds between ticks. Errors made for people are logged and the loop goes on.
    """
    last_beat = -BEAT_EVERY_S
    while not stop.asked:
        try:
            if time.monotonic() - last_beat >= BEAT_EVERY_S:
                beat()
                last_beat = time.monotonic()
            notify("WATCHDOG=1")
            pause = 0.0 if tick() else poll_s
        except LanternError as e:
            log.error("%s", e)
            pause = TROUBLE_PAUSE_S
        if pause:
            stop.wait(pause)


def notify(message: str) -> None:
    """Tell systemd (sd_notify(3)) when it wants to know; elsewhere do nothing."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    name = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        try:
            s.sendto(message.encode(), name)
        except OSError as e:
            log.warning("systemd does not listen: %s", e.strerror)


def holder_name(process: str) -> str:
    """A name for this process that no later process on this machine can have: with its PID and start time."""
    return f"{process}@{_machine()}:{os.getpid()}:{_start_ticks(os.getpid())}"


def is_gone(holder: str) -> bool:
    """True when `holder` was a process of this machine that is no more; of other machines nothing is known."""
    try:
        where, pid, started = holder.rsplit(":", 2)
    except ValueError:
        return False
    if where.rpartition("@")[2] != _machine():
        return False
    return _start_ticks(int(pid)) != started


def _machine() -> str:
    """Where our process numbers mean something: two containers may share a host's name, but not these numbers."""
    try:
        return f"{socket.gethostname()}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return socket.gethostname()


def _start_ticks(pid: int) -> str:
    """When a process started, in clock ticks since boot (proc(5), field 22); empty when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
