"""The training loop: batches in, weights out; it can be stopped at any time and goes on exactly where it was.

A checkpoint holds "network", "averaged" (the exponential mean), "optimiser", "step" and "config", what it was trained
with; with half-precision on a GPU also "scaler". The averaged weights of the last step whose validation is within NOISE
of the best are kept apart, and they are what ships.
"""

from __future__ import annotations

import json
import math
import os
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch.nn.parallel import DistributedDataParallel

from pipeline.core.errors import ConfigInvalid
from pipeline.training.config import Schedule
from pipeline.training.team import Team, team

B = TypeVar("B")

BEST = "best.pt"
"""{"averaged": state dict, "step": int, "figures": those of its validation, "highest": first figure so far}."""

NOISE = 0.01
"""Of figures that differ less the later is taken, whose learning rate was lower: on a few cubes Dice is not surer."""

Tell = Callable[[int, float, dict[str, float] | None], None]
"""Is told the step that was done, its loss, and the validation figures when there are new ones."""


class Task(Protocol[B]):
    """What is learned. B is a frozen dataclass of tensors with a field `image`, which is what the network sees."""

    def build(self) -> torch.nn.Module:
        """A new network."""

    def batch(self, index: int) -> B:
        """The batch of that number, which depends on nothing else; of several processes each asks for its own."""

    def loss(self, logit: torch.Tensor, batch: B) -> torch.Tensor:
        """A scalar; `logit` is float32."""

    def validate(self, network: torch.nn.Module) -> dict[str, float]:
        """Figures of merit of a network, which stays as it is; by the first (larger is better) the best is kept."""


def train(task: Task[B], config: Schedule, folder: Path, tell: Tell, together: Team | None = None) -> Path:
    """Run the steps that are left; returns the best weights. Files: checkpoint.pt, best.pt, metrics.jsonl.

    together: whom this process trains with, from `team`; None: torchrun's other processes, if there are any. Only the
    first process writes, validates and tells. Raises ConfigInvalid.
    """
    if together is None:
        with team(config.device) as found:
            return train(task, config, folder, tell, found)
    torch.set_num_threads(config.threads)
    path = folder / "checkpoint.pt"
    state = State.start(task.build, config, together, path)
    with _without_denormals():
        for step, batch in _prefetch(task, state.step, config.steps, together):
            loss = state.learn(task, batch, rate(config, step))
            if together.is_first:
                _report(task, config, state, loss, folder, tell)
                if state.step % config.checkpoint_every == 0 or state.step == config.steps:
                    state.save(path)
    together.wait()
    return folder / BEST


