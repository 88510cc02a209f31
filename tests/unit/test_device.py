"""The choice of the device, and the ladder that is climbed down when memory runs out."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.contract import Declined, Runtime
from pipeline.core.errors import ConfigInvalid, ExecutorDied, OutOfMemory, Permanent
from pipeline.execute import device
from pipeline.execute.options import ExecutorOptions
from pipeline.findings import Findings
from tests.support.pipelines import (
    DECLINES,
    FILLS_DEVICE,
    FINDS,
    RAISES,
    REALLY_FILLS_MEMORY,
    Small,
    given,
    one_lesion,
)

ROOT = Path(__file__).parents[2]
GB = 1 << 30


@pytest.mark.parametrize(
    ("wanted", "free", "chosen"),
    [
        ("auto", (), "cpu"),
        ("auto", (4 * GB,), "cuda:0"),
        ("auto", (4 * GB, 9 * GB, 2 * GB), "cuda:1"),
        ("auto", (0, 0), "cpu"),
        ("cpu", (4 * GB,), "cpu"),
        ("gpu", (4 * GB, 9 * GB), "cuda:1"),
        ("gpu:0", (4 * GB, 9 * GB), "cuda:0"),
        ("cuda:1", (4 * GB, 9 * GB), "cuda:1"),
        (" GPU:1 ", (4 * GB, 0), "cuda:1"),
    ],
)
def test_the_device_with_the_most_free_memory_is_chosen_unless_one_is_named(wanted, free, chosen):
    assert device.choose(wanted, free) == chosen


@pytest.mark.parametrize(
    ("wanted", "free", "said"),
    [
        ("gpu", (), "torch finds no GPU"),
        ("gpu:0", (), "torch finds no GPU"),
        ("gpu:1", (4 * GB,), "gpu:0 (4096 MB free)"),
        ("tpu", (4 * GB,), "no device is called 'tpu'"),
        ("gpu:one", (4 * GB,), "no device is called 'gpu:one'"),
        ("", (), "no device is called ''"),
    ],
)
def test_a_device_that_is_not_there_is_a_permanent_error_that_says_what_is(wanted, free, said):
    with pytest.raises(ConfigInvalid) as caught:
        device.choose(wanted, free)
    assert isinstance(caught.value, Permanent)
    assert said in caught.value.message
    assert "lantern doctor" in caught.value.hint


def test_preparing_sets_the_threads_and_asks_for_deterministic_kernels():
    before = torch.get_num_threads()
    try:
        runtime = device.prepare(ExecutorOptions(device="cpu", threads=1, seed=7))
        assert runtime == Runtime(device="cpu", threads=1, seed=7)
        assert torch.get_num_threads() == 1
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_without_a_gpu_auto_means_the_cpu():
    assert device.prepare(ExecutorOptions(device="auto")).device == "cpu"
    assert device.free_gpu_memory() == ()


def test_the_same_seed_gives_the_same_random_numbers_again_and_another_seed_others():
    first, second, other = (device.run(FINDS, given(), Runtime(seed=s)) for s in (5, 5, 6))
    assert first.timings_s == second.timings_s
    for generator, drawn in first.timings_s.items():
        assert drawn != other.timings_s[generator]


GPU_SCALE_1 = "GPU memory was not enough at tile scale 1; went on at 0.5."
GPU_SCALE_HALF = "GPU memory was not enough at tile scale 0.5; went on at 0.25."
TO_CPU = "GPU memory was not enough; computed on CPU."
CPU_SCALE_1 = "CPU memory was not enough at tile scale 1; went on at 0.5."


@pytest.mark.parametrize(
    ("fits", "remarks"),
    [
        (["cuda:0", 1.0], ()),
        (["cuda:0", 0.5], (GPU_SCALE_1,)),
        (["cuda:0", 0.25], (GPU_SCALE_1, GPU_SCALE_HALF)),
        (["cpu", 1.0], (GPU_SCALE_1, GPU_SCALE_HALF, TO_CPU)),
        (["cpu", 0.5], (GPU_SCALE_1, GPU_SCALE_HALF, TO_CPU, CPU_SCALE_1)),
    ],
)
def test_what_does_not_fit_goes_in_smaller_tiles_and_then_to_the_cpu_and_the_result_says_so(fits, remarks):
    findings = device.run(FILLS_DEVICE, given(fits=fits), Runtime(device="cuda:0"))
    assert findings.remarks[2:] == remarks
    assert findings.remarks[1].startswith(f"{fits[0]} ")


@pytest.mark.parametrize("where", ["cpu", "cuda:0"])
def test_what_never_fits_ends_as_out_of_memory(where):
    with pytest.raises(OutOfMemory, match="fills-device did not fit"):
        device.run(FILLS_DEVICE, given(), Runtime(device=where))


def test_every_step_is_tried_once_and_in_order():
    tried = []

    def never_fits(inputs, runtime):
        tried.append((runtime.device, runtime.tile_scale, len(runtime.remarks)))
        raise MemoryError

    with pytest.raises(OutOfMemory):
        device.run(Small("never", never_fits), given(), Runtime(device="cuda:3"))
    assert tried == [("cuda:3", 1.0, 0), ("cuda:3", 0.5, 1), ("cuda:3", 0.25, 2), ("cpu", 1.0, 3), ("cpu", 0.5, 4)]


def test_a_tile_scale_that_was_asked_for_is_where_the_ladder_begins():
    findings = device.run(FILLS_DEVICE, given(fits=["cpu", 0.25]), Runtime(tile_scale=0.5))
    assert findings.remarks[2:] == ("CPU memory was not enough at tile scale 0.5; went on at 0.25.",)


def test_the_refusal_of_the_real_allocators_of_torch_and_numpy_is_recognised():
    findings = device.run(REALLY_FILLS_MEMORY, given(), Runtime())
    assert len(findings.remarks[2:]) == 2
    assert findings.labels.array.sum() == 60


def test_a_remark_that_the_pipeline_already_made_is_not_repeated():
    def repeats(inputs, runtime):
        return replace(one_lesion(runtime), remarks=runtime.remarks)

    findings = device.run(Small("repeats", repeats), given(), Runtime(remarks=("The first GPU is broken.",)))
    assert findings.remarks == ("The first GPU is broken.",)


def test_the_memory_of_a_failed_try_is_free_before_the_next():
    class Buffer:
        pass

    import gc
    import weakref

    alive: list[weakref.ref[Buffer]] = []

    def holds(inputs, runtime):
        assert not any(r() for r in alive), "the last try still holds its memory"
        held = Buffer()
        alive.append(weakref.ref(held))
        if runtime.tile_scale > 0.25:
            raise torch.OutOfMemoryError("out of memory")
        return one_lesion(runtime)

    gc.disable()
    try:
        assert isinstance(device.run(Small("holds", holds), given(), Runtime()), Findings)
    finally:
        gc.enable()
    assert len(alive) == 3


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        torch.AcceleratorError("CUDA error: out of memory"),
        RuntimeError("itk::ERROR: Failed to allocate memory for image."),
        MemoryError(),
        np._core._exceptions._ArrayMemoryError((10**15,), np.dtype("f8")),
    ],
    ids=lambda e: f"{type(e).__name__}-{str(e)[:20]}",
)
def test_every_way_of_saying_that_memory_is_short_is_understood(error):
    assert device.is_out_of_memory(error)


@pytest.mark.parametrize("error", [ValueError("out of memory"), RuntimeError("shapes differ"), KeyError("memory")])
def test_other_errors_are_not_taken_for_it(error):
    assert not device.is_out_of_memory(error)


def test_an_error_of_the_pipeline_is_not_tried_again():
    with pytest.raises(ValueError, match="upside down"):
        device.run(RAISES, given(), Runtime(device="cuda:0"))


def test_a_gpu_that_fails_costs_the_process_since_nothing_more_runs_on_it():
    def fails(inputs, runtime):
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(ExecutorDied, match="illegal memory access"):
        device.run(Small("fails", fails), given(), Runtime(device="cuda:0"))


def test_declining_passes_through():
    assert device.run(DECLINES, given(), Runtime(remarks=("x",))) == Declined("No contrast agent was given.")


def test_only_device_py_knows_the_vendor_of_the_gpu():
    files = [f for room in ("node", "pipeline", "storage", "config") for f in (ROOT / room).rglob("*.py")]
    assert len(files) > 10
    knowing = {f.relative_to(ROOT).as_posix() for f in files if "cuda" in f.read_text(encoding="utf-8").lower()}
    assert knowing == {"pipeline/execute/device.py"}


def test_importing_the_executors_loads_no_network_and_no_ray():
    code = (
        "import sys, pipeline.execute, pipeline.execute.device, pipeline.execute.attempt, pipeline.execute.child;"
        "print(sorted({'torch', 'monai', 'ray', 'sqlalchemy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
