"""Networks of the mammography recipe fitted once for each fold without its women, and once on all; one at a time.

What a fold's network has not seen, it has not seen in any way: not as a background and not as a donor of lesions.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from pipeline.training.mammography.material import Example, Tell

ALL = "all"
CHECKPOINT_EVERY = 100


@dataclass(frozen=True, slots=True)
class Fit:
    """One network to be fitted. number: of the fold that is left out, None on all."""

    number: int | None
    folds: Mapping[str, int] = field(repr=False)

    @property
    def name(self) -> str:
        """ "fold0", "all"."""
        return ALL if self.number is None else f"fold{self.number}"

    @property
    def seed(self) -> int:
        """Another one for each."""
        return 99 if self.number is None else self.number

    def learns(self, example: Example) -> bool:
        """It is no image of the fold's women. Those who are in no fold (made-up ones) are learnt from always."""
        return self.number is None or self.folds.get(example.patient) != self.number


def fits(folds: Mapping[str, int]) -> Iterator[Fit]:
    """Each fold, and all."""
    for number in [*sorted(set(folds.values())), None]:
        yield Fit(number, folds)


def weights_file(runs: Path, what: str, fit: Fit) -> Path:
    """runs/mammography/pairs/fold0.safetensors."""
    return runs / "mammography" / what / f"{fit.name}.safetensors"


def export(network: nn.Module, path: Path) -> None:
    """Half precision, but statistics and biases in full; whole or not at all."""
    state = {
        name: (tensor.half() if tensor.is_floating_point() and tensor.dim() > 1 else tensor).contiguous().cpu()
        for name, tensor in network.state_dict().items()
    }
    part = path.with_suffix(".part")
    part.write_bytes(save(state))
    part.replace(path)


@dataclass(frozen=True, slots=True)
class Course:
    """How a network learns. rate: factor on the groups' learning rates at a step; memory: of the averaged weights."""

    steps: int
    groups: Sequence[dict[str, Any]]
    rate: Callable[[int], float]
    loss: Callable[[nn.Module, int], Tensor]
    memory: float = 0.0
    weight_decay: float = 0.02


def learn(network: nn.Module, course: Course, path: Path, tell: Tell) -> None:
    """Fit a network and write its weights to `path`; goes on from the checkpoint beside it.

    The loss of a step depends on nothing but the weights and the step's number. One thread is used.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # numbers next to nothing cost a CPU a hundred times the others
    try:
        _learn(network, course, path, tell)
    finally:
        torch.set_flush_denormal(False)


def _learn(network: nn.Module, course: Course, path: Path, tell: Tell) -> None:
    network.train()
    optimiser = torch.optim.AdamW(course.groups, weight_decay=course.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, course.rate)
    averaged, kept = copy.deepcopy(network), path.with_suffix(".checkpoint")
    parts: dict[str, Any] = {"network": network, "averaged": averaged, "optimiser": optimiser, "schedule": schedule}
    done, running = _resumed(kept, parts), 0.0
    for step in range(done, course.steps):
        value = _step(network, optimiser, course.loss(network, step))
        schedule.step()
        _average(averaged, network, min(course.memory, (step + 1) / (step + 10)))
        running = value if step == done else 0.97 * running + 0.03 * value
        tell(f"{path.parent.name} {path.stem}, loss {running:.3f}", step + 1, course.steps)
        if (step + 1) % CHECKPOINT_EVERY == 0:
            _save(kept, {name: part.state_dict() for name, part in parts.items()} | {"step": step + 1})
    export(averaged.eval(), path)
    kept.unlink(missing_ok=True)


def _step(network: nn.Module, optimiser: torch.optim.Optimizer, loss: Tensor) -> float:
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), 3.0)
    optimiser.step()
    return float(loss.item())


def _resumed(path: Path, parts: Mapping[str, Any]) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return int(state["step"])


def _save(path: Path, state: dict[str, Any]) -> None:
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


@torch.no_grad()
def _average(averaged: nn.Module, network: nn.Module, memory: float) -> None:
    for old, new in zip(averaged.parameters(), network.parameters(), strict=True):
        old.lerp_(new, 1 - memory)
    for kept, now in zip(averaged.buffers(), network.buffers(), strict=True):
        kept.copy_(now)


def focal(logit: Tensor, wanted: Tensor, weight: Tensor, least: float) -> Tensor:
    """CornerNet's focal loss on soft peaks (Law and Deng, 2018), each image alike whatever its lesions' size.

    logit, wanted, weight: (n, rows, columns). least: cells of a lesion that an image is taken to have at least.
    """
    p = torch.sigmoid(logit).clamp(1e-4, 1 - 1e-4)
    is_peak = wanted > 0.6
    hit, miss = -wanted * (1 - p) ** 2 * p.log(), -((1 - wanted) ** 4) * p**2 * (1 - p).log()
    total = (torch.where(is_peak, hit, miss) * weight).flatten(1).sum(1)
    return (total / (is_peak * weight).flatten(1).sum(1).clamp(min=least)).mean()
