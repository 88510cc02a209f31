"""What may be set about where a pipeline runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

OnTick = Callable[[], None]
"""Called about once a second while a pipeline runs elsewhere. What it raises stops the run and reaches the caller."""

MB = 1 << 20
"""Bytes in a megabyte, as systemd and `free -m` count."""


def nothing() -> None:
    """The OnTick that does nothing."""


@dataclass(frozen=True, slots=True)
class ExecutorOptions:
    """Where and within which limits pipelines run.

    device:          "auto" (the GPU with the most free memory, else the CPU), "cpu", "gpu", or one GPU: "gpu:1".
    threads:         CPU threads a pipeline may use.
    seed:            for whatever is random in a pipeline.
    time_limit_s:    a run that takes longer is stopped (TimeLimit).
    memory_limit_mb: a run whose process holds more resident memory is stopped (OutOfMemory); 0 is no limit.
    num_gpus:        Ray only: GPUs, or the fraction of one, that Ray is asked for.
    ray_address:     Ray only: a running cluster; "" starts one of its own on this machine.
    """

    device: str = "auto"
    threads: int = 2
    seed: int = 0
    time_limit_s: float = 1800.0
    memory_limit_mb: int = 0
    num_gpus: float = 0.0
    ray_address: str = ""
