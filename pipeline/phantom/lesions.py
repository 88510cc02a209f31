"""Metastases drawn into an image, with their truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.phantom.noise import FloatArray, smooth_noise

Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Drawn:
    """One lesion as drawn: centre as (slice, row, column) indices, and the diameter of its unperturbed sphere."""

    number: int
    centre_index: tuple[float, float, float]
    diameter_mm: float
    kind: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """What lesions look like: `contrast` is enhancement over the tissue around, in units of white matter; `grain` is
    the standard deviation from voxel to voxel, as a share of a lesion's signal.
    """

    contrast: tuple[float, float] = (0.3, 1.5)
    rim_fraction: float = 0.35
    rough: float = 0.18
    halo_fraction: float = 0.5
    grain: float = 0.08


def draw_lesions(
    rng: np.random.Generator,
    image: FloatArray,
    allowed: Mask,
    within: Mask,
    spacing_mm: tuple[float, float, float],
    diameters_mm: list[float],
    recipe: Recipe,
) -> tuple[Labels, tuple[Drawn, ...]]:
    """Draw one lesion per diameter into `image`, in place: centred in `allowed`, inside `within`, never touching.

    A rim-enhancing lesion has a dark core; the core belongs to its label, as it does to a gross tumour volume.
    returns: labels (slices, rows, columns), 1…n; and what was drawn. A lesion that finds no room is left out.
    """
    labels = np.zeros(image.shape, np.uint16)
    drawn: list[Drawn] = []
    places = np.flatnonzero(allowed)
    for diameter in sorted(diameters_mm, reverse=True):
        for _ in range(20):
            if not len(places):
                break
            centre = np.unravel_index(int(places[rng.integers(len(places))]), image.shape)
            box, rho = _warped_radius(rng, image.shape, centre, spacing_mm, diameter / 2, recipe.rough)
            if labels[box][rho < 1.6].any():
                continue
            rho[~within[box]] = 3.0
            number = len(drawn) + 1
            kind = _compose(rng, image[box], labels[box], rho, diameter / 2, min(spacing_mm), number, recipe)
            drawn.append(Drawn(number, (float(centre[0]), float(centre[1]), float(centre[2])), diameter, kind))
            break
    return labels, tuple(drawn)


def _warped_radius(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    centre: tuple[np.intp, ...],
    spacing_mm: tuple[float, float, float],
    radius_mm: float,
    rough: float,
) -> tuple[tuple[slice, ...], FloatArray]:
    """Distance from the centre over the (uneven) radius, in the box around the lesion: 1 on its surface."""
    reach = radius_mm * 1.5 + 18
    box = tuple(
        slice(max(0, int(c - reach / s)), min(n, int(c + reach / s) + 2))
        for c, s, n in zip(centre, spacing_mm, shape, strict=True)
    )
    stretch = rng.uniform(0.8, 1.25, 3)
    grids = np.meshgrid(
        *[(np.arange(b.start, b.stop) - c) * s for b, c, s in zip(box, centre, spacing_mm, strict=True)], indexing="ij"
    )
    rho = np.sqrt(sum((g / k) ** 2 for g, k in zip(grids, stretch, strict=True))) / radius_mm
    lumps = smooth_noise(rng, rho.shape, [max(0.7 * radius_mm / s, 1.5) for s in spacing_mm])
    return box, (rho * (1 + rough * np.clip(lumps, -2, 2))).astype(np.float32)


def _compose(
    rng: np.random.Generator,
    image: FloatArray,
    labels: Labels,
    rho: FloatArray,
    radius_mm: float,
    voxel_mm: float,
    number: int,
    recipe: Recipe,
) -> str:
    occupancy = np.clip((1 - rho) * radius_mm / voxel_mm + 0.5, 0, 1)
    around = float(np.median(image[(rho < 1.5) & (image > 0.3)])) if ((rho < 1.5) & (image > 0.3)).any() else 0.8
    if rng.random() < recipe.halo_fraction:
        width = float(rng.uniform(1.5, 5))
        image *= 1 - float(rng.uniform(0.1, 0.3)) * np.exp(-((np.maximum(rho - 1, 0) * radius_mm / width) ** 2))
    bright = around + float(rng.uniform(*recipe.contrast))
    uneven = 1 + recipe.grain * rng.standard_normal(image.shape, dtype=np.float32)
    inside = bright * uneven
    kind = "solid"
    if radius_mm > 3 and rng.random() < recipe.rim_fraction:
        kind = "rim"
        thickness = float(np.clip(rng.uniform(0.1, 0.45), 1.3 / radius_mm, 0.6))
        core = np.clip((1 - thickness - rho) * radius_mm / voxel_mm + 0.5, 0, 1)
        inside = inside * (1 - core) + core * around * float(rng.uniform(0.35, 0.95))
    elif radius_mm > 3 and rng.random() < 0.3:
        kind = "patchy"
        inside = around + (inside - around) * np.clip(0.7 + 0.5 * smooth_noise(rng, image.shape, 4.0), 0.1, 1.3)
    image += (occupancy * (inside - image)).astype(np.float32)
    filled = occupancy >= 0.5
    filled |= rho <= rho.min() + 1e-6
    labels[filled] = number
    return kind
