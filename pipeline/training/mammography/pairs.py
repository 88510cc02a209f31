"""Fits the network that compares both breasts: real pairs in two readings, drawn and transplanted lesions, made-up
women."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pipeline.recipes.mammography.channels import STEP, channels
from pipeline.recipes.mammography.looks import Floats
from pipeline.recipes.mammography.pairs import STRIDE, WHOLE, PairNet
from pipeline.recipes.mammography.partner import Partner
from pipeline.recipes.mammography.trunk import load_trunk
from pipeline.training.mammography.fitting import Course, Fit, fits, focal, learn, weights_file
from pipeline.training.mammography.lesions import plant
from pipeline.training.mammography.material import Example, Lesion, Tell
from pipeline.training.mammography.specks import FILM_MM, FINE_MM, also, also_made

STEPS, PAIRS, RATE = 450, 2, 3e-4
"""Steps, pairs of breasts in each, and the learning rate of the trunk; the rest learns three times as fast."""
VARIANTS = 2
"""Of each normal image in each reading, with drawn lesions."""
DRAWN, TRANSPLANTED = 0.4, 0.35
"""Shares of normal images that are shown with a drawn lesion, and, of the others, with one of another woman."""
MADE = 0.15
"""Share of pairs that are of made-up women."""
ALONE = 0.2
"""Share of pairs of which neither breast knows of the other."""
LARGEST = 110.0
"""Level pixels: radius of a lesion that is transplanted at most."""
FINENESS = 200
"""Steps that channels are kept in: 0…1.2 in whole steps."""
TRUNK = Path(__file__).parents[2] / "recipes" / "mammography" / "trunk.safetensors"

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One image in one reading, ready for batches.

    pictures: channels (3, rows, columns) in whole steps: as it was read, then with drawn lesions.
    lesions:  of each of them. tissue: of each cell, as in a look.
    """

    example: Example
    pictures: tuple[Bytes, ...]
    lesions: tuple[tuple[Lesion, ...], ...]
    tissue: Floats


def sheet(example: Example, folder: Path) -> Sheet:
    """From `folder`, or made and kept there."""
    path = folder / f"{example.name}.{example.reading.value}.npz"
    if not path.exists():
        _keep(path, *_made(example))
    with np.load(path) as kept:
        count = int(kept["count"])
        pictures = tuple(kept[f"picture{n}"] for n in range(count))
        planted = tuple(tuple(_lesion(row) for row in kept[f"lesions{n}"]) for n in range(1, count))
        tissue = kept["tissue"]
    return Sheet(example, pictures, (tuple(n for n in example.lesions if n.placed), *planted), tissue)


def _lesion(row: NDArray[np.float64]) -> Lesion:
    x, y, radius = (float(v) for v in row)
    return Lesion(x, y, radius, None, False, True)


def _made(example: Example) -> tuple[list[Bytes], list[list[tuple[float, float, float]]], Floats]:
    look = example.look()
    pictures, lesions = [_bytes(channels(look))], [[]]
    detail = FILM_MM.get(example.collection, FINE_MM)
    rng = np.random.default_rng(list(f"{example.name}.{example.reading.value}".encode()))
    for _ in range(0 if example.label else VARIANTS):
        changed, rows = look, []
        for _ in range(int(rng.choice([1, 1, 2]))):
            planted = plant(rng, changed, detail)
            if planted:
                changed, lesion = planted[0], planted[1].lesion
                rows.append((lesion.x, lesion.y, lesion.radius))
        pictures.append(_bytes(channels(changed)))
        lesions.append(rows)
    return pictures, lesions, look.tissue


def _bytes(picture: Floats) -> Bytes:
    return np.rint(picture * FINENESS).clip(0, 255).astype(np.uint8)


