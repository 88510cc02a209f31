"""Breasts made alike in brightness, for models and for density: by each breast's own values, without the fall-off at
the skin."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from pipeline.imaging.mammogram.canonical import Floats, coarse

Mask = NDArray[np.bool_]

GRID_MM = 0.8
"""Of the grid that the fall-off is measured on; it is smooth."""
RIM_MM = (6.0, 20.0)
"""The fall-off reaches at least and at most so deep."""
FAT = 25
"""Percentile at one depth that is taken for fat: it thins towards the skin, and glands need not be there."""
LOW, HIGH = 1.0, 99.5
"""Percentiles of the tissue that become 0 and 1."""


def normalise(picture: Floats, breast: Mask, pectoral: Mask, spacing_um: float) -> Floats:
    """Tissue as 0…1 of its own range, a fifth beyond at either end; 0 outside the breast.

    All in the same grid, (rows, columns), bright is dense. Training and inference both go through here.
    """
    even = picture + fall_off(picture, breast, pectoral, spacing_um)
    low, high = tissue_range(even, breast, pectoral, spacing_um)
    return np.asarray(np.clip((even - low) / max(high - low, 1e-6), -0.2, 1.2) * breast, np.float32)


def tissue_range(even: Floats, breast: Mask, pectoral: Mask, spacing_um: float) -> tuple[float, float]:
    """The values that become 0 and 1: of the tissue a little below the skin, without the muscle."""
    small, inside, muscle = (_small(a, spacing_um) for a in (even, breast, pectoral))
    tissue = (inside > 0.5) & (muscle < 0.5)
    tissue = tissue if tissue.sum() > 200 else inside > 0.5
    deep = tissue & (skin_distance_mm(inside > 0.5) > 2.0)
    values = small[deep if deep.sum() > 200 else tissue]
    if values.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(values, [LOW, HIGH])
    return float(low), float(high)


def skin_distance_mm(breast: Mask) -> Floats:
    """Distance to the air on the coarse grid; the border of the image does not count as skin."""
    wide = np.pad(breast, 40, mode="edge")
    return np.asarray(ndimage.distance_transform_edt(wide)[40:-40, 40:-40] * GRID_MM, np.float32)


def fall_off(picture: Floats, breast: Mask, pectoral: Mask, spacing_um: float) -> Floats:
    """What has to be added so that thin tissue near the skin is as bright as the same tissue further in."""
    small, inside, muscle = (_small(a, spacing_um) for a in (picture, breast, pectoral))
    mask = inside > 0.5
    tissue = mask & (muscle < 0.5)
    if tissue.sum() < 200:
        return np.zeros_like(picture)
    depth = skin_distance_mm(mask)
    limit = float(np.clip(np.percentile(depth[tissue], 60), *RIM_MM))
    profile = _profile(small, depth, tissue, limit)
    deep = tissue & (depth > limit)
    reference = min(float(np.percentile(small[deep if deep.sum() > 100 else tissue], 30)), float(profile[-1]))
    missing = np.maximum(reference - profile, 0)
    added = np.interp(np.minimum(depth, limit) - 0.5, np.arange(profile.size), missing).astype(np.float32)
    return np.asarray(Image.fromarray(added).resize(picture.shape[::-1], Image.Resampling.BILINEAR), np.float32)


def _profile(small: Floats, depth: Floats, tissue: Mask, limit: float) -> NDArray[np.float64]:
    """Brightness of fat at 0, 1, 2 … mm below the skin, never falling inwards."""
    ring = np.minimum(depth, limit).astype(int)
    values = [small[tissue & (ring == i)] for i in range(int(limit) + 1)]
    fat = np.array([np.percentile(v, FAT) if v.size > 5 else np.nan for v in values])
    known = np.flatnonzero(~np.isnan(fat))
    fat = np.interp(np.arange(fat.size), known, fat[known])
    return np.asarray(ndimage.gaussian_filter1d(np.maximum.accumulate(fat), 1))


def _small(array: NDArray[np.generic], spacing_um: float) -> Floats:
    mm = spacing_um / 1000
    return coarse(array.astype(np.float32), (mm, mm), GRID_MM)
