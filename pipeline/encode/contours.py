"""Masks -> polygons along the edges of voxels ("cracks"), so that their area is that of the mask, exactly.

Foreground is 4-connected and background 8-connected: voxels that touch in a corner only are two regions, and a gap
in a ring that is one corner wide is open. A hole is cut out by a keyhole: one straight path of no width from the
outline to the hole and back, which every planning system reads, as not all read CLOSEDPLANAR_XOR. For those that do,
`rings` has outlines and holes each by itself.

A lattice point (r, c) is the upper left corner of voxel (r, c); its fractional index is (r - 0.5, c - 0.5).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Point = tuple[int, int]
IntArray = NDArray[np.int64]

_STEP: tuple[Point, ...] = ((0, 1), (1, 0), (0, -1), (-1, 0))
"""(row, column) steps right, down, left, up: clockwise on the screen, the foreground at the right hand."""


def outlines(mask: NDArray[np.bool_]) -> list[IntArray]:
    """One polygon for each 4-connected region of a slice, its holes joined to it by keyholes.

    mask:    (rows, columns).
    returns: (n, 2) lattice points (row, column) each; closed, the first is not repeated at the end and lies in the
             row of the last; no point lies on the straight line between its neighbours. `area` of each is the
             number of voxels in the region.
    """
    return [_outline(region) + corner for region, corner in _regions(mask)]


def rings(mask: NDArray[np.bool_]) -> list[IntArray]:
    """The outline of each 4-connected region of a slice, then that of each of its holes, in the points of `outlines`.

    A voxel is in the mask when an odd number of them run around it. `area` of a hole is negative.
    """
    return [
        _without_collinear(np.array(loop, dtype=np.int64)) + corner
        for region, corner in _regions(mask)
        for loop in _by_area(region)
    ]


def _regions(mask: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.bool_], IntArray]]:
    """Each 4-connected region, cut out, and where its upper left corner was."""
    numbered, _ = ndimage.label(mask)
    for number, window in enumerate(ndimage.find_objects(numbered), start=1):
        yield numbered[window] == number, np.array([w.start for w in window])


def area(polygon: NDArray[Any]) -> float:
    """Signed area of an (n, 2) polygon of (row, column); positive when clockwise on the screen."""
    following = np.roll(polygon, -1, axis=0)
    return float(np.sum(polygon[:, 1] * following[:, 0] - following[:, 1] * polygon[:, 0])) / 2


def area_3d(points: NDArray[np.float64]) -> float:
    """Area of an (n, 3) planar polygon, in the square of its unit."""
    relative = points - points[0]  # far from the origin the cross products would cancel badly
    total = np.cross(relative, np.roll(relative, -1, axis=0)).sum(axis=0)
    return float(np.linalg.norm(total)) / 2


def _outline(region: NDArray[np.bool_]) -> IntArray:
    outer, *holes = _by_area(region)
    for hole in sorted((_from_top(h) for h in holes), key=lambda h: h[0]):
        outer = _with_keyhole(outer, hole)
    return _without_collinear(np.array(outer, dtype=np.int64))


def _by_area(region: NDArray[np.bool_]) -> list[list[Point]]:
    """The outline, then the holes."""
    return sorted(_loops(region), key=lambda loop: -area(np.array(loop)))


def _loops(region: NDArray[np.bool_]) -> list[list[Point]]:
    """Every closed walk along the cracks of `region`, in unit steps."""
    ways = _cracks(region)
    loops = []
    while ways:
        start = at = next(iter(ways))
        loop: list[Point] = []
        heading = ways[at][0]
        while True:
            loop.append(at)
            _leave(ways, at, heading)
            at = (at[0] + _STEP[heading][0], at[1] + _STEP[heading][1])
            if at == start and _may_close(ways, at, heading):
                break
            heading = _turn(ways[at], heading)
        loops.append(loop)
    return loops


def _cracks(region: NDArray[np.bool_]) -> dict[Point, list[int]]:
    """For each lattice point, the headings (index into _STEP) of the cracks that begin there."""
    padded = np.pad(region, 1)
    inside = padded[1:-1, 1:-1]
    starts = (
        (inside & ~padded[:-2, 1:-1], (0, 0)),  # upper edges, walked to the right
        (inside & ~padded[1:-1, 2:], (0, 1)),  # right edges, downwards
        (inside & ~padded[2:, 1:-1], (1, 1)),  # lower edges, to the left
        (inside & ~padded[1:-1, :-2], (1, 0)),  # left edges, upwards
    )
    ways: dict[Point, list[int]] = {}
    for heading, (edges, (down, right)) in enumerate(starts):
        for r, c in np.argwhere(edges).tolist():
            ways.setdefault((r + down, c + right), []).append(heading)
    return ways


def _turn(headings: list[int], heading: int) -> int:
    """Where two voxels touch in a corner, keep to the right: the same voxel, hence 4-connected foreground."""
    right = (heading + 1) % 4
    return right if right in headings else headings[0]


def _may_close(ways: dict[Point, list[int]], at: Point, heading: int) -> bool:
    """False when the walk came back to its start at a corner touch and still has to go on from there."""
    return at not in ways or (heading + 1) % 4 not in ways[at]


def _leave(ways: dict[Point, list[int]], at: Point, heading: int) -> None:
    ways[at].remove(heading)
    if not ways[at]:
        del ways[at]


def _from_top(loop: list[Point]) -> list[Point]:
    first = loop.index(min(loop))
    return loop[first:] + loop[:first]


def _with_keyhole(outer: list[Point], hole: list[Point]) -> list[Point]:
    """`outer` with `hole` cut out. Holes come from top to bottom, so whatever is above is already part of `outer`.

    Above the hole's upper left point there is foreground at both sides up to the next crack, so the straight path
    up to it crosses nothing.
    """
    row, column = hole[0]
    where = {point: i for i, point in enumerate(outer)}
    meet = next(where[r, column] for r in range(row - 1, -1, -1) if (r, column) in where)
    return [*outer[: meet + 1], *hole, hole[0], *outer[meet:]]


def _without_collinear(polygon: IntArray) -> IntArray:
    before = np.sign(polygon - np.roll(polygon, 1, axis=0))
    after = np.sign(np.roll(polygon, -1, axis=0) - polygon)
    kept: IntArray = polygon[(before != after).any(axis=1)]
    return _closing_along_a_row(kept)


def _closing_along_a_row(polygon: IntArray) -> IntArray:
    """Begun where the edge from the last point to the first is horizontal.

    plastimatch leaves that edge out on coronal and sagittal grids, and fills row by row: an edge along a row it can
    miss without harm.
    """
    start = int(np.argmax(polygon[:, 0] == np.roll(polygon[:, 0], 1)))
    begun: IntArray = np.roll(polygon, -start, axis=0)
    return begun
