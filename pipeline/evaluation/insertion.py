"""Metastases put into a real scan, by another model of their look than the training's.

The training warps spheres with noise and adds signal to them. Here a lesion is a union of one to four ellipsoids
(metaballs), rasterised at three times the resolution and blurred by a point spread; it does not add but replaces: the
smoothed tissue under it is multiplied, gets texture taken from elsewhere in the same image, and in larger lesions a
necrotic core with a soft edge; the tissue around may be darker (oedema).

Ranges, chosen from published sizes and looks, not from what the model finds: diameter log-uniform 3-20 mm; enhancement
0.35-1.3 of the local white-matter signal above the surroundings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import highdicom as hd
import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from pipeline.evaluation.metaballs import Shape, metaballs

Mask = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float32]
Box = tuple[slice, slice, slice]

DIAMETERS_MM = (3.0, 20.0)
ENHANCEMENT = (0.35, 1.3)
APART_MM = 8.0
TRIES = 80


@dataclass(frozen=True, slots=True)
class InsertedLesion:
    """number in the truth; diameter_mm of a sphere of its truth's volume; enhancement as drawn; with a core or not."""

    number: int
    diameter_mm: float
    enhancement: float
    necrotic: bool


@dataclass(frozen=True, slots=True)
class Inserted:
    """image float32 and truth uint16 (0, 1…n; occupancy of at least half), (slices, rows, columns)."""

    image: hd.Volume
    truth: npt.NDArray[np.uint16]
    lesions: tuple[InsertedLesion, ...]


def insert_lesions(
    rng: np.random.Generator, image: hd.Volume, parenchyma: Mask, count: int, avoid: Mask | None = None
) -> Inserted:
    """Put `count` lesions into parenchyma, APART_MM from each other and from `avoid` (existing tumour).

    A lesion that finds no room is left out. The same generator state gives the same image.
    """
    spacing = (float(image.spacing[0]), float(image.spacing[1]), float(image.spacing[2]))
    array = np.array(image.array, np.float32)
    noise = array - ndimage.gaussian_filter(array, [1.2 / s for s in spacing])
    truth = np.zeros(array.shape, np.uint16)
    taken = [np.argwhere(avoid) * spacing] if avoid is not None and avoid.any() else []
    placed: list[InsertedLesion] = []
    low, high = np.log(DIAMETERS_MM)
    for diameter in sorted(np.exp(rng.uniform(low, high, count)), reverse=True):
        shape = metaballs(rng, float(diameter), spacing)
        box = _place(rng, shape, parenchyma, spacing, taken)
        if box is None:
            continue
        own = shape.occupancy >= 0.5
        enhancement = float(np.exp(rng.uniform(*np.log(ENHANCEMENT))))
        array[box] = _painted(rng, array, noise, parenchyma, box, shape, enhancement, spacing)
        number = len(placed) + 1
        truth[box][own] = number
        taken.append((np.argwhere(own) + [b.start for b in box]) * spacing)
        volume = float(own.sum() * np.prod(spacing))
        placed.append(InsertedLesion(number, (6 * volume / np.pi) ** (1 / 3), enhancement, shape.core is not None))
    return Inserted(image.with_array(np.clip(array, 0, None)), truth, tuple(placed))


def _place(
    rng: np.random.Generator,
    shape: Shape,
    parenchyma: Mask,
    spacing: tuple[float, float, float],
    taken: list[npt.NDArray[Any]],
) -> Box | None:
    """A box of the image where the lesion lies in parenchyma and apart from all others; None when none was found."""
    own = shape.occupancy >= 0.5
    if not own.any():
        return None
    inside = np.argwhere(own)
    places = np.flatnonzero(parenchyma)
    tree = cKDTree(np.concatenate(taken)) if taken else None
    for _ in range(TRIES if len(places) else 0):
        centre = np.unravel_index(int(places[rng.integers(len(places))]), parenchyma.shape)
        start = [int(c) - n // 2 for c, n in zip(centre, own.shape, strict=True)]
        if any(s < 0 or s + n > m for s, n, m in zip(start, own.shape, parenchyma.shape, strict=True)):
            continue
        box = tuple(slice(s, s + n) for s, n in zip(start, own.shape, strict=True))
        if parenchyma[box][own].mean() < 0.9:
            continue
        if tree is not None and tree.query((inside + start) * spacing)[0].min() < APART_MM:
            continue
        return box[0], box[1], box[2]
    return None


def _painted(
    rng: np.random.Generator,
    image: FloatArray,
    noise: FloatArray,
    parenchyma: Mask,
    box: Box,
    shape: Shape,
    enhancement: float,
    spacing: tuple[float, float, float],
) -> FloatArray:
    """The box with the lesion in it: background x gain where it is, partial volume at its edge."""
    here, brain = image[box], parenchyma[box]
    tissue = here[brain] if brain.any() else here.ravel()
    around, white = float(np.median(tissue)), float(np.percentile(tissue, 80))
    weight = ndimage.gaussian_filter(brain.astype(np.float32), [4.0 / s for s in spacing])
    smooth = ndimage.gaussian_filter(np.where(brain, here, 0), [4.0 / s for s in spacing]) / np.maximum(weight, 1e-3)
    base = np.where(weight > 0.05, smooth, around)
    lesion = base * (1 + enhancement * white / max(around, 1e-6))
    if shape.core is not None:
        core = base * float(rng.uniform(0.45, 0.9))
        lesion = lesion + shape.core * (core - lesion)
    lesion = lesion + float(rng.uniform(0.8, 1.4)) * _borrowed(rng, noise, parenchyma, box)
    outside = here
    if rng.random() < 0.4:
        wide = ndimage.gaussian_filter(shape.blurred, [float(rng.uniform(1.5, 4.0)) / s for s in spacing])
        # Less a little, so that the darkening has ended where the box does.
        halo = np.clip(wide / max(float(wide.max()), 1e-6) - 0.05, 0, None) / 0.95
        outside = here * (1 - float(rng.uniform(0.08, 0.25)) * halo)
    return np.asarray(outside + shape.blurred * (lesion - outside), np.float32)


def _borrowed(rng: np.random.Generator, noise: FloatArray, parenchyma: Mask, box: Box) -> FloatArray:
    """The image's own fine texture, from another place in the brain; where that is not brain, nothing."""
    shape = [b.stop - b.start for b in box]
    places = np.flatnonzero(parenchyma)
    centre = np.unravel_index(int(places[rng.integers(len(places))]), parenchyma.shape)
    start = [int(np.clip(c - n // 2, 0, m - n)) for c, n, m in zip(centre, shape, noise.shape, strict=True)]
    other = tuple(slice(s, s + n) for s, n in zip(start, shape, strict=True))
    return np.asarray(np.where(parenchyma[other], noise[other], 0), np.float32)
