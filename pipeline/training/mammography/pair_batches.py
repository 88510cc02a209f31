"""Batches for the pair network: lesions drawn and transplanted, images turned and toned, what is wanted of cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pipeline.recipes.mammography.channels import STEP
from pipeline.recipes.mammography.looks import Floats
from pipeline.recipes.mammography.pairs import STRIDE, WHOLE
from pipeline.training.mammography.made import is_made
from pipeline.training.mammography.material import Lesion
from pipeline.training.mammography.pair_sheets import FINENESS, Bytes, Pair, Sheet

DRAWN, TRANSPLANTED = 0.4, 0.35
"""Shares of normal images that are shown with a drawn lesion, and, of the others, with one of another woman."""
ALONE = 0.2
"""Share of pairs of which neither breast knows of the other."""
LARGEST = 110.0
"""Level pixels: radius of a lesion that is transplanted at most."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One image of a batch before it is turned. malignant: nan where nobody knows. somewhere: see Example."""

    sheet: Sheet
    picture: Floats
    lesions: tuple[Lesion, ...]
    label: float
    malignant: float
    somewhere: bool = False


Donors = Sequence[tuple[Sheet, Lesion]]


def shown(sheet: Sheet, rng: np.random.Generator, donors: Donors) -> Shown:
    """As it is, with a drawn lesion, or with one of another woman."""
    example = sheet.example
    if len(sheet.pictures) > 1 and rng.random() < DRAWN:
        which = int(rng.integers(1, len(sheet.pictures)))
        lesions = sheet.lesions[which]
        return Shown(sheet, _floats(sheet.pictures[which]), lesions, 1.0, math.nan) if lesions else _plain(sheet)
    if not example.label and not is_made(example) and donors and rng.random() < TRANSPLANTED:
        given = transplanted(sheet, rng, donors)
        if given:
            return given
    return _plain(sheet)


def _plain(sheet: Sheet) -> Shown:
    example = sheet.example
    # Of a drawn lesion nobody knows whether it is malignant.
    malignant = math.nan if is_made(example) and example.label else float(example.malignant)
    label = float(example.label)
    return Shown(sheet, _floats(sheet.pictures[0]), sheet.lesions[0], label, malignant, example.somewhere)


def _floats(picture: Bytes) -> Floats:
    return np.asarray(picture / np.float32(FINENESS), np.float32)


def transplanted(sheet: Sheet, rng: np.random.Generator, donors: Donors) -> Shown | None:
    """A patient's lesion, turned and mirrored, faded into a normal breast; None where it does not fit."""
    donor, lesion = donors[int(rng.integers(len(donors)))]
    reach = int(lesion.radius / STEP * 1.5) + 6
    taken = _cut(donor.pictures[0], int(lesion.x / STEP), int(lesion.y / STEP), reach)
    cells = np.argwhere(sheet.tissue > 0.9)
    if lesion.radius > LARGEST or taken is None or not len(cells):
        return None
    row, column = cells[rng.integers(len(cells))] * STRIDE + STRIDE // 2
    ground = _cut(sheet.pictures[0], int(column), int(row), reach)
    if ground is None or (taken[0] < 0.02).mean() > 0.1 or (ground[0] < 0.02).mean() > 0.05:
        return None
    taken = np.rot90(taken, int(rng.integers(4)), (1, 2)).copy()
    taken = taken[:, :, ::-1].copy() if rng.random() < 0.5 else taken
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    out = np.hypot(x, y) / reach
    ring, fade = (out > 0.75) & (out < 1), ((1 - out) / 0.3).clip(0, 1)
    taken[0] += 0.7 * (ground[0][ring].mean() - taken[0][ring].mean())
    fade = fade * fade * (3 - 2 * fade)
    picture = _floats(sheet.pictures[0])
    place = (slice(None), slice(row - reach, row + reach + 1), slice(column - reach, column + reach + 1))
    picture[place] = (fade * taken + (1 - fade) * ground).clip(0, 1.2)
    moved = replace(lesion, x=float(column * STEP), y=float(row * STEP))
    return Shown(sheet, picture, (moved,), 1.0, float(lesion.malignant))


def _cut(picture: Bytes, x: int, y: int, reach: int) -> Floats | None:
    if min(x, y) < reach or y + reach >= picture.shape[1] or x + reach >= picture.shape[2]:
        return None
    return _floats(picture[:, y - reach : y + reach + 1, x - reach : x + reach + 1])


@dataclass(frozen=True, slots=True)
class Turn:
    """in = matrix @ out + offset, channel pixels (column, row), corner at 0."""

    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]

    @property
    def back(self) -> NDArray[np.float64]:
        """The inverse of the matrix."""
        return np.asarray(np.linalg.inv(self.matrix))

    @property
    def scale(self) -> float:
        """How much larger things come out."""
        return math.sqrt(abs(float(np.linalg.det(self.back))))


def turned(rng: np.random.Generator, rows: int, columns: int) -> Turn:
    """About the middle of the image: turned, made larger or smaller, sheared, shifted."""
    angle, scale, shear = rng.normal() * 0.12, math.exp(rng.normal() * 0.12), rng.normal() * 0.05
    cos, sin = math.cos(angle), math.sin(angle)
    matrix = np.array([[cos, -sin], [sin, cos]]) @ np.array([[1, shear], [0, 1]]) / scale
    if rng.random() < 0.5:
        matrix = matrix @ np.diag([1, math.exp(rng.normal() * 0.06)])
    middle = np.array([columns / 2, rows / 2])
    return Turn(matrix, middle - matrix @ middle + rng.normal(0, 6, 2))


