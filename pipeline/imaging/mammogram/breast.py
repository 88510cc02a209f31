"""Where the breast is in a coarse copy of a mammogram, which edge the chest wall lies at, and whether dark is dense."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from pipeline.imaging.mammogram.canonical import Edge, Floats

Mask = NDArray[np.bool_]

COARSE_MM = 0.8
"""Size of the pixels that shapes are looked at with."""
DARKEST, BRIGHTEST = 6.0, 75.0
"""Of 255: between these the level between air and skin lies."""
LABEL_MM = 6.0
"""Radius of a disc that fits into a breast anywhere, and into no label, tape or scratch."""
INVERTED_BY = 0.15
"""So much more like a breast an image has to be when turned over; set on mini-MIAS and its negatives."""
LEAST_LIKENESS = 0.6
"""129 negatives of mini-MIAS had 0.73 or more when turned over."""
STRUCTURED = 1.15
"""So many times more structure than its surroundings a breast has: air between film frames has less."""
ALIKE = 0.15
"""Two sides of a breast's box that are covered so nearly alike may either be the chest wall."""
SIDEWAYS = 0.05
"""So much better a side up or down is covered where an image was turned by 90 degrees; -0.01 at most in mini-MIAS."""
CONTACT = 0.3
"""So much of the left or right edge a breast covers at least."""
ANOTHER = 0.6
"""Share of the largest bright region that a second one has where two breasts, or two views, are in one picture.

Labels and strips of 258 mini-MIAS films have up to 0.45."""
LEAST_SHARE, MOST_SHARE = 0.03, 0.985
"""Of the image that a breast covers."""
ALL_ROUND, RAGGED = 0.45, 0.985
"""What covers so much of each of the four edges, and is less solid than this, is no breast: noise, blobs, a photograph.

A breast larger than its film reaches all four edges too, 0.50 of each in one of mini-MIAS, and is smooth (0.997).
"""


@dataclass(frozen=True, slots=True)
class Found:
    """A breast on a coarse grid.

    rough:  before labels were cut off, with the nipple's profile.
    second: area of the next largest bright region over that of the largest.
    """

    mask: Mask
    rough: Mask
    second: float = 0.0

    @property
    def box(self) -> tuple[int, int, int, int]:
        """(left, top, right, bottom), right and bottom just outside."""
        rows, columns = (np.flatnonzero(self.mask.any(axis=a)) for a in (1, 0))
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def find_breast(small: Floats) -> Found | None:
    """The largest bright region, without labels and tape; None where there is none.

    small: coarse values before any display window, bright is dense.
    """
    levels = scaled(small)
    bright = ndimage.gaussian_filter(levels, 0.6) > air_level(levels)
    opened = ndimage.binary_opening(bright, iterations=4)
    whole = _largest(opened)
    if whole is None:
        return None
    filled = ndimage.binary_fill_holes(whole)
    radius = round(LABEL_MM / COARSE_MM)
    wide = np.pad(filled, radius + 4, mode="edge")
    cut = ndimage.binary_opening(wide, structure=_disc(radius))[radius + 4 : -radius - 4, radius + 4 : -radius - 4]
    mask = _largest(cut)
    if mask is None:
        return None
    near = ndimage.binary_dilation(mask, iterations=radius)
    rough = _largest(ndimage.binary_fill_holes(ndimage.binary_opening(bright)) & near)
    return Found(mask, mask if rough is None else rough | mask, _second(opened))


def _second(opened: Mask) -> float:
    regions, count = ndimage.label(opened)
    areas = np.sort(np.bincount(regions.ravel())[1:])
    return float(areas[-2] / areas[-1]) if count > 1 else 0.0


def scaled(small: Floats) -> Floats:
    """0…255 between the darkest and the brightest values, leaving out a few of either."""
    low, high = np.percentile(small, [0.5, 99.8])
    return np.asarray(np.clip((small - low) / max(float(high - low), 1e-9), 0, 1) * 255, np.float32)


def air_level(levels: Floats) -> float:
    """The level between air and skin: Otsu's on logarithms, for fat is far nearer to air than to dense tissue.

    Where the air is exactly black, and so is not among the values looked at, all values are.
    """
    logs = np.log1p(levels)
    seen = logs[levels > 0.5]
    if seen.size < 100:
        return DARKEST
    level = float(np.expm1(_otsu(seen)))
    if level > BRIGHTEST and seen.size < 0.9 * logs.size:
        level = float(np.expm1(_otsu(logs.ravel())))
    return min(max(level, DARKEST), BRIGHTEST)


def _otsu(values: NDArray[np.float32]) -> float:
    counts, edges = np.histogram(values, 128)
    middles = (edges[1:] + edges[:-1]) / 2
    below, sum_below = np.cumsum(counts), np.cumsum(counts * middles)
    above, sum_above = below[-1] - below, sum_below[-1] - sum_below
    apart = sum_below / np.maximum(below, 1) - sum_above / np.maximum(above, 1)
    return float(middles[int(np.argmax(below * above * apart**2))])


def _disc(radius: int) -> Mask:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray(x * x + y * y <= radius * radius)


def _largest(mask: Mask) -> Mask | None:
    regions, count = ndimage.label(mask)
    if not count:
        return None
    sizes = np.bincount(regions.ravel())
    sizes[0] = 0
    return np.asarray(regions == int(np.argmax(sizes)))


