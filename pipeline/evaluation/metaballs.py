"""Lesion shapes: level sets of a sum of Gaussian ellipsoids, cut so that they have the wanted volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

FloatArray = npt.NDArray[np.float32]
Spacing = tuple[float, float, float]

FINE = 3
"""Samples along each axis of a voxel, more where a voxel is thicker than 1.5 mm."""

NECROTIC_FROM_MM = 8.0


@dataclass(frozen=True, slots=True)
class Shape:
    """On the voxels of a small box: occupancy 0…1, the same blurred by the point spread, and the core's (or None)."""

    occupancy: FloatArray
    blurred: FloatArray
    core: FloatArray | None


def metaballs(rng: np.random.Generator, diameter_mm: float, spacing_mm: Spacing) -> Shape:
    """A shape of the volume of a sphere of this diameter; one in two from NECROTIC_FROM_MM on has a core."""
    fine = tuple(FINE * max(1, round(s / 1.5)) for s in spacing_mm)
    reach = [int(np.ceil((0.85 * diameter_mm + 5) / s)) for s in spacing_mm]
    steps = [
        np.arange(-n * f - f // 2, n * f + f - f // 2) * (s / f)
        for n, f, s in zip(reach, fine, spacing_mm, strict=True)
    ]
    # A lesion is centred anywhere in its voxel, not on it.
    shift = [float(rng.uniform(-0.5, 0.5)) * s for s in spacing_mm]
    grids = [g - d for g, d in zip(np.meshgrid(*steps, indexing="ij", sparse=True), shift, strict=True)]
    field = _field(rng, grids, diameter_mm / 2)
    cell = float(np.prod([s / f for s, f in zip(spacing_mm, fine, strict=True)]))
    wanted = np.pi / 6 * diameter_mm**3 / cell
    inside = _largest(field >= _level(field, wanted))
    psf = [float(rng.uniform(0.35, 0.6)) * max(1.0, s) / (s / f) for s, f in zip(spacing_mm, fine, strict=True)]
    occupancy, blurred = _pooled(inside, fine), _pooled(ndimage.gaussian_filter(inside.astype(np.float32), psf), fine)
    core = None
    if diameter_mm >= NECROTIC_FROM_MM and rng.random() < 0.5:
        part = inside & (field >= _level(np.where(inside, field, 0), wanted * float(rng.uniform(0.15, 0.5))))
        soft = [float(rng.uniform(0.5, 0.9)) / (s / f) for s, f in zip(spacing_mm, fine, strict=True)]
        core = _pooled(ndimage.gaussian_filter(part.astype(np.float32), soft), fine)
    return Shape(occupancy, blurred, core)


def _field(rng: np.random.Generator, grids: Sequence[npt.NDArray[Any]], radius_mm: float) -> FloatArray:
    grids = [np.asarray(g, np.float32) for g in grids]
    field = np.zeros(np.broadcast_shapes(*(g.shape for g in grids)), np.float32)
    for k in range(int(rng.integers(1, 5))):
        centre = np.zeros(3) if k == 0 else rng.normal(0, 0.45 * radius_mm, 3)
        axes = radius_mm * rng.uniform(0.6, 1.15, 3) * (1.0 if k == 0 else 0.7)
        turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        moved = [g - np.float32(c) for g, c in zip(grids, centre, strict=True)]
        q = sum(sum(np.float32(turn[i, j] / axes[i]) * moved[j] for j in range(3)) ** 2 for i in range(3))
        field += np.exp(-np.asarray(q))
    return field


def _level(field: FloatArray, voxels: float) -> float:
    count = int(np.clip(round(voxels), 1, field.size))
    return float(np.partition(field.ravel(), field.size - count)[field.size - count])


def _largest(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    labels, n = ndimage.label(mask)
    return np.asarray(labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))) if n else mask


def _pooled(fine: npt.NDArray[np.generic], factors: tuple[int, ...]) -> FloatArray:
    (a, f), (b, g), (c, h) = ((n // k, k) for n, k in zip(fine.shape, factors, strict=True))
    return np.asarray(fine.reshape(a, f, b, g, c, h).mean(axis=(1, 3, 5)), np.float32)