@dataclass(frozen=True, slots=True)
class Batch:
    """Images 2 k and 2 k + 1 are partners. See PairNet for x, grid, use.

    heat: (n, 2, rows, columns) wanted; weight: (n, rows, columns); label, malignant: (n), nan where nobody knows.
    """

    x: Tensor
    grid: Tensor
    use: Tensor
    heat: Tensor
    weight: Tensor
    label: Tensor
    malignant: Tensor


def batch(pairs: Sequence[Pair], rng: np.random.Generator, donors: Donors) -> Batch:
    """Drawn from these pairs, each image turned and toned by itself."""
    images = [shown(s, rng, donors) for pair in pairs for s in (pair.one, pair.other)]
    rows, columns = (-(-max(i.picture.shape[a] for i in images) // WHOLE) * WHOLE for a in (1, 2))
    turns = [turned(rng, i.picture.shape[1], i.picture.shape[2]) for i in images]
    targets = [_targets(i, t, rows // STRIDE, columns // STRIDE) for i, t in zip(images, turns, strict=True)]
    together = [float(p.affine is not None and rng.random() >= ALONE) for p in pairs for _ in range(2)]
    return Batch(
        x=torch.stack([_toned(_laid(i.picture, t, rows, columns), rng) for i, t in zip(images, turns, strict=True)]),
        grid=torch.from_numpy(np.stack(_grids(pairs, turns, rows, columns))),
        use=torch.tensor(together)[:, None, None, None],
        heat=torch.from_numpy(np.stack([heat for heat, _ in targets])),
        weight=torch.from_numpy(np.stack([weight for _, weight in targets])),
        label=torch.tensor([i.label for i in images]),
        malignant=torch.tensor([i.malignant for i in images]),
    )


def _laid(picture: Floats, turn: Turn, rows: int, columns: int) -> Tensor:
    height, width = picture.shape[1:]
    across, down = _points(turn, rows, columns, 1.0)
    grid = np.stack([across / width * 2 - 1, down / height * 2 - 1], -1).astype(np.float32)
    given = torch.from_numpy(np.ascontiguousarray(picture))[None]
    return functional.grid_sample(given, torch.from_numpy(grid)[None], align_corners=False)[0]


def _points(turn: Turn, rows: int, columns: int, step: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the middles of pixels `step` wide come from: (across, down) in pixels of the picture before the turn."""
    y, x = (np.mgrid[:rows, :columns] + 0.5) * step
    (a, b), (c, d) = turn.matrix
    return a * x + b * y + turn.offset[0], c * x + d * y + turn.offset[1]


def _toned(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Another curve, contrast, sharpness and noise, inside the breast alone."""
    inside = x[0] > 0.01
    level = (x[0].clamp(0, 1.2) + 1e-4) ** math.exp(rng.normal() * 0.3) * math.exp(rng.normal() * 0.08)
    contrast = (x[1] - 0.5) * math.exp(rng.normal() * 0.2) + 0.5
    x = torch.stack([level + rng.normal() * 0.04, contrast, x[2] * math.exp(rng.normal() * 0.3)])
    which, around = rng.random(), functional.avg_pool2d(x[None], 3, 1, 1)[0]
    if which < 0.2:
        x = around
    elif which < 0.4:
        x = x + rng.uniform(0.3, 1.2) * (x - around)
    if rng.random() < 0.3:
        grain = rng.standard_normal(x.shape, np.float32) * rng.uniform(0.005, 0.03)
        x = x + torch.from_numpy(np.asarray(grain, np.float32))
    return x * inside


def _targets(image: Shown, turn: Turn, rows: int, columns: int) -> tuple[Floats, Floats]:
    """Heat (2, rows, columns) and weight (rows, columns)."""
    heat = np.zeros((2, rows, columns), np.float32)
    weight = _tissue(image.sheet.tissue, turn, rows, columns)
    y, x = (np.mgrid[:rows, :columns] + 0.5) * STRIDE
    for lesion in image.lesions:
        at = turn.back @ (np.array([lesion.x, lesion.y]) / STEP - turn.offset)
        radius = lesion.radius / STEP * turn.scale
        away = np.hypot(x - at[0], y - at[1])
        near = np.exp(-(away**2) / 2 / max(radius * 0.55, 5.0) ** 2).astype(np.float32)
        heat[0] = np.maximum(heat[0], near)
        if lesion.malignant:
            heat[1] = np.maximum(heat[1], near)
        weight[away < radius] = 1
    return heat, weight * (not image.somewhere)


def _tissue(tissue: Floats, turn: Turn, rows: int, columns: int) -> Floats:
    """1 in cells with enough of it, after the turn; 0 in others."""
    across, down = _points(turn, rows, columns, STRIDE)
    cells = np.floor(np.stack([down, across]) / STRIDE).astype(int)
    inside = ((cells >= 0) & (cells < np.array(tissue.shape)[:, None, None])).all(axis=0)
    found = np.zeros((rows, columns), np.float32)
    found[inside] = tissue[cells[0][inside], cells[1][inside]] > 0.3
    return found


def _grids(pairs: Sequence[Pair], turns: Sequence[Turn], rows: int, columns: int) -> list[Floats]:
    """For each image, where its cells are in its partner's map; both have rows x columns pixels."""
    found = []
    for number, turn in enumerate(turns):
        pair, theirs = pairs[number // 2], turns[number ^ 1]
        across, down = _points(turn, rows // STRIDE, columns // STRIDE, STRIDE)
        points = np.stack([across.ravel(), down.ravel()], 1)
        if pair.affine is not None:
            partner = pair.affine if number % 2 == 0 else pair.affine.inverse
            points = partner.there(points * STEP) / STEP
        at = (points - theirs.offset) @ theirs.back.T / [columns, rows] * 2 - 1
        found.append(at.reshape(*across.shape, 2).astype(np.float32))
    return found
