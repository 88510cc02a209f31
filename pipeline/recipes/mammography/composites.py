"""Marks on a view from above and on an oblique one of the same breast that lie as far behind the nipple: one thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.breast import Laterality
from pipeline.marks import Kind

TOLERANCE_MM = 15.0
"""Depths behind the nipple may differ so much: compression differs, and the nipple is found to a centimetre or so."""


@dataclass(frozen=True, slots=True)
class Depth:
    """Of one mark. behind_mm: its distance behind the nipple along the axis of the view."""

    number: int
    laterality: Laterality
    from_above: bool
    kind: Kind
    behind_mm: float
    score: float


@dataclass(frozen=True, slots=True)
class Pair:
    """Numbers of two marks, the better first, and the score of both together."""

    marks: tuple[int, int]
    score: float


def axis_of(muscle: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """(x, y), of length 1: the way from the nipple to the chest wall in a canonical picture.

    Square to the edge of the pectoral muscle where that is known, else to the chest wall, which is at the left. muscle:
    corners of its triangle, of which two lie on the edge: the one furthest up on the right, and the lowest.
    """
    if len(muscle) < 3:
        return -1.0, 0.0
    points = np.asarray(muscle, float)
    upper, lower = points[np.argmax(points[:, 0])], points[np.argmax(points[:, 1])]
    along = lower - upper
    square = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-9)
    square = square if square[0] < 0 else -square
    return float(square[0]), float(square[1])


def behind_mm(
    center: tuple[float, float], nipple: tuple[float, float], axis: tuple[float, float], spacing_mm: float
) -> float:
    """How far a place lies behind the nipple. Both in canonical pixels of that spacing."""
    return float(np.dot(np.subtract(center, nipple), axis)) * spacing_mm


def paired(depths: Sequence[Depth]) -> tuple[Pair, ...]:
    """Each mark in one pair at most; of several ways the one with the highest scores.

    The score is the chance that at least one of the two is right if they were independent, which they are not quite.
    """
    ways = [
        (1 - (1 - a.score) * (1 - b.score), a, b)
        for a in depths
        for b in depths
        if a.from_above and not b.from_above and _fit(a, b)
    ]
    taken: set[int] = set()
    found = []
    for score, a, b in sorted(ways, key=lambda w: (-w[0], abs(w[1].behind_mm - w[2].behind_mm))):
        if not {a.number, b.number} & taken:
            taken |= {a.number, b.number}
            first, second = sorted((a, b), key=lambda m: -m.score)
            found.append(Pair((first.number, second.number), score))
    return tuple(found)


def _fit(a: Depth, b: Depth) -> bool:
    return a.laterality is b.laterality and a.kind is b.kind and abs(a.behind_mm - b.behind_mm) <= TOLERANCE_MM
