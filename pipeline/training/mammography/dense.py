"""Trains the dense model: weighted logistic regression of cells; for each fold without its women, and on all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pipeline.recipes.mammography import trunk
from pipeline.recipes.mammography.cells import TAPS, TEXTURE, width
from pipeline.recipes.mammography.dense import FARTHEST, Heat, Linear, compared, smoothed
from pipeline.training.mammography.features import features, keep_features
from pipeline.training.mammography.material import Example, Tell, write_whole
from pipeline.training.mammography.rows import Rows, rows_of

Floats = NDArray[np.float32]

ITERATIONS = 60
TRUNK = Path(trunk.__file__).with_name("trunk.safetensors")


@dataclass(frozen=True, slots=True)
class Member:
    """One of the models whose mean is taken. penalty: on the squares of the weights of standardised features."""

    groups: tuple[str, ...]
    penalty: float


GROUPS = (*TAPS, TEXTURE)
MEMBERS = (
    Member(("f8", "f8m", "f16", "c8", "c16", TEXTURE), 1 / 15),
    Member(GROUPS, 1 / 5),
)
"""Few features say better where, all of them better which image (see the recipe's README)."""


@dataclass(frozen=True, slots=True)
class Table:
    """Cells of many examples on top of each other. positive: (cells, 2) lesion, malignant lesion."""

    features: NDArray[np.float16]
    positive: NDArray[np.bool_]
    weight: NDArray[np.float64]


def table(rows: Iterable[Rows]) -> Table:
    """Of these examples."""
    given = list(rows)
    positive = [_positive(r) for r in given]
    return Table(
        np.concatenate([r.features for r in given]),
        np.concatenate(positive),
        np.concatenate([r.weight for r in given]),
    )


def _positive(rows: Rows) -> NDArray[np.bool_]:
    malignant = np.array([*rows.malignant, False])[rows.lesion]
    return np.stack([rows.lesion >= 0, malignant], axis=1)


@dataclass(frozen=True, slots=True)
class Standardised:
    """A table as the fit sees it."""

    mean: Tensor
    deviation: Tensor
    features: Tensor
    positive: Tensor
    weight: Tensor


def standardised(given: Table) -> Standardised:
    """Features less their mean, by their deviation; what is not a number counts as the mean."""
    x = torch.from_numpy(given.features).float()
    mean = torch.nanmean(x, dim=0)
    known = x.isfinite().sum(dim=0).clamp(min=1)
    x = torch.nan_to_num(x - mean, nan=0.0)
    mean = torch.nan_to_num(mean, nan=0.0)
    deviation = (x.pow(2).sum(dim=0) / known).sqrt() + 1e-3
    x.div_(deviation).clamp_(-FARTHEST, FARTHEST)
    positive = torch.from_numpy(given.positive).float()
    return Standardised(mean, deviation, x, positive, _weights(given))


def _weights(given: Table) -> Tensor:
    """(cells, 2): lesions together weigh half of what everything else does, for either model."""
    each = []
    for positive in given.positive.T:
        weight = given.weight.copy()
        weight[positive] *= 0.5 * weight[~positive].sum() / max(weight[positive].sum(), 1e-9)
        each.append(weight / weight.mean())
    return torch.from_numpy(np.stack(each, axis=1)).float()


def fit(given: Standardised, members: Sequence[Member]) -> tuple[Tensor, Tensor]:
    """Weights (2, features) and bias (2,): the mean of all members' logistic models, each as spread as the others.

    All are fitted at once, for reading the table is what takes time; they do not know of each other.
    """
    allowed = torch.stack([_columns(m.groups) for m in members]).repeat_interleave(2, dim=0)
    penalty = torch.tensor([m.penalty for m in members]).repeat_interleave(2)
    positive, weight = (t.repeat(1, len(members)) for t in (given.positive, given.weight))
    free = torch.zeros(allowed.shape, requires_grad=True)
    bias = torch.zeros(len(penalty), requires_grad=True)
    search = torch.optim.LBFGS(
        [free, bias], max_iter=ITERATIONS, history_size=10, tolerance_change=1e-6, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        search.zero_grad()
        weights = free * allowed
        logits = functional.linear(given.features, weights, bias)
        wrong = functional.binary_cross_entropy_with_logits(logits, positive, weight, reduction="none")
        total = (wrong.mean(dim=0) + penalty * weights.pow(2).sum(dim=1)).sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    search.step(loss)  # type: ignore[no-untyped-call]
    return _mean_of(given, (free * allowed).detach(), bias.detach())


def _columns(groups: Sequence[str]) -> Tensor:
    """1 for features of these groups, as they are and as differences."""
    once = torch.cat([torch.full((width(g),), float(g in groups)) for g in GROUPS])
    return torch.cat([once, once])


def _mean_of(given: Standardised, weights: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    ordinary = given.positive[:, 0] == 0
    spread = functional.linear(given.features, weights)[ordinary].std(dim=0).clamp(min=1e-6).reshape(-1, 2)
    scale = spread.mean(dim=0) / spread
    return (
        (weights.reshape(-1, 2, weights.shape[1]) * scale[..., None]).mean(dim=0),
        (bias.reshape(-1, 2) * scale).mean(dim=0),
    )


def train_dense(given: Sequence[Example], which: Mapping[str, int], runs: Path, tell: Tell, workers: int = 1) -> None:
    """For every fold, and for all women: `dense.safetensors` in `dense_file`'s place, unless it is there already.

    given: examples in every reading that is to be learnt from; which: the fold of each patient.
    """
    kept = features_folder(runs)
    keep_features(given, GROUPS, TRUNK, kept, tell, workers)
    wanted = [fold for fold in (*sorted(set(which.values())), None) if not dense_file(runs, fold).exists()]
    if not wanted:
        return
    rows = _rows(given, kept, tell)
    for done, fold in enumerate(wanted, 1):
        learnt = [r for e, r in zip(given, rows, strict=True) if r is not None and which[e.patient] != fold]
        path = dense_file(runs, fold)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, trained(learnt).to_bytes())
        tell("dense", done, len(wanted))


def trained(rows: Sequence[Rows]) -> Linear:
    """One model of these cells."""
    given = standardised(table(rows))
    weights, bias = fit(given, MEMBERS)
    return Linear(GROUPS, given.mean.numpy(), given.deviation.numpy(), weights.numpy(), bias.numpy())


def _rows(given: Sequence[Example], kept: Path, tell: Tell) -> list[Rows | None]:
    rows = []
    for done, (example, found) in enumerate(_compared(given, kept), 1):
        rows.append(rows_of(example, example.look().tissue, found))
        tell("cells", done, len(given))
    return rows


def _compared(given: Sequence[Example], kept: Path) -> Iterator[tuple[Example, Floats]]:
    """Each example, and its features and their differences from the other breast in the same reading."""
    by_name = {(e.name, e.reading): e for e in given}
    for example in given:
        other = by_name.get((example.partner or "", example.reading))
        theirs = None if other is None else features(other, kept)
        yield example, compared(features(example, kept), theirs, example.affine)


def dense_file(runs: Path, fold: int | None) -> Path:
    """Of the model that never saw the women of a fold; of what ships, for None."""
    return runs / "mammography" / "dense" / ("all" if fold is None else f"fold{fold}") / "dense.safetensors"


def features_folder(runs: Path) -> Path:
    """Where the features of all cells are kept."""
    return runs / "mammography" / "dense" / "features"


def heats(given: Sequence[Example], which: Mapping[str, int], runs: Path) -> Iterator[Heat]:
    """Of each example by the model that never saw her: what `DenseHeads.heat` gives, from features that are kept."""
    models = {f: Linear.from_bytes(dense_file(runs, f).read_bytes()) for f in sorted(set(which.values()))}
    for example, found in _compared(given, features_folder(runs)):
        yield smoothed(models[which[example.patient]].logits(found), example.look().tissue)
