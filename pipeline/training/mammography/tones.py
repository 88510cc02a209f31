"""The same breast as another scanner or vendor would show it: tone, sharpness, noise, sampling and scale, at random."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from pipeline.imaging.mammogram.breast import COARSE_MM, find_breast
from pipeline.imaging.mammogram.canonical import coarse

Picture = NDArray[Any]
Floats = NDArray[np.float32]

TOP = 4095.0
"""Changed pictures have 12 bits."""
RIM = 4
"""Pixels of the coarse grid: so far beyond the skin is changed with the breast."""
LOCAL_MM, LOCAL_GRID_MM = 8.0, 0.8
"""Contrast is evened over the one, measured on a grid of the other."""


class Curve(StrEnum):
    """How brightness is changed; black stays black and white white."""

    GAMMA = "gamma"
    SIGMOID = "sigmoid"
    LOG = "log"


@dataclass(frozen=True, slots=True)
class Tones:
    """One way of showing a breast; as it is given, by default. All images of one study are shown alike.

    curve, strength: the exponent; of a sigmoid its steepness; of a logarithm how much of it, log(1 + strength v).
    blur_mm:     standard deviation.
    local:       0…1, how far contrast is evened, as the processing of digital mammograms does.
    sharpening, sharp_mm: how much of what is finer than that is added.
    noise:       standard deviation, of the range of the picture.
    sampling_mm: pixels of the changed picture; None for those it has.
    scale:       the spacing that is said of it, by the true one.
    """

    curve: Curve = Curve.GAMMA
    strength: float = 1.0
    blur_mm: float = 0.0
    local: float = 0.0
    sharpening: float = 0.0
    sharp_mm: float = 0.6
    noise: float = 0.0
    sampling_mm: float | None = None
    scale: float = 1.0

    def applied(
        self, picture: Picture, spacing_mm: tuple[float, float], seed: int = 0
    ) -> tuple[NDArray[np.uint16], tuple[float, float]]:
        """A picture (rows, columns; bright is dense) so shown, in 12 bits, and the spacing (down, across) said of it.

        Air stays as it is: models are to learn tones, not what becomes of a film's background. Corners stay corners:
        what is at half the height of the picture is at half the height of the changed one.
        """
        breast = _breast(picture, spacing_mm)
        given = _unit(picture, breast)
        shown, spacing = _sampled(_curved(given, self.curve, self.strength), spacing_mm, self.sampling_mm)
        given, breast = (_sampled(a, spacing_mm, self.sampling_mm)[0] for a in (given, breast))
        mm = sum(spacing) / 2
        if self.blur_mm:
            shown = ndimage.gaussian_filter(shown, self.blur_mm / mm)
        if self.local:
            shown = _evened(shown, self.local, mm)
        if self.sharpening:
            shown = shown + self.sharpening * (shown - ndimage.gaussian_filter(shown, self.sharp_mm / mm))
        grain = np.random.default_rng(seed).standard_normal(shown.shape, np.float32) * self.noise
        said = (spacing[0] * self.scale, spacing[1] * self.scale)
        shown = (shown + grain) * breast + given * (1 - breast)
        return np.asarray(np.rint(shown.clip(0, 1) * TOP), np.uint16), said


def drawn(rng: np.random.Generator) -> Tones:
    """At random: from what films, scanners and digital mammographs make of one breast, and a little beyond."""

    def sometimes(share: float, low: float, high: float) -> float:
        value = rng.uniform(low, high)
        return float(value) if rng.random() < share else 0.0

    curve = rng.choice([Curve.GAMMA, Curve.GAMMA, Curve.SIGMOID, Curve.LOG])
    low, high = {Curve.GAMMA: (0.5, 2.0), Curve.SIGMOID: (2.0, 8.0), Curve.LOG: (1.0, 15.0)}[curve]
    return Tones(
        curve=Curve(curve),
        strength=float(np.exp(rng.uniform(np.log(low), np.log(high)))),
        blur_mm=sometimes(0.4, 0.05, 0.25),
        local=sometimes(0.4, 0.2, 0.7),
        sharpening=sometimes(0.5, 0.3, 1.5),
        sharp_mm=float(rng.uniform(0.3, 1.2)),
        noise=sometimes(0.5, 0.002, 0.012),
        sampling_mm=sometimes(0.5, 0.07, 0.2) or None,
        scale=float(np.clip(rng.normal(1, 0.06), 0.85, 1.15)),
    )


def _breast(picture: Picture, spacing_mm: tuple[float, float]) -> Floats:
    """1 in the breast and up to its skin, 0 in the air, with a soft edge; 1 everywhere where no breast is found."""
    small = coarse(picture, spacing_mm, COARSE_MM)
    found = find_breast(small)
    if found is None:
        return np.ones(picture.shape, np.float32)
    wide = ndimage.binary_dilation(found.mask, iterations=RIM)
    soft = ndimage.gaussian_filter(wide.astype(np.float32), RIM / 3)
    return np.asarray(Image.fromarray(soft).resize(picture.shape[::-1], Image.Resampling.BILINEAR), np.float32)


def _unit(picture: Picture, breast: Floats) -> Floats:
    """Air as 0, the brightest as 1; a few pixels (labels, scratches) may lie above, and are cut."""
    values = np.asarray(picture, np.float32)
    air = values[breast < 0.01]
    low = float(np.median(air)) if air.size else float(values.min())
    high = float(np.percentile(values, 99.9))
    return np.asarray(((values - low) / max(high - low, 1e-6)).clip(0, 1), np.float32)


def _curved(shown: Floats, curve: Curve, strength: float) -> Floats:
    if curve is Curve.GAMMA:
        return np.asarray(shown**strength, np.float32)
    if curve is Curve.LOG:
        return np.asarray(np.log1p(strength * shown) / np.log1p(strength), np.float32)
    end = np.tanh(strength / 4)  # a logistic function is half a hyperbolic tangent of half its argument
    return np.asarray(np.tanh(strength * (shown - 0.5) / 2) / end / 2 + 0.5, np.float32)


def _sampled(
    shown: Floats, spacing_mm: tuple[float, float], sampling_mm: float | None
) -> tuple[Floats, tuple[float, float]]:
    if sampling_mm is None:
        return shown, spacing_mm
    rows, columns = (max(1, round(n * mm / sampling_mm)) for n, mm in zip(shown.shape, spacing_mm, strict=True))
    made = np.asarray(Image.fromarray(shown).resize((columns, rows), Image.Resampling.BICUBIC), np.float32)
    return made, (spacing_mm[0] * shown.shape[0] / rows, spacing_mm[1] * shown.shape[1] / columns)


def _evened(shown: Floats, share: float, mm: float) -> Floats:
    """Differences from what is around, by their local spread."""
    rows, columns = (max(8, round(n * mm / LOCAL_GRID_MM)) for n in shown.shape)

    def around(values: Floats) -> Floats:
        small = np.asarray(Image.fromarray(values).resize((columns, rows), Image.Resampling.BOX), np.float32)
        smooth = ndimage.gaussian_filter(small, LOCAL_MM / LOCAL_GRID_MM)
        made = Image.fromarray(smooth).resize(shown.shape[::-1], Image.Resampling.BILINEAR)
        return np.asarray(made, np.float32)

    mean = around(shown)
    off = shown - mean
    spread = np.sqrt(around(np.asarray(off**2, np.float32)).clip(0))
    overall = float(np.sqrt((off**2).mean())) + 1e-6
    gain = (1 - share) + share * 2 * overall / (spread + overall)
    return np.asarray(mean + off * gain, np.float32)
