"""Where the nipple is, or would be: the furthest point of the skin from the chest wall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.imaging.mammogram.breast import COARSE_MM
from pipeline.imaging.mammogram.pectoral import Pectoral

Mask = NDArray[np.bool_]

AROUND_MM = 20.0
"""About so far along the skin from the furthest point a nipple lies."""
LEAST_MM = 1.2
"""So far it stands out of the smooth skin line when it is seen in profile."""


@dataclass(frozen=True, slots=True)
class Nipple:
    """(column, row) in coarse canonical pixels. in_profile: seen as such, and not only where it should be."""

    column: float
    row: float
    in_profile: bool


def find_nipple(mask: Mask, rough: Mask, pectoral: Pectoral | None) -> Nipple | None:
    """From the outline of the breast, chest wall left; None for a breast without rows.

    mask: the smooth breast; rough: with what stands out of the skin. Furthest counts from the muscle where it is known,
    halfway between its normal and that of the chest wall.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size < 20:
        return None
    center = _center(mask, rows)
    skin, proud = (_rays(m, center) for m in (mask, rough))
    points = center + skin[:, None] * _DIRECTIONS
    far = int(np.argmax(points @ _normal(pectoral)))
    along = np.hypot(*(points - points[far]).T) * COARSE_MM
    inside = (points[:, 0] < mask.shape[1] - 1.5) & (points[:, 1] < mask.shape[0] - 1.5) & (points[:, 1] > 1.5)
    bump = ndimage.gaussian_filter1d(proud - skin, 1) * COARSE_MM * inside
    best = int(np.argmax(bump * np.exp(-0.5 * (along / AROUND_MM) ** 2)))
    seen = bool(bump[best] >= LEAST_MM and along[best] <= 2 * AROUND_MM)
    column, row = center + proud[best] * _DIRECTIONS[best] if seen else points[far]
    return Nipple(float(column), float(row), seen)


_ANGLES = np.radians(np.arange(-80, 80.5, 1.0))
_DIRECTIONS = np.column_stack([np.cos(_ANGLES), np.sin(_ANGLES)])


def _center(mask: Mask, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Near the chest wall, on the height of the widest part."""
    ends = mask.shape[1] - mask[rows][:, ::-1].argmax(axis=1).astype(float)
    wall = float(np.flatnonzero(mask.any(axis=0))[0])
    widest = rows[int(np.argmax(ndimage.gaussian_filter1d(ends, 6 / COARSE_MM)))]
    return np.array([wall + 0.2 * (ends.max() - wall), float(widest) + 0.5])


def _rays(mask: Mask, center: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far the breast reaches from the centre in each direction, in pixels."""
    far = np.arange(0.0, float(np.hypot(*mask.shape)), 0.5)
    at = np.floor(center + far[:, None, None] * _DIRECTIONS).astype(int)
    inside = ((at >= 0) & (at < mask.shape[::-1])).all(axis=2)
    hit = np.zeros(inside.shape, bool)
    hit[inside] = mask[at[inside][:, 1], at[inside][:, 0]]
    return np.asarray(far[hit.shape[0] - 1 - hit[::-1].argmax(axis=0)])


def _normal(pectoral: Pectoral | None) -> NDArray[np.float64]:
    if pectoral is None:
        return np.array([1.0, 0.0])
    normal = np.array([1 / pectoral.top, 1 / pectoral.side])
    between = normal / np.hypot(*normal) + [1.0, 0.0]
    return np.asarray(between / np.hypot(*between))
