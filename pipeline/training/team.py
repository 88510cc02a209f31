"""One process, or several under torchrun that train one network together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed

from pipeline.execute.device import choose, free_gpu_memory

PATIENCE = timedelta(hours=3)
"""The others wait so long for the first one, which alone makes heads and validates."""


@dataclass(frozen=True, slots=True)
class Team:
    """Who takes part. rank: 0…world-1; device: a torch device name."""

    rank: int = 0
    world: int = 1
    device: str = "cpu"

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes files and speaks."""
        return self.rank == 0

    def wait(self) -> None:
        """Go on when all are here."""
        if self.world > 1:
            distributed.barrier()

    def average(self, tensors: Iterable[torch.Tensor]) -> None:
        """Replace each floating tensor by its mean over all processes."""
        if self.world == 1:
            return
        for tensor in (t for t in tensors if t.dtype.is_floating_point):
            distributed.all_reduce(tensor)
            tensor.div_(self.world)


@contextmanager
def team(device: str, environ: Mapping[str, str] = os.environ) -> Iterator[Team]:
    """The processes that torchrun started (it sets RANK, WORLD_SIZE, LOCAL_RANK), or this one alone.

    device: "auto", "cpu", "gpu" or "gpu:N"; under torchrun on GPUs each process takes the one of its local rank.
    """
    world, rank, local = (int(environ.get(key, default)) for key, default in _VARIABLES)
    free = () if device == "cpu" else free_gpu_memory()
    on_gpu = device != "cpu" and any(free)
    chosen = choose(f"gpu:{local}" if world > 1 and on_gpu else device, free)
    if world == 1:
        yield Team(device=chosen)
        return
    if on_gpu:
        torch.accelerator.set_device_index(local)
    distributed.init_process_group("nccl" if on_gpu else "gloo", timeout=PATIENCE)
    try:
        yield Team(rank, world, chosen)
        distributed.barrier()  # who goes first would take the meeting place away from under the others
    finally:
        distributed.destroy_process_group()


_VARIABLES = (("WORLD_SIZE", "1"), ("RANK", "0"), ("LOCAL_RANK", "0"))
