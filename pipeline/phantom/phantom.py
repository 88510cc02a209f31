"""A whole synthetic study image: contrast-enhanced T1 of a head with metastases, and its truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import highdicom as hd
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipeline.phantom.anatomy import Space, head
from pipeline.phantom.lesions import Drawn, Labels, Recipe, draw_lesions
from pipeline.phantom.noise import FloatArray
from pipeline.phantom.paint import Look, degrade, paint
from pipeline.phantom.tissue import INTRACRANIAL, PARENCHYMA, TissueMap, is_any

Orientation = Literal["axial", "sagittal", "coronal", "oblique"]

AXES: dict[str, tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]] = {
    "axial": ((0, 0, 1), (0, 1, 0), (1, 0, 0)),
    "sagittal": ((-1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "coronal": ((0, 1, 0), (0, 0, -1), (1, 0, 0)),
}
"""Unit vectors in LPS along which the slice, row and column index grow."""

OBLIQUE_DEG = (-12.0, 4.0, 7.0)
"""Turns about x, y, z for "oblique": a head tilted in the coil, slices along the canthomeatal line."""

BRIGHTNESS = 400.0
"""Stored signal of white matter: of the order that scanners give, and integer-friendly."""


@dataclass(frozen=True, slots=True)
class PhantomLesion:
    """What was put where: centre in LPS mm, diameter of the sphere it was made from, kind (solid, rim, patchy)."""

    number: int
    centre_mm: tuple[float, float, float]
    diameter_mm: float
    kind: str


@dataclass(frozen=True, slots=True)
class Phantom:
    """image: int16, truth: uint16 (0 background, 1…n), both (slices, rows, columns), LPS mm; lesions by number."""

    image: hd.Volume
    truth: hd.Volume
    lesions: tuple[PhantomLesion, ...]


def t1c_phantom(
    seed: int,
    *,
    shape: tuple[int, int, int] = (180, 256, 256),
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0),
    lesions: int = 4,
    orientation: Orientation = "axial",
    skull: bool = True,
    diameters_mm: tuple[float, float] = (6.0, 22.0),
) -> Phantom:
    """A contrast-enhanced T1 image of a made-up head; the same arguments give the same image.

    shape, spacing_mm: of the wanted series, (slices, rows, columns). Slices over 1.8 mm are averages of thin ones.
    lesions:           how many metastases; 0 for a study without a finding.
    skull:             False leaves the brain alone, as after skull stripping.
    diameters_mm:      range, drawn log-uniformly.
    """
    rng = np.random.default_rng(seed)
    thin = max(1, round(spacing_mm[0] / 1.2))
    fine_shape = (shape[0] * thin, shape[1], shape[2])
    fine_spacing = (spacing_mm[0] / thin, spacing_mm[1], spacing_mm[2])
    affine = _affine(shape, spacing_mm, orientation)
    tissues = head(_space(rng, fine_shape, fine_spacing, affine[:3, :3] / spacing_mm))
    smallest, largest = (float(v) for v in np.log(diameters_mm))
    sizes = [float(d) for d in np.exp(rng.uniform(smallest, largest, lesions))]
    image, labels, drawn = paint_head(rng, tissues, fine_spacing, sizes, skull=skull)
    image = image.reshape(shape[0], thin, *shape[1:]).mean(1)
    truth = _thick_labels(labels, shape, thin)
    stored = np.clip(image * BRIGHTNESS, 0, 32000).astype(np.int16)
    where = {"affine": affine, "coordinate_system": "PATIENT"}
    return Phantom(hd.Volume(stored, **where), hd.Volume(truth, **where), tuple(_in_mm(d, affine, thin) for d in drawn))


def paint_head(
    rng: np.random.Generator,
    tissues: TissueMap,
    spacing_mm: tuple[float, float, float],
    diameters_mm: list[float],
    *,
    skull: bool = True,
    look: Look | None = None,
    recipe: Recipe | None = None,
    noise: float = 0.025,
) -> tuple[FloatArray, Labels, tuple[Drawn, ...]]:
    """Image (white matter about 1.0), lesion labels and what was drawn, on the grid of a tissue map."""
    image = paint(rng, tissues, spacing_mm, look or Look())
    allowed = is_any(tissues, PARENCHYMA)
    recipe = recipe or Recipe(contrast=(0.5, 1.4))
    keep = ndimage.binary_closing(is_any(tissues, INTRACRANIAL), iterations=2)
    labels, drawn = draw_lesions(rng, image, allowed, keep, spacing_mm, diameters_mm, recipe)
    if not skull:
        image = np.where(keep, image, 0).astype(np.float32)
    blur = float(rng.uniform(0.35, 0.7))
    image = degrade(rng, image, spacing_mm, blur_mm=blur, bias=float(rng.uniform(0.05, 0.3)), noise=noise)
    if not skull:
        image[~keep] = 0
    return image, labels, drawn


def axial_head(
    rng: np.random.Generator, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]
) -> TissueMap:
    """The tissue map of a made-up head, axial, (slices, rows, columns)."""
    return head(_space(rng, shape, spacing_mm, _affine(shape, spacing_mm, "axial")[:3, :3] / spacing_mm))


def _affine(
    shape: tuple[int, int, int], spacing_mm: tuple[float, float, float], orientation: Orientation
) -> npt.NDArray[np.float64]:
    """Index (slice, row, column) to LPS mm. The middle of the grid lies 12 mm below the middle of the brain."""
    axes = np.array(AXES["axial" if orientation == "oblique" else orientation], float).T
    if orientation == "oblique":
        axes = _turn(np.radians(OBLIQUE_DEG)) @ axes
    affine = np.eye(4)
    affine[:3, :3] = axes * spacing_mm
    middle = (np.array(shape) - 1) / 2
    affine[:3, 3] = np.array([0.0, 4.0, -12.0]) - affine[:3, :3] @ middle
    return affine


def _turn(angles: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def _space(
    rng: np.random.Generator,
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    axes: npt.NDArray[np.float64],
) -> Space:
    steps = [(np.arange(n, dtype=np.float32) - (n - 1) / 2) * s for n, s in zip(shape, spacing_mm, strict=True)]
    grids = np.meshgrid(*steps, indexing="ij", sparse=True)
    offset = (0.0, 4.0, -12.0)
    x, y, z = (
        np.asarray(
            sum(float(axes[i, j]) * grids[j] for j in range(3)) + offset[i] + np.zeros(shape, np.float32), np.float32
        )
        for i in range(3)
    )
    return Space(x, y, z, spacing_mm, rng)


def _thick_labels(labels: Labels, shape: tuple[int, int, int], thin: int) -> Labels:
    """A thick voxel belongs to a lesion when at least half of its thin ones do."""
    if thin == 1:
        return labels
    parts = labels.reshape(shape[0], thin, *shape[1:])
    return np.where((parts > 0).mean(1) >= 0.5, parts.max(1), 0).astype(np.uint16)


def _in_mm(drawn: Drawn, affine: npt.NDArray[np.float64], thin: int) -> PhantomLesion:
    index = np.array([(drawn.centre_index[0] + 0.5) / thin - 0.5, *drawn.centre_index[1:], 1.0])
    x, y, z = (float(v) for v in (affine @ index)[:3])
    return PhantomLesion(drawn.number, (x, y, z), drawn.diameter_mm, drawn.kind)
