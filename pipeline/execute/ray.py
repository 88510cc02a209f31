"""Run in an actor of a Ray cluster, one of its own on this machine or one that is there; no other file knows Ray."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import threading
import time
from typing import Any

# Read by Ray when it starts: a hospital's node tells nobody that it exists.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from ray.exceptions import OutOfMemoryError, RayError

from pipeline.contract import Declined, Found, Inputs
from pipeline.core.errors import ConfigInvalid, ExecutorDied, LanternError, OutOfMemory, Retryable, TimeLimit
from pipeline.execute.attempt import Answer, answer, result_of
from pipeline.execute.child import READY, packed, stdout_to_stderr
from pipeline.execute.options import ExecutorOptions, OnTick, nothing
from pipeline.execute.process import POLL_S, START_LIMIT_S, TICK_S, resident_mb

OBJECT_STORE_BYTES = 100 * 1024**2
"""Shared memory of a cluster of our own; only label volumes pass through it."""


class RayExecutor:
    """The Executor for several machines, or several pipelines on parts of one GPU. One run at a time.

    The actor is started at the first run and kept warm; it is killed after a limit was passed, after a Retryable
    error, and when `on_tick` raises. The memory limit is kept by the actor itself, on whatever machine it is.
    """

    def __init__(self, options: ExecutorOptions, on_tick: OnTick = nothing) -> None:
        self._options = options
        self._on_tick = on_tick
        self._actor: Any = None
        self._started_ray = False

    def run(self, pipeline_name: str, inputs: Inputs) -> Found | Declined:
        """Run the pipeline of that name in the actor and wait for it.

        Raises errors of `pipeline.core.errors` only, and whatever `on_tick` raises. Paths in `inputs` must be the
        same on the actor's machine.
        """
        self._connect()
        keep = False
        try:
            given = self._ask(pipeline_name, inputs)
            keep = not isinstance(given, Retryable)
            return result_of(given)
        finally:
            if not keep:
                self._kill_actor()

    def close(self) -> None:
        """Kill the actor, and stop Ray if this object started it."""
        self._kill_actor()
        if self._started_ray:
            ray.shutdown()
            self._started_ray = False

    def _connect(self) -> None:
        if not ray.is_initialized():
            _start_ray(self._options)
            self._started_ray = True
        needed = {"CPU": float(self._options.threads), "GPU": self._options.num_gpus}
        there = ray.cluster_resources()
        if lacking := [f"{n:g} {r}" for r, n in needed.items() if n > there.get(r, 0.0)]:
            hint = "lower [work] threads or num_gpus, or add a machine to the cluster"
            raise ConfigInvalid(f"no machine of the Ray cluster can give {' and '.join(lacking)}", hint)

    def _ask(self, name: str, inputs: Inputs) -> Answer:
        limit = self._options.time_limit_s
        late = TimeLimit(f"{name} ran past its limit of {limit:g} s and was stopped")
        reply = self._warm_actor().run.remote(name, inputs)
        answer: Answer = pickle.loads(self._wait(name, reply, limit, late))
        return answer

    def _warm_actor(self) -> Any:
        if self._actor is None:
            needs = {"num_cpus": self._options.threads, "num_gpus": self._options.num_gpus}
            made = ray.remote(_Actor).options(**needs, max_restarts=0, max_task_retries=0)
            self._actor = made.remote(self._options)
            hint = "see `ray status`: other work may hold all CPUs or GPUs"
            late = ExecutorDied(f"Ray started no actor within {START_LIMIT_S:g} s", hint)
            self._wait("the Ray actor", self._actor.ready.remote(), START_LIMIT_S, late)
        return self._actor

    def _kill_actor(self) -> None:
        if self._actor is not None and ray.is_initialized():
            ray.kill(self._actor, no_restart=True)
        self._actor = None

    def _wait(self, name: str, reply: Any, limit_s: float, late: LanternError) -> bytes:
        deadline = time.monotonic() + limit_s
        while not ray.wait([reply], timeout=TICK_S)[0]:
            if time.monotonic() >= deadline:
                raise late
            self._on_tick()
        return _read(name, reply)


class _Actor:
    """What runs on the other side."""

    def __init__(self, options: ExecutorOptions) -> None:
        stdout_to_stderr()
        self._options = options
        if options.memory_limit_mb:
            threading.Thread(target=_guard_memory, args=(options.memory_limit_mb,), daemon=True).start()

    def ready(self) -> bytes:
        return READY

    def run(self, name: str, inputs: Inputs) -> bytes:
        # Bytes, since arrays that Ray carries by itself arrive read-only, unlike those of the other executors.
        return packed(name, answer(name, inputs, self._options))


def _guard_memory(limit_mb: int) -> None:
    while (used := resident_mb(os.getpid())) <= limit_mb:
        time.sleep(POLL_S)
    logging.getLogger(__name__).error("held %d MB, more than the limit of %d MB: stopped", used, limit_mb)
    os.kill(os.getpid(), signal.SIGKILL)


def _start_ray(options: ExecutorOptions) -> None:
    own = {} if options.ray_address else _own_cluster(options)
    handler = signal.getsignal(signal.SIGTERM)
    ray.init(address=options.ray_address or "local", logging_level=logging.WARNING, **own)
    # Ray puts its own in place; how a node ends is the node's to say.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


def _own_cluster(options: ExecutorOptions) -> dict[str, Any]:
    return {
        "num_cpus": options.threads,
        "include_dashboard": False,
        "object_store_memory": OBJECT_STORE_BYTES,
    }


def _read(name: str, reply: Any) -> bytes:
    try:
        message: bytes = ray.get(reply)
    except OutOfMemoryError as e:
        raise OutOfMemory(f"{name} was stopped by Ray: its machine has no memory left") from e
    except RayError as e:
        raise ExecutorDied(f"{name}: the Ray actor is gone: {str(e).strip().splitlines()[0]}") from e
    return message
