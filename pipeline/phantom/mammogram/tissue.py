"""What a breast is made of as X-rays see it: fat and glands, ligaments, ducts, vessels, muscle, skin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from pipeline.marks import Density
from pipeline.phantom.mammogram.anatomy import Mask, Outline
from pipeline.phantom.mammogram.fields import Floats, power_law
from pipeline.phantom.noise import smooth_noise

GLANDS: dict[Density, float] = {Density.A: 0.06, Density.B: 0.22, Density.C: 0.48, Density.D: 0.75}
"""Share of the breast that is mostly gland, by the letters of BI-RADS."""
BETA = 3.0
"""Of the texture's power, see `fields.power_law`."""
FAT, GLAND, MUSCLE = 0.36, 0.40, 0.46
"""Attenuation of a full thickness of fat, and by how much more that of glands and of muscle is."""
SKIN_MM = 1.6
CALCIFIED = 0.2
"""Share of women with calcified arteries."""

Line = NDArray[np.float64]
"""Points (n, 2): (across, down) in mm."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where chance comes from: `woman` is the same for both breasts in one view, `breast` is of this view alone."""

    woman: int
    breast: int

    def own(self, what: int) -> np.random.Generator:
        """Of this view of this breast."""
        return np.random.default_rng((self.woman, self.breast, what))

    def common(self, what: int) -> np.random.Generator:
        """The same for both breasts."""
        return np.random.default_rng((self.woman, what))


def glands(outline: Outline, density: Density, sources: Sources) -> Floats:
    """0…1, how much of the thickness is gland: a cone behind the nipple, little under the skin."""
    shape, step = outline.shape, outline.spacing_mm
    relief = power_law(shape, step, BETA, sources.own(0), sources.common(0))
    inside = outline.breast & ~outline.muscle
    wish = 0.75 * relief + _cone(outline, sources.common(1))
    level = float(np.quantile(wish[inside][::17], 1 - GLANDS[density]))
    share = 1 / (1 + np.exp(np.clip((level - wish) / 0.3, -30, 30)))
    texture = power_law(shape, step, BETA, sources.own(1), sources.common(2), 40.0)
    return np.asarray(share * np.clip(0.72 + 0.2 * texture, 0.1, 1.4) * outline.breast, np.float32)


def _cone(outline: Outline, rng: np.random.Generator) -> Floats:
    across, down = outline.grid_mm()
    x, y = outline.nipple_mm
    middle = 0.55 * x, y - rng.uniform(0.02, 0.15) * x
    out = np.hypot((across - middle[0]) / (0.42 * x), (down - middle[1]) / (0.55 * x))
    return np.asarray(1.2 - out - 2.5 * np.exp(-outline.skin_mm / 5.0), np.float32)


def absorbed(outline: Outline, gland: Floats, sources: Sources) -> Floats:
    """Attenuation, 0 in air to about 1: what the exposure makes a picture of."""
    rng = sources.own(2)
    fat = FAT + 0.025 * power_law(outline.shape, outline.spacing_mm, BETA, rng)
    body = fat + GLAND * gland
    if outline.muscle.any():
        muscle = _muscle(outline)
        fibres = smooth_noise(rng, outline.shape, (20 / outline.spacing_mm, 3 / outline.spacing_mm))
        body = body * (1 - muscle) + muscle * (FAT + MUSCLE + 0.02 * fibres)
    lines = ligaments(outline, rng) + tubes(outline, rng)
    skin = 0.1 * np.exp(-((outline.skin_mm - SKIN_MM / 2) ** 2) / SKIN_MM**2)
    near = np.hypot(*(g - n for g, n in zip(outline.grid_mm(), outline.nipple_mm, strict=True)))
    nipple = 0.45 * np.exp(-((near / 5.0) ** 2))
    whole = outline.thickness * (body + lines) + skin + nipple * (outline.skin_mm > 0)
    return np.asarray(whole * outline.breast, np.float32)


def _muscle(outline: Outline) -> Floats:
    """0…1; it thins towards its edge."""
    width = max(3, round(2.5 / outline.spacing_mm))
    return np.asarray(ndimage.uniform_filter(outline.muscle.astype(np.float32), width), np.float32)


def ligaments(outline: Outline, rng: np.random.Generator) -> Floats:
    """Cooper's: thin curved sheets seen on edge, where two smooth fields are 0, now bright and now lost."""
    total = np.zeros(outline.shape, np.float32)
    step = outline.spacing_mm
    for length in (16.0, 9.0):
        field = smooth_noise(rng, outline.shape, length / step)
        slope = np.hypot(*np.gradient(field, step)) + 0.02
        seen = np.clip(smooth_noise(rng, outline.shape, 14.0 / step), 0, 2)
        total += seen * np.exp(-((field / slope / 0.28) ** 2))
    return np.asarray(0.035 * total, np.float32)


