"""Polygons from their written corners: area, centre, and which pixels lie inside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.proof.lattice import Array

Mask = NDArray[np.bool_]
Window = tuple[slice, slice]


def area_and_centre(corners: Array) -> tuple[float, Array]:
    """Of a closed polygon of (n, 2) corners, whose last edge runs back to the first: shoelace.

    The way to a hole and back encloses nothing, so keyholes need no care. The area is never negative.
    """
    near = corners - corners[0]  # far from the origin products would cancel badly
    following = np.roll(near, -1, axis=0)
    cross = near[:, 0] * following[:, 1] - following[:, 0] * near[:, 1]
    area = float(cross.sum()) / 2
    if area == 0:
        return 0.0, np.asarray(corners.mean(axis=0))
    centre = ((near + following) * cross[:, None]).sum(axis=0) / (6 * area)
    return abs(area), np.asarray(centre + corners[0])


def window_of(polygons: Sequence[Array]) -> Window:
    """The rows and columns that hold all these polygons of (row, column) indices."""
    corners = np.concatenate(polygons)
    low, high = np.floor(corners.min(axis=0)).astype(int), np.ceil(corners.max(axis=0)).astype(int) + 1
    return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))


def inside(corners: Array, window: Window) -> Mask:
    """Which pixels of a window have their centre in a polygon, by the even-odd rule.

    corners: (n, 2) fractional (row, column); the centre of the first pixel of the image is (0, 0).
    """
    shape = window[0].stop - window[0].start, window[1].stop - window[1].start
    here = corners - (window[0].start, window[1].start)
    there = np.roll(here, -1, axis=0)
    sloped = here[:, 0] != there[:, 0]
    here, there = here[sloped], there[sloped]
    low, high = np.minimum(here[:, 0], there[:, 0]), np.maximum(here[:, 0], there[:, 0])
    edge, row = np.nonzero((np.arange(shape[0]) >= low[:, None]) & (np.arange(shape[0]) < high[:, None]))
    slope = (there[:, 1] - here[:, 1]) / (there[:, 0] - here[:, 0])
    crossing = here[edge, 1] + (row - here[edge, 0]) * slope[edge]
    # Each crossing turns over all pixels left of it.
    upto = np.clip(np.ceil(crossing).astype(int), 0, shape[1])
    turns = np.zeros((shape[0], shape[1] + 1), np.int64)
    np.add.at(turns, (row, upto), 1)
    beyond = np.cumsum(turns[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(beyond[:, 1:] % 2 == 1)
