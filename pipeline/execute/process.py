"""Run in a spawned child that stays warm between jobs, can be killed, and whose death costs one try of one job."""

from __future__ import annotations

import atexit
import logging
import multiprocessing
import os
import pickle
import signal
import threading
import time
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path

from pipeline.contract import Declined, Found, Inputs
from pipeline.core.errors import ExecutorDied, LanternError, OurFault, OutOfMemory, Retryable, TimeLimit
from pipeline.execute.attempt import Answer, result_of
from pipeline.execute.child import serve
from pipeline.execute.options import MB, ExecutorOptions, OnTick, nothing

logger = logging.getLogger(__name__)

POLL_S = 0.05
"""How often memory and time are looked at. A child that fills memory gets this much further than its limit."""
TICK_S = 1.0
"""How often `on_tick` is called."""
START_LIMIT_S = 120.0
"""How long a new child may take until it listens."""


class ProcessExecutor:
    """The Executor of the node. One run at a time.

    The child is started at the first run and kept: imports, weights and GPU memory stay. It is killed, and a new one
    started at the next run, after a limit was passed, after any Retryable error, and when `on_tick` raises.
    """

    def __init__(self, options: ExecutorOptions, on_tick: OnTick = nothing) -> None:
        self._options = options
        self._on_tick = on_tick
        self._child: _Child | None = None

    def run(self, pipeline_name: str, inputs: Inputs) -> Found | Declined:
        """Run the pipeline of that name in the child and wait for it.

        Raises errors of `pipeline.core.errors` only (TimeLimit, OutOfMemory and ExecutorDied for what happens to the
        child itself), and whatever `on_tick` raises.
        """
        request = _request(pipeline_name, inputs)
        keep = False
        try:
            given = self._ask(pipeline_name, request)
            # A Retryable error can mean a GPU in an unknown state or memory in pieces: begin afresh.
            keep = not isinstance(given, Retryable)
            return result_of(given)
        finally:
            if not keep:
                self.close()

    def close(self) -> None:
        """Kill the child, if there is one, and all it started."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _ask(self, name: str, request: bytes) -> Answer:
        child = self._listening_child()
        try:
            child.connection.send_bytes(request)
        except OSError:
            raise child.obituary(name) from None
        limit = self._options.time_limit_s
        late = TimeLimit(f"{name} ran past its limit of {limit:g} s and was stopped")
        answer: Answer = pickle.loads(self._message(child, name, limit, late))
        return answer

    def _listening_child(self) -> _Child:
        if self._child is not None and self._child.alive:
            return self._child
        self.close()
        self._child = _Child(self._options)
        late = ExecutorDied(f"the computing process did not start within {START_LIMIT_S:g} s")
        self._message(self._child, "the computing process", START_LIMIT_S, late)
        return self._child

    def _message(self, child: _Child, name: str, limit_s: float, late: LanternError) -> bytes:
        """The child's next message, while time, memory and the child's life are watched."""
        deadline = time.monotonic() + limit_s
        tick_at = time.monotonic() + TICK_S
        while True:
            wait([child.connection, child.process.sentinel], timeout=POLL_S)
            message = child.message(name)
            if message is not None:
                return message
            self._check_memory(child, name)
            if time.monotonic() >= deadline:
                raise late
            if time.monotonic() >= tick_at:
                self._on_tick()
                tick_at = time.monotonic() + TICK_S

    def _check_memory(self, child: _Child, name: str) -> None:
        limit = self._options.memory_limit_mb
        used = resident_mb(child.process.pid) if limit else 0
        if used > limit:
            raise OutOfMemory(f"{name} held {used} MB, more than its limit of {limit} MB, and was stopped")


class _Child:
    """A spawned process and the pipe to it."""

    def __init__(self, options: ExecutorOptions) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        in_main = threading.current_thread() is threading.main_thread()
        arguments = (theirs, options, logging.getLogger().getEffectiveLevel(), in_main)
        # No daemon in the sense of multiprocessing: those may not start processes, and pipelines' data loaders do.
        self.process = context.Process(target=serve, args=arguments, name="lantern-pipeline", daemon=False)
        self._gone = False
        # At the end of the program multiprocessing waits for what is not a daemon; this comes before it.
        atexit.register(self.kill)
        self.process.start()
        theirs.close()
        logger.info("computing process %s started", self.process.pid)

    @property
    def alive(self) -> bool:
        """False once it has ended. Leaves the exit status in place, so that its number names no other process."""
        return not wait([self.process.sentinel], timeout=0)

    def message(self, name: str) -> bytes | None:
        """What the child has sent, or None if nothing yet. Raises ExecutorDied when nothing can come any more."""
        alive = self.alive  # asked first: what it sent before it died is still read
        try:
            if self.connection.poll():
                return self.connection.recv_bytes()
        except (EOFError, OSError):
            alive = False
        if not alive:
            raise self.obituary(name)
        return None

    def obituary(self, name: str) -> ExecutorDied:
        """The error that says how the child ended."""
        wait([self.process.sentinel], timeout=5)  # its pipe closes a moment before it is gone
        self._end()
        return ExecutorDied(f"{name}: the computing process {_how_it_ended(self.process.exitcode)}")

    def kill(self) -> None:
        """End the child and all it started, and wait until it is gone."""
        atexit.unregister(self.kill)
        self._end()
        self.connection.close()
        self.process.close()

    def _end(self) -> None:
        if self._gone or self.process.pid is None:
            return
        with suppress(ProcessLookupError, PermissionError):  # while it starts it has no group of its own yet
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.join()
        self._gone = True


def _request(name: str, inputs: Inputs) -> bytes:
    try:
        return pickle.dumps((name, inputs))
    except (pickle.PicklingError, TypeError, AttributeError) as e:
        raise OurFault(f"the inputs of {name} cannot be handed to another process: {e}") from e


def _how_it_ended(exitcode: int | None) -> str:
    if exitcode is None or exitcode >= 0:
        return f"ended by itself with exit status {exitcode}"
    return f"was ended by {signal.Signals(-exitcode).name}"


def resident_mb(pid: int | None) -> int:
    """Resident memory of a process in MB; 0 where the system has no /proc, or the process is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") // MB