@contextmanager
def _without_denormals() -> Iterator[None]:
    """Numbers next to nothing cost a CPU a hundred times the others; they are 0 meanwhile, and only meanwhile."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _report(task: Task[B], config: Schedule, state: State, loss: float, folder: Path, tell: Tell) -> None:
    if state.step % config.validate_every and state.step != config.steps:
        tell(state.step, loss, None)
        return
    state.averaged.eval()
    with torch.no_grad():
        figures = task.validate(state.averaged)
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": state.step, "loss": round(loss, 4)} | figures) + "\n")
    state.keep_if_best(folder / BEST, figures)
    tell(state.step, loss, figures)


class State:
    """Network, its average, optimiser and step."""

    def __init__(self, build: Callable[[], torch.nn.Module], config: Schedule, together: Team | None = None) -> None:
        self.config = config
        self.team = together or Team()
        torch.manual_seed(config.seed)  # all processes begin with the same weights
        self.network = build()
        self.averaged = build()
        self.averaged.load_state_dict(self.network.state_dict())
        self._layout = _layout(self.network)
        self.network.to(self.team.device, memory_format=self._layout)  # type: ignore[call-overload]
        self.averaged.to(self.team.device)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self._kind = torch.device(self.team.device).type
        self._scaler = torch.amp.GradScaler(self._kind, enabled=_half(config, self._kind))
        # Buffers are averaged after each step, below: the first process's alone would be thrown-away statistics.
        alone = self.team.world == 1
        self._shared = self.network if alone else DistributedDataParallel(self.network, broadcast_buffers=False)
        self.step = 0

    @classmethod
    def start(cls, build: Callable[[], torch.nn.Module], config: Schedule, together: Team, path: Path) -> State:
        """From the checkpoint at `path`, or from nothing when there is none."""
        state = cls(build, config, together)
        if path.exists():
            kept = torch.load(path, weights_only=True, map_location="cpu")
            if kept["config"] != _identity(config):
                raise ConfigInvalid(f"{path} was made with another configuration", "move its folder away to begin anew")
            state.network.load_state_dict(kept["network"])
            state.averaged.load_state_dict(kept["averaged"])
            state.optimiser.load_state_dict(kept["optimiser"])
            if "scaler" in kept:
                state._scaler.load_state_dict(kept["scaler"])
            state.step = int(kept["step"])
        together.wait()  # nobody may write before all have read
        return state

    def save(self, path: Path) -> None:
        """Write a checkpoint: whole, or not at all."""
        kept: dict[str, Any] = {
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "config": _identity(self.config),
        }
        if self._scaler.is_enabled():
            kept["scaler"] = self._scaler.state_dict()
        _write(path, kept)

    def keep_if_best(self, path: Path, figures: Mapping[str, float]) -> None:
        """Write the averaged weights, unless an earlier step had a first figure that is clearly higher."""
        score = next(iter(figures.values()))
        highest = torch.load(path, weights_only=True)["highest"] if path.exists() else score
        if score < highest - NOISE:
            return
        kept = {"averaged": self.averaged.state_dict(), "step": self.step, "figures": dict(figures)}
        _write(path, {**kept, "highest": max(score, highest)})

    def learn(self, task: Task[B], batch: B, learning_rate: float) -> float:
        """One step; returns its loss in this process."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        # Whatever is random in a network then depends on the step alone, also after a stop.
        torch.manual_seed(self.config.seed + 1_000_003 * (self.step * self.team.world + self.team.rank + 1))
        self.network.train()
        here = _moved(batch, self.team.device)
        image: torch.Tensor = here.image  # type: ignore[attr-defined]
        with self._autocast():
            logit = self._shared(image.to(memory_format=self._layout))
        loss = task.loss(logit.float(), here)
        self.optimiser.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.unscale_(self.optimiser)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self._scaler.step(self.optimiser)
        self._scaler.update()
        self.team.average(self.network.buffers())
        self._average()
        self.step += 1
        return float(loss.detach())

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.config.amp == "off":
            return nullcontext()
        return torch.autocast(self._kind, torch.float16 if self.config.amp == "fp16" else torch.bfloat16)

    @torch.no_grad()
    def _average(self) -> None:
        keep = min(self.config.ema, (self.step + 1) / (self.step + 10))
        for mean, new in zip(_tensors(self.averaged), _tensors(self.network), strict=True):
            if mean.dtype.is_floating_point:
                mean.mul_(keep).add_(new, alpha=1 - keep)
            else:
                mean.copy_(new)


FREE = frozenset({"steps", "threads", "device", "validate_every", "checkpoint_every"})
"""What may change while a run is stopped."""


def _identity(config: Schedule) -> str:
    return json.dumps({k: v for k, v in asdict(config).items() if k not in FREE}, sort_keys=True)


def _write(path: Path, kept: Mapping[str, Any]) -> None:
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        torch.save(kept, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def rate(config: Schedule, step: int) -> float:
    """Learning rate of a step: a linear warm-up, then one cosine down to a hundredth."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    part = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * part)))


def _half(config: Schedule, kind: str) -> bool:
    if config.amp not in ("off", "bf16", "fp16"):
        raise ConfigInvalid(f"amp is {config.amp!r}", 'it may be "off", "bf16" or "fp16"')
    if config.amp == "fp16" and kind == "cpu":
        raise ConfigInvalid('amp = "fp16" needs a GPU', 'a CPU computes with "bf16" or "off"')
    return config.amp == "fp16"


def _layout(network: torch.nn.Module) -> torch.memory_format:
    """Channels last, which convolutions like, in as many dimensions as the network has."""
    ranks = {p.ndim for p in network.parameters()}
    if 5 in ranks:
        return torch.channels_last_3d
    return torch.channels_last if 4 in ranks else torch.preserve_format


def _moved(batch: B, device: str) -> B:
    if device == "cpu":
        return batch
    every = fields(batch)  # type: ignore[arg-type]
    return replace(batch, **{f.name: getattr(batch, f.name).to(device) for f in every})  # type: ignore[type-var]


def _tensors(network: torch.nn.Module) -> list[torch.Tensor]:
    """Every parameter and buffer once; a state dict would name DynUNet's twice."""
    return [*network.parameters(), *network.buffers()]


def _prefetch(task: Task[B], first: int, end: int, together: Team) -> Iterator[tuple[int, B]]:
    """Steps and their batches, made by a second thread while the network learns from the last one."""
    ready: queue.Queue[tuple[int, B] | Exception] = queue.Queue(4)

    def fill() -> None:
        try:
            for step in range(first, end):
                ready.put((step, task.batch(step * together.world + together.rank)))
        except Exception as error:  # noqa: BLE001  (the edge of a thread: handed to the one that waits for it)
            ready.put(error)

    threading.Thread(target=fill, daemon=True).start()
    for _ in range(first, end):
        made = ready.get()
        if isinstance(made, Exception):
            raise made
        yield made
