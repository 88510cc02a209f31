"""Fits the network for calcifications: drawn clusters in real and made-up breasts, real clusters, and what is none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn

from pipeline.marks import Kind
from pipeline.phantom.mammogram import Shape, stamp
from pipeline.recipes.mammography.looks import Floats, Look, Mask
from pipeline.recipes.mammography.specks import HIGH, LOW, STRIDE, SpeckNet, background, folded, searched
from pipeline.training.mammography.fitting import Course, Fit, fits, focal, learn, weights_file
from pipeline.training.mammography.lesions import FINE_MM, coarsened, detail_mm
from pipeline.training.mammography.made import also, made_examples
from pipeline.training.mammography.material import LOW as LEVEL_LOW
from pipeline.training.mammography.material import STEPS as LEVEL_STEPS
from pipeline.training.mammography.material import Example, Lesion, Tell

SIDE = 160
"""Level pixels of a patch: 32 mm."""
STEPS, BATCH, RATE = 700, 16, 2e-3
REAL, DRAWN = 0.25, 0.5
"""Shares of patches with a cluster of a patient, and with one that is drawn; the others show none."""
MADE = 0.2
"""Share of patches, of those without a real cluster, from made-up breasts."""


@dataclass(frozen=True, slots=True)
class Ground:
    """One image in one reading, ready for patches.

    fine:   (rows, columns) uint8 of 0.1 mm, as looks are kept. mean, spread: `background`, float16; inside: `searched`.
    """

    example: Example
    fine: NDArray[np.uint8]
    mean: NDArray[np.float16]
    spread: NDArray[np.float16]
    inside: Mask

    @property
    def clusters(self) -> tuple[Lesion, ...]:
        """Of which somebody said where they are."""
        return tuple(n for n in self.example.lesions if n.kind is Kind.CALCIFICATIONS and n.placed)

    @property
    def free(self) -> bool:
        """No calcifications were reported."""
        return all(n.kind is not Kind.CALCIFICATIONS for n in self.example.lesions)


def ground(example: Example, look: Look) -> Ground:
    """From the image's look."""
    mean, spread = background(look)
    fine = np.rint((look.fine - LEVEL_LOW) * LEVEL_STEPS).clip(0, 255).astype(np.uint8)
    return Ground(example, fine, mean.astype(np.float16), spread.astype(np.float16), searched(look))


@dataclass(frozen=True, slots=True)
class Patch:
    """fine: (2 SIDE, 2 SIDE) in spreads; inside: (SIDE, SIDE); left, top: where its corner lies, level pixels."""

    fine: Floats
    inside: Mask
    left: int
    top: int


def patch(ground: Ground, x: float, y: float) -> Patch:
    """About a level pixel (column, row) of an image; 0 and outside beyond its borders."""
    left, top = int(x) - SIDE // 2, int(y) - SIDE // 2
    rows, columns = ground.inside.shape
    low, high = (max(top, 0), max(left, 0)), (min(top + SIDE, rows), min(left + SIDE, columns))
    there = slice(low[0], max(low[0], high[0])), slice(low[1], max(low[1], high[1]))
    here = slice(there[0].start - top, there[0].stop - top), slice(there[1].start - left, there[1].stop - left)
    fine, inside = np.zeros((2 * SIDE, 2 * SIDE), np.float32), np.zeros((SIDE, SIDE), bool)
    twice = tuple(slice(2 * s.start, 2 * s.stop) for s in there)
    level = ground.fine[twice].astype(np.float32) / LEVEL_STEPS + LEVEL_LOW
    mean, spread = (a[there].astype(np.float32).repeat(2, 0).repeat(2, 1) for a in (ground.mean, ground.spread))
    fine[tuple(slice(2 * s.start, 2 * s.stop) for s in here)] = (level - mean) / spread
    inside[here] = ground.inside[there]
    return Patch(fine, inside, left, top)


