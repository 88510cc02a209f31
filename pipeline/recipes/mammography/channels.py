"""A look as three pictures of half its resolution: level, local contrast and fine detail."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.recipes.mammography.looks import Floats, Look

STEP = 2
"""Level pixels in a pixel of a channel: 0.4 mm."""
AROUND, SPREAD = 20.0, 30.0
"""Standard deviations in channel pixels: of what contrast is measured against, and of its spread."""
SPECK = 7
"""Level pixels: brighter things that are narrower are fine detail."""
NOISE = 8.0
"""Standard deviation in pixels of 0.8 mm, of what fine detail is measured against."""
CONTRASTS, DETAILS = 6.0, 10.0
"""Spreads that become half, and the whole, of the range."""


def channels(look: Look) -> Floats:
    """(3, rows / 2, columns / 2) of the look's `level`, 0.4 mm, float32, 0…1.2; 0 outside the breast."""
    level = np.asarray(look.level.clip(0, 1.2), np.float32)
    contrast = local_contrast(look)
    return np.stack([halved(level * look.breast), contrast, _detail(look)])


def local_contrast(look: Look) -> Floats:
    """(rows / 2, columns / 2): the difference from 8 mm around, by its spread there; 0.5 is none."""
    inside = halved(look.breast.astype(np.float32))
    small = halved(look.level * look.breast)
    off = (small - mean_inside(small, inside, AROUND)) * inside
    spread = np.sqrt(mean_inside(off * off, inside, SPREAD))
    overall = np.sqrt((off * off).sum() / max(float(inside.sum()), 1.0))
    relative = off / (0.5 * spread + 0.5 * overall + 1e-3)
    return np.asarray((relative / CONTRASTS + 0.5).clip(0, 1) * (inside > 0.5), np.float32)


def _detail(look: Look) -> Floats:
    inside = look.breast.astype(np.float32)
    hat = top_hat(look.level, 0.6) * inside
    every = hat[::4, ::4]
    noise = np.sqrt(mean_inside(every * every, inside[::4, ::4], NOISE)).repeat(4, axis=0).repeat(4, axis=1)
    overall = np.sqrt((hat * hat).sum() / max(float(inside.sum()), 1.0))
    relative = hat / (0.5 * noise + 0.5 * overall + 1e-3)
    return np.asarray((blocks(relative, STEP).max(axis=(1, 3)) / DETAILS).clip(0, 1), np.float32)


def top_hat(level: Floats, blur: float) -> Floats:
    """What is brighter than all around and narrower than SPECK, after a blur (standard deviation, pixels)."""
    smooth = ndimage.gaussian_filter(level, blur)
    return np.asarray(smooth - ndimage.grey_opening(smooth, (SPECK, SPECK)), np.float32)


def mean_inside(values: Floats, weight: Floats, sigma: float) -> Floats:
    """Gaussian mean of what has weight."""
    given = ndimage.gaussian_filter(values * weight, sigma, truncate=3)
    return np.asarray(given / (ndimage.gaussian_filter(weight, sigma, truncate=3) + 1e-3), np.float32)


def blocks(values: Floats, by: int) -> NDArray[np.float32]:
    """(rows, by, columns, by): pixels of each block on axes 1 and 3."""
    rows, columns = (n // by for n in values.shape)
    return values[: rows * by, : columns * by].reshape(rows, by, columns, by)


def halved(values: Floats) -> Floats:
    """Means of 2 x 2."""
    return np.asarray(blocks(values, STEP).mean(axis=(1, 3)), np.float32)
