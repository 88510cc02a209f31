"""From a tissue map to a contrast-enhanced T1 image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from pipeline.phantom.noise import FloatArray, smooth_noise
from pipeline.phantom.tissue import INTRACRANIAL, Tissue, TissueMap, is_any, lookup

T = Tissue

T1C_RANGES: dict[Tissue, tuple[float, float]] = {
    T.AIR: (0.0, 0.03),
    T.FAT: (1.4, 2.8),
    T.SKIN: (0.9, 1.8),
    T.MUSCLE: (0.7, 1.2),
    T.BONE: (0.05, 0.25),
    T.MARROW: (0.8, 2.2),
    T.MUCOSA: (1.0, 2.6),
    T.EYE: (0.25, 0.45),
    T.CSF: (0.2, 0.45),
    T.VENTRICLE: (0.2, 0.4),
    T.CORTEX: (0.7, 0.92),
    T.WHITE: (1.0, 1.0),
    T.DEEP_GREY: (0.8, 0.95),
    T.CEREBELLAR_CORTEX: (0.7, 0.92),
    T.CEREBELLAR_WHITE: (0.92, 1.02),
    T.BRAINSTEM: (0.9, 1.0),
    T.DURA: (0.5, 2.0),
    T.SINUS: (1.2, 2.8),
    T.CHOROID: (1.1, 2.2),
    T.PITUITARY: (1.1, 2.2),
    T.ARTERY: (0.3, 2.6),
    T.OTHER: (0.3, 2.2),
}
"""Signal relative to white matter in contrast-enhanced T1, as read off clinical images; one value is drawn per head."""


@dataclass(frozen=True, slots=True)
class Look:
    """How one head is painted.

    vessel_density:  0 for none, 1 for usual.
    texture:         standard deviation inside a tissue, of the white-matter signal.
    random_contrast: tissue signals drawn at random (domain randomisation) instead of T1-like.
    """

    vessel_density: float = 1.0
    texture: float = 0.03
    random_contrast: bool = False


def paint(
    rng: np.random.Generator, tissues: TissueMap, spacing_mm: tuple[float, float, float], look: Look
) -> FloatArray:
    """A noiseless, unblurred image of the tissues, white matter at 1.0, vessels drawn; (slices, rows, columns)."""
    signal = _signals(rng, look.random_contrast)
    image = lookup(signal)[tissues]
    lengths = [max(9.0 / s, 1.0) for s in spacing_mm]
    image *= 1 + look.texture * (
        rng.standard_normal(tissues.shape, dtype=np.float32) + smooth_noise(rng, tissues.shape, lengths)
    )
    # Scalp, muscle and mucosa are far less uniform than brain.
    outside = is_any(tissues, (T.FAT, T.SKIN, T.MUSCLE, T.MARROW, T.MUCOSA, T.OTHER))
    lumps = smooth_noise(rng, tissues.shape, [max(4.0 / s, 1.0) for s in spacing_mm])
    image[outside] *= 1 + 0.25 * np.clip(lumps[outside], -2, 2)
    dura = tissues == T.DURA
    image[dura] *= np.clip(0.7 + 0.5 * lumps[dura], 0.2, 1.6)
    return _draw_vessels(rng, image, tissues, spacing_mm, look)


def _signals(rng: np.random.Generator, random_contrast: bool) -> dict[int, float]:
    if not random_contrast:
        usual = {int(t): float(rng.uniform(*r)) for t, r in T1C_RANGES.items()}
        return usual | {int(T.CORD): usual[int(T.BRAINSTEM)]}
    drawn = {int(t): float(rng.uniform(0.2, 1.6)) for t in T1C_RANGES}
    brain = float(rng.uniform(0.7, 1.1))
    for t in (T.CORTEX, T.CEREBELLAR_CORTEX, T.DEEP_GREY, T.BRAINSTEM, T.CEREBELLAR_WHITE):
        drawn[int(t)] = brain * float(rng.uniform(0.8, 1.15))
    return drawn | {int(T.AIR): 0.0, int(T.WHITE): 1.0, int(T.CORD): drawn[int(T.BRAINSTEM)]}


def _draw_vessels(
    rng: np.random.Generator, image: FloatArray, tissues: TissueMap, spacing_mm: tuple[float, float, float], look: Look
) -> FloatArray:
    """Curves where two smooth fields cross zero, mostly along the sulci: cortical veins and arteries with contrast."""
    if look.vessel_density <= 0:
        return image
    near_csf = ndimage.binary_dilation(tissues == T.CSF, iterations=1)
    brain = is_any(tissues, INTRACRANIAL)
    for length_mm, radius_mm, where in ((14.0, 1.3, near_csf), (9.0, 0.8, near_csf), (20.0, 0.7, brain)):
        if rng.random() > look.vessel_density:
            continue
        curve = _curves(rng, tissues.shape, spacing_mm, length_mm, radius_mm * float(rng.uniform(0.7, 1.4)))
        alpha = np.where(where, curve, 0.0).astype(np.float32)
        image += alpha * (float(rng.uniform(1.1, 2.4)) - image)
    return image


def _curves(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    spacing_mm: tuple[float, float, float],
    length_mm: float,
    radius_mm: float,
) -> FloatArray:
    lengths = [length_mm / s for s in spacing_mm]
    n1, n2 = smooth_noise(rng, shape, lengths), smooth_noise(rng, shape, lengths)
    ends = smooth_noise(rng, shape, [2.5 * v for v in lengths])
    width = radius_mm / length_mm
    curve = np.exp(-(n1**2 + n2**2) / (2 * width**2))
    return np.where(ends > -0.3, curve, 0).astype(np.float32)


def degrade(
    rng: np.random.Generator,
    image: FloatArray,
    spacing_mm: tuple[float, float, float],
    *,
    blur_mm: float = 0.5,
    bias: float = 0.2,
    noise: float = 0.03,
) -> FloatArray:
    """What a scanner adds: point spread (standard deviation, mm), coil sensitivity, Rician noise (of white matter)."""
    out = ndimage.gaussian_filter(image, [blur_mm / s for s in spacing_mm], truncate=2.5)
    out *= np.exp(bias * np.clip(smooth_noise(rng, image.shape, [90.0 / s for s in spacing_mm]), -2, 2))
    real = out + noise * rng.standard_normal(image.shape, dtype=np.float32)
    imaginary = noise * rng.standard_normal(image.shape, dtype=np.float32)
    return np.sqrt(real**2 + imaginary**2).astype(np.float32)
