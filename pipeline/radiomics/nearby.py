"""Features for lesions too small for texture: form, core and shell, what the surroundings look like."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.radiomics.params import RadiomicsParams
from pipeline.radiomics.patch import Floats, Mask, Patch
from pipeline.radiomics.tubes import measure_tubes

_RING = 2
"""Thickness of the ring around a candidate, in voxels of the fine grid."""

FORM = ("extent_mm", "elongation", "flatness", "fill")
GREY = ("brightness", "brightness_max", "core_minus_shell", "ring_contrast", "ring_sharpness", "ring_deviation")
EXITS = ("ring_bright_share", "ring_exits")
TUBES = ("vesselness", "vesselness_mean", "curvature_along", "curvature_across")

NAMES = FORM + GREY + EXITS + TUBES


def measure_nearby(patch: Patch, params: RadiomicsParams) -> dict[str, float]:
    """The features of NAMES. Brightness is in deviations from the mean inside the organ."""
    room = _with_room(patch, params.dimensions)
    values = (patch.image[room] - params.offset) / params.scale
    mask = patch.mask[room]
    tubes = measure_tubes(patch, params.dimensions, params.spacing_mm, params.tube_sigmas_mm, params.scale)
    grown = ndimage.binary_dilation(mask, ndimage.generate_binary_structure(3, 2), iterations=_RING)
    ring = grown & ~mask
    found = _form(mask, params) | _grey(values, mask, ring) | _exits(values, mask, ring)
    return found | {
        "vesselness": tubes.vesselness,
        "vesselness_mean": tubes.vesselness_mean,
        "curvature_along": tubes.along,
        "curvature_across": tubes.across,
    }


def _with_room(patch: Patch, dimensions: int) -> tuple[slice, ...]:
    margins = (_RING + 1 if dimensions == 3 else 0, _RING + 1, _RING + 1)
    return tuple(
        slice(max(0, s.start - m), min(n, s.stop + m))
        for s, m, n in zip(patch.box, margins, patch.mask.shape, strict=True)
    )


def _form(mask: Mask, params: RadiomicsParams) -> dict[str, float]:
    axes = slice(0, 3) if params.dimensions == 3 else slice(1, 3)
    points = np.argwhere(mask)[:, axes] * params.spacing_mm
    sides = np.ptp(points, axis=0) + params.spacing_mm
    # A voxel is a cube, not a point: its own second moment keeps thin and tiny things finite.
    spread = np.cov(points.T, bias=True) + np.eye(len(sides)) * params.spacing_mm**2 / 12
    axis = np.sqrt(np.linalg.eigvalsh(spread))[::-1]
    return {
        "extent_mm": float(sides.max()),
        "elongation": float(axis[0] / axis[1]),
        "flatness": float(axis[1] / axis[2]) if params.dimensions == 3 else float("nan"),
        "fill": float(len(points) * params.spacing_mm ** len(sides) / np.prod(sides)),
    }


def _grey(values: Floats, mask: Mask, ring: Mask) -> dict[str, float]:
    depth = ndimage.distance_transform_edt(mask)[mask]
    here = values[mask]
    core, shell = depth > depth.max() / 2, depth <= 1
    split = bool(shell.any() and not shell.all())
    around = values[ring]
    contrast = float(here.mean() - around.mean()) if len(around) else float("nan")
    noise = float(around.std()) if len(around) else float("nan")
    return {
        "brightness": float(here.mean()),
        "brightness_max": float(here.max()),
        "core_minus_shell": float(here[core & ~shell].mean() - here[shell].mean()) if split else float("nan"),
        "ring_contrast": contrast,
        "ring_sharpness": contrast / max(noise, 1e-3),
        "ring_deviation": noise,
    }


def _exits(values: Floats, mask: Mask, ring: Mask) -> dict[str, float]:
    """How much of the ring is as bright as the candidate, and in how many places: where a vessel goes on."""
    if not ring.any():
        return dict.fromkeys(EXITS, float("nan"))
    level = (values[mask].mean() + np.median(values[ring])) / 2
    bright: NDArray[np.bool_] = ring & (values > level)
    return {
        "ring_bright_share": float(bright.sum() / ring.sum()),
        "ring_exits": float(ndimage.label(bright, np.ones((3, 3, 3)))[1]),
    }