Target = tuple[float, float, float]
"""x, y, radius in level pixels of a patch."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """What one network may learn from. clusters: real ones, with their images."""

    free: Sequence[Ground]
    made: Sequence[Ground]
    clusters: Sequence[tuple[Ground, Lesion]]


def one(grounds: Grounds, rng: np.random.Generator) -> tuple[Floats, Floats, Mask]:
    """(2, SIDE, SIDE) as the network sees it; wanted heat and weight, (SIDE / STRIDE, SIDE / STRIDE)."""
    chance = rng.random()
    if chance < REAL and grounds.clusters:
        at, targets = _real(grounds, rng)
        fine = at.fine
    else:
        base, at = _background(grounds, rng)
        drawn, targets = _drawn(rng, chance, at.inside)
        fine = at.fine + (drawn if detail_mm(base.example) <= FINE_MM else coarsened(drawn))
        targets += [t for n in base.clusters for t in _within(n, at)]
    return _turned(rng, _changed(rng, fine, at.inside), *_wanted(targets, at.inside))


def _real(grounds: Grounds, rng: np.random.Generator) -> tuple[Patch, list[Target]]:
    base, lesion = grounds.clusters[int(rng.integers(len(grounds.clusters)))]
    at = patch(base, *(v + rng.uniform(-50, 50) for v in (lesion.x, lesion.y)))
    return at, [t for n in base.clusters for t in _within(n, at)]


def _within(lesion: Lesion, at: Patch) -> list[Target]:
    x, y = lesion.x - at.left, lesion.y - at.top
    return [(x, y, lesion.radius)] if -lesion.radius < min(x, y) and max(x, y) < SIDE + lesion.radius else []


def _background(grounds: Grounds, rng: np.random.Generator) -> tuple[Ground, Patch]:
    pool = grounds.made if grounds.made and rng.random() < MADE else grounds.free
    base = pool[int(rng.integers(len(pool)))]
    places = np.argwhere(base.inside[::8, ::8])
    row, column = places[rng.integers(len(places))] * 8
    return base, patch(base, column, row)


def _drawn(rng: np.random.Generator, chance: float, inside: Mask) -> tuple[Floats, list[Target]]:
    """What is added to a patch, on its fine grid, and the clusters in it."""
    canvas = np.zeros((2 * SIDE, 2 * SIDE), np.float32)
    if chance < REAL + DRAWN:
        places = np.argwhere(inside[25:-25, 25:-25]) + 25
        if not len(places):
            return canvas, []
        (y, x), radius = places[rng.integers(len(places))], rng.uniform(7, 40)
        made = stamp(rng, Shape.CLUSTER, 2 * radius * 0.2, FINE_MM).added
        _add(canvas, made * math.exp(rng.uniform(math.log(2), math.log(9))), x, y)
        return canvas, [(x, y, radius)]
    which = rng.random()
    if which < 0.35:
        _lone(canvas, rng)
    elif which < 0.5:
        _artery(canvas, rng)
    if which < 0.35 and rng.random() < 0.3:
        _scratch(canvas, rng)
    return canvas, []


def _add(canvas: Floats, made: Floats, x: float, y: float) -> None:
    """A square in the middle of level pixel (x, y); what is beyond the canvas is lost."""
    reach, column, row = made.shape[0] // 2, int(2 * x), int(2 * y)
    low, high = (
        np.maximum([row - reach, column - reach], 0),
        np.minimum([row + reach + 1, column + reach + 1], 2 * SIDE),
    )
    if (high <= low).any():
        return
    first = low - [row - reach, column - reach]
    last = first + high - low
    canvas[low[0] : high[0], low[1] : high[1]] += made[first[0] : last[0], first[1] : last[1]]


def _grain(rng: np.random.Generator, sigma: float) -> Floats:
    """One speck of that standard deviation in fine pixels."""
    reach = int(3 * sigma) + 2
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1] + rng.uniform(-0.5, 0.5)
    return np.asarray(np.exp(-(x * x * rng.uniform(0.7, 1.4) + y * y) / 2 / sigma**2), np.float32)


def _lone(canvas: Floats, rng: np.random.Generator) -> None:
    """One or two specks, coarse ones too, or dust: dark and bright."""
    for _ in range(int(rng.integers(1, 3))):
        value = rng.uniform(2, 14) * (-1 if rng.random() < 0.15 else 1)
        _add(canvas, value * _grain(rng, rng.uniform(0.8, 4.5)), *rng.uniform(5, SIDE - 5, 2))


def _scratch(canvas: Floats, rng: np.random.Generator) -> None:
    """A straight line, as thin as can be."""
    turn, (x, y), length = rng.uniform(0, np.pi), rng.uniform(0, 2 * SIDE, 2), rng.uniform(30, 400)
    along = np.arange(-length / 2, length / 2, 0.5)
    columns, rows = ((c + along * f(turn)).astype(int) for c, f in ((x, np.cos), (y, np.sin)))
    inside = (columns >= 0) & (columns < 2 * SIDE) & (rows >= 0) & (rows < 2 * SIDE)
    canvas[rows[inside], columns[inside]] += rng.uniform(-6, 6)


def _artery(canvas: Floats, rng: np.random.Generator) -> None:
    """Grains along two parallel lines that wander."""
    turn, width = rng.uniform(0, 2 * np.pi), rng.uniform(3, 8)
    turns = turn + np.cumsum(rng.normal(0, 0.04, 60))
    path = rng.uniform(20, SIDE - 20, 2) + np.cumsum(2.0 * np.column_stack([np.cos(turns), np.sin(turns)]), axis=0)
    path -= path.mean(axis=0) - rng.uniform(40, SIDE - 40, 2)
    across = np.column_stack([-np.sin(turns), np.cos(turns)])
    value = rng.uniform(1.5, 6)
    for at in rng.integers(0, len(path), int(rng.integers(30, 90))):
        x, y = path[at] + across[at] * width / 2 * rng.choice([-1, 1]) + rng.normal(0, 0.4, 2)
        _add(canvas, value * rng.uniform(0.4, 1.2) * _grain(rng, rng.uniform(0.8, 1.8)), float(x), float(y))


def _changed(rng: np.random.Generator, fine: Floats, inside: Mask) -> Floats:
    """Another film or another maker: stronger or weaker, blurred, noisy; then folded as the network sees it."""
    fine = fine * math.exp(rng.normal() * 0.15)
    if rng.random() < 0.2:
        fine = ndimage.gaussian_filter(fine, rng.uniform(0.6, 1.4))
    if rng.random() < 0.3:
        grain = rng.standard_normal(fine.shape, np.float32) * rng.uniform(0.1, 0.6)
        fine = fine + (grain if rng.random() < 0.5 else coarsened(grain))
    return np.asarray((folded(np.asarray(fine, np.float32)) * inside).clip(LOW, HIGH), np.float32)


def _wanted(targets: Sequence[Target], inside: Mask) -> tuple[Floats, Mask]:
    cells = SIDE // STRIDE
    y, x = np.mgrid[:cells, :cells] * STRIDE + STRIDE / 2
    heat = np.zeros((cells, cells), np.float32)
    for a, b, radius in targets:
        near = np.exp(-((x - a) ** 2 + (y - b) ** 2) / 2 / max(0.55 * radius, 8.0) ** 2)
        heat = np.maximum(heat, near.astype(np.float32))
    share = inside.reshape(cells, STRIDE, cells, STRIDE).mean(axis=(1, 3))
    return heat, (share > 0.3) | (heat > 0.3)


def _turned(rng: np.random.Generator, *maps: NDArray[np.generic]) -> tuple[Floats, Floats, Mask]:
    turns, mirror = int(rng.integers(4)), rng.random() < 0.5
    x, heat, weight = (np.rot90(m, turns, (-2, -1)) for m in maps)
    x, heat, weight = (m[..., ::-1] if mirror else m for m in (x, heat, weight))
    return np.ascontiguousarray(x), np.ascontiguousarray(heat), np.ascontiguousarray(weight)


def train_specks(
    given: Sequence[Example], folds: Mapping[str, int], runs: Path, tell: Tell, steps: int = STEPS
) -> dict[str, Path]:
    """Fit what is not there yet: runs/mammography/specks/fold0…4 and all. given: plain readings.

    Changed readings are read from `runs`, where there are any; made-up women are drawn first.
    """
    todo = [f for f in fits(folds) if not weights_file(runs, "specks", f).exists()]
    real = grounds_of([*given, *also(given, runs)], tell) if todo else []
    made = grounds_of(made_examples(runs, tell), tell) if todo else []
    for fit in todo:
        fit_specks(fit, real, made, weights_file(runs, "specks", fit), tell, steps)
    return {f.name: weights_file(runs, "specks", f) for f in fits(folds)}


def grounds_of(given: Sequence[Example], tell: Tell) -> list[Ground]:
    """All of them, in memory: about 7 MB each."""
    found = []
    for done, example in enumerate(given, 1):
        found.append(ground(example, example.look()))
        tell("specks, reading", done, len(given))
    return [g for g in found if g.inside.any()]


def fit_specks(
    fit: Fit, real: Sequence[Ground], made: Sequence[Ground], path: Path, tell: Tell, steps: int = STEPS
) -> None:
    """One network, to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    learnt = [g for g in real if fit.learns(g.example)]
    clusters = [(g, n) for g in learnt for n in g.clusters if _is_inside(g, n)]
    grounds = Grounds([g for g in learnt if g.free], made, clusters)
    torch.manual_seed(fit.seed)
    network = SpeckNet().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    groups = [{"params": list(network.parameters()), "lr": RATE}]
    loss = partial(_loss, grounds, fit.seed)
    learn(network, Course(steps, groups, partial(_rate, steps), loss), path, tell)


def _is_inside(ground: Ground, lesion: Lesion) -> bool:
    rows, columns = ground.inside.shape
    return bool(ground.inside[int(np.clip(lesion.y, 0, rows - 1)), int(np.clip(lesion.x, 0, columns - 1))])


def _rate(steps: int, step: int) -> float:
    """Up over a tenth, then down along a cosine."""
    done = step / steps
    return 0.04 + 0.96 * done / 0.1 if done < 0.1 else 0.5 + 0.5 * math.cos(math.pi * (done - 0.1) / 0.9)


def _loss(grounds: Grounds, seed: int, network: nn.Module, step: int) -> Tensor:
    rng = np.random.default_rng((seed, step))
    drawn = [one(grounds, rng) for _ in range(BATCH)]
    x, heat, weight = (torch.from_numpy(np.stack([d[k] for d in drawn]).astype(np.float32)) for k in range(3))
    with torch.autocast("cpu", torch.bfloat16):
        logit = network(x.to(memory_format=torch.channels_last))
    return focal(logit.float(), heat, weight, 6.0)
