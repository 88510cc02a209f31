"""Trains the dense model: weighted logistic regression of cells; for each fold without its women, and on all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pipeline.recipes.mammography.dense import FARTHEST
from pipeline.training.mammography.rows import Rows

Floats = NDArray[np.float32]

ITERATIONS = 60


@dataclass(frozen=True, slots=True)
class Table:
    """Cells of many examples on top of each other. positive: (cells, 2) lesion, malignant lesion."""

    features: NDArray[np.float16]
    positive: NDArray[np.bool_]
    draw: NDArray[np.int64]
    weight: NDArray[np.float64]


def table(rows: Iterable[Rows]) -> Table:
    """Of these examples."""
    given = list(rows)
    positive = [_positive(r) for r in given]
    return Table(
        np.concatenate([r.features for r in given]),
        np.concatenate(positive),
        np.concatenate([r.draw for r in given]),
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
    x = torch.nan_to_num(x - mean, nan=0.0)
    deviation = x.pow(2).mean(dim=0).sqrt() + 1e-3
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


def fit(given: Standardised, penalty: float) -> tuple[Tensor, Tensor]:
    """Weights (2, features) and bias (2,) of both logistic models; penalty: on the squares of the weights."""
    weights = torch.zeros(given.features.shape[1], 2, requires_grad=True)
    bias = torch.zeros(2, requires_grad=True)
    search = torch.optim.LBFGS([weights, bias], max_iter=ITERATIONS, history_size=10, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        logits = given.features @ weights + bias
        wrong = functional.binary_cross_entropy_with_logits(logits, given.positive, given.weight, reduction="none")
        total = wrong.mean(dim=0).sum() + penalty * weights.pow(2).sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    search.step(loss)  # type: ignore[no-untyped-call]
    return weights.detach().T, bias.detach()
