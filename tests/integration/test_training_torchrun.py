"""Several processes under torchrun that train one network."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from pipeline.training.config import read_plan
from pipeline.training.loop import rate
from pipeline.training.stamp import stamp
from tests.support.tiny_training import SCHEDULE, Tiny, kept, same

ROOT = Path(__file__).parents[2]


def torchrun(*arguments: str) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_two_processes_end_with_the_same_weights_those_of_averaged_gradients(tmp_path: Path):
    torchrun("tests.support.tiny_training", str(tmp_path), "3")
    torchrun("tests.support.tiny_training", str(tmp_path), "5")  # goes on from the checkpoint
    first, second = (torch.load(tmp_path / f"rank-{n}.pt", weights_only=True) for n in (0, 1))
    assert same(dict(first), dict(second))
    assert same(dict(first), dict(kept(tmp_path)["network"]))
    assert kept(tmp_path)["step"] == 5
    expected = _by_hand(steps=(3, 5))
    assert all(torch.allclose(first[name], value, atol=1e-6) for name, value in expected.items())
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 2  # the first process alone writes


def test_the_entry_point_trains_under_torchrun(tmp_path: Path):
    """The real program on heads of a few voxels; what it learns from them is nothing."""
    runs, data = tmp_path / "runs", tmp_path / "data" / "brain" / "cheng2d_t1c"
    data.mkdir(parents=True)
    (data / "labels.csv").write_text("id,tumour_type\n")
    text = (ROOT / "pipeline" / "training" / "srs.toml").read_text()
    small = {"batch": 1, "crop": 32, "labelmap_heads": 1, "procedural_heads": 0, "real_heads": 0, "validation_heads": 1}
    for key, value in {**small, "validate_every": 100, "checkpoint_every": 1, "device": '"cpu"'}.items():
        text = re.sub(rf"(?m)^{key} = \S+", f"{key} = {value}", text)
    (tmp_path / "small.toml").write_text(text)
    heads, plan = runs / "srs-short" / "slices" / "heads", read_plan(tmp_path / "small.toml").slices
    stamp(heads, plan.seed, plan.training_anatomies, plan.validation_anatomies, plan.random_contrast)
    for name in ("train-labelmap-0000", "validation-held-0000"):
        np.save(heads / f"{name}.image.npy", np.full((40, 48, 48), 60, np.uint8))
        np.save(heads / f"{name}.labels.npy", np.zeros((40, 48, 48), np.uint8))
        (heads / f"{name}.json").write_text('{"centres": [[20, 24, 24]]}')
    command = ["pipeline.training", "srs", "--config", str(tmp_path / "small.toml"), "--no-ship", "--stage", "slices"]
    command += ["--data", str(tmp_path / "data"), "--runs", str(runs)]
    torchrun(*command, "--steps", "2")
    assert kept(runs / "srs-short" / "slices")["step"] == 2
    assert [
        json.loads(r)["step"] for r in (runs / "srs-short" / "slices" / "metrics.jsonl").read_text().splitlines()
    ] == [2]


def _by_hand(steps: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """Gradients and running statistics of batches 2i and 2i+1, each computed alone, averaged; in one process."""
    torch.manual_seed(SCHEDULE.seed)
    task = Tiny()
    network = task.build()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1, weight_decay=SCHEDULE.weight_decay)
    done = 0
    for end in steps:
        for step in range(done, end):
            alone = [copy.deepcopy(network).train() for _ in range(2)]
            for rank, one in enumerate(alone):
                batch = task.batch(2 * step + rank)
                task.loss(one(batch.image), batch).backward()
            for own, *both in zip(network.parameters(), *(one.parameters() for one in alone), strict=True):
                own.grad = torch.stack([p.grad for p in both]).mean(0)
            for own, *both in zip(network.buffers(), *(one.buffers() for one in alone), strict=True):
                own.copy_(torch.stack(both).float().mean(0))
            for group in optimiser.param_groups:
                group["lr"] = rate(replace(SCHEDULE, steps=end), step)
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
        done = end
    return network.state_dict()
