"""Marks counted: sensitivity against false positives per image, with intervals over women."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.froc import Point, curve, threshold_at
from pipeline.evaluation.intervals import Estimate, bootstrap, ratio, wilson
from pipeline.evaluation.mammography.scoring import ImageRow, LesionRow

RATES = (0.1, 0.25, 0.5, 1.0)
"""False positives per image at which sensitivities are read off."""

OVER: dict[str, Callable[[ImageRow], bool]] = {"all": lambda r: True, "normal": lambda r: r.abnormal is False}
"""On which images false positives are counted: on all, or on normal ones alone."""


def froc(rows: Sequence[ImageRow], over: str) -> tuple[Point, ...]:
    """The curve of the images that count marks."""
    mine = [r for r in rows if r.counts_marks]
    wrong = [m.score for r in mine if OVER[over](r) for m in r.false]
    return curve(wrong, [v.best for r in mine for v in r.lesions], sum(map(OVER[over], mine)))


def at_rates(rows: Sequence[ImageRow], over: str, seed: int) -> dict[str, Any]:
    """For each of RATES: the threshold, and the sensitivity. In each resample the threshold is chosen anew.

    Without an image to count false positives on there is no rate, and of no lesion anything is said.
    """
    mine = [r for r in rows if r.counts_marks]
    if not any(map(OVER[over], mine)):
        return {f"{rate:g}": {"threshold": float("inf"), "sensitivity": sensitivity([], 0.0, seed)} for rate in RATES}
    points = froc(mine, over)
    found = {}
    for rate in RATES:
        threshold = threshold_at(points, rate)
        hits = sum(v.best >= threshold for r in mine for v in r.lesions)
        of = sum(len(r.lesions) for r in mine)
        boot = _resampled(mine, over, rate, seed)
        found[f"{rate:g}"] = {
            "threshold": threshold,
            "sensitivity": {"found": hits, "of": of, "estimate": boot, "wilson": wilson(hits, of)},
        }
    return found


def sensitivity(lesions: Sequence[tuple[str, LesionRow]], threshold: float, seed: int) -> dict[str, Any]:
    """Of (woman, lesion): how many have a mark of at least this score on them."""
    hits = [float(v.best >= threshold) for _, v in lesions]
    boot = ratio(hits, [1.0] * len(hits), [woman for woman, _ in lesions], seed)
    return {"found": int(sum(hits)), "of": len(hits), "estimate": boot, "wilson": wilson(int(sum(hits)), len(hits))}


def at_threshold(rows: Sequence[ImageRow], threshold: float, seed: int) -> dict[str, Any]:
    """Sensitivity and false positives per image at one threshold: that of the operating point."""
    mine = [r for r in rows if r.counts_marks]
    lesions = [(r.woman, v) for r in mine for v in r.lesions]

    def per_image(over: str) -> Estimate:
        counted = [r for r in mine if OVER[over](r)]
        wrong = [float(sum(m.score >= threshold for m in r.false)) for r in counted]
        return ratio(wrong, [1.0] * len(wrong), [r.woman for r in counted], seed)

    return {
        "threshold": threshold,
        "sensitivity": sensitivity(lesions, threshold, seed),
        "false_positives_per_image": {over: per_image(over) for over in OVER},
    }


def _resampled(rows: Sequence[ImageRow], over: str, rate: float, seed: int) -> Estimate:
    wrong = [np.array([m.score for m in r.false]) if OVER[over](r) else np.empty(0) for r in rows]
    counted = np.array([OVER[over](r) for r in rows], bool)
    best = [np.array([v.best for v in r.lesions]) for r in rows]

    def statistic(items: npt.NDArray[np.float64]) -> float:
        picked = items[:, 0].astype(int)
        images = int(counted[picked].sum())
        hits = np.concatenate([best[k] for k in picked])
        if not images or not len(hits):
            return float("nan")
        false = np.concatenate([wrong[k] for k in picked])
        return float((hits >= lowest(false, images, rate, hits)).mean())

    return bootstrap(np.arange(len(rows), dtype=float)[:, None], [r.woman for r in rows], statistic, seed)


def lowest(wrong: npt.NDArray[np.float64], images: int, rate: float, best: npt.NDArray[np.float64]) -> float:
    """The lowest score of any mark above which at most `rate` false positives per image lie; infinite for none."""
    allowed = int(np.floor(rate * images + 1e-9))
    values = np.concatenate([wrong, best[np.isfinite(best)]])
    if len(wrong) > allowed:  # the first one too many must stay out
        values = values[values > np.sort(wrong)[::-1][allowed]]
    return float(values.min()) if len(values) else float("inf")
