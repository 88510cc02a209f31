"""Outlines on slices, of contours and of reports alike: what they enclose, and which pixels that fills."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.proof.agreement import Drawn
from pipeline.proof.images import Plane
from pipeline.proof.lattice import Array
from pipeline.proof.polygon import Mask, Window, area_and_centre, inside, window_of
from pipeline.proof.truth import Solid, Truth


@dataclass(frozen=True, slots=True, eq=False)
class Contour:
    """One contour. number: from 1, its place. k: the slice that it lies on. corners: (n, 2) pixels of that slice."""

    number: int
    k: int
    corners: Array
    xor: bool = False


def plane_at(k: int, truth: Truth) -> Plane:
    """Of slice k; one that was made up between its neighbours lies where the labels have it."""
    image = truth.plane(k)
    if image is not None:
        return image
    lattice = truth.lattice
    down_mm, across_mm = lattice.spacing_mm[1:]
    return Plane(
        lattice.to_mm(np.array([[k, 0, 0]]))[0],
        lattice.axes[:, 2],
        lattice.axes[:, 1],
        (float(down_mm), float(across_mm)),
        (truth.shape[1], truth.shape[2]),
    )


def enclosed(contours: list[Contour], solid: Solid, truth: Truth) -> Drawn:
    """Areas times the distance of the slices; what lies within an odd number of contours counts as a hole."""
    depth_mm = float(truth.lattice.spacing_mm[0])
    volume, moment = 0.0, np.zeros(3)
    for k, here in _by_slice(contours).items():
        plane = plane_at(k, truth)
        for contour, depth in zip(here, _depths(here), strict=True):
            pixels, centre = area_and_centre(contour.corners)
            part = pixels * float(np.prod(plane.spacing_mm)) * depth_mm * (-1) ** depth
            volume += part
            moment += part * plane.to_mm(centre[None])[0]
    return Drawn(solid, moment / volume if volume else moment, volume)


def masks(contours: list[Contour], solid: Solid) -> Iterator[str]:
    """What is filled against the mask, pixel for pixel; slices without contours are empty."""
    slices = _by_slice(contours)
    lost = sum(int(solid.inside[k - solid.box[0].start].sum()) for k in solid.slices if k not in slices)
    extra = 0
    for k, here in slices.items():
        if not all(c.xor for c in here) and any(_depths(here)):
            yield f"contours of {solid.name} lie within each other: some systems read a hole, others do not"
        window = _around([c.corners for c in here], solid)
        filled: Mask = np.bitwise_xor.reduce([inside(c.corners, window) for c in here])
        wanted = solid.on(k, window)
        lost, extra = lost + int((wanted & ~filled).sum()), extra + int((filled & ~wanted).sum())
    if lost or extra:
        yield f"filled, it is not the mask of {solid.name}: {lost} of its voxels are missing and {extra} are filled in"


def _by_slice(contours: list[Contour]) -> dict[int, list[Contour]]:
    found: dict[int, list[Contour]] = defaultdict(list)
    for contour in contours:
        found[contour.k].append(contour)
    return found


def _depths(contours: list[Contour]) -> list[int]:
    """In how many others each lies; keyholes make that 0."""
    if len(contours) == 1:
        return [0]
    window = window_of([c.corners for c in contours])
    masks = [inside(c.corners, window) for c in contours]
    return [
        sum(bool(other.sum() > mask.sum() > 0 and not (mask & ~other).any()) for other in masks if other is not mask)
        for mask in masks
    ]


def _around(corners: list[Array], solid: Solid) -> Window:
    """The window that holds the contours and the lesion."""
    rows, columns = window_of(corners)
    _, down, across = solid.box
    return (
        slice(min(rows.start, down.start), max(rows.stop, down.stop)),
        slice(min(columns.start, across.start), max(columns.stop, across.stop)),
    )
