"""Vessels and sheets of dura drawn into a cube: what is bright, thin and no metastasis."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipeline.phantom.noise import FloatArray, smooth_noise
from pipeline.phantom.tissue import Tissue, TissueMap, is_any

STEP_MM = 0.7
SULCI = (Tissue.CSF, Tissue.DURA, Tissue.SINUS, Tissue.VENTRICLE)
IN_HEAD = 0.15
"""Signal of white matter below which there is no head to draw in."""


def draw_vessels(rng: np.random.Generator, image: FloatArray, tissues: TissueMap, trees: int | None = None) -> None:
    """Up to six trees of vessels, half of them from a sulcus, and now and then a sheet; in place, 1 mm voxels.

    trees: so many instead, for more than a cube.
    """
    sulci = np.argwhere(is_any(tissues, SULCI))
    for _ in range(int(rng.integers(1, 7)) if trees is None else trees):
        from_sulcus = len(sulci) and rng.random() < 0.5
        start = sulci[rng.integers(len(sulci))] if from_sulcus else rng.uniform(2, np.array(image.shape) - 2)
        _blend(image, _tree(rng, image.shape, np.asarray(start, float)), float(rng.uniform(0.9, 2.8)))
    if rng.random() < 0.2:
        _blend(image, _sheet(rng, image.shape), float(rng.uniform(0.8, 2.2)))


def _blend(image: FloatArray, occupancy: FloatArray, bright: float) -> None:
    image += occupancy * (bright - image) * (image > IN_HEAD)


def _tree(rng: np.random.Generator, shape: tuple[int, ...], start: npt.NDArray[np.float64]) -> FloatArray:
    """Occupancy 0…1 of a trunk and up to two branches, each thinner than what it leaves."""
    radius = float(np.exp(rng.uniform(np.log(0.45), np.log(2.2))))
    occupancy = np.zeros(shape, np.float32)
    trunk = _path(rng, start)
    _stamp(occupancy, trunk, _radii(rng, len(trunk), radius))
    for _ in range(int(rng.integers(0, 3))):
        branch = _path(rng, trunk[int(rng.integers(len(trunk)))])
        _stamp(occupancy, branch, _radii(rng, len(branch), radius * float(rng.uniform(0.5, 0.9))))
    return occupancy


def _path(rng: np.random.Generator, start: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(n, 3) points STEP_MM apart: from nearly straight to winding, 6-50 mm long, on both sides of `start`."""
    count = int(np.exp(rng.uniform(np.log(6), np.log(50))) / STEP_MM) + 2
    winding = float(np.exp(rng.uniform(np.log(0.5), np.log(14))))
    wander = ndimage.gaussian_filter1d(rng.normal(0, winding, (count, 3)), float(rng.uniform(4, 10)), axis=0)
    steps = rng.normal(0, 1, 3) + wander
    points = np.cumsum(STEP_MM * steps / (np.linalg.norm(steps, axis=1, keepdims=True) + 1e-6), axis=0)
    return np.asarray(start + points - points[int(rng.integers(count))])


def _radii(rng: np.random.Generator, count: int, radius: float) -> npt.NDArray[np.float64]:
    """(count,) mm: uneven, often thinner towards the end, sometimes with a knot where the vessel turns."""
    uneven = 1 + 0.25 * ndimage.gaussian_filter1d(rng.normal(0, 3, count), 4)
    if rng.random() < 0.5:
        uneven *= np.linspace(1, float(rng.uniform(0.3, 0.8)), count)
    if rng.random() < 0.2:
        knot = float(rng.uniform(0, count))
        uneven *= 1 + 0.4 * np.exp(-(((np.arange(count) - knot) * STEP_MM / 2) ** 2))
    return np.clip(radius * uneven, 0.3, 3.0)


def _stamp(occupancy: FloatArray, points: npt.NDArray[np.float64], radii: npt.NDArray[np.float64]) -> None:
    """Balls along a path: the largest occupancy of each voxel by any of them stays."""
    shape = np.array(occupancy.shape)
    near = ((points > -2) & (points < shape + 1)).all(1)
    points, radii = points[near], radii[near]
    if not len(points):
        return
    reach = int(np.ceil(radii.max() + 0.5))
    offsets = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 3, indexing="ij"), -1).reshape(-1, 3)
    voxels = points.round().astype(int)[:, None] + offsets
    distance = np.linalg.norm(voxels - points[:, None], axis=2)
    share = np.clip(radii[:, None] + 0.5 - distance, 0, 1).astype(np.float32)
    inside = ((voxels >= 0) & (voxels < shape)).all(2) & (share > 0)
    np.maximum.at(occupancy, tuple(voxels[inside].T), share[inside])


def _sheet(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """A curved sheet 1-2.5 mm thick with an edge and holes, as dura and tentorium are cut."""
    level = smooth_noise(rng, shape, 28.0) - float(rng.uniform(-0.7, 0.7))
    slope = np.sqrt(sum(g**2 for g in np.gradient(level))) + 1e-3
    half_mm = float(rng.uniform(0.5, 1.25))
    sheet = np.clip(half_mm + 0.5 - np.abs(level) / slope, 0, 1)
    return np.where(smooth_noise(rng, shape, 10.0) > float(rng.uniform(-1, 0.3)), sheet, 0).astype(np.float32)
