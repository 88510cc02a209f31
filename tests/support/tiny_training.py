"""A task that is learned in milliseconds, with dropout and batch norm so that a slip shows; a program for torchrun too:

    torchrun --nproc_per_node 2 -m tests.support.tiny_training FOLDER STEPS

Each process leaves its last weights in FOLDER/rank-N.pt.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from pipeline.training.config import Schedule
from pipeline.training.loop import train
from pipeline.training.team import team

SCHEDULE = Schedule(
    seed=7, threads=1, device="cpu", amp="off", steps=6, learning_rate=0.05, weight_decay=0.01, ema=0.9,
    warmup_steps=2, validate_every=3, checkpoint_every=2,
)  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    image: torch.Tensor
    wanted: torch.Tensor


@dataclass(frozen=True)
class Tiny:
    dropout: float = 0.0
    channels: int = 2
    made: list[torch.nn.Module] = field(default_factory=list)
    """The networks that were built: first the one that learns, then its average."""

    def build(self) -> torch.nn.Module:
        network = torch.nn.Sequential(
            torch.nn.Conv2d(self.channels, 4, 3, padding=1, bias=False),  # batch norm takes a bias away again
            torch.nn.BatchNorm2d(4),
            torch.nn.ReLU(),
            torch.nn.Dropout(self.dropout),
            torch.nn.Conv2d(4, 1, 1),
        )
        self.made.append(network)
        return network

    def batch(self, index: int) -> Drawn:
        generator = torch.Generator().manual_seed(1000 + index)
        image = torch.randn((3, self.channels, 8, 8), generator=generator)
        return Drawn(image, (image[:, :1] > 0.3).float())

    def loss(self, logit: torch.Tensor, batch: Drawn) -> torch.Tensor:
        return torch.nn.functional.binary_cross_entropy_with_logits(logit, batch.wanted)

    def validate(self, network: torch.nn.Module) -> dict[str, float]:
        held = self.batch(10**6)
        return {"loss": round(float(self.loss(network(held.image), held).detach()), 4)}


def silent(step: int, loss: float, figures: dict[str, float] | None) -> None:
    """Nobody listens."""


def kept(folder: Path) -> dict[str, object]:
    return torch.load(folder / "checkpoint.pt", weights_only=True)


def same(a: object, b: object) -> bool:
    """Bit by bit, through dictionaries and lists."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return a == b


def main(folder: Path, steps: int) -> None:
    with team("cpu") as together:
        task = Tiny()
        train(task, replace(SCHEDULE, steps=steps), folder, lambda *_: None, together)
        torch.save(task.made[0].state_dict(), folder / f"rank-{together.rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
