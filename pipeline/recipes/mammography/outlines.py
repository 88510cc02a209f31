"""The outline of a mark: how far heat and brightness around its peak reach. An aid to find it, not a segmentation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.recipes.mammography.fuse import Peak
from pipeline.recipes.mammography.looks import LEVEL_MM, Floats, Look

Points = NDArray[np.float64]

LEAST_MM, MOST_MM = 2.5, 20.0
"""Radii."""
STEP_MM = 0.4
CORNERS = 48
HALF = 0.5
"""Of the way from the surroundings to the peak the outline runs."""
SMOOTH_MM = 0.8
"""Brightness is looked at without finer detail."""

_TURNS = np.arange(CORNERS) * (2 * np.pi / CORNERS)
_RADII = np.arange(0.0, MOST_MM + STEP_MM / 2, STEP_MM)
_DIRECTIONS = np.column_stack([np.cos(_TURNS), np.sin(_TURNS)])


def outline_mm(peak: Peak, heat: Floats, look: Look) -> Points:
    """(CORNERS, 2) corners (x, y) in mm from the top left corner of the maps, clockwise on the screen.

    heat: of the map that the peak is of, (rows, columns) over the whole look. Every corner lies on a ray of its own
    from the peak, so that the outline never crosses itself and holds the peak; radii are within LEAST_MM and MOST_MM
    and inside the breast. Calcifications are outlined by heat alone: they need not be brighter as a whole.
    """
    rays = np.array([peak.x_mm, peak.y_mm]) + _RADII[:, None, None] * _DIRECTIONS  # (radii, corners, 2)
    share = _share(_filled(heat), rays, look.level.shape[0] * LEVEL_MM / heat.shape[0])
    if not peak.of_specks:
        smooth = ndimage.gaussian_filter(look.level, SMOOTH_MM / LEVEL_MM)
        bright = _share(smooth, rays, LEVEL_MM)
        share = share if bright is None else bright if share is None else (share + bright) / 2
    far = np.full(CORNERS, LEAST_MM) if share is None else _first(share < HALF)
    wide = ndimage.gaussian_filter1d(ndimage.median_filter(far, 5, mode="wrap"), 1.5, mode="wrap")
    inside = _sampled(look.breast.astype(np.float32), rays, LEVEL_MM) > 0.5
    radius = np.minimum(np.clip(wide, LEAST_MM, MOST_MM), np.maximum(_first(~inside), STEP_MM))
    return np.asarray(np.array([peak.x_mm, peak.y_mm]) + radius[:, None] * _DIRECTIONS)


def long_axis(corners: Points) -> float:
    """The largest distance between two corners, in their unit."""
    return float(np.hypot(*(corners[:, None] - corners[None]).transpose(2, 0, 1)).max())


def _share(picture: Floats, rays: Points, step_mm: float) -> NDArray[np.float64] | None:
    """(radii, corners): how far from the surroundings (0) to the peak (1) each place is; None where nothing stands out.

    The surroundings are the median of the outer quarter of the rays.
    """
    values = _sampled(picture, rays, step_mm)
    within = float(values[_RADII <= LEAST_MM].mean())
    around = float(np.median(values[_RADII >= 0.75 * MOST_MM]))
    if within - around <= 1e-3:
        return None
    return np.asarray((values - around) / (within - around), np.float64)


def _sampled(picture: Floats, rays: Points, step_mm: float) -> NDArray[np.float64]:
    """Values of a picture at places in mm, linear between the centres of its pixels."""
    x, y = (rays[..., axis] / step_mm - 0.5 for axis in (0, 1))
    return np.asarray(ndimage.map_coordinates(picture, [y, x], order=1, mode="nearest"), np.float64)


def _first(outside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """For each corner the radius at which it is outside for the first time; the largest where it never is."""
    ever = outside.any(axis=0)
    return np.where(ever, _RADII[outside.argmax(axis=0)], MOST_MM)


def _filled(heat: Floats) -> Floats:
    """Without infinities: what has no tissue is as cold as the coldest tissue."""
    known = np.isfinite(heat)
    return np.asarray(np.where(known, heat, heat[known].min() if known.any() else 0.0), np.float32)
