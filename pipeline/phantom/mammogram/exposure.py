"""Attenuation -> a picture, as film or as a digital mammograph for presentation shows it."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.phantom.mammogram.anatomy import Outline
from pipeline.phantom.mammogram.fields import Floats

TOP = 4095
"""The brightest stored value: 12 bits."""


class Manner(StrEnum):
    """How a picture is made."""

    FILM = "film"
    DIGITAL = "digital"  #: for presentation: sharper, the periphery equalised


def exposed(absorbed: Floats, outline: Outline, manner: Manner, rng: np.random.Generator) -> NDArray[np.uint16]:
    """(rows, columns) of 12 bits, bright is dense; chest wall left."""
    shown = _film(absorbed, outline, rng) if manner is Manner.FILM else _digital(absorbed, outline, rng)
    return np.asarray(np.rint(np.clip(shown, 0, 1) * TOP), np.uint16)


def _film(absorbed: Floats, outline: Outline, rng: np.random.Generator) -> Floats:
    """Blurred by the screen, with grain; a curve that shows least at both ends, and fog over all."""
    sharp = ndimage.gaussian_filter(absorbed, rng.uniform(0.05, 0.1) / outline.spacing_mm, truncate=3)
    grain = ndimage.gaussian_filter(rng.standard_normal(absorbed.shape, dtype=np.float32), 0.06 / outline.spacing_mm)
    grain = grain / max(float(grain[::9, ::9].std()), 1e-6)
    middle, steep = rng.uniform(0.38, 0.5), rng.uniform(6.5, 9.0)
    curve = 1 / (1 + np.exp(-steep * (sharp - middle)))
    fog = 1 / (1 + np.exp(steep * middle))
    return np.asarray(0.03 + 0.9 * (curve - fog) / (1 - fog) + 0.006 * grain, np.float32)


def _digital(absorbed: Floats, outline: Outline, rng: np.random.Generator) -> Floats:
    """What the missing thickness takes away is given back, edges are raised; air is exactly black."""
    noise = rng.standard_normal(absorbed.shape, dtype=np.float32) * np.float32(rng.uniform(0.004, 0.008))
    even = absorbed + noise + np.float32(rng.uniform(0.7, 0.9)) * 0.36 * (1 - outline.thickness)
    near, wide = (ndimage.gaussian_filter(even, s / outline.spacing_mm, truncate=3) for s in (0.35, 2.5))
    raised = even + rng.uniform(0.5, 1.2) * (even - near) + rng.uniform(0.1, 0.4) * (even - wide)
    shown = 0.08 + 0.9 / (1 + np.exp(-rng.uniform(4.5, 6.5) * (raised - rng.uniform(0.55, 0.65))))
    return np.asarray(np.where(outline.breast, shown, 0), np.float32)
