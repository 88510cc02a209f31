"""Label masks -> connected regions with volume, place and diameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist, squareform

MIN_VOXELS = 3
"""Smaller components are dropped (BraTS drops <= 2 mm3 of 1 mm voxels)."""

_TOUCHING = np.ones((3, 3, 3), bool)
_MANY_POINTS = 1500
_HALVES_2D = np.array([[-0.5, -0.5], [-0.5, 0.5], [0.5, -0.5], [0.5, 0.5]])

Points = NDArray[np.float64]
Labels = NDArray[Any]
Box = tuple[slice, slice, slice]


@dataclass(frozen=True, slots=True)
class RegionMeasure:
    """One label and its measures. Diameters run from voxel corner to voxel corner.

    number:             the label.
    voxels:             how many it has.
    volume_mm3:         voxels times voxel volume.
    centroid_mm:        (x, y, z) LPS, mean of its voxel centres.
    long_axis_mm:       largest in-plane diameter on any slice.
    short_axis_mm:      longest chord of the outline's convex hull, on that slice, perpendicular to the long axis.
    max_diameter_3d_mm: largest distance between any two of its voxels' corners.
    long_axis_slice:    index of the slice that the long axis was measured on.
    box:                (slices, rows, columns) that hold it.
    """

    number: int
    voxels: int
    volume_mm3: float
    centroid_mm: tuple[float, float, float]
    long_axis_mm: float
    short_axis_mm: float
    max_diameter_3d_mm: float
    long_axis_slice: int
    box: Box


def separate(mask: hd.Volume, min_voxels: int = MIN_VOXELS) -> tuple[hd.Volume, tuple[RegionMeasure, ...]]:
    """The 26-connected components of a mask (anything above 0), largest first, with their measures.

    mask:    (slices, rows, columns).
    returns: labels in the same geometry, uint16, 1...n without a gap, 0 is background. Components with fewer
             voxels than `min_voxels` are dropped; equal volumes are ordered by their first voxel.
    """
    # Labelling costs as much as the grid is large, and lesions take little of it.
    filled = ndimage.find_objects((mask.array > 0).astype(np.uint8))
    part: Box = filled[0] if filled else (slice(0, 1), slice(0, 1), slice(0, 1))
    found, count = ndimage.label(mask.array[part] > 0, _TOUCHING)
    boxes = ndimage.find_objects(found, count)
    sizes = [int(np.count_nonzero(found[box] == n)) for n, box in enumerate(boxes, start=1)]
    order = sorted((n for n in range(1, count + 1) if sizes[n - 1] >= min_voxels), key=lambda n: -sizes[n - 1])
    labels = np.zeros(mask.array.shape, np.uint16)
    measured = []
    for number, n in enumerate(order, start=1):
        box = boxes[n - 1]
        labels[part][box][found[box] == n] = number
        measured.append((number, _shifted(box, part)))
    volume = hd.Volume(labels, mask.affine, "PATIENT", frame_of_reference_uid=mask.frame_of_reference_uid)
    return volume, tuple(_measure(volume, number, box) for number, box in measured)


def _shifted(box: Box, part: Box) -> Box:
    first, second, third = (slice(p.start + b.start, p.start + b.stop) for b, p in zip(box, part, strict=True))
    return first, second, third


def measure(labels: hd.Volume) -> tuple[RegionMeasure, ...]:
    """The measures of every label above 0, by number; a label may have several parts.

    labels: (slices, rows, columns), integer; the volume's affine gives the millimetres.
    """
    boxes = ndimage.find_objects(labels.array.astype(np.int32, copy=False))
    return tuple(_measure(labels, n, box) for n, box in enumerate(boxes, start=1) if box is not None)


def _measure(labels: hd.Volume, number: int, box: Box) -> RegionMeasure:
    inside = labels.array[box] == number
    start = np.array([s.start for s in box], float)
    voxels = int(np.count_nonzero(inside))
    hulls = {i: _hull(plane, labels.pixel_spacing) for i, plane in enumerate(inside) if plane.any()}
    diameters = {i: _longest(hull)[0] for i, hull in hulls.items()}
    widest = max(diameters, key=lambda i: diameters[i])
    centre = np.array(ndimage.center_of_mass(inside)) + start
    x, y, z = (labels.affine @ np.append(centre, 1.0))[:3]
    return RegionMeasure(
        number=number,
        voxels=voxels,
        volume_mm3=voxels * float(np.prod(labels.spacing)),
        centroid_mm=(float(x), float(y), float(z)),
        long_axis_mm=diameters[widest],
        short_axis_mm=_perpendicular(hulls[widest]),
        max_diameter_3d_mm=_longest_3d(hulls, labels.spacing_between_slices),
        long_axis_slice=widest + box[0].start,
        box=box,
    )


def _hull(plane: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> Points:
    """Vertices, in order, of the convex hull of the pixels' corners, in mm: (row, column) from the box's corner."""
    rows = np.flatnonzero(plane.any(axis=1))
    first = plane[rows].argmax(axis=1)
    last = plane.shape[1] - 1 - plane[rows, ::-1].argmax(axis=1)
    ends = np.concatenate([np.column_stack([rows, first]), np.column_stack([rows, last])])
    corners = (ends[:, None, :] + _HALVES_2D[None]).reshape(-1, 2) * spacing_mm
    points: Points = corners[ConvexHull(corners).vertices]
    return points


def _longest(points: Points) -> tuple[float, int, int]:
    distances = squareform(pdist(points))
    i, j = np.unravel_index(int(distances.argmax()), distances.shape)
    return float(distances[i, j]), int(i), int(j)


def _perpendicular(hull: Points) -> float:
    """The longest chord of a convex polygon that is perpendicular to its longest diameter.

    Chord length is concave along the diameter and its slope changes at vertices only, so it is largest at one.
    """
    length, i, j = _longest(hull)
    along = (hull[j] - hull[i]) / length
    turned = (hull - hull[i]) @ np.column_stack([along, [-along[1], along[0]]])
    count = len(hull)
    one_way = turned[[(i + k) % count for k in range((j - i) % count + 1)]]
    other_way = turned[[(i - k) % count for k in range((i - j) % count + 1)]]
    at = turned[:, 0]
    chords = np.interp(at, one_way[:, 0], one_way[:, 1]) - np.interp(at, other_way[:, 0], other_way[:, 1])
    return float(np.abs(chords).max())


def _longest_3d(hulls: dict[int, Points], slice_spacing_mm: float) -> float:
    """The outermost corners of the region are corners of its slices' hulls, on the slices' two faces."""
    points = np.concatenate(
        [
            np.column_stack([np.full(len(hull), (i + face) * slice_spacing_mm), hull])
            for i, hull in hulls.items()
            for face in (-0.5, 0.5)
        ]
    )
    if len(points) > _MANY_POINTS:
        points = points[ConvexHull(points).vertices]
    return float(pdist(points).max())
