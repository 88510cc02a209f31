"""Features of cells that were thought of by people: bands, blobs, lines, specks, spiculation, place in the breast."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from pipeline.recipes.mammography.channels import blocks, mean_inside, top_hat
from pipeline.recipes.mammography.looks import CELL, LEVEL_MM, Floats, Look, look_from

SIGMAS_MM = (0.4, 0.8, 1.6, 3.2, 6.4, 12.8)
"""Of Gaussian means; a band is what lies between two."""
TEXTURED = 3
"""The finest bands, whose spread and skewness are taken."""
SPREAD_MM = 3.0
BLOBS_MM = (1.6, 3.2, 6.4)
LINES = (1.0, 2.0)
"""Standard deviations in pixels of 0.4 mm."""
REACHES = (10, 20)
"""Pixels of 0.8 mm that spicules are looked for in."""
RINGS = ((2, 6), (3, 10), (5, 18))
"""Pixels of 0.8 mm: radii between which gradients may point at a place."""
DIRECTIONS = 12
DEEPEST_MM, MUSCLE_MM = 60.0, 40.0
SPECKS = (4.0, 6.0)
"""Times the noise: what counts as a speck."""

SMALL, COARSE = CELL // 2, CELL // 4
"""Pixels of 0.4 and of 0.8 mm along a cell."""

Named = Iterator[tuple[str, Floats]]


def texture(look: Look) -> Floats:
    """(features, rows, columns) of cells, float32, in the order of `texture_names`; without the other side."""
    return np.stack([values for _, values in _all(look)])


@cache
def texture_names() -> tuple[str, ...]:
    """Of the features."""
    nothing = np.zeros((2 * CELL, 2 * CELL), bool)
    return tuple(name for name, _ in _all(look_from(np.zeros((4 * CELL, 4 * CELL), np.float32), nothing, nothing)))


def _all(look: Look) -> Named:
    weight = np.asarray(look.breast & ~look.muscle, np.float32)
    level = np.asarray(look.level * weight, np.float32)
    level = np.where(weight > 0, level, mean_inside(level, weight, 20.0))  # no edges but those of tissue
    small, inside = np.asarray(level[::2, ::2], np.float32), weight[::2, ::2]
    yield from _bands(small, inside)
    yield from _shapes(small)
    yield from _specks(level, weight)
    yield from _spicules(small, inside)
    yield from _inwards(small, inside)
    yield from _place(look)


def _bands(small: Floats, inside: Floats) -> Named:
    means = [mean_inside(small, inside, s / (2 * LEVEL_MM)) for s in SIGMAS_MM]
    for sigma, mean in zip(SIGMAS_MM[2:], means[2:], strict=True):
        yield f"mean {sigma} mm", _mean(SMALL, mean)
    for nth, sigma in enumerate(SIGMAS_MM[:-1]):
        band = means[nth] - means[nth + 1]
        yield f"band {sigma} mm", _mean(SMALL, band)
        yield f"most of band {sigma} mm", _most(SMALL, band)
        if nth < TEXTURED:
            spread = _mean(SMALL, np.sqrt(mean_inside(band**2, inside, SPREAD_MM / (2 * LEVEL_MM))))
            third = _mean(SMALL, mean_inside(band**3, inside, SPREAD_MM / (2 * LEVEL_MM)))
            yield f"spread of band {sigma} mm", spread
            yield f"skewness of band {sigma} mm", third / (spread**3 + 1e-6)


def _shapes(small: Floats) -> Named:
    for mm in BLOBS_MM:
        total, difference, _ = _curvature(small, mm / (2 * LEVEL_MM))
        yield f"blob {mm} mm", _mean(SMALL, -(total + difference) / 2)
        yield f"line {mm} mm", _mean(SMALL, difference)


def _curvature(small: Floats, sigma: float) -> tuple[Floats, Floats, Floats]:
    """Sum and difference of the two principal curvatures, and the direction (0…pi) of a bright line."""
    xx, xy, yy = (
        ndimage.gaussian_filter(small, sigma, order=o, truncate=3) * sigma**2 for o in ((0, 2), (1, 1), (2, 0))
    )
    return xx + yy, np.sqrt((xx - yy) ** 2 + 4 * xy**2), 0.5 * np.arctan2(2 * xy, xx - yy) % np.pi


def _specks(level: Floats, weight: Floats) -> Named:
    hat = top_hat(level, 0.7) * weight
    overall = float(hat[weight > 0].std()) + 1e-3 if weight.any() else 1.0
    coarse = mean_inside(hat[::4, ::4] ** 2, weight[::4, ::4], 6.0)
    noise = np.sqrt(coarse).repeat(4, axis=0).repeat(4, axis=1) + 1e-3
    relative = hat / np.maximum(noise, 0.5 * overall)
    yield "speck", _most(CELL, relative)
    yield "speck, absolute", _most(CELL, hat / overall)
    peaks = relative == ndimage.maximum_filter(relative, 5)
    for least in SPECKS:
        number = blocks((peaks & (relative > least)).astype(np.float32), CELL).sum(axis=(1, 3))
        yield f"specks over {least}", np.asarray(ndimage.gaussian_filter(number, 1.0), np.float32)


def _spicules(small: Floats, inside: Floats) -> Named:
    """After Karssemeijer and te Brake (1996): the share of lines that point at a place, and from how many sides."""
    coarse = inside[::2, ::2]
    for width in LINES:
        total, difference, direction = _curvature(small, width)
        strength = np.maximum((difference - total) / 2, 0) * inside
        strength, direction = ndimage.maximum_filter(strength, 2)[::2, ::2], direction[::2, ::2]
        least = np.percentile(strength[coarse > 0.5], 70) if (coarse > 0.5).any() else 0.0
        lines = np.asarray(strength > least, np.float32)
        for reach in REACHES:
            yield from _pointing(lines, direction, coarse, reach, f"{width * 2 * LEVEL_MM} mm wide, {reach * 0.8} mm")


def _pointing(lines: Floats, direction: Floats, inside: Floats, reach: int, words: str) -> Named:
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    distance, angle = np.hypot(x, y), np.arctan2(y, x) % np.pi
    ring = (distance <= reach) & (distance >= 2.5)
    near = np.arcsin((2 / np.maximum(distance, 2)).clip(0, 1))  # a line may pass at 2 pixels
    halves = [(k + 0.5) * np.pi / DIRECTIONS for k in range(DIRECTIONS)]
    sectors = [lines * (_between(direction, a) < np.pi / DIRECTIONS / 2 + 1e-6) for a in halves]
    hits = np.stack(_each_around(sectors, [ring * (_between(angle, a) < near) for a in halves]))
    chance, count, room = _each_around(
        [lines, lines, inside], [ring * np.minimum(1, 2 * near / np.pi), ring * 1.0, ring * 1.0]
    )
    found = (
        ("lines at it", (hits.sum(axis=0) - chance) / np.sqrt(np.maximum(chance, 0) + 5)),
        ("sides", (hits > 0.7 * hits.mean(axis=0)).sum(axis=0)),
        ("lines", count / (room + 20)),
    )
    for name, values in found:
        yield f"{name}, {words}", _mean(COARSE, values)
        yield f"most {name}, {words}", _most(COARSE, values)


def _between(one: NDArray[np.floating], other: float) -> Floats:
    """Between two directions of lines, 0…pi / 2."""
    return np.asarray(np.abs((one - other + np.pi / 2) % np.pi - np.pi / 2), np.float32)


def _each_around(maps: list[Floats], kernels: list[NDArray[np.floating]]) -> list[Floats]:
    """Each map summed under its kernel around every pixel."""
    return [
        np.asarray(signal.fftconvolve(m, k.astype(np.float32), mode="same"), np.float32)
        for m, k in zip(maps, kernels, strict=True)
    ]


def _inwards(small: Floats, inside: Floats) -> Named:
    """How far gradients around a place point at it."""
    coarse = inside[::2, ::2]
    down, across = np.gradient(ndimage.gaussian_filter(small, 3)[::2, ::2])
    size = np.hypot(across, down) + 1e-5
    down, across = down / size * coarse, across / size * coarse
    for least, most in RINGS:
        y, x = np.mgrid[-most : most + 1, -most : most + 1]
        distance = np.hypot(x, y) + 1e-6
        ring = (distance >= least) & (distance <= most)
        along, below, room = _each_around(
            [across, down, coarse],
            [(-x / distance * ring)[::-1, ::-1], (-y / distance * ring)[::-1, ::-1], ring * 1.0],
        )
        yield f"gradients inwards, {least}-{most}", _mean(COARSE, (along + below) / (room + 10))
        yield f"most gradients inwards, {least}-{most}", _most(COARSE, (along + below) / (room + 10))


def _place(look: Look) -> Named:
    breast, muscle = (blocks(m.astype(np.float32), CELL).mean(axis=(1, 3)) > 0.5 for m in (look.breast, look.muscle))
    cell_mm = CELL * LEVEL_MM
    wide = np.pad(breast, 20, mode="edge")  # the border of the image is not skin
    skin = ndimage.distance_transform_edt(wide)[20:-20, 20:-20] * cell_mm
    yield "from the skin", np.asarray(np.minimum(skin, DEEPEST_MM), np.float32)
    away = ndimage.distance_transform_edt(~muscle) * cell_mm if muscle.any() else np.full(muscle.shape, MUSCLE_MM)
    yield "from the muscle", np.asarray(np.minimum(away, MUSCLE_MM), np.float32)


def _mean(per_cell: int, values: NDArray[np.floating]) -> Floats:
    return np.asarray(blocks(np.asarray(values, np.float32), per_cell).mean(axis=(1, 3)), np.float32)


def _most(per_cell: int, values: NDArray[np.floating]) -> Floats:
    return np.asarray(blocks(np.asarray(values, np.float32), per_cell).max(axis=(1, 3)), np.float32)
