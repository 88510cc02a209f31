"""Whether something bright is a tube, a sheet or a ball: eigenvalues of the Hessian, and Frangi's vesselness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.radiomics.derivatives import hessian
from pipeline.radiomics.patch import Floats, Patch

_ALPHA = _BETA = 0.5
"""Frangi's weights of sheet against tube and of ball against tube (Frangi et al., MICCAI 1998)."""


@dataclass(frozen=True, slots=True)
class Tubes:
    """Of a candidate as a whole: the mean of its voxels' Hessians, at the scale where that is strongest.

    A ball's voxels curve in all directions and their mean in each alike; a tube's curve in two.
    vesselness:      0 (ball, sheet or dark) ... 1 (bright tube), Frangi's, of that mean.
    vesselness_mean: the same voxel by voxel, each at its strongest scale, and then the mean; bent tubes count too.
    along:  |smallest| / |largest| curvature of the mean: 0 for a tube, 1 for a ball.
    across: |middle| / |largest|: 0 for a sheet, 1 for tubes and balls; NaN in two dimensions.
    """

    vesselness: float
    vesselness_mean: float
    along: float
    across: float


def measure_tubes(
    patch: Patch, dimensions: int, spacing_mm: float, sigmas_mm: tuple[float, ...], scale: float
) -> Tubes:
    """Measure the mask of a patch. scale: grey values to one deviation inside the organ; half of it is Frangi's c."""
    box = patch.box
    inside = patch.mask[box]
    hessians = np.array([hessian(patch, box, dimensions, sigma / spacing_mm)[inside] for sigma in sigmas_mm])
    strongest = np.linalg.norm(hessians, axis=(2, 3)).argmax(axis=0)
    each = np.linalg.eigvalsh(hessians[strongest, np.arange(hessians.shape[1])])
    whole = np.linalg.eigvalsh(hessians.mean(axis=1))
    curvature = whole[np.linalg.norm(whole, axis=1).argmax()]
    sizes = np.sort(np.abs(curvature))
    largest = max(float(sizes[-1]), 1e-9)
    return Tubes(
        vesselness=float(_frangi(curvature[None], scale / 2)[0]),
        vesselness_mean=float(_frangi(each, scale / 2).mean()),
        along=float(sizes[0] / largest),
        across=float(sizes[1] / largest) if dimensions == 3 else float("nan"),
    )


def _frangi(curvature: Floats, contrast: float) -> Floats:
    """(n,) vesselness of bright tubes from (n, 2 or 3) eigenvalues."""
    order = np.argsort(np.abs(curvature), axis=-1)
    ranked = np.take_along_axis(curvature, order, axis=-1)
    largest = np.maximum(np.abs(ranked[:, -1]), 1e-9)
    strength = 1 - np.exp(-(ranked**2).sum(axis=-1) / (2 * contrast**2))
    if curvature.shape[-1] == 2:
        ball, sheet = np.abs(ranked[:, 0]) / largest, np.ones(len(ranked))
    else:
        middle = np.abs(ranked[:, 1])
        ball = np.abs(ranked[:, 0]) / np.sqrt(np.maximum(middle * largest, 1e-18))
        sheet = 1 - np.exp(-((middle / largest) ** 2) / (2 * _ALPHA**2))
    bright = (ranked[:, 1:] < 0).all(axis=-1)
    return np.where(bright, sheet * np.exp(-(ball**2) / (2 * _BETA**2)) * strength, 0.0)
