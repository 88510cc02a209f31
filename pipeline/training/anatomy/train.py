"""The training loop of the structure network: as many steps as the minutes allow, on one core; resumable."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch.nn import functional

from pipeline.recipes.srs.anatomy.network import Structure, build
from pipeline.training.anatomy.heads import TrainingHead
from pipeline.training.anatomy.samples import Sample, sample

RATE = 1.5e-2
"""High for Adam, but what comes before an instance norm does not care for its scale; 2e-3 had not found the small
structures after 1000 steps."""

WEIGHTS = (0.4, 0.4, 1.0, 0.8, 0.8, 3.0, 3.0, 2.5, 2.0, 2.0, 3.0)
"""Of the structures in the cross-entropy: without them, the small ones are found last."""

KEEP = 0.99
CHECKPOINT_S = 60.0

Tell = Callable[[int, float, float], None]
"""Is told the step, the smoothed loss and the share of the time that has gone."""


def train(heads: Sequence[TrainingHead], minutes: float, seed: int, folder: Path, tell: Tell) -> Path:
    """Train until so many minutes of processor time are used, with those of an interrupted run; returns the checkpoint.

    The learning rate follows that clock, so the number of steps depends on the machine; the samples do not.
    """
    torch.manual_seed(seed)
    network, averaged = build(), build()
    averaged.load_state_dict(network.state_dict())
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-3)
    path, step, gone, smooth = folder / "checkpoint.pt", 0, 0.0, 3.0
    if path.exists():
        kept = torch.load(path, weights_only=True)
        network.load_state_dict(kept["network"])
        averaged.load_state_dict(kept["averaged"])
        optimiser.load_state_dict(kept["optimiser"])
        step, gone = int(kept["step"]), float(kept["seconds"])
    started, saved = time.process_time() - gone, time.monotonic()
    while (gone := time.process_time() - started) < 60 * minutes:
        part = gone / (60 * minutes)
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 30) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * part)))
        smooth += 0.02 * (_learn(network, optimiser, sample(heads, seed, step)) - smooth)
        _average(averaged, network, min(KEEP, (step + 1) / (step + 10)))
        step += 1
        tell(step, smooth, part)
        if time.monotonic() - saved > CHECKPOINT_S:
            _save(path, network, averaged, optimiser, step, gone)
            saved = time.monotonic()
    _save(path, network, averaged, optimiser, step, gone)
    return path


def _learn(network: torch.nn.Module, optimiser: torch.optim.Optimizer, drawn: Sample) -> float:
    network.train()
    with torch.autocast("cpu", torch.bfloat16):
        logit = network(drawn.image.contiguous(memory_format=torch.channels_last_3d))
    loss = loss_of(logit.float(), drawn.share)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
    optimiser.step()
    return float(loss.detach())


def loss_of(logit: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Weighted cross-entropy plus one minus the mean Dice over the structures that the sample holds."""
    p = logit.softmax(1)[0].flatten(1)
    truth = share[0].flatten(1)
    both, either, size = (p * truth).sum(1), (p + truth).sum(1), truth.sum(1)
    dice = ((2 * both + 1) / (either + 1))[size > 1].mean()
    return functional.cross_entropy(logit, share, weight=torch.tensor(WEIGHTS)) + 1 - dice


@torch.no_grad()
def _average(averaged: torch.nn.Module, network: torch.nn.Module, keep: float) -> None:
    for mean, new in zip(averaged.parameters(), network.parameters(), strict=True):
        mean.mul_(keep).add_(new, alpha=1 - keep)


def _save(
    path: Path,
    network: torch.nn.Module,
    averaged: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    step: int,
    seconds: float,
) -> None:
    kept = {
        "network": network.state_dict(),
        "averaged": averaged.state_dict(),
        "optimiser": optimiser.state_dict(),
        "step": step,
        "seconds": seconds,
    }
    torch.save(kept, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


@torch.no_grad()
def validate(
    network: torch.nn.Module, heads: Sequence[TrainingHead], seed: int, *, plain: bool, count: int = 8
) -> dict[str, float]:
    """Dice of every structure over `count` samples of heads kept out of the training.

    BRAIN is all of the brain with its sulci closed on both sides, as the brain mask is made.
    """
    network.eval()
    found, true, both = (torch.zeros(len(Structure) + 1) for _ in range(3))
    for index in range(count):
        drawn = sample(heads, seed + 1, index, plain=plain)
        called, truth = network(drawn.image).argmax(1), drawn.share.argmax(1)
        pairs = [(called == s, truth == s) for s in range(len(Structure))]
        closed = [torch.from_numpy(_closed((m[0] > Structure.CSF).numpy())) for m in (called, truth)]
        for i, (a, b) in enumerate([*pairs, (closed[0], closed[1])]):
            found[i] += a.sum()
            true[i] += b.sum()
            both[i] += (a & b).sum()
    dice = (2 * both / (found + true).clamp(min=1)).tolist()
    return {s.name: round(d, 3) for s, d in zip(Structure, dice, strict=False)} | {"BRAIN": round(dice[-1], 3)}


def _closed(brain: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    closed = ndimage.binary_closing(np.pad(brain, 2, mode="edge"), np.ones((3, 3, 3)))[2:-2, 2:-2, 2:-2]
    return np.asarray(ndimage.binary_fill_holes(closed | brain))
