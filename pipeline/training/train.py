"""Segmenters: any source of batches and any network that answers with one logit a pixel or voxel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch.nn import functional

from pipeline.recipes.srs.network import build
from pipeline.training import loop
from pipeline.training.config import Schedule
from pipeline.training.loop import Tell
from pipeline.training.samples import Batch
from pipeline.training.team import Team

VALIDATION_BATCHES = 12


class Batches(Protocol):
    """Where batches come from: `samples.Source`, `patches.PatchSource`."""

    def batch(self, index: int, *, salt: int = 0) -> Batch:
        """The batch of that number; another `salt` gives others."""


@dataclass(frozen=True, slots=True)
class Segmenting:
    """The task of a segmenter: `network` makes it, `training` teaches it, `validation` measures it."""

    network: Callable[[], torch.nn.Module]
    training: Batches
    validation: Batches

    def build(self) -> torch.nn.Module:
        """A new network."""
        return self.network()

    def batch(self, index: int) -> Batch:
        """The batch of that number."""
        return self.training.batch(index)

    def loss(self, logit: torch.Tensor, batch: Batch) -> torch.Tensor:
        """See `loss_of`."""
        return loss_of(logit, batch)

    def validate(self, network: torch.nn.Module) -> dict[str, float]:
        """See `validate`."""
        return validate(network, self.validation)


def train(
    config: Schedule, training: Batches, validation: Batches, folder: Path, tell: Tell, together: Team | None = None
) -> Path:
    """Train the network that reads slices; see `loop.train`."""
    return loop.train(Segmenting(build, training, validation), config, folder, tell, together)


def loss_of(logit: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Dice over the whole batch (slices without a lesion have no Dice of their own) plus weighted cross-entropy."""
    p = logit.sigmoid()
    both, either = (batch.weight * p * batch.mask).sum(), (batch.weight * (p + batch.mask)).sum()
    dice = 1 - (2 * both + 1) / (either + 1)
    entropy = functional.binary_cross_entropy_with_logits(logit, batch.mask, weight=batch.weight)
    return dice + entropy


@torch.no_grad()
def validate(network: torch.nn.Module, source: Batches) -> dict[str, float]:
    """Pixel Dice over fixed batches, and the share of pixels without lesion that are called one (per 10 000)."""
    network.eval()
    device = next(network.parameters()).device
    both = found = true = wrong = empty = 0.0
    for index in range(VALIDATION_BATCHES):
        batch = source.batch(index, salt=1)
        called = (network(batch.image.to(device)) > 0).float().cpu()
        both += float((called * batch.mask).sum())
        found += float(called.sum())
        true += float(batch.mask.sum())
        wrong += float((called * (1 - batch.mask)).sum())
        empty += float((1 - batch.mask).sum())
    return {"dice": round(2 * both / max(found + true, 1), 4), "wrong_per_10k": round(1e4 * wrong / max(empty, 1), 3)}
