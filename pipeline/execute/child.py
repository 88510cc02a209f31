"""The inside of the process that ProcessExecutor spawns: wait for a request, compute, answer, wait again."""

from __future__ import annotations

import ctypes
import faulthandler
import logging
import os
import pickle
import resource
import signal
import sys
from contextlib import suppress
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from threading import Thread

from pipeline.core.errors import PipelineFailed
from pipeline.execute.attempt import Answer, answer
from pipeline.execute.options import ExecutorOptions

READY = b"ready"
"""The child's first message."""

_PR_SET_PDEATHSIG = 1  # prctl(2)
_FIRST_TO_GO = "800"  # of 1000: when the machine runs out of memory the kernel takes this process, not the node's


def serve(connection: Connection, options: ExecutorOptions, log_level: int, parent_is_main_thread: bool) -> None:
    """Answer requests until the other end is closed.

    A request is a pickled (pipeline name, Inputs); the reply is a pickled Answer.
    """
    _set_apart(log_level)
    _die_with_parent(parent_is_main_thread)
    connection.send_bytes(READY)
    with suppress(EOFError):
        while True:
            name, inputs = pickle.loads(connection.recv_bytes())
            connection.send_bytes(packed(name, answer(name, inputs, options)))


def packed(name: str, given: Answer) -> bytes:
    """The answer as bytes; a PipelineFailed in its place when the pipeline put into it what cannot be pickled."""
    try:
        return pickle.dumps(given)
    except Exception as e:  # noqa: BLE001  (pickle raises whatever the object's own code raises)
        return pickle.dumps(PipelineFailed(f"what {name} returned cannot leave its process: {e}"))


def _set_apart(log_level: int) -> None:
    # A group of its own, so that Ctrl-C passes by and a kill takes along whatever the pipeline started.
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # systemd sends SIGTERM to the whole unit; whether the job may end is for the parent to say.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # A core file would hold patients' pixels.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, encoding="ascii")
    stdout_to_stderr()
    faulthandler.enable()
    logging.basicConfig(stream=sys.stderr, level=log_level, format="%(levelname)s %(name)s: %(message)s")


def stdout_to_stderr() -> None:
    """Send what a pipeline prints to the log: standard output belongs to the program that was called."""
    sys.stdout.flush()
    os.dup2(2, 1)


def _die_with_parent(parent_is_main_thread: bool) -> None:
    """Leave no orphan, not even after kill -9 of the parent."""
    Thread(target=_watch_parent, daemon=True, name="watch-parent").start()
    # The kernel's signal works also while C code holds the interpreter lock, but comes when the parent's *thread*
    # ends: it is of use only when that is the thread that ends last.
    if parent_is_main_thread and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _watch_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGKILL)
