"""A candidate and its surroundings on a fine grid of its own, cut out before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline

from pipeline.radiomics.params import RadiomicsParams

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Box = tuple[slice, slice, slice]

_SPLINE_REACH = 10
"""Voxels beyond the cut that the spline is fitted to: what lies further weighs less than 0.27 to the power of this."""


@dataclass(frozen=True, slots=True)
class Patch:
    """One candidate with the image around it.

    image:  (slices, rows, columns) float64, normalised; one slice when measured in two dimensions.
    mask:   same shape, at least one voxel.
    index:  per axis, where the grid's planes lie in the whole volume, as fractional voxel indices.
    """

    image: Floats
    mask: Mask
    index: tuple[Floats, Floats, Floats]

    @property
    def box(self) -> Box:
        """The smallest box that holds the mask."""
        planes = [np.flatnonzero(self.mask.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
        first, second, third = (slice(int(p[0]), int(p[-1]) + 1) for p in planes)
        return first, second, third

    def voxels(self) -> Floats:
        """(n, 3) fractional voxel indices, in the whole volume, of the mask."""
        return np.column_stack([at[i] for at, i in zip(self.index, np.nonzero(self.mask), strict=True)])


def cut(
    image: NDArray[np.float32],
    inside: Mask,
    start: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    params: RadiomicsParams,
) -> Patch:
    """Cut out a candidate and resample it: image by cubic B-spline, mask by nearest neighbour.

    image:   (slices, rows, columns) the whole, normalised already.
    inside:  the candidate in its smallest box, which starts at voxel `start` of the whole.
    The grid's planes lie at whole multiples of params.spacing_mm from the centre of voxel 0, so that a candidate is
    measured alike from a cut and from the whole; they reach to the outer faces of the outermost voxels.
    A candidate that falls between the planes is given the points nearest to its voxels.
    """
    resampled = [params.dimensions == 3, True, True]
    index, near, crops, weights = [], [], [], []
    for axis, (first, length, step) in enumerate(zip(start, inside.shape, spacing_mm, strict=True)):
        at = _planes(first, length, image.shape[axis], step, params) if resampled[axis] else np.array([float(first)])
        crop = slice(max(0, int(at[0]) - _SPLINE_REACH), min(image.shape[axis], int(at[-1]) + _SPLINE_REACH + 2))
        index.append(at)
        near.append(np.floor(at + 0.5).astype(np.intp) - first)
        crops.append(crop)
        weights.append(_interpolation(crop.stop - crop.start, at - crop.start))
    values = image[tuple(crops)].astype(np.float64)
    for axis, matrix in enumerate(weights):
        values = np.moveaxis(np.tensordot(matrix, values, axes=(1, axis)), 0, axis)
    a, b, c = index
    return Patch(np.ascontiguousarray(values), _nearest(inside, start, near, index), (a, b, c))


def _planes(first: int, length: int, count: int, step_mm: float, params: RadiomicsParams) -> Floats:
    """Voxel indices of the grid's planes within pad_mm of the candidate; outside the outermost centres, theirs."""
    fine = params.spacing_mm
    low = max((first - 0.5) * step_mm - params.pad_mm, -0.5 * step_mm)
    high = min((first + length - 0.5) * step_mm + params.pad_mm, (count - 0.5) * step_mm)
    planes = np.arange(np.ceil(low / fine - 1e-6), np.floor(high / fine + 1e-6) + 1) * fine / step_mm
    return np.clip(planes, 0.0, count - 1.0) if len(planes) else np.array([float(first)])


def _interpolation(count: int, at: Floats) -> Floats:
    """(len(at), count): the matrix that evaluates the cubic spline through `count` values at the indices `at`."""
    if count == 1:
        return np.ones((len(at), 1))
    matrix: Floats = make_interp_spline(np.arange(count), np.eye(count), k=3 if count > 3 else 1)(at)
    return matrix


def _nearest(inside: Mask, start: tuple[int, int, int], near: list[NDArray[np.intp]], index: list[Floats]) -> Mask:
    within = [(i >= 0) & (i < length) for i, length in zip(near, inside.shape, strict=True)]
    clipped = [np.clip(i, 0, length - 1) for i, length in zip(near, inside.shape, strict=True)]
    mask: Mask = inside[np.ix_(*clipped)] & within[0][:, None, None] & within[1][:, None] & within[2]
    if not mask.any():
        voxels = np.argwhere(inside) + start
        closest = [np.abs(at[:, None] - voxels[:, axis]).argmin(axis=0) for axis, at in enumerate(index)]
        mask[tuple(closest)] = True
    return mask
