"""Smooth random fields, cheap enough for whole heads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


def smooth_noise(rng: np.random.Generator, shape: Sequence[int], length_vox: Sequence[float] | float) -> FloatArray:
    """A field of `shape` with zero mean and unit variance that varies over about `length_vox` voxels per axis.

    Cubic B-splines on random knots: the field is twice differentiable, so its level sets are smooth surfaces and
    the crossings of two level sets are smooth curves (the vessels of the phantom).
    """
    lengths = [length_vox] * len(shape) if isinstance(length_vox, int | float) else list(length_vox)
    bases = [_basis(n, max(float(length), 1.0)) for n, length in zip(shape, lengths, strict=True)]
    field = rng.standard_normal([b.shape[1] for b in bases], dtype=np.float32)
    for axis, basis in enumerate(bases):
        field = np.moveaxis(np.tensordot(basis, field, axes=(1, axis)), 0, axis)
    field = np.ascontiguousarray(field)
    return (field - field.mean()) / max(float(field.std()), 1e-6)


def _basis(n: int, length: float) -> FloatArray:
    """(n, knots) weights of cubic B-splines whose knots are `length` samples apart."""
    t = np.arange(n) / length
    cell = np.floor(t).astype(int)
    u = t - cell
    weights = np.stack(
        [(1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3],
        axis=1,
    )
    basis = np.zeros((n, int(cell[-1]) + 4), np.float32)
    for k in range(4):
        basis[np.arange(n), cell + k] = weights[:, k] / 6
    return basis
