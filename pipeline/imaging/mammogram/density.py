"""How much of a breast is dense: a share of its area, and a letter by stated cuts. A measurement, not a reading."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from pipeline.core.breast import Density
from pipeline.imaging.mammogram.canonical import Floats, coarse
from pipeline.imaging.mammogram.normal import GRID_MM, HIGH, LOW, skin_distance_mm

Mask = NDArray[np.bool_]

CUTS = ((0.08, Density.A), (0.25, Density.B), (0.50, Density.C))
"""Shares below which a breast is a, b or c; above the last it is d. Set by hand, on no radiologist's a-d."""
DENSE = 0.55
"""Of the range of the tissue.

Chosen with LEAST_RANGE among sixty rules, being near the best, by the F, G, D labels of 258 mini-MIAS films.
"""
LEAST_RANGE = 0.5
"""Of the display, 0…1."""
SKIN_MM = 5.0
"""So deep below the skin tissue begins."""


def density_of(share: float) -> Density:
    """The letter of a dense share, 0…1, by CUTS."""
    return next((letter for cut, letter in CUTS if share < cut), Density.D)


def of_breast(shares: Iterable[float]) -> float | None:
    """The share of a breast from those of its views: their mean; None without any."""
    known = list(shares)
    return float(np.mean(known)) if known else None


def dense_share(even: Floats, breast: Mask, pectoral: Mask, spacing_um: float) -> float:
    """Of the breast's area without muscle and skin, 0…1.

    even: displayed values, 0…1, from which the fall-off at the skin was taken; all in one grid. Dense is what is
    brighter than the middle, about, between the darkest and the brightest tissue; where these are alike, as in fat
    alone, a range of LEAST_RANGE counts in its place.
    """
    values = _tissue(even, breast, pectoral, spacing_um)
    if values.size == 0:
        return 0.0
    low, high = np.percentile(values, [LOW, HIGH])
    return float((values > low + DENSE * max(float(high - low), LEAST_RANGE)).mean())


def _tissue(even: Floats, breast: Mask, pectoral: Mask, spacing_um: float) -> Floats:
    mm = spacing_um / 1000
    small, inside, muscle = (coarse(a.astype(np.float32), (mm, mm), GRID_MM) for a in (even, breast, pectoral))
    mask = inside > 0.5
    tissue = mask & (muscle < 0.5)
    deep = tissue & (skin_distance_mm(mask) > SKIN_MM)
    return small[deep if deep.sum() > 100 else tissue]
