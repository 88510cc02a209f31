"""Findings of breasts, drawn: what they add to the tissue that they lie in, and what they do to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.marks import Kind
from pipeline.phantom.mammogram.fields import Floats, power_law

Points = NDArray[np.float64]


class Shape(StrEnum):
    """What is drawn."""

    CIRCUMSCRIBED = "circumscribed mass"
    SPICULATED = "spiculated mass"
    ILL_DEFINED = "ill-defined mass"
    CLUSTER = "calcification cluster"
    DISTORTION = "architectural distortion"
    ASYMMETRY = "asymmetry"

    @property
    def kind(self) -> Kind:
        """In the words of marks."""
        return {
            Shape.CLUSTER: Kind.CALCIFICATIONS,
            Shape.DISTORTION: Kind.DISTORTION,
            Shape.ASYMMETRY: Kind.ASYMMETRY,
        }.get(self, Kind.MASS)


@dataclass(frozen=True, slots=True)
class _Body:
    """Of a mass: how uneven its outline is, and how soft its edge, as shares of its radius (from, to)."""

    wobble: float
    soft: tuple[float, float]


_BODIES = {
    Shape.CIRCUMSCRIBED: _Body(0.06, (0.06, 0.2)),
    Shape.SPICULATED: _Body(0.15, (0.15, 0.4)),
    Shape.ILL_DEFINED: _Body(0.12, (0.1, 0.4)),
    Shape.ASYMMETRY: _Body(0.2, (0.45, 0.55)),
}
_WIDE = {Shape.SPICULATED: 2.2, Shape.DISTORTION: 2.2}
"""How many radii the drawing reaches from the centre; 1.4 for others."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """A square drawing with the finding in its middle pixel.

    added:      (2 r + 1, 2 r + 1), 0 to about 1: times the contrast it is added.
    drawn_in:   0…1: how much the tissue is pulled towards the centre, None where it stays.
    outline_px: (n, 2) (column, row) around the finding, from the centre, clockwise on the screen.
    """

    shape: Shape
    added: Floats
    drawn_in: Floats | None
    outline_px: Points

    @property
    def reach(self) -> int:
        """Pixels from the centre to each side."""
        return self.added.shape[0] // 2


def stamp(rng: np.random.Generator, shape: Shape, diameter_mm: float, spacing_mm: float) -> Stamp:
    """One finding of that size. Specks and lines are drawn as fine as the spacing allows."""
    radius = diameter_mm / 2 / spacing_mm
    reach = int(radius * _WIDE.get(shape, 1.4)) + 6
    if shape is Shape.CLUSTER:
        added, outline = _cluster(rng, radius, reach, spacing_mm)
        return Stamp(shape, added, None, outline)
    added, outline = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32), _circle(radius)
    if shape in _BODIES:
        added, outline = _mass(rng, _BODIES[shape], radius, reach)
    if shape in _WIDE:
        added = added + _spicules(rng, shape, radius, reach, spacing_mm)
    return Stamp(shape, added, _pull(radius, reach) if shape is Shape.DISTORTION else None, outline)


def pressed(picture: Floats, made: Stamp, at_px: tuple[int, int], contrast: float) -> Floats:
    """The picture with the finding about pixel (column, row). Values near 1 are bright: there less is added."""
    column, row = at_px
    reach, out = made.reach, picture.copy()
    rows = slice(max(0, row - reach), max(0, min(picture.shape[0], row + reach + 1)))
    columns = slice(max(0, column - reach), max(0, min(picture.shape[1], column + reach + 1)))
    part = (
        slice(rows.start - row + reach, rows.stop - row + reach),
        slice(columns.start - column + reach, columns.stop - column + reach),
    )
    below = picture[rows, columns]
    if made.drawn_in is not None:
        below = _drawn_in(picture, rows, columns, at_px, made.drawn_in[part])
    out[rows, columns] = below + contrast * made.added[part] * np.clip(1.35 - below, 0.3, 1.2)
    return out


def _drawn_in(picture: Floats, rows: slice, columns: slice, at_px: tuple[int, int], pull: Floats) -> Floats:
    y, x = np.mgrid[rows, columns].astype(np.float32)
    far = 1 + 0.45 * pull
    at = (at_px[1] + (y - at_px[1]) * far, at_px[0] + (x - at_px[0]) * far)
    return np.asarray(ndimage.map_coordinates(picture, at, order=1, mode="nearest"), np.float32)


def _pull(radius: float, reach: int) -> Floats:
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    return np.asarray(np.exp(-(x * x + y * y) / (0.9 * radius) ** 2), np.float32)


def _circle(radius: float, corners: int = 48) -> Points:
    turns = np.arange(corners) * (2 * np.pi / corners)
    return radius * np.column_stack([np.cos(turns), np.sin(turns)])


def _mass(rng: np.random.Generator, body: _Body, radius: float, reach: int) -> tuple[Floats, Points]:
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    flat, turns, size = rng.uniform(0.75, 1.3), np.arctan2(y, x), rng.normal(size=5)
    phase = rng.uniform(0, 2 * np.pi, 5)

    def edge(angle: NDArray[np.floating]) -> NDArray[np.floating]:
        waves = (s * np.cos(k * angle + p) / k for k, s, p in zip(range(2, 7), size, phase, strict=True))
        return np.asarray(radius * (1 + body.wobble * sum(waves)))

    out, soft = np.hypot(x, y * flat), rng.uniform(*body.soft) * radius
    whole = 1 / (1 + np.exp(np.clip((out - 0.8 * edge(turns)) / (soft / 2), -30, 30)))
    whole = whole * np.sqrt(np.clip(1.25 - 0.6 * (out / radius) ** 2, 0.2, 2))
    whole = whole * (1 + 0.25 * power_law((whole.shape[0], whole.shape[1]), 1.0, 3.0, rng))
    angles = np.arange(48) * (2 * np.pi / 48)
    far = edge(angles) / np.hypot(np.cos(angles), np.sin(angles) * flat)
    return np.asarray(whole, np.float32), far[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])


def _spicules(rng: np.random.Generator, shape: Shape, radius: float, reach: int, spacing_mm: float) -> Floats:
    """Thin lines that radiate from the finding, of three widths; of a distortion they miss the centre."""
    total = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    gap = 0.0 if shape is Shape.SPICULATED else rng.uniform(0, 0.3) * radius
    strong = 0.6 if shape is Shape.SPICULATED else 0.9
    for width_mm in (0.12, 0.2, 0.3):
        layer = np.zeros_like(total)
        for _ in range(int(rng.integers(4, 10))):
            _spicule(rng, layer, radius, gap, strong)
        sigma = max(width_mm / spacing_mm, 0.4)
        total += ndimage.gaussian_filter(layer, sigma, truncate=3) * np.float32(np.sqrt(2 * np.pi) * sigma * 0.9)
    return total


def _spicule(rng: np.random.Generator, layer: Floats, radius: float, gap: float, strong: float) -> None:
    reach, length = layer.shape[0] // 2, radius * rng.uniform(1.0, 2.1)
    out = np.linspace(0.2 * radius + gap, length, max(4, int(2 * length)))
    turns = rng.uniform(0, 2 * np.pi) + rng.normal() * 0.15 * out / radius
    columns, rows = (np.clip(reach + out * f(turns), 0, 2 * reach).astype(int) for f in (np.cos, np.sin))
    value = rng.uniform(0.3, 0.8) * strong * (1 - 0.7 * out / length)
    np.maximum.at(layer, (rows, columns), value.astype(np.float32))


def _cluster(rng: np.random.Generator, radius: float, reach: int, spacing_mm: float) -> tuple[Floats, Points]:
    """Specks of 0.1 to about 0.8 mm, of one make or of many (pleomorphic), round or drawn out along a duct."""
    count = int(np.clip(rng.normal(5 + 0.9 * radius * spacing_mm * 2, 4), 5, 40))
    turn, flat = rng.uniform(0, np.pi), rng.uniform(0.4, 1)
    places = np.clip(rng.normal(0, 0.45, (count, 2)), -0.95, 0.95) * radius * [1, flat]
    places = places @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
    total, many = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32), rng.uniform(0.1, 0.5)
    size_mm = np.exp(rng.uniform(np.log(0.07), np.log(0.2))) * np.exp(rng.normal(0, many, count))
    value = np.exp(rng.normal(0, 0.35, count)) * np.clip(size_mm / 0.1, 0.5, 1.5)
    for (x, y), s, v in zip(places, size_mm, value, strict=True):
        _speck(rng, total, (x + reach, y + reach), min(s, 0.4) / spacing_mm, v, many)
    return total, _circle(max(radius * 0.9, float(np.abs(places).max()) + 1))


def _speck(
    rng: np.random.Generator, picture: Floats, at: tuple[float, float], sigma: float, value: float, odd: float
) -> None:
    """One speck, in place; smaller than a pixel it fills a part of one."""
    wide, turn = float(np.exp(rng.normal(0, odd))), rng.uniform(0, np.pi)
    blur = np.hypot(sigma, 0.35)
    size = int(np.ceil(3 * blur * max(wide, 1 / wide))) + 1
    column, row = round(at[0]), round(at[1])
    inside = size <= column < picture.shape[1] - size and size <= row < picture.shape[0] - size
    if not inside:
        return
    y, x = np.mgrid[-size : size + 1, -size : size + 1]
    u, v = x - (at[0] - column), y - (at[1] - row)
    u, v = u * np.cos(turn) + v * np.sin(turn), v * np.cos(turn) - u * np.sin(turn)
    drop = np.exp(-(u * u * wide + v * v / wide) / 2 / blur**2) * value * (sigma / blur) ** 2
    picture[row - size : row + size + 1, column - size : column + size + 1] += drop.astype(np.float32)
