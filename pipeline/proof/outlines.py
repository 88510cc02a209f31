"""Outlines in a report (SCOORD, SCOORD3D) as contours on slices, and against the mask, pixel for pixel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from pipeline.proof.agreement import differences
from pipeline.proof.fault import few
from pipeline.proof.filled import Contour, enclosed, masks, plane_at
from pipeline.proof.lattice import Array
from pipeline.proof.named import ON_PLANE_MM
from pipeline.proof.statements import graphic
from pipeline.proof.truth import Solid, Truth
from pipeline.templates.items import Item


def check_outlines(contours: list[Contour], solid: Solid, truth: Truth) -> Iterator[str]:
    """All outlines of a lesion together against all of its slices."""
    yield from differences(enclosed(contours, solid, truth), truth)
    yield from masks(contours, solid)


def in_space(items: Sequence[Item], solid: Solid, truth: Truth) -> tuple[list[Contour], list[str]]:
    """Polygons in space, each on the slice whose plane it lies on; and what is wrong with their planes."""
    axes = truth.lattice.axes
    normal = np.cross(axes[:, 2], axes[:, 1])
    heights = np.array([normal @ plane_at(k, truth).position for k in range(truth.shape[0])])
    found, faults = [], []
    for number, item in enumerate(items, start=1):
        points = graphic(item, 3)
        if not _encloses(points):
            faults.append(f"outline {number} of {solid.name} encloses nothing")
            continue
        above = points @ normal
        k = int(np.abs(heights - above.mean()).argmin())
        off = float(np.abs(above - heights[k]).max())
        if not off <= ON_PLANE_MM:
            faults.append(f"outline {number} of {solid.name} lies up to {off:.2f} mm from the nearest image")
        found.append(Contour(number, k, plane_at(k, truth).to_pixels(points)))
    return found, few(faults)


def _encloses(points: Array) -> bool:
    return len(points) >= 3 and bool(np.isfinite(points).all())


def on_images(solid: Solid, truth: Truth) -> Solid:
    """What of a lesion images show: a slice that was made up between two has none that it could be outlined on."""
    made_up = [k for k in solid.slices if truth.plane(k) is None]
    if not made_up:
        return solid
    inside = solid.inside.copy()
    inside[[k - solid.box[0].start for k in made_up]] = False
    index = np.argwhere(inside) + [b.start for b in solid.box]
    volume = len(index) * truth.lattice.voxel_mm3
    centroid = truth.lattice.to_mm(index.mean(axis=0)[None])[0] if len(index) else solid.centroid_mm
    return replace(solid, centroid_mm=centroid, volume_mm3=volume, inside=inside)