def _keep(
    path: Path, pictures: Sequence[Bytes], lesions: Sequence[list[tuple[float, float, float]]], tissue: Floats
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    held = {f"picture{n}": p for n, p in enumerate(pictures)}
    rows = {f"lesions{n}": np.array(v, float).reshape(-1, 3) for n, v in enumerate(lesions)}
    np.savez_compressed(part, count=len(pictures), tissue=tissue, **held, **rows)  # type: ignore[arg-type]
    part.replace(path)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two sheets; `affine` leads from one to the other, None for two that have nothing to do with each other."""

    one: Sheet
    other: Sheet
    affine: Partner | None


def pairs_of(sheets: Sequence[Sheet]) -> list[Pair]:
    """Both breasts of a woman in one reading; images without a partner two by two."""
    by_name = {(s.example.name, s.example.reading): s for s in sheets}
    found, alone = [], []
    for one in sheets:
        other = by_name.get((one.example.partner or "", one.example.reading))
        if other is None or one.example.affine is None:
            alone.append(one)
        elif one.example.name < other.example.name:
            found.append(Pair(one, other, one.example.affine))
    return found + [Pair(a, b, None) for a, b in zip(alone[::2], alone[1::2], strict=False)]


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
    example, made = sheet.example, sheet.example.collection == "film"
    if len(sheet.pictures) > 1 and rng.random() < DRAWN:
        which = int(rng.integers(1, len(sheet.pictures)))
        lesions = sheet.lesions[which]
        return Shown(sheet, _floats(sheet.pictures[which]), lesions, 1.0, math.nan) if lesions else _plain(sheet)
    if not example.label and not made and donors and rng.random() < TRANSPLANTED:
        given = transplanted(sheet, rng, donors)
        if given:
            return given
    return _plain(sheet)


def _plain(sheet: Sheet) -> Shown:
    example = sheet.example
    # Of a drawn lesion nobody knows whether it is malignant.
    malignant = math.nan if example.collection == "film" and example.label else float(example.malignant)
    label = float(example.label)
    return Shown(sheet, _floats(sheet.pictures[0]), sheet.lesions[0], label, malignant, example.somewhere)


def _floats(picture: Bytes) -> Floats:
    return picture.astype(np.float32) / FINENESS


def transplanted(sheet: Sheet, rng: np.random.Generator, donors: Donors) -> Shown | None:
    """A patient's lesion, turned and mirrored, faded into a normal breast; None where it does not fit."""
    donor, lesion = donors[rng.integers(len(donors))]
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


def loss(network: nn.Module, given: Batch) -> Tensor:
    """Peaks at lesions, and the image's label by the mean of its eight hottest cells."""
    with torch.autocast("cpu", torch.bfloat16):
        logit = network(given.x.to(memory_format=torch.channels_last), given.grid, given.use)
    body = (given.x[:, 0] > 0.02)[:, ::STRIDE, ::STRIDE]
    known = ~torch.isnan(given.malignant)
    total = focal(logit[:, 0], given.heat[:, 0], given.weight, 12.0) + 0.3 * _labelled(logit[:, 0], body, given.label)
    if known.any():
        worse, weight = logit[known, 1], given.weight[known]
        total = total + 0.5 * focal(worse, given.heat[known, 1], weight, 12.0)
        total = total + 0.3 * _labelled(worse, body[known], given.malignant[known])
    return total


def _labelled(logit: Tensor, body: Tensor, label: Tensor) -> Tensor:
    hottest = torch.where(body, logit, -20.0).flatten(1).topk(8, 1).values.mean(1)
    return functional.binary_cross_entropy_with_logits(hottest + 1.5, label)


def train_pairs(
    given: Sequence[Example], folds: Mapping[str, int], runs: Path, tell: Tell, steps: int = STEPS
) -> dict[str, Path]:
    """Fit what is not there yet: runs/mammography/pairs/fold0…4 and all. given: plain readings.

    The changed readings and the made-up women are read from `runs`, where there are any.
    """
    todo = [f for f in fits(folds) if not weights_file(runs, "pairs", f).exists()]
    folder = runs / "mammography" / "pairs" / "sheets"
    real = sheets_of([*given, *also(given, runs)], folder, tell) if todo else []
    made = pairs_of(sheets_of(also_made(runs), folder, tell)) if todo else []
    for fit in todo:
        fit_pairs(fit, real, made, weights_file(runs, "pairs", fit), tell, steps)
    return {f.name: weights_file(runs, "pairs", f) for f in fits(folds)}


def sheets_of(given: Sequence[Example], folder: Path, tell: Tell) -> list[Sheet]:
    """All of them, in memory: about 1 MB each."""
    found = []
    for done, example in enumerate(given, 1):
        found.append(sheet(example, folder))
        tell("pairs, sheets", done, len(given))
    return found


def fit_pairs(
    fit: Fit, real: Sequence[Sheet], made: Sequence[Pair], path: Path, tell: Tell, steps: int = STEPS
) -> None:
    """One network, to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    learnt = [s for s in real if fit.learns(s.example)]
    donors = [(s, n) for s in learnt for n in s.lesions[0]]
    torch.manual_seed(fit.seed)
    network = new_network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    trunk = {id(p) for p in network.trunk.parameters()}
    rest = [p for p in network.parameters() if id(p) not in trunk]
    groups = [{"params": list(network.trunk.parameters()), "lr": RATE}, {"params": rest, "lr": 3 * RATE}]
    draw = _Draw(pairs_of(learnt), made, donors, fit.seed)
    learn(network, Course(steps, groups, partial(_rate, steps), draw.loss, memory=0.99), path, tell)


def new_network() -> PairNet:
    """With the trunk that the recipe ships."""
    from pipeline.recipes.mammography.trunk import trunk_state  # noqa: PLC0415

    network = PairNet()
    network.trunk.load_state_dict(load_trunk(trunk_state(TRUNK.read_bytes()), len(network.trunk.blocks)).state_dict())
    return network


def _rate(steps: int, step: int) -> float:
    return min(1.0, (step + 1) / 40) * (0.5 + 0.5 * math.cos(math.pi * step / steps)) + 0.01


@dataclass(frozen=True, slots=True)
class _Draw:
    """Batches by number. Every real pair comes once before any comes again."""

    real: Sequence[Pair]
    made: Sequence[Pair]
    donors: Donors
    seed: int

    def loss(self, network: nn.Module, step: int) -> Tensor:
        rng = np.random.default_rng((self.seed, step))
        return loss(network, batch([self._pair(step * PAIRS + k, rng) for k in range(PAIRS)], rng, self.donors))

    def _pair(self, number: int, rng: np.random.Generator) -> Pair:
        if self.made and rng.random() < MADE:
            return self.made[rng.integers(len(self.made))]
        turn, place = divmod(number, len(self.real))
        return self.real[np.random.default_rng((self.seed, 1, turn)).permutation(len(self.real))[place]]