def tubes(outline: Outline, rng: np.random.Generator) -> Floats:
    """Ducts that spread from the nipple, and vessels; in some women with lime in the walls of an artery."""
    ducts = _drawn(outline, [(line, 0.35) for line in _ducts(outline, rng)], 0.12)
    wide = [(line, float(rng.uniform(0.9, 2.0))) for line in _vessels(outline, rng)]
    total = 0.07 * ducts + 0.05 * _drawn(outline, wide, 0.35)
    if rng.random() < CALCIFIED:
        total = total + _lime(outline, *wide[0], rng)
    return np.asarray(total, np.float32)


def _ducts(outline: Outline, rng: np.random.Generator) -> Iterator[Line]:
    start = np.array(outline.nipple_mm) - [3.0, 0.0]
    for heading in np.linspace(-0.9, 0.9, 11) + rng.normal(0, 0.08, 11):
        main = _walk(start, np.pi + heading, rng.uniform(25, 60), 0.12, rng)
        yield main
        for at in rng.integers(6, max(7, len(main)), 3):
            side = heading + np.pi + rng.choice([-1, 1]) * rng.uniform(0.3, 0.8)
            yield _walk(main[min(int(at), len(main) - 1)], side, rng.uniform(8, 25), 0.15, rng)


def _vessels(outline: Outline, rng: np.random.Generator) -> Iterator[Line]:
    x, y = outline.nipple_mm
    for _ in range(int(rng.integers(3, 6))):
        start = np.array([0.0, y + rng.uniform(-0.7, 0.7) * x])
        towards = np.arctan2(y - start[1], x) + rng.normal(0, 0.25)
        yield _walk(start, towards, rng.uniform(0.5, 0.8) * x, 0.05, rng)


def _walk(start: NDArray[np.float64], heading: float, length: float, bend: float, rng: np.random.Generator) -> Line:
    """A line of steps of 1 mm that wanders about its heading."""
    turns = heading + np.cumsum(rng.normal(0, bend, max(2, int(length))))
    steps = np.column_stack([np.cos(turns), np.sin(turns)])
    return np.vstack([start, start + np.cumsum(steps, axis=0)])


def _drawn(outline: Outline, lines: list[tuple[Line, float]], soft_mm: float) -> Floats:
    """Lines (points, width in mm), 1 on them, with soft edges."""
    canvas = Image.new("F", outline.shape[::-1])
    pen = ImageDraw.Draw(canvas)
    for line, width in lines:
        pixels = [(float(x), float(y)) for x, y in line / outline.spacing_mm]
        pen.line(pixels, fill=1.0, width=max(1, round(width / outline.spacing_mm)), joint="curve")
    return np.asarray(ndimage.gaussian_filter(np.asarray(canvas), soft_mm / outline.spacing_mm, truncate=3), np.float32)


def _lime(outline: Outline, line: Line, width: float, rng: np.random.Generator) -> Floats:
    """Grains along both walls of a vessel: parallel tracks, no cluster."""
    along = np.diff(line, axis=0)
    across = np.column_stack([-along[:, 1], along[:, 0]])
    at = rng.uniform(0, len(along) - 1, int(3 * len(along)))
    first, rest = at.astype(int), (at % 1)[:, None]
    side = rng.choice([-0.5, 0.5], (at.size, 1)) * width
    places = line[first] + rest * along[first] + side * across[first] + rng.normal(0, 0.08, (at.size, 2))
    total = np.zeros(outline.shape, np.float32)
    columns, rows = (places / outline.spacing_mm).astype(int).T
    inside = (rows >= 0) & (rows < total.shape[0]) & (columns >= 0) & (columns < total.shape[1])
    np.add.at(total, (rows[inside], columns[inside]), rng.uniform(0.3, 1, int(inside.sum())).astype(np.float32))
    sigma = 0.12 / outline.spacing_mm
    return np.asarray(ndimage.gaussian_filter(total, sigma) * (2 * np.pi * sigma**2) * 0.18, np.float32)


def density_of(outline: Outline, gland: Floats) -> float:
    """The share of the breast, without muscle, that is mostly gland."""
    inside: Mask = outline.breast & ~outline.muscle
    return float((gland[inside] > 0.36).mean())
