"""Findings of a data set -> lesions that a mark can hit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from matplotlib.path import Path as Polygon
from numpy.typing import ArrayLike, NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial import ConvexHull, QhullError

from pipeline.datasets.mammo import Drawn, Finding, Pathology

Points = NDArray[np.float64]
ToMm = Callable[[ArrayLike], Points]

LEAST_RADIUS_MM = 2.5
"""A mark this near to a lesion's middle hits it, however small its outline is."""
CLUSTER_MM = 10.0
"""Single calcifications that are nearer than this to each other are one cluster, and one lesion."""

SIZES: tuple[tuple[str, float, float], ...] = (
    ("< 10 mm", 0.0, 10.0),
    ("10-20 mm", 10.0, 20.0),
    ("20-40 mm", 20.0, 40.0),
    (">= 40 mm", 40.0, np.inf),
)
"""By the diameter of a circle of the outline's area; the lower end belongs to the bin."""


@dataclass(frozen=True, slots=True)
class Lesion:
    """One lesion with a place, in mm of the canonical picture, (x, y).

    kind:   in words: one of `pipeline.marks.Kind`, or "other" where the data set's word is none of ours.
    middles: where a mark hits it within LEAST_RADIUS_MM: the middle of an outline, or each of the single points.
    outline_mm: (n, 2); may be empty.
    """

    kind: str
    words: str
    pathology: Pathology
    diameter_mm: float
    middles: Points
    outline_mm: Points

    def is_hit(self, point_mm: tuple[float, float]) -> bool:
        """Whether the centre of a mark is inside the outline, or near enough to a middle."""
        if np.hypot(*(self.middles - point_mm).T).min() <= LEAST_RADIUS_MM:
            return True
        return len(self.outline_mm) >= 3 and bool(Polygon(self.outline_mm).contains_point(point_mm))


def lesions_of(findings: tuple[Finding, ...], to_mm: ToMm) -> tuple[tuple[Lesion, ...], int]:
    """The lesions that have a place, and how many have none. to_mm: from pixels of the image as sent."""
    drawn = [f for f in findings if f.drawn not in (Drawn.POINT, Drawn.NOWHERE)]
    points = [f for f in findings if f.drawn is Drawn.POINT]
    lesions = [_outlined(f, to_mm(f.outline_px)) for f in drawn]
    return (*lesions, *_clusters(points, to_mm)), sum(f.drawn is Drawn.NOWHERE for f in findings)


def size_of(diameter_mm: float) -> str:
    """The bin of SIZES."""
    return next(name for name, low, high in SIZES if low <= diameter_mm < high)


def _outlined(finding: Finding, outline: Points) -> Lesion:
    middle = (outline.min(axis=0) + outline.max(axis=0)) / 2
    return Lesion(_kind(finding), finding.words, finding.pathology, _diameter(outline), middle[None], outline)


def _clusters(findings: list[Finding], to_mm: ToMm) -> list[Lesion]:
    """Points of one kind, linked where they are near each other."""
    out = []
    for kind in dict.fromkeys(_kind(f) for f in findings):
        mine = [f for f in findings if _kind(f) == kind]
        places = np.concatenate([to_mm(f.outline_px) for f in mine])
        group = fcluster(linkage(places, "single"), CLUSTER_MM, "distance") if len(places) > 1 else np.ones(1)
        for number in np.unique(group):
            inside = places[group == number]
            hull = _hull(inside)
            out.append(Lesion(kind, mine[0].words, mine[0].pathology, _diameter(hull), inside, hull))
    return out


def _hull(points: Points) -> Points:
    try:
        return np.asarray(points[ConvexHull(points).vertices], float)
    except (QhullError, ValueError):  # too few points, or all on one line
        return np.empty((0, 2))


def _kind(finding: Finding) -> str:
    return finding.kind.value if finding.kind else "other"


def _diameter(outline: Points) -> float:
    """Of a circle of the same area (shoelace formula)."""
    if len(outline) < 3:
        return 0.0
    x, y = outline.T
    return float(2 * np.sqrt(abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2 / np.pi))
