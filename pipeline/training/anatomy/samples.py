"""Training samples of the structure network: a head, turned and painted at random, by seed and number alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch.nn import functional

from pipeline.phantom.noise import FloatArray, smooth_noise
from pipeline.phantom.paint import T1C_RANGES
from pipeline.phantom.tissue import Tissue
from pipeline.recipes.srs.anatomy.network import DIVISOR, GRID_MM, Structure, normalise
from pipeline.training.anatomy.heads import MIRRORED, TrainingHead

T, S = Tissue, Structure
FINE = 2
"""Images are painted this many times finer than the network's grid and averaged, which gives mixed voxels."""


@dataclass(frozen=True, slots=True)
class Sample:
    """image: (1, 1, slices, rows, columns) normalised; share: (1, structures, …), the part of a voxel each fills."""

    image: torch.Tensor
    share: torch.Tensor


def sample(heads: Sequence[TrainingHead], seed: int, index: int, *, plain: bool = False) -> Sample:
    """Sample `index` of a run. plain: upright, T1c-like, thin slices, nothing cut off; for validation."""
    rng = np.random.default_rng((seed, int(plain), index))
    head = heads[int(rng.integers(len(heads)))]
    shape = tuple(int(rng.choice(c)) * DIVISOR for c in ((3, 3, 4), (3, 4), (3,)))
    tissues, structures = _turned(rng, head, shape, still=plain)
    structures = structures.copy()
    image = _painted(rng, tissues, structures, t1c_like=plain or rng.random() < 0.7)
    if not plain:
        for _ in range(int(rng.choice([0, 0, 1, 1, 2, 4]))):
            _lesion(rng, image, structures)
    if rng.random() < 0.35:
        _strip(rng, image, structures)
    image = _scanned(rng, image, plain=plain)
    share = np.stack([_pooled(structures == s) for s in S])
    if not plain:
        _cut(rng, image, share)
    return Sample(torch.from_numpy(normalise(image))[None, None], torch.from_numpy(share)[None])


def _pooled(mask: npt.NDArray[np.bool_]) -> FloatArray:
    """Share of FINE x FINE x FINE voxels that are set."""
    total = mask[::FINE].astype(np.uint8)
    for start in range(1, FINE):
        total = total + mask[start::FINE]
    total = np.add.reduceat(total, range(0, mask.shape[1], FINE), axis=1)
    total = np.add.reduceat(total, range(0, mask.shape[2], FINE), axis=2)
    return total.astype(np.float32) / np.float32(FINE**3)


