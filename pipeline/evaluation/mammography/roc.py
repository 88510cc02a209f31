"""Area under the ROC curve with two intervals: DeLong's, and the bootstrap over women."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, rankdata
from sklearn.metrics import roc_curve

from pipeline.evaluation.intervals import CONFIDENCE, bootstrap

Floats = npt.NDArray[np.float64]


def area(positive: Floats, negative: Floats) -> float:
    """The share of pairs that lie the right way round, ties counting half (Mann-Whitney); NaN without pairs."""
    m, n = len(positive), len(negative)
    if not m or not n:
        return float("nan")
    ranks = rankdata(np.concatenate([positive, negative]))
    return float((ranks[:m].sum() - m * (m + 1) / 2) / (m * n))


def delong_variance(positive: Floats, negative: Floats) -> float:
    """Of the area: DeLong, DeLong and Clarke-Pearson, Biometrics 44:837 (1988), equations 3-5.

    By midranks (Sun and Xu, IEEE Signal Processing Letters 21:1389, 2014). NaN with fewer than two of a kind.
    """
    m, n = len(positive), len(negative)
    if m < 2 or n < 2:
        return float("nan")
    ranks = rankdata(np.concatenate([positive, negative]))
    of_positive = (ranks[:m] - rankdata(positive)) / n
    of_negative = 1 - (ranks[m:] - rankdata(negative)) / m
    return float(np.var(of_positive, ddof=1) / m + np.var(of_negative, ddof=1) / n)


def delong_interval(positive: Floats, negative: Floats) -> tuple[float, float] | None:
    """The normal interval, cut at 0 and 1; None where there is no variance. It takes all images for independent."""
    variance = delong_variance(positive, negative)
    if np.isnan(variance):
        return None
    half = float(norm.ppf((1 + CONFIDENCE) / 2)) * np.sqrt(variance)
    middle = area(positive, negative)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def auc(scores: Sequence[float], truths: Sequence[bool], women: Sequence[str], seed: int) -> dict[str, Any]:
    """The area with both intervals, and how many are positive and negative; women are resampled whole."""
    score, truth = np.asarray(scores, float), np.asarray(truths, bool)
    return {
        "positive": int(truth.sum()),
        "negative": int((~truth).sum()),
        "estimate": bootstrap(np.column_stack([score, truth]), women, _area_of, seed),
        "delong": delong_interval(score[truth], score[~truth]),
    }


def points(scores: Sequence[float], truths: Sequence[bool]) -> list[tuple[float, float]]:
    """The curve: (false positive rate, sensitivity); empty without both kinds."""
    if len(set(truths)) < 2:
        return []
    false, true, _ = roc_curve(truths, scores)
    return [(float(x), float(y)) for x, y in zip(false, true, strict=True)]


def _area_of(items: Floats) -> float:
    truth = items[:, 1] > 0
    return area(items[truth, 0], items[~truth, 0])
