"""Estimated doses of targets on a grid of points, and where the grid lies."""

from __future__ import annotations

from dataclasses import dataclass

import highdicom as hd
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipeline.sessions.kernel import Kernel, equivalent_radius_mm

Points = npt.NDArray[np.float32]
Doses = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

SHAPE_MM = 10.0
"""Up to this far from a target its own shape counts; farther away it looks like a sphere more and more."""

_TABLE_STEP_MM, _TABLE_END_MM = 0.05, 400.0


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """What is treated. centre_mm: (3,) LPS; volume_mm3.

    beyond: signed distances in mm from its surface, (slices, rows, columns), on the grid `affine` (index to LPS mm),
            which reaches SHAPE_MM beyond it; None for a sphere.
    """

    centre_mm: npt.NDArray[np.float64]
    volume_mm3: float
    beyond: npt.NDArray[np.float32] | None = None
    affine: npt.NDArray[np.float64] | None = None

    def beyond_mm(self, points_mm: Points) -> Points:
        """The signed distance of each point (n, 3) from its surface; far away that of the sphere of its volume."""
        away = points_mm - self.centre_mm.astype(np.float32)
        sphere = np.sqrt(np.einsum("ij,ij->i", away, away)) - np.float32(equivalent_radius_mm(self.volume_mm3))
        if self.beyond is None or self.affine is None:
            return np.asarray(sphere, np.float32)
        inverse = np.linalg.inv(self.affine)
        index = points_mm @ inverse[:3, :3].T.astype(np.float32) + inverse[:3, 3].astype(np.float32)
        near = np.flatnonzero(((index >= 0) & (index <= np.array(self.beyond.shape) - 1)).all(axis=1))
        own = ndimage.map_coordinates(self.beyond, index[near].T, order=1)
        share = np.clip(1 - own / SHAPE_MM, 0, 1)
        sphere[near] = share * own + (1 - share) * sphere[near]
        return np.asarray(sphere, np.float32)


def sphere(centre_mm: npt.ArrayLike, diameter_mm: float) -> Target:
    """A target that is one."""
    return Target(np.asarray(centre_mm, np.float64), float(np.pi / 6 * diameter_mm**3))


def target_of(labels: hd.Volume, number: int, box: tuple[slice, slice, slice]) -> Target:
    """The target with that number in a label volume, found in `box` of it."""
    spacing = np.array(labels.spacing)
    margin = np.ceil(SHAPE_MM / spacing).astype(int) + 1
    inside = np.pad(labels.array[box] == number, [(m, m) for m in margin])
    first = np.array([s.start for s in box]) - margin
    affine = np.asarray(labels.affine, np.float64).copy()
    affine[:3, 3] += affine[:3, :3] @ first
    out = ndimage.distance_transform_edt(~inside, sampling=spacing)
    within = ndimage.distance_transform_edt(inside, sampling=spacing)
    half = float(spacing.mean()) / 2  # distances run from voxel centre to voxel centre; the surface is between
    beyond = np.where(inside, half - within, out - half).astype(np.float32)
    index = np.argwhere(inside).mean(axis=0)
    return Target(affine[:3, :3] @ index + affine[:3, 3], float(inside.sum() * np.prod(spacing)), beyond, affine)


@dataclass(frozen=True, slots=True, eq=False)
class Falloff:
    """A kernel as a table of distances, for millions of points."""

    kernel: Kernel

    def at(self, beyond_mm: Points, volume_mm3: float, prescription_gy: float) -> Doses:
        """(n,) Gy at signed distances from the surface of a target; see `Kernel.dose_gy`."""
        step = _TABLE_STEP_MM
        first = -float(np.ceil(equivalent_radius_mm(volume_mm3) / step)) * step
        grid = np.arange(first, _TABLE_END_MM, step)
        table = self.kernel.dose_gy(grid, volume_mm3, prescription_gy).astype(np.float32)
        # Places on an even grid need no search for their neighbours, which np.interp would make.
        place = np.clip((beyond_mm - np.float32(first)) * np.float32(1 / step), 0, len(table) - 2)
        left = place.astype(np.int32)
        return np.asarray(table[left] + (place - left) * (table[left + 1] - table[left]), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A coarse grid and which of its points lie in the brain.

    brain:  (slices, rows, columns). affine: index to LPS mm.
    """

    brain: Mask
    affine: npt.NDArray[np.float64]

    @property
    def points_mm(self) -> Points:
        """(v, 3) those in the brain, LPS, in the order of their indices."""
        return np.asarray(np.argwhere(self.brain) @ self.affine[:3, :3].T + self.affine[:3, 3], np.float32)

    @property
    def voxel_ml(self) -> float:
        """What each point stands for."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000

    def filled(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """(slices, rows, columns) with (v,) values of the points in the brain, 0 elsewhere."""
        made = np.zeros(self.brain.shape, np.float32)
        made[self.brain] = values
        return made


def brain_grid(brain: Mask, affine: npt.NDArray[np.float64], step_mm: float) -> Grid:
    """A grid about `step_mm` apart over a mask and its affine.

    Every so many voxels of an axis one is taken; axes that are coarser than the step are taken whole.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    steps = np.maximum(1, np.rint(step_mm / spacing)).astype(int)
    coarse = np.asarray(affine, np.float64).copy()
    coarse[:3, 3] += coarse[:3, :3] @ (steps // 2)
    coarse[:3, :3] = coarse[:3, :3] * steps
    return Grid(np.ascontiguousarray(brain[tuple(slice(s // 2, None, s) for s in steps)]), coarse)
