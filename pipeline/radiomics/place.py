"""Where a candidate lies: depth in the organ, distance to midline and skull base, and what the other side shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import highdicom as hd
import numpy as np
from scipy import ndimage

from pipeline.radiomics.patch import Floats, Mask

ToAtlas = Callable[[Floats], Floats]
"""(n, 3) LPS mm of the patient -> (n, 3) LPS mm of an atlas whose midline is x = 0, as ICBM 152's is."""

NAMES = ("depth_mm", "midline_mm", "above_base_mm", "mirror_contrast")

_BASE_MM = ((-70.0, -19.0), (-50.0, -32.0), (-20.0, -42.0), (0.0, -53.0), (20.0, -50.0), (40.0, -72.0), (100.0, -20.0))
"""(y, z) LPS of the lowest brain within 25 mm of the midline of ICBM 152 2009a: the skull base, to some 5 mm."""

_MOST_POINTS = 400
_SAMPLES = 5


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is asked of the whole volume once, and used for every candidate.

    values:  (slices, rows, columns) float32, normalised.
    affine:  (4, 4) voxel index -> LPS mm.
    surface: (n, 3) LPS mm of the organ's surface voxels; None when no organ was given.
    inside:  the organ.
    mirror:  (4, 4) LPS mm -> LPS mm of the same place on the other side; None when not asked for.
    atlas:   as given.
    """

    values: np.ndarray
    affine: Floats
    surface: Floats | None
    inside: Mask | None
    mirror: Floats | None
    atlas: ToAtlas | None


def survey(
    values: np.ndarray, image: hd.Volume, inside: Mask | None, atlas: ToAtlas | None, mirror: bool
) -> Surroundings:
    """Look at the whole volume once. values: the image, normalised."""
    affine = np.asarray(image.affine, float)
    surface = None
    if inside is not None and inside.any():
        # No tree: scipy's cKDTree crashed on thick-slice brains (why is not known), and candidates are few.
        surface = _to_mm(affine, np.argwhere(inside & ~_eroded(inside)).astype(float))
    plane = _mirror(affine, values.shape, inside, atlas) if mirror else None
    return Surroundings(values, affine, surface, inside, plane, atlas)


def measure_place(where: Surroundings, voxels: Floats, brightness: float) -> dict[str, float]:
    """The features of NAMES for a candidate; NaN where nobody knows.

    voxels:     (n, 3) fractional voxel indices of the candidate.
    brightness: its mean in the units of where.values.
    depth_mm is from its centre to the organ's surface, below 0 outside; mirror_contrast is the candidate minus the
    other side, in those units; the midline is the atlas', else that of the mirror plane.
    """
    points = _to_mm(where.affine, voxels)
    centre = points.mean(axis=0, keepdims=True)
    placed = where.atlas(centre)[0] if where.atlas is not None else None
    return {
        "depth_mm": _depth(where, centre),
        "midline_mm": _midline(where, centre, placed),
        "above_base_mm": float(placed[2] - np.interp(placed[1], *np.array(_BASE_MM).T))
        if placed is not None
        else float("nan"),
        "mirror_contrast": _contrast(where, points, brightness),
    }


def _depth(where: Surroundings, centre: Floats) -> float:
    if where.surface is None or where.inside is None:
        return float("nan")
    distance = float(np.sqrt(((where.surface - centre) ** 2).sum(axis=1).min()))
    index = tuple(np.rint(_to_index(where.affine, centre)[0]).astype(int))
    return distance if where.inside[index] else -distance


def _midline(where: Surroundings, centre: Floats, placed: Floats | None) -> float:
    if placed is not None:
        return float(abs(placed[0]))
    if where.mirror is None:
        return float("nan")
    return float(np.linalg.norm(_to_mm(where.mirror, centre) - centre) / 2)


def _contrast(where: Surroundings, points: Floats, brightness: float) -> float:
    if where.mirror is None:
        return float("nan")
    some = points[:: max(1, len(points) // _MOST_POINTS)]
    other = _to_index(where.affine, _to_mm(where.mirror, some)).T
    shape = np.array(where.values.shape)[:, None]
    seen = ((other >= -0.5) & (other <= shape - 0.5)).all(axis=0)
    if not seen.any():
        return float("nan")
    values = ndimage.map_coordinates(where.values, other[:, seen], order=1, mode="nearest")
    return float(brightness - values.mean())


def _mirror(affine: Floats, shape: tuple[int, ...], inside: Mask | None, atlas: ToAtlas | None) -> Floats:
    """The reflection in the midline: of the atlas, as far as its mapping is affine; else of the organ or the grid."""
    if atlas is not None:
        grid = np.stack(np.meshgrid(*(np.linspace(0, n - 1, _SAMPLES) for n in shape), indexing="ij"), -1)
        corners = _to_mm(affine, grid.reshape(-1, 3))
        mapped = np.column_stack([atlas(corners), np.ones(len(corners))])
        solved = np.linalg.lstsq(np.column_stack([corners, np.ones(len(corners))]), mapped, rcond=None)[0].T
        if np.linalg.matrix_rank(solved) == 4:
            return np.asarray(np.linalg.inv(solved) @ np.diag([-1.0, 1.0, 1.0, 1.0]) @ solved)
    centre = np.argwhere(inside).mean(axis=0) if inside is not None and inside.any() else (np.array(shape) - 1) / 2
    reflection = np.diag([-1.0, 1.0, 1.0, 1.0])
    reflection[0, 3] = 2 * _to_mm(affine, np.asarray(centre)[None])[0, 0]
    return reflection


def _eroded(inside: Mask) -> Mask:
    """By one voxel along each axis; six comparisons are ten times faster than ndimage on a whole head."""
    kept = inside.copy()
    for axis in range(inside.ndim):
        if inside.shape[axis] < 3:
            continue
        moved = np.moveaxis(inside, axis, 0)
        target = np.moveaxis(kept, axis, 0)
        target[1:] &= moved[:-1]
        target[:-1] &= moved[1:]
        target[0] = target[-1] = False
    return kept


def _to_mm(affine: Floats, points: Floats) -> Floats:
    return np.asarray(points @ affine[:3, :3].T + affine[:3, 3])


def _to_index(affine: Floats, points: Floats) -> Floats:
    return np.asarray(np.linalg.solve(affine[:3, :3], (points - affine[:3, 3]).T).T)
