"""The one place that knows devices: which one, how many threads, which seed, and what to do when memory runs out."""

from __future__ import annotations

import gc
import logging
import os
import random
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from pipeline.contract import Declined, Found, Inputs, Pipeline, Runtime
from pipeline.core.errors import ConfigInvalid, ExecutorDied, OutOfMemory
from pipeline.execute.options import MB, ExecutorOptions

logger = logging.getLogger(__name__)

CPU = "cpu"
TILE_SCALES = (1.0, 0.5, 0.25)
"""Sizes tried one after the other on the device that was chosen."""
TILE_SCALES_LAST_RESORT = (1.0, 0.5)
"""Sizes tried on the CPU when no size fitted on a GPU."""

_ONE_GPU = re.compile(r"(?:gpu|cuda):(\d+)")
_NO_MEMORY = re.compile(r"out of memory|can't allocate memory|failed to allocate|_ALLOC_FAILED", re.IGNORECASE)


def free_gpu_memory() -> tuple[int, ...]:
    """Free bytes of each GPU, in the order of their numbers; 0 for one that does not answer. Empty without GPU."""
    import torch  # noqa: PLC0415  (seconds; only the process that computes pays them)

    if not torch.cuda.is_available():
        return ()
    return tuple(_free_bytes(n) for n in range(torch.cuda.device_count()))


def _free_bytes(number: int) -> int:
    import torch  # noqa: PLC0415

    try:
        return int(torch.cuda.mem_get_info(number)[0])
    except RuntimeError as e:
        # A full or exclusively held GPU cannot even be asked; another one may still do.
        logger.warning("GPU %d does not answer: %s", number, e)
        return 0


def choose(wanted: str, free: tuple[int, ...]) -> str:
    """The torch name of the device that `wanted` means (see ExecutorOptions.device).

    free: free bytes of each GPU. Raises ConfigInvalid when what was asked for by name is not there.
    """
    wanted = wanted.strip().lower()
    if wanted == CPU or (wanted == "auto" and not any(free)):
        return CPU
    if wanted in ("auto", "gpu", "cuda") and any(free):
        return f"cuda:{max(range(len(free)), key=free.__getitem__)}"
    one = _ONE_GPU.fullmatch(wanted)
    if one and int(one[1]) < len(free):
        return f"cuda:{int(one[1])}"
    if one or wanted in ("gpu", "cuda"):
        raise ConfigInvalid(f"device {wanted!r} is not there: {_inventory(free)}", _HINT)
    raise ConfigInvalid(f"no device is called {wanted!r}", _HINT)


_HINT = 'set [work] device to "auto", "cpu" or "gpu:N"; `lantern doctor` shows the GPUs that can be used'


def _inventory(free: tuple[int, ...]) -> str:
    if not free:
        return "torch finds no GPU"
    return "there is " + ", ".join(f"gpu:{n} ({f // MB} MB free)" for n, f in enumerate(free))


def prepare(options: ExecutorOptions) -> Runtime:
    """Choose the device, set the threads, ask for deterministic kernels. Raises ConfigInvalid as `choose` does."""
    # cuBLAS reads it when its first handle is made; without it matrix products may differ from run to run.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch  # noqa: PLC0415

    wanted = options.device.strip().lower()
    device = choose(wanted, () if wanted == CPU else free_gpu_memory())
    torch.set_num_threads(max(1, options.threads))
    torch.set_deterministic_debug_mode("warn")  # the same, without loading the compiler for two seconds
    # Only a help to find bugs, and it costs a pass over every new tensor. (torch makes this attribute at run time.)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    return Runtime(device=device, threads=options.threads, seed=options.seed)


def seed_everything(seed: int) -> None:
    """Start the generators of random, numpy and torch (all devices) from `seed`."""
    import torch  # noqa: PLC0415

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def run(pipeline: Pipeline, inputs: Inputs, runtime: Runtime) -> Found | Declined:
    """Run the pipeline on `runtime`; when memory runs out, in smaller tiles, and at last on the CPU.

    Each step down is a sentence in `Runtime.remarks` and in the remarks of the Findings. Raises OutOfMemory when
    nothing fitted, ExecutorDied when the GPU itself failed, and whatever else the pipeline raises.
    """
    for step in _ladder(runtime):
        outcome = _attempt(pipeline, inputs, step)
        if outcome is not None:
            return _with_remarks(outcome, step.remarks)
        logger.warning("%s: no memory on %s at tile scale %g", pipeline.name, step.device, step.tile_scale)
        _let_go_of_memory()
    raise OutOfMemory(f"{pipeline.name} did not fit in memory, not even in its smallest form on the CPU")


def _ladder(first: Runtime) -> Iterator[Runtime]:
    """`first`, then each Runtime to try after the one before ran out of memory."""
    yield (step := first)
    for scale in (s for s in TILE_SCALES if s < first.tile_scale):
        yield (step := _down(step, step.device, scale))
    if first.device != CPU:
        for scale in TILE_SCALES_LAST_RESORT:
            yield (step := _down(step, CPU, scale))


def _down(failed: Runtime, device: str, tile_scale: float) -> Runtime:
    if failed.device != device:
        remark = "GPU memory was not enough; computed on CPU."
    else:
        kind = "CPU" if device == CPU else "GPU"
        remark = f"{kind} memory was not enough at tile scale {failed.tile_scale:g}; went on at {tile_scale:g}."
    return replace(failed, device=device, tile_scale=tile_scale, remarks=(*failed.remarks, remark))


def _attempt(pipeline: Pipeline, inputs: Inputs, runtime: Runtime) -> Found | Declined | None:
    """One try; None when memory ran out. The error is not kept: its frames hold the tensors that fill the memory."""
    seed_everything(runtime.seed)
    try:
        return pipeline.run(inputs, runtime)
    except (RuntimeError, MemoryError) as e:
        if is_out_of_memory(e):
            return None
        if _is_accelerator_error(e):
            raise ExecutorDied(f"the GPU failed: {e}", "look for driver errors in the system log") from e
        raise


def is_out_of_memory(error: BaseException) -> bool:
    """True for what torch, numpy and ITK raise when the GPU or the machine has no memory left."""
    import torch  # noqa: PLC0415

    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and _NO_MEMORY.search(str(error)) is not None


def _is_accelerator_error(error: BaseException) -> bool:
    """True when a kernel failed: afterwards every call of this process on that GPU fails too."""
    import torch  # noqa: PLC0415

    return isinstance(error, torch.AcceleratorError)


def _let_go_of_memory() -> None:
    import torch  # noqa: PLC0415

    gc.collect()
    torch.cuda.empty_cache()


def _with_remarks(outcome: Found | Declined, remarks: tuple[str, ...]) -> Found | Declined:
    if not isinstance(outcome, Found):  # what is neither is told by whoever asked
        return outcome
    unsaid = tuple(r for r in remarks if r not in outcome.remarks)
    return replace(outcome, remarks=(*outcome.remarks, *unsaid))
