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
    """One point for each value that a candidate has, thresholds falling. by: "probability" or "score"."""
    wrong = np.array([getattr(c, by) for r in rows for c in r.candidates if c.is_false])
    best = np.array([_best(lesion, by) for r in rows for lesion in r.lesions])
    thresholds = sorted({float(getattr(c, by)) for r in rows for c in r.candidates}, reverse=True)
    return tuple(
        Point(
            t,
            float((wrong >= t).sum() / max(len(rows), 1)),
            float((best >= t).mean()) if len(best) else 0.0,
        )
        for t in thresholds
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