def why_no_breast(small: Floats, found: Found | None, only_blank: bool = False) -> str:
    """A reason why the picture shows no breast as mammograms do, or ""."""
    low, high = np.percentile(small, [0.5, 99.8])
    if not np.isfinite(small).all() or high - low <= 1e-6 * max(1.0, abs(float(high))):
        return "it is blank: all its pixels have the same value"
    if only_blank:
        return ""
    if found is None or found.mask.mean() < LEAST_SHARE:
        return "no breast was found in it"
    if found.mask.mean() > MOST_SHARE or _is_everywhere(found.mask):
        return "no air is seen around the breast: it is a part of a breast, or no mammogram"
    if found.second > ANOTHER:
        return "it shows several bright regions of like size: give each breast and view as an image of its own"
    return _why_unlike(found)


def _why_unlike(found: Found) -> str:
    """A breast lies along an edge of the image, and bulges: what stands free in the middle is something else."""
    mask = found.mask
    left, top, right, bottom = found.box
    if max(_covered(mask)) < 0.1 and min(bottom - top, right - left) > 0:
        pad = np.array([left, top, mask.shape[1] - right, mask.shape[0] - bottom]) / max(mask.shape)
        if pad.min() > 0.12:
            return "what is bright in it stands free on all sides, as no breast does in a mammogram"
    if solidity(mask) < 0.62:
        return "what is bright in it has not the shape of a breast"
    return ""


def _is_everywhere(mask: Mask) -> bool:
    return min(_covered(mask)) > ALL_ROUND and solidity(mask) < RAGGED


def _covered(mask: Mask) -> tuple[float, ...]:
    """Shares of the four edges of the image that it touches."""
    edges = [mask[:, :4], mask[:, -4:], mask[:4], mask[-4:]]
    return tuple(float(e.any(axis=1 if k < 2 else 0).mean()) for k, e in enumerate(edges))


def solidity(mask: Mask) -> float:
    """Area over the area of the convex hull; 0 for next to nothing."""
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size < 3:
        return 0.0
    first, last = mask[rows].argmax(axis=1), mask.shape[1] - mask[rows][:, ::-1].argmax(axis=1)
    corners = np.concatenate([np.column_stack([x, rows + d]) for x in (first, last) for d in (0, 1)])
    try:
        return float(mask.sum() / ConvexHull(corners).volume)
    except QhullError:
        return 0.0


def is_inverted(small: Floats) -> bool:
    """Dark is dense: taken so, the picture is more like a breast in air than taken as it is.

    A breast is nearly convex and full of structure; air is flat, and lies around it on three sides.
    """
    picture = _trimmed(small)
    turned = _likeness(-picture, only_structured=True)
    return turned > LEAST_LIKENESS and turned > max(_likeness(picture), 0.0) + INVERTED_BY


def _trimmed(small: Floats) -> Floats:
    """Without the rows and columns at the edges in which nearly all values are the same: padding, empty film."""
    least = 0.03 * float(np.ptp(small))
    spread = (np.ptp(np.percentile(small, [5, 95], axis=a), axis=0) for a in (1, 0))
    rows, columns = (np.flatnonzero(v > least) for v in spread)
    return small[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if rows.size and columns.size else small


def _likeness(small: Floats, only_structured: bool = False) -> float:
    """How much the bright region is a breast, and the rest air: relief within against without, and roundness."""
    found = find_breast(small)
    if found is None or not LEAST_SHARE < found.mask.mean() < MOST_SHARE:
        return -np.inf
    if max(found.mask[:, :3].any(axis=1).mean(), found.mask[:, -3:].any(axis=1).mean()) < CONTACT:
        return -np.inf
    least = 1e-4 * float(np.ptp(small))
    within, without = (max(_relief(small, m), least) for m in (found.mask, ~found.mask))
    if only_structured and within < STRUCTURED * without:
        return -np.inf
    return float(np.log(within / without)) / 4 + solidity(found.mask) - solidity(~found.mask)


def _relief(small: Floats, mask: Mask) -> float:
    """How much values vary over a few millimetres well inside a region."""
    inner = ndimage.binary_erosion(mask, iterations=6, border_value=1)
    if inner.sum() < 50:
        inner = mask
    rough = np.abs(small - ndimage.gaussian_filter(small, 3))
    return float(np.median(rough[inner]))


def chest_wall(mask: Mask, edges: tuple[Edge, ...] = (Edge.LEFT, Edge.RIGHT), said: Edge | None = None) -> Edge:
    """Which of these edges the chest wall lies at: the straight side, along which the breast is longest.

    said: by the header; believed where both sides are about alike, as when the front of the breast is cut off.
    """
    lengths = {e: _along(mask, e) for e in edges}
    best = max(edges, key=lambda e: lengths[e])
    return said if said in lengths and lengths[said] > lengths[best] - ALIKE else best


def is_sideways(mask: Mask) -> bool:
    """The straight side of a breast that was taken to hang from the left or right edge is up or down."""
    across, down = (max(_along(mask, e) for e in pair) for pair in ((Edge.LEFT, Edge.RIGHT), (Edge.TOP, Edge.BOTTOM)))
    return down > across + SIDEWAYS


def _along(mask: Mask, edge: Edge) -> float:
    rows, columns = (np.flatnonzero(mask.any(axis=a)) for a in (1, 0))
    box = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    laid = box if edge in (Edge.LEFT, Edge.RIGHT) else box.T
    laid = laid[:, ::-1] if edge in (Edge.RIGHT, Edge.BOTTOM) else laid
    width = max(2, laid.shape[1] // 12)
    return float(laid[:, :width].mean()) * (1.0 if edge in (Edge.LEFT, Edge.RIGHT) else 0.9)
