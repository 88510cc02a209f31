"""A structure filled on planes of its own, so that it may have been drawn on other images than it is wanted on."""

from __future__ import annotations

import highdicom as hd
import numpy as np
import numpy.typing as npt

from pipeline.core.errors import GeometryUnusable
from pipeline.imaging.structures import Structure, inside

Vector = npt.NDArray[np.float64]

SAME_PLANE_MM = 0.1
"""Contours nearer than this lie in one plane, and no point of a contour lies further out of it."""

ONE_PLANE_MM = 1.0
"""How thick a structure of one plane is taken to be."""

SKIPPED = 3.5
"""Planes up to so many times the usual distance apart are filled between; further apart, the structure has parts."""

FINE_MM, COARSE_MM, LARGE_MM = 0.5, 1.0, 60.0
"""Between the points of a plane, for structures of up to LARGE_MM and for larger ones."""

MOST_PLANES = 2000


def solid(structure: Structure) -> hd.Volume:
    """0 and 1, uint8, (planes, rows, columns) on the structure's own planes, with its outline just inside; LPS mm.

    A point belongs to it when it lies in an odd number of the contours of the nearest plane (PS3.3 C.8.8.6.3).
    Raises GeometryUnusable for contours that are not planar, or not parallel.
    """
    contours = [c for c in structure.contours if len(c) >= 3]
    axes = _axes(contours)
    turned = [c @ axes.T for c in contours]
    if max(float(np.ptp(c[:, 0])) for c in turned) > 2 * SAME_PLANE_MM:
        raise GeometryUnusable(f"the contours of ROI {structure.number} do not lie in parallel planes", _HINT)
    places, of = _planes(np.array([np.median(c[:, 0]) for c in turned]))
    step_mm = float(np.diff(places).min()) if len(places) > 1 else ONE_PLANE_MM
    points = np.concatenate(turned)[:, 1:]
    low, size = points.min(axis=0), np.ptp(points, axis=0)
    fine = FINE_MM if max(size) <= LARGE_MM else COARSE_MM
    shape = tuple(int(n) for n in np.ceil(size / fine) + 1)
    nearest = _nearest(places, step_mm)
    if len(nearest) > MOST_PLANES:
        raise GeometryUnusable(f"the contours of ROI {structure.number} lie {step_mm:g} mm apart, and far apart", _HINT)
    drawn = np.zeros((len(places), *shape), bool)
    for plane, contour in zip(of, turned, strict=True):
        drawn[plane] ^= inside((contour[:, 1:] - low) / fine, (shape[0], shape[1]))
    filled = np.where(nearest[:, None, None] >= 0, drawn[nearest], False)
    affine = np.eye(4)
    affine[:3, :3] = axes.T * [step_mm, fine, fine]
    affine[:3, 3] = axes.T @ [places[0], *low]
    return hd.Volume(filled.astype(np.uint8), affine, "PATIENT")


_HINT = "draw the structure in parallel planes"


def points_in(made: hd.Volume) -> npt.NDArray[np.float64]:
    """(n, 3) LPS mm of the voxels that are not 0."""
    affine = np.asarray(made.affine)
    return np.asarray(np.argwhere(made.array) @ affine[:3, :3].T + affine[:3, 3])


def holds(made: hd.Volume, points_mm: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """(n,) which LPS points (n, 3) lie in a voxel that is not 0."""
    back = np.linalg.inv(made.affine)
    index = np.rint(np.asarray(points_mm, float) @ back[:3, :3].T + back[:3, 3]).astype(np.intp)
    there = ((index >= 0) & (index < made.spatial_shape)).all(axis=1)
    there[there] = made.array[tuple(index[there].T)] > 0
    return np.asarray(there)


def _axes(contours: list[Vector]) -> Vector:
    """Rows: the normal of the largest contour (Newell's), and two unit vectors in its plane; right-handed."""
    normals = [np.cross(c - c[0], np.roll(c, -1, axis=0) - c[0]).sum(axis=0) for c in contours]
    largest = max(normals, key=lambda n: float(np.linalg.norm(n)))
    normal = largest / max(float(np.linalg.norm(largest)), 1e-12)
    if np.abs(normal).max() < 1e-6:
        raise GeometryUnusable("contours of a structure enclose nothing", _HINT)
    normal *= np.sign(normal[np.abs(normal).argmax()])
    flat = np.eye(3)[int(np.abs(normal).argmin())]
    first = flat - (flat @ normal) * normal
    first /= np.linalg.norm(first)
    return np.stack([normal, first, np.cross(normal, first)])


def _planes(places: Vector) -> tuple[Vector, npt.NDArray[np.intp]]:
    """Places of the planes, ascending, and the plane of each contour."""
    order = np.argsort(places, kind="stable")
    number = np.concatenate([[0], np.cumsum(np.diff(places[order]) > SAME_PLANE_MM)])
    of = np.empty(len(places), np.intp)
    of[order] = number
    return np.array([places[of == k].mean() for k in range(int(number[-1]) + 1)]), of


def _nearest(places: Vector, step_mm: float) -> npt.NDArray[np.intp]:
    """For each plane of an even grid the plane that was drawn nearest to it; -1 between parts of a structure."""
    grid = np.arange(round(float(places[-1] - places[0]) / step_mm) + 1) * step_mm + places[0]
    nearest = np.abs(grid[:, None] - places).argmin(axis=1)
    if len(places) > 1:
        reach = SKIPPED * float(np.median(np.diff(places))) / 2
        nearest[np.abs(grid - places[nearest]) > reach] = -1
    return np.asarray(nearest, np.intp)
