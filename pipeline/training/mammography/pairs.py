"""Fits the network that compares both breasts: real pairs in two readings, drawn and transplanted lesions, made-up
women."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.recipes.mammography.pairs import STRIDE, PairNet
from pipeline.recipes.mammography.trunk import load_trunk, trunk_state
from pipeline.training.mammography.fitting import Course, Fit, fits, focal, learn, weights_file
from pipeline.training.mammography.made import also, made_examples
from pipeline.training.mammography.material import Example, Tell
from pipeline.training.mammography.pair_batches import Batch, Donors, batch
from pipeline.training.mammography.pair_sheets import Pair, Sheet, pairs_of, sheets_of

STEPS, PAIRS, RATE = 450, 2, 3e-4
"""Steps, pairs of breasts in each, and the learning rate of the trunk; the rest learns three times as fast."""
MADE = 0.15
"""Share of pairs that are of made-up women."""
TRUNK = Path(__file__).parents[2] / "recipes" / "mammography" / "trunk.safetensors"


def loss(network: nn.Module, given: Batch) -> Tensor:
    """Peaks at lesions, and the image's label by the mean of its eight hottest cells."""
    with torch.autocast("cpu", torch.bfloat16):
        logit = network(given.x.to(memory_format=torch.channels_last), given.grid, given.use)
    body = (given.x[:, 0] > 0.02)[:, ::STRIDE, ::STRIDE]
    known = ~torch.isnan(given.malignant)
    total = focal(logit[:, 0], given.heat[:, 0], given.weight, 12.0) + 0.3 * _labelled(logit[:, 0], body, given.label)
    if known.any():
        worse, weight = logit[known, 1], given.weight[known]
        total = total + 0.5 * focal(worse, given.heat[known, 1], weight, 12.0)
        total = total + 0.3 * _labelled(worse, body[known], given.malignant[known])
    return total


def _labelled(logit: Tensor, body: Tensor, label: Tensor) -> Tensor:
    hottest = torch.where(body, logit, -20.0).flatten(1).topk(8, 1).values.mean(1)
    return functional.binary_cross_entropy_with_logits(hottest + 1.5, label)


def train_pairs(
    given: Sequence[Example], folds: Mapping[str, int], runs: Path, tell: Tell, steps: int = STEPS
) -> dict[str, Path]:
    """Fit what is not there yet: runs/mammography/pairs/fold0…4 and all. given: plain readings.

    Changed readings are read from `runs`, where there are any; made-up women are drawn first.
    """
    todo = [f for f in fits(folds) if not weights_file(runs, "pairs", f).exists()]
    folder = runs / "mammography" / "pairs" / "sheets"
    real = sheets_of([*given, *also(given, runs)], folder, tell) if todo else []
    made = pairs_of(sheets_of(made_examples(runs, tell), folder, tell)) if todo else []
    for fit in todo:
        fit_pairs(fit, real, made, weights_file(runs, "pairs", fit), tell, steps)
    return {f.name: weights_file(runs, "pairs", f) for f in fits(folds)}


def fit_pairs(
    fit: Fit, real: Sequence[Sheet], made: Sequence[Pair], path: Path, tell: Tell, steps: int = STEPS
) -> None:
    """One network, to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    learnt = [s for s in real if fit.learns(s.example)]
    donors = [(s, n) for s in learnt for n in s.lesions[0]]
    torch.manual_seed(fit.seed)
    network = new_network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    trunk = {id(p) for p in network.trunk.parameters()}
    rest = [p for p in network.parameters() if id(p) not in trunk]
    groups = [{"params": list(network.trunk.parameters()), "lr": RATE}, {"params": rest, "lr": 3 * RATE}]
    draw = _Draw(pairs_of(learnt), made, donors, fit.seed)
    learn(network, Course(steps, groups, partial(_rate, steps), draw.loss, memory=0.99), path, tell)


def new_network() -> PairNet:
    """With the trunk that the recipe ships."""
    network = PairNet()
    network.trunk.load_state_dict(load_trunk(trunk_state(TRUNK.read_bytes()), len(network.trunk.blocks)).state_dict())
    return network


def _rate(steps: int, step: int) -> float:
    return min(1.0, (step + 1) / 40) * (0.5 + 0.5 * math.cos(math.pi * step / steps)) + 0.01


@dataclass(frozen=True, slots=True)
class _Draw:
    """Batches by number. Every real pair comes once before any comes again."""

    real: Sequence[Pair]
    made: Sequence[Pair]
    donors: Donors
    seed: int

    def loss(self, network: nn.Module, step: int) -> Tensor:
        rng = np.random.default_rng((self.seed, step))
        return loss(network, batch([self._pair(step * PAIRS + k, rng) for k in range(PAIRS)], rng, self.donors))

    def _pair(self, number: int, rng: np.random.Generator) -> Pair:
        if self.made and rng.random() < MADE:
            return self.made[int(rng.integers(len(self.made)))]
        turn, place = divmod(number, len(self.real))
        return self.real[np.random.default_rng((self.seed, 1, turn)).permutation(len(self.real))[place]]
