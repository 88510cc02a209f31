"""Distances between the surfaces of two masks, with every piece of surface weighted by its area.

A surface piece sits where eight voxels meet and not all are alike; its area is that of the marching-cubes triangles
there. That is what DeepMind's `surface-distance` does, which the BraTS challenges measure with.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from monai.metrics.utils import create_table_neighbour_code_to_surface_area
from scipy import ndimage

Mask = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
Spacing = tuple[float, float, float]

_WEIGHTS = np.array([[[128, 64], [32, 16]], [[8, 4], [2, 1]]])
_WHOLE = 255


@dataclass(frozen=True, slots=True)
class Surfaces:
    """Two surfaces, A and B: mm from each piece of the one to the nearest of the other, and the pieces' mm2.

    An empty mask has no pieces; distances to it are infinite.
    """

    a_to_b_mm: FloatArray
    b_to_a_mm: FloatArray
    a_mm2: FloatArray
    b_mm2: FloatArray

    def percentile_mm(self, percent: float) -> float:
        """The robust Hausdorff distance: the larger of the two area-weighted percentiles."""
        one, other = _percentile(self.a_to_b_mm, self.a_mm2, percent), _percentile(self.b_to_a_mm, self.b_mm2, percent)
        return max(one, other)

    def within(self, tolerance_mm: float) -> float:
        """Normalised surface Dice: the share of both surfaces that lies within the tolerance of the other."""
        near = self.a_mm2[self.a_to_b_mm <= tolerance_mm].sum() + self.b_mm2[self.b_to_a_mm <= tolerance_mm].sum()
        return float(near / (self.a_mm2.sum() + self.b_mm2.sum()))

    @property
    def mean_mm(self) -> float:
        """Mean surface distance, symmetric: over all pieces of both, by area."""
        total = (self.a_to_b_mm * self.a_mm2).sum() + (self.b_to_a_mm * self.b_mm2).sum()
        return float(total / (self.a_mm2.sum() + self.b_mm2.sum()))


def surfaces(a: Mask, b: Mask, spacing_mm: Spacing) -> Surfaces:
    """The surfaces of two masks of one grid, (slices, rows, columns); outside the grid there is nothing."""
    box = _box(a | b)
    codes = [_codes(m[box]) for m in (a, b)]
    edges = [(c > 0) & (c < _WHOLE) for c in codes]
    area = _areas(spacing_mm)
    far = [_distance(e, spacing_mm) for e in edges]
    found = [(far[1 - k][edges[k]], area[codes[k][edges[k]]]) for k in (0, 1)]
    # Codes of two voxels that touch in a corner only have an edge and no area in the table; they weigh nothing.
    return Surfaces(found[0][0], found[1][0], found[0][1], found[1][1])


def _box(mask: Mask) -> tuple[slice, ...]:
    spans = []
    for axis in range(mask.ndim):
        hit = np.flatnonzero(mask.any(axis=tuple(k for k in range(mask.ndim) if k != axis)))
        spans.append(slice(int(hit[0]), int(hit[-1]) + 1) if len(hit) else slice(0, 1))
    return tuple(spans)


def _codes(mask: Mask) -> npt.NDArray[np.int64]:
    """Which of the eight voxels around each lattice point are inside, as a number 0…255."""
    padded = np.pad(mask, 1).astype(np.int64)
    codes = np.zeros([n - 1 for n in padded.shape], np.int64)
    for (i, j, k), weight in np.ndenumerate(_WEIGHTS):
        codes += weight * padded[i : i + codes.shape[0], j : j + codes.shape[1], k : k + codes.shape[2]]
    return codes


@lru_cache(maxsize=16)
def _areas(spacing_mm: Spacing) -> FloatArray:
    table, _ = create_table_neighbour_code_to_surface_area(spacing_mm)
    return np.asarray(table.numpy(), np.float64)


def _distance(edge: Mask, spacing_mm: Spacing) -> FloatArray:
    if not edge.any():
        return np.full(edge.shape, np.inf)
    return np.asarray(ndimage.distance_transform_edt(~edge, sampling=spacing_mm))


def _percentile(distances_mm: FloatArray, mm2: FloatArray, percent: float) -> float:
    if not len(distances_mm):
        return float("inf")
    order = np.argsort(distances_mm, kind="stable")
    share = np.cumsum(mm2[order]) / mm2.sum()
    return float(distances_mm[order][min(int(np.searchsorted(share, percent / 100)), len(order) - 1)])
