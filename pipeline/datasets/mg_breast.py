"""Where the breast lies in a picture, seen coarsely."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

COARSE = 256
"""Pixels along the long side of the copy that is looked at, about."""


class Edge(StrEnum):
    """Of an image: where the chest wall lies."""

    LEFT = "left"
    RIGHT = "right"


def coarse(picture: NDArray[Any]) -> NDArray[np.float32]:
    """Block means, (rows, columns) of up to twice COARSE; bright is dense as in `picture`."""
    step = max(1, max(picture.shape) // COARSE)
    rows, columns = (n // step * step for n in picture.shape)
    blocks = picture[:rows, :columns].astype(np.float32).reshape(rows // step, step, columns // step, step)
    return np.asarray(blocks.mean(axis=(1, 3)), np.float32)


def breast(small: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The largest bright region of a coarse picture: labels and the film's frame are smaller. All of a blank one."""
    regions, count = ndimage.label(ndimage.binary_opening(small > _otsu(small), iterations=2))
    if not count:
        return np.ones(small.shape, bool)
    sizes = ndimage.sum_labels(np.ones_like(small), regions, np.arange(1, count + 1))
    return np.asarray(regions == int(np.argmax(sizes)) + 1)


def chest_wall(picture: NDArray[Any]) -> Edge:
    """The edge of the picture that the chest wall lies at: the breast is tallest there."""
    found = breast(coarse(picture))
    columns = np.flatnonzero(found.any(axis=0))
    heights = found[:, columns[0] : columns[-1] + 1].sum(axis=0)
    third = max(1, heights.size // 3)
    return Edge.LEFT if heights[:third].sum() >= heights[-third:].sum() else Edge.RIGHT


def _otsu(values: NDArray[np.float32]) -> float:
    """The threshold between background and breast, on square roots: fat is far nearer to the background."""
    counts, edges = np.histogram(np.sqrt(np.clip(values, 0, None)), 128)
    middles = (edges[1:] + edges[:-1]) / 2
    below, sum_below = np.cumsum(counts), np.cumsum(counts * middles)
    above, sum_above = below[-1] - below, sum_below[-1] - sum_below
    apart = sum_below / np.maximum(below, 1) - sum_above / np.maximum(above, 1)
    best = int(np.argmax(below * above * apart**2))
    return float(edges[best + 1] ** 2)