def _turned(
    rng: np.random.Generator, head: TrainingHead, shape: tuple[int, ...], *, still: bool
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Tissues and structures on a grid of GRID_MM / FINE, turned, scaled, bent and perhaps mirrored."""
    fine = [n * FINE for n in shape]
    step = GRID_MM / FINE / head.spacing_mm
    angles = np.radians(rng.uniform(-4, 4, 3) if still else rng.normal(0, 10, 3).clip(-24, 24))
    scale = rng.uniform(0.96, 1.04, 3) if still else rng.uniform(0.85, 1.15) * rng.uniform(0.94, 1.06, 3)
    turn = rotation(angles) @ np.diag(step / scale)
    mirror = bool(rng.random() < 0.5)
    if mirror:
        turn[:, 2] *= -1
    limits = np.array([10.0, 6.0, 6.0]) if still else np.array([28.0, 18.0, 18.0])
    centre = np.array(head.middle) + rng.uniform(-limits, limits) / head.spacing_mm
    axes = [np.arange(n, dtype=np.float32) - np.float32((n - 1) / 2) for n in fine]
    where = np.empty((3, *fine), np.float32)
    for row in range(3):
        parts = [axes[a] * np.float32(turn[row, a]) for a in range(3)]
        where[row] = (
            parts[0][:, None, None] + parts[1][None, :, None] + (parts[2] + np.float32(centre[row]))[None, None, :]
        )
        if not still:
            where[row] += smooth_noise(rng, fine, 30.0) * np.float32(rng.uniform(0, 3.0) / head.spacing_mm)
    index = np.rint(where).astype(np.int32)
    size = np.array(head.tissues.shape).reshape(3, 1, 1, 1)
    inside = ((index >= 0) & (index < size)).all(0)
    np.clip(index, 0, size - 1, out=index)
    flat = np.ravel_multi_index(tuple(index), head.tissues.shape)
    tissues = np.where(inside, head.tissues.ravel()[flat], 0)
    structures = np.where(inside, head.structures.ravel()[flat], 0)
    return tissues, MIRRORED[structures] if mirror else structures


def rotation(angles: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A rotation by three angles (radians) about the three axes, one after the other."""
    (a, b, c), (d, e, f) = np.cos(angles), np.sin(angles)
    first = np.array([[1, 0, 0], [0, a, -d], [0, d, a]])
    second = np.array([[b, 0, e], [0, 1, 0], [-e, 0, b]])
    return np.asarray(first @ second @ np.array([[c, -f, 0], [f, c, 0], [0, 0, 1]]))


def _painted(
    rng: np.random.Generator, tissues: npt.NDArray[np.uint8], structures: npt.NDArray[np.uint8], *, t1c_like: bool
) -> FloatArray:
    table = np.zeros(256, np.float32)
    for tissue, (low, high) in T1C_RANGES.items():
        table[int(tissue)] = rng.uniform(0.8 * low, 1.2 * high) if t1c_like else rng.uniform(0.05, 1.8)
    if t1c_like:
        table[int(T.WHITE)] = 1.0
        # With poor contrast, and in thick slices, grey and white matter are hardly told apart.
        for tissue in (T.CORTEX, T.DEEP_GREY, T.CEREBELLAR_CORTEX, T.BRAINSTEM, T.CEREBELLAR_WHITE):
            table[int(tissue)] = rng.uniform(0.6, 1.05)
    table[int(T.AIR)] = rng.uniform(0, 0.04)
    for membrane in (T.DURA, T.SINUS):
        if rng.random() < 0.5:
            table[int(membrane)] = table[int(T.CSF)]
    image = table[tissues]
    lumps = smooth_noise(rng, image.shape, float(rng.uniform(3, 8)))
    image *= 1 + np.where(structures == S.HEAD, np.float32(0.3), np.float32(rng.uniform(0, 0.08))) * lumps.clip(-2, 2)
    return image


def _lesion(rng: np.random.Generator, image: FloatArray, structures: npt.NDArray[np.uint8]) -> None:
    """A bright or dark lump with or without a rim, 5 to 70 mm, in the brain; the labels stay as they were."""
    places = np.flatnonzero(structures.ravel()[::97] > S.CSF) * 97
    if not len(places):
        return
    centre = np.unravel_index(int(rng.choice(places)), image.shape)
    radius = float(np.exp(rng.uniform(np.log(2.5), np.log(36.0)))) / (GRID_MM / FINE)
    box = tuple(
        slice(max(0, int(c - 1.5 * radius)), min(n, int(c + 1.5 * radius) + 2))
        for c, n in zip(centre, image.shape, strict=True)
    )
    part = image[box]
    grids = np.ogrid[box]
    axes = radius * rng.uniform(0.7, 1.3, 3)
    rho = np.sqrt(sum(((g - c) / a) ** 2 for g, c, a in zip(grids, centre, axes, strict=True)))
    rho = rho + 0.15 * smooth_noise(rng, part.shape, max(2.0, radius / 2))
    brain = structures[box] >= S.CSF
    core, rim = rng.uniform(0.1, 2.2, 2)
    part[brain & (rho < 1)] = rim
    part[brain & (rho < rng.uniform(0.5, 1.0))] = core
    if rng.random() < 0.6:
        part[brain & (rho >= 1) & (rho < 1.4)] *= rng.uniform(0.6, 1.0)


def _strip(rng: np.random.Generator, image: FloatArray, structures: npt.NDArray[np.uint8]) -> None:
    """As after skull stripping, with more or less of what lies around the brain."""
    brain = structures > S.CSF
    steps = int(rng.integers(1, 4))
    keep = (structures >= S.CSF) if rng.random() < 0.4 else ndimage.binary_dilation(brain, iterations=steps)
    image[~keep] = 0
    structures[~keep] = int(S.AIR)


def _scanned(rng: np.random.Generator, image: FloatArray, *, plain: bool) -> FloatArray:
    """On the network's grid: coil sensitivity, slice thickness along one axis, mixed voxels, noise."""
    image = image * np.exp(rng.uniform(0, 0.35) * smooth_noise(rng, image.shape, 60.0).clip(-2, 2))
    grid = torch.from_numpy(image)[None, None]
    if not plain and rng.random() < 0.5:
        axis = int(rng.choice(3, p=(0.6, 0.2, 0.2)))
        size = list(image.shape)
        size[axis] = max(8, round(size[axis] * GRID_MM / FINE / float(rng.uniform(3, 7.5))))
        grid = functional.interpolate(functional.interpolate(grid, size, mode="area"), image.shape, mode="trilinear")
    coarse = functional.avg_pool3d(grid, FINE)[0, 0].numpy()
    noise = float(rng.uniform(0, 0.03 if plain else 0.1))
    real, imaginary = (noise * rng.standard_normal(coarse.shape, dtype=np.float32) for _ in range(2))
    coarse = np.sqrt((coarse + real) ** 2 + imaginary**2)
    if not plain and rng.random() < 0.5:
        coarse = coarse ** np.float32(np.exp(rng.uniform(-0.35, 0.35)))
    return coarse.astype(np.float32)


def _cut(rng: np.random.Generator, image: FloatArray, share: FloatArray) -> None:
    """What lies beyond the edge of the field of view: nothing, in image and shares."""
    for axis, chance in enumerate((0.3, 0.1, 0.1)):
        for end in (0, 1):
            if rng.random() < chance:
                n = int(rng.integers(1, image.shape[axis] // 4))
                cut = [slice(None), slice(None), slice(None)]
                cut[axis] = slice(0, n) if end == 0 else slice(image.shape[axis] - n, None)
                image[tuple(cut)] = 0
                gone = share[(slice(None), *cut)]
                gone[:] = 0
                gone[int(S.AIR)] = 1
