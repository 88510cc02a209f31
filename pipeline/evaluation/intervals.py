"""Confidence intervals: Wilson for a proportion, and the cluster bootstrap (BCa) for everything else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

RESAMPLES = 2000
CONFIDENCE = 0.95
FEWEST_CLUSTERS = 5
"""Fewer clusters than this give no interval worth its name."""

FloatArray = npt.NDArray[np.float64]
Statistic = Callable[[FloatArray], float]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval; low and high are None where none could be had. n: what it was counted over."""

    value: float | None
    low: float | None
    high: float | None
    n: int


def wilson(hits: int, n: int) -> tuple[float, float] | None:
    """The Wilson score interval of a proportion (Wilson 1927); None without trials."""
    if n == 0:
        return None
    z = float(norm.ppf((1 + CONFIDENCE) / 2))
    share = hits / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def ratio(over: Sequence[float], under: Sequence[float], groups: Sequence[str], seed: int) -> Estimate:
    """sum(over) / sum(under) with whole groups resampled; one number each an item (a scan, a lesion)."""
    return _of_sums(over, under, groups, _quotient, seed)


def difference(after: Sequence[float], before: Sequence[float], groups: Sequence[str], seed: int) -> Estimate:
    """mean(after) - mean(before) of the same items, resampled together: a paired bootstrap."""
    change = np.asarray(after, float) - np.asarray(before, float)
    return _of_sums(change.tolist(), [1.0] * len(change), groups, _quotient, seed)


def reduction(after: Sequence[float], before: Sequence[float], groups: Sequence[str], seed: int) -> Estimate:
    """1 - sum(after) / sum(before), paired."""
    return _of_sums(after, before, groups, lambda sums: 1 - _quotient(sums), seed)


def median(values: Sequence[float], groups: Sequence[str], seed: int) -> Estimate:
    """The median of the values, whole groups resampled."""
    column = np.asarray(values, float).reshape(-1, 1)
    return bootstrap(column, groups, lambda a: float(np.median(a)) if len(a) else np.nan, seed)


def bootstrap(items: FloatArray, groups: Sequence[str], statistic: Statistic, seed: int) -> Estimate:
    """`statistic(items)` with its bias-corrected and accelerated interval (Efron 1987), whole groups resampled.

    items: (n, columns). Resamples where the statistic does not exist (NaN) are left out.
    """
    clusters = _clusters(items, groups)
    return _interval(
        statistic(items) if len(items) else np.nan,
        len(items),
        len(clusters),
        lambda picks: np.array([statistic(np.concatenate([clusters[k] for k in row])) for row in picks]),
        seed,
    )


def _of_sums(
    one: Sequence[float],
    other: Sequence[float],
    groups: Sequence[str],
    statistic: Callable[[FloatArray], FloatArray],
    seed: int,
) -> Estimate:
    """The same for what depends on the sums of two columns alone, all resamples at once: (..., 2) -> (...)."""
    items = np.column_stack([one, other]) if len(one) else np.empty((0, 2))
    clusters = _clusters(items, groups)
    sums = np.array([c.sum(axis=0) for c in clusters]).reshape(-1, 2)
    value = float(statistic(sums.sum(axis=0)))
    return _interval(value, len(items), len(sums), lambda picks: statistic(sums[picks].sum(axis=1)), seed)


def _clusters(items: FloatArray, groups: Sequence[str]) -> list[FloatArray]:
    names = np.asarray(groups)
    return [items[names == g] for g in sorted(set(groups))]


def _interval(
    value: float, n: int, clusters: int, statistics: Callable[[npt.NDArray[np.int64]], FloatArray], seed: int
) -> Estimate:
    """statistics: of each row of cluster numbers, (rows, clusters in each) -> (rows,)."""
    if np.isnan(value):
        return Estimate(None, None, None, n)
    if clusters < FEWEST_CLUSTERS:
        return Estimate(float(value), None, None, n)
    resampled = statistics(np.random.default_rng(seed).integers(clusters, size=(RESAMPLES, clusters)))
    left_out = statistics(np.array([[j for j in range(clusters) if j != k] for k in range(clusters)]))
    low, high = _bca(float(value), resampled[~np.isnan(resampled)], left_out[~np.isnan(left_out)])
    return Estimate(float(value), low, high, n)


def _bca(value: float, resampled: FloatArray, left_out: FloatArray) -> tuple[float, float]:
    # Ties count half: proportions of few lesions take few values.
    below = (np.mean(resampled < value) + np.mean(resampled <= value)) / 2
    if np.ptp(resampled) == 0 or not 0 < below < 1:
        return float(np.quantile(resampled, (1 - CONFIDENCE) / 2)), float(np.quantile(resampled, (1 + CONFIDENCE) / 2))
    bias = float(norm.ppf(below))
    away = left_out.mean() - left_out
    spread = float((away**2).sum())
    speed = float((away**3).sum() / (6 * spread**1.5)) if spread > 0 else 0.0
    ends = []
    for tail in ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2):
        z = bias + float(norm.ppf(tail))
        ends.append(float(np.quantile(resampled, norm.cdf(bias + z / (1 - speed * z)))))
    return ends[0], ends[1]


def _quotient(sums: FloatArray) -> FloatArray:
    over, under = sums[..., 0], sums[..., 1]
    return np.asarray(np.divide(over, under, out=np.full(np.shape(under), np.nan), where=under != 0))
