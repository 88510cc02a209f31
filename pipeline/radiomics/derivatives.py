"""Derivatives of a Gaussian-smoothed image, computed only where the candidate is.

Each acts along one axis as a matrix, so nothing outside the candidate's box is ever computed. Kernels end at four
sigmas, as IBSI 2 has it: with as much image around the candidate, a cut gives what the whole image gives, to rounding.
"""

from __future__ import annotations

import numpy as np

from pipeline.radiomics.patch import Box, Floats, Patch

REACH = 4.0
"""Sigmas at which the kernels end."""


def laplacian(patch: Patch, box: Box, dimensions: int, sigma: float) -> Floats:
    """(box...): the Laplacian of Gaussian times sigma squared. sigma: in voxels; two dimensions are rows, columns."""
    axes = _axes(dimensions)
    return np.asarray(sum(_derivative(patch, box, axes, sigma, (axis, axis)) for axis in axes))


def hessian(patch: Patch, box: Box, dimensions: int, sigma: float) -> Floats:
    """(box..., dimensions, dimensions): the Hessian times sigma squared; its trace is the Laplacian."""
    axes = _axes(dimensions)
    found = np.empty((*(s.stop - s.start for s in box), dimensions, dimensions))
    for i, first in enumerate(axes):
        for j, second in enumerate(axes[: i + 1]):
            found[..., i, j] = found[..., j, i] = _derivative(patch, box, axes, sigma, (first, second))
    return found


def _axes(dimensions: int) -> tuple[int, ...]:
    return (0, 1, 2) if dimensions == 3 else (1, 2)


def _derivative(patch: Patch, box: Box, axes: tuple[int, ...], sigma: float, along: tuple[int, int]) -> Floats:
    values = patch.image if len(axes) == 3 else patch.image[box[0]]
    for axis in axes:
        matrix = _gaussian(patch.image.shape[axis], box[axis], sigma, along.count(axis))
        values = np.moveaxis(np.tensordot(matrix, values, axes=(1, axis)), 0, axis)
    return values * sigma**2


def _gaussian(count: int, at: slice, sigma: float, order: int) -> Floats:
    """(len(at), count): a Gaussian or its derivative at the indices `at`; beyond the edge its last value goes on."""
    reach = int(np.ceil(REACH * sigma))
    offsets = np.arange(-reach, reach + 1)
    bell = np.exp(-0.5 * (offsets / sigma) ** 2)
    bell /= bell.sum()
    taps = (bell, offsets / sigma**2 * bell, (offsets**2 / sigma**4 - 1 / sigma**2) * bell)[order]
    taps = taps - taps.mean() if order == 2 else taps
    rows = np.arange(at.start, at.stop)
    matrix = np.zeros((len(rows), count))
    columns = np.clip(rows[:, None] + offsets, 0, count - 1)
    np.add.at(matrix, (np.arange(len(rows))[:, None], columns), np.broadcast_to(taps, columns.shape))
    return matrix
