"""Shortcomings that the pixels show: values cut off, breast cut off, nipple missing, motion."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.core.breast import QualityNote, Shortcoming
from pipeline.imaging.mammogram.breast import COARSE_MM
from pipeline.imaging.mammogram.canonical import Canonical, Floats, resample
from pipeline.imaging.mammogram.layout import Lay
from pipeline.imaging.mammogram.values import Opened
from pipeline.imaging.mammogram.views import FROM_ABOVE, OBLIQUE

Mask = NDArray[np.bool_]

MOST_CLIPPED = 0.02
"""Share of the breast without muscle at the largest value that can be stored, or shown plain white."""
EDGE_MM = 15.0
"""So long a breast may touch an edge of the image that it should not touch."""
FOLD_MM = 60.0
"""The same of the lower edge of an oblique view: 1 in 20 of 258 mini-MIAS films, in which the breast goes on below."""
MOTION_RATIO = 0.68
"""Fine detail in the poorest direction over that in the richest; below, it is blurred.

258 mini-MIAS films have 0.76 or more; smeared over 1.4 mm along the long axis, all have less than this.
"""
FINE_MM = 0.3
"""About so large."""


def pixel_notes(
    opened: Opened,
    transform: Canonical,
    picture: Floats,
    breast: Mask,
    muscle: Mask,
    laid: Lay,
    view: str,
    role: str,
) -> Iterator[QualityNote]:
    """All that the pixels of one view show."""
    tissue = breast & ~muscle
    clipped = clipped_share(opened, transform, picture, tissue)
    if clipped > MOST_CLIPPED:
        words = f"{clipped:.0%} of the breast has the largest value there is: what is brighter was cut off."
        yield QualityNote(Shortcoming.CLIPPED, role, words)
    for edge, mm in cut_off_mm(laid, view).items():
        words = f"The breast touches the {edge} of the image over {mm:.0f} mm: a part of it is not in the image."
        yield QualityNote(Shortcoming.CUT_OFF, role, words)
    if laid.nipple_px is None:
        words = "The furthest part of the breast, where the nipple should be, is not in the image."
        yield QualityNote(Shortcoming.NO_NIPPLE, role, words)
    ratio = directional_detail(picture, tissue, transform.spacing_um)
    if ratio is not None and ratio < MOTION_RATIO:
        words = f"Fine detail along one direction is {ratio:.0%} of that across it, as after motion."
        yield QualityNote(Shortcoming.MOTION, role, words)


def clipped_share(opened: Opened, transform: Canonical, picture: Floats, tissue: Mask) -> float:
    """Share of the tissue that is at the top of what can be stored, or displayed."""
    if not tissue.any():
        return 0.0
    shown = float((picture[tissue] >= 0.998).mean())
    if opened.top is None:
        return shown
    at_top = resample((opened.tissue >= opened.top).astype(np.float32), transform)
    return max(shown, float(at_top[tissue].mean()))


def cut_off_mm(laid: Lay, view: str) -> dict[str, float]:
    """Lengths over which a breast meets edges of the image that it should not meet; by edge, the long ones only.

    The edge that the breast points to; of a view from above, those of its two sides too, away from the chest wall. An
    oblique view reaches its lower edge at the fold below the breast, so that only long contact counts there.
    """
    mask = laid.found.mask
    lengths = {"edge before the nipple": float(mask[:, -2:].any(axis=1).sum()) * COARSE_MM}
    if view in FROM_ABOVE:
        away = int(30.0 / COARSE_MM)
        lengths["upper edge"] = float(mask[:2, away:].any(axis=0).sum()) * COARSE_MM
        lengths["lower edge"] = float(mask[-2:, away:].any(axis=0).sum()) * COARSE_MM
    elif view in OBLIQUE:
        below = float(mask[-2:, int(30.0 / COARSE_MM) :].any(axis=0).sum()) * COARSE_MM
        lengths["lower edge"] = below if below > FOLD_MM else 0.0
    return {edge: mm for edge, mm in lengths.items() if mm > EDGE_MM}


def directional_detail(picture: Floats, tissue: Mask, spacing_um: float) -> float | None:
    """Fine detail along the poorest direction over that across it; None for too little tissue.

    Motion takes detail away along its direction and leaves it across.
    """
    inner = ndimage.binary_erosion(tissue, iterations=max(1, int(3000 / spacing_um)))
    if inner.sum() < 2000:
        return None
    step = max(1, round(FINE_MM * 1000 / spacing_um))
    pairs = (((0, step), (step, 0)), ((step, step), (step, -step)))
    ratios = [_detail(picture, inner, a) / max(_detail(picture, inner, b), 1e-9) for a, b in pairs]
    return min(min(r, 1 / max(r, 1e-9)) for r in ratios)


def _detail(picture: Floats, inner: Mask, shift: tuple[int, int]) -> float:
    """Mean second difference along a direction."""
    down, across = shift
    beside = np.roll(picture, (down, across), (0, 1)) + np.roll(picture, (-down, -across), (0, 1))
    return float(np.abs(picture - 0.5 * beside)[inner].mean())
