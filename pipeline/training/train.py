"""The training loop of model 1: batches in, weights out; it can be stopped at any time and goes on where it was."""

from __future__ import annotations

import json
import math
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch.nn import functional

from pipeline.recipes.srs.network import build
from pipeline.training.config import Config
from pipeline.training.samples import Batch, Source

VALIDATION_BATCHES = 12

Tell = Callable[[int, float, dict[str, float] | None], None]
"""Is told the step that was done, its loss, and the validation figures when there are new ones."""


def train(config: Config, training: Source, validation: Source, folder: Path, tell: Tell) -> Path:
    """Run the steps that are left; returns the checkpoint. Files: checkpoint.pt, metrics.jsonl."""
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads)
    state = _State.start(config, folder / "checkpoint.pt")
    for step, batch in _prefetch(training, state.step, config.steps):
        loss = state.learn(batch, _rate(config, step))
        state.step = step + 1
        if state.step % config.validate_every == 0 or state.step == config.steps:
            figures = validate(state.averaged, validation)
            with (folder / "metrics.jsonl").open("a") as file:
                file.write(json.dumps({"step": state.step, "loss": round(loss, 4)} | figures) + "\n")
            tell(state.step, loss, figures)
        else:
            tell(state.step, loss, None)
        if state.step % config.checkpoint_every == 0 or state.step == config.steps:
            state.save(folder / "checkpoint.pt")
    return folder / "checkpoint.pt"


class _State:
    """Network, its average, optimiser and step."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.network = build()
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = build()
        self.averaged.load_state_dict(self.network.state_dict())
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.step = 0

    @classmethod
    def start(cls, config: Config, path: Path) -> _State:
        state = cls(config)
        if path.exists():
            kept = torch.load(path, weights_only=True)
            state.network.load_state_dict(kept["network"])
            state.averaged.load_state_dict(kept["averaged"])
            state.optimiser.load_state_dict(kept["optimiser"])
            state.step = int(kept["step"])
        return state

    def save(self, path: Path) -> None:
        kept = {
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
        }
        torch.save(kept, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def learn(self, batch: Batch, rate: float) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.network.train()
        with torch.autocast("cpu", torch.bfloat16):
            logit = self.network(batch.image.to(memory_format=torch.channels_last))
        loss = loss_of(logit.float(), batch)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self._average()
        return float(loss.detach())

    @torch.no_grad()
    def _average(self) -> None:
        keep = min(self.config.ema, (self.step + 1) / (self.step + 10))
        for mean, new in zip(_tensors(self.averaged), _tensors(self.network), strict=True):
            if mean.dtype.is_floating_point:
                mean.mul_(keep).add_(new, alpha=1 - keep)
            else:
                mean.copy_(new)


def _tensors(network: torch.nn.Module) -> list[torch.Tensor]:
    """Every parameter and buffer once; a state dict would name DynUNet's twice."""
    return [*network.parameters(), *network.buffers()]


def loss_of(logit: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Dice over the whole batch (slices without a lesion have no Dice of their own) plus weighted cross-entropy."""
    p = logit.sigmoid()
    both, either = (batch.weight * p * batch.mask).sum(), (batch.weight * (p + batch.mask)).sum()
    dice = 1 - (2 * both + 1) / (either + 1)
    entropy = functional.binary_cross_entropy_with_logits(logit, batch.mask, weight=batch.weight)
    return dice + entropy


@torch.no_grad()
def validate(network: torch.nn.Module, source: Source) -> dict[str, float]:
    """Pixel Dice over fixed batches, and the share of pixels without lesion that are called one (per 10 000)."""
    network.eval()
    both = found = true = wrong = empty = 0.0
    for index in range(VALIDATION_BATCHES):
        batch = source.batch(index, salt=1)
        called = (network(batch.image) > 0).float()
        both += float((called * batch.mask).sum())
        found += float(called.sum())
        true += float(batch.mask.sum())
        wrong += float((called * (1 - batch.mask)).sum())
        empty += float((1 - batch.mask).sum())
    return {"dice": round(2 * both / max(found + true, 1), 4), "wrong_per_10k": round(1e4 * wrong / max(empty, 1), 3)}


def _rate(config: Config, step: int) -> float:
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    part = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * part)))


def _prefetch(source: Source, first: int, end: int) -> Iterator[tuple[int, Batch]]:
    """Batches made by a second thread while the network learns from the last one."""
    ready: queue.Queue[tuple[int, Batch]] = queue.Queue(4)

    def fill() -> None:
        for index in range(first, end):
            ready.put((index, source.batch(index)))

    threading.Thread(target=fill, daemon=True).start()
    for _ in range(first, end):
        yield ready.get()
