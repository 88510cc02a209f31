"""Free-response ROC: sensitivity against false positives per scan, as the threshold on the candidates falls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.scoring import CaseRow, LesionRow

RATES = (0.5, 1.0, 2.0, 4.0)
"""False positives per scan at which sensitivities are read off."""


@dataclass(frozen=True, slots=True)
class Point:
    """At this threshold: so many false positives per scan, so large a share of the lesions."""

    threshold: float
    false_positives_per_scan: float
    sensitivity: float


def froc(rows: Sequence[CaseRow], by: str) -> tuple[Point, ...]:
    """The curve of the candidates of some scans. by: "probability" or "score"."""
    wrong = [getattr(c, by) for r in rows for c in r.candidates if c.is_false]
    best = [_best(lesion, by) for r in rows for lesion in r.lesions]
    others = [getattr(c, by) for r in rows for c in r.candidates]
    return curve(wrong, best, len(rows), others)


def curve(wrong: Sequence[float], best: Sequence[float], scans: int, others: Sequence[float] = ()) -> tuple[Point, ...]:
    """One point for each threshold, falling.

    wrong:  scores of the false positives in all `scans`.
    best:   of each lesion the highest score of what hits it, -inf for none.
    others: scores that are thresholds beside these.
    """
    false, hit = np.sort(np.asarray(wrong, float)), np.sort(np.asarray(best, float))
    values = np.unique(np.concatenate([false, hit[np.isfinite(hit)], np.asarray(others, float)]))[::-1]
    above = [len(a) - np.searchsorted(a, values) for a in (false, hit)]
    return tuple(
        Point(float(t), float(f / max(scans, 1)), float(h / len(hit)) if len(hit) else 0.0)
        for t, f, h in zip(values, *above, strict=True)
    )


def threshold_at(points: Sequence[Point], rate: float) -> float:
    """The lowest threshold with at most `rate` false positives per scan; infinite when none has."""
    return min((p.threshold for p in points if p.false_positives_per_scan <= rate), default=float("inf"))


def found_at(lesion: LesionRow, by: str, threshold: float) -> bool:
    """Whether a candidate on the lesion reaches the threshold."""
    return _best(lesion, by) >= threshold


def _best(lesion: LesionRow, by: str) -> float:
    value: float | None = getattr(lesion, by)
    return float("-inf") if value is None else value
