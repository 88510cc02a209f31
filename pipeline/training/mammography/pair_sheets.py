"""Channels of whole breasts as the pair network's training keeps them, plain and with drawn lesions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.recipes.mammography.channels import channels
from pipeline.recipes.mammography.looks import Floats, Look
from pipeline.recipes.mammography.partner import Partner
from pipeline.training.mammography.lesions import detail_mm, plant
from pipeline.training.mammography.material import Example, Lesion, Tell

VARIANTS = 2
"""Of each normal image in each reading, with drawn lesions."""
FINENESS = 200
"""Steps that channels are kept in: 0…1.2 in whole steps."""

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
        made = sheet_of(example, example.look())
        _keep(path, made)
        return made
    with np.load(path) as kept:
        count = int(kept["count"])
        pictures = tuple(kept[f"picture{n}"] for n in range(count))
        planted = tuple(tuple(_lesion(row) for row in kept[f"lesions{n}"]) for n in range(1, count))
        return Sheet(example, pictures, (_placed(example), *planted), kept["tissue"])


def _placed(example: Example) -> tuple[Lesion, ...]:
    return tuple(lesion for lesion in example.lesions if lesion.placed)


def _lesion(row: NDArray[np.float64]) -> Lesion:
    x, y, radius = (float(v) for v in row)
    return Lesion(x, y, radius, None, False, True)


def sheet_of(example: Example, look: Look) -> Sheet:
    """Made from an image's look; normal ones with VARIANTS of drawn lesions, the same ones every time."""
    pictures, lesions = [_bytes(channels(look))], [_placed(example)]
    rng = np.random.default_rng(list(f"{example.name}.{example.reading.value}".encode()))
    for _ in range(0 if example.label else VARIANTS):
        changed, drawn = look, []
        for _ in range(int(rng.choice([1, 1, 2]))):
            planted = plant(rng, changed, detail_mm(example))
            if planted:
                changed = planted[0]
                drawn.append(planted[1].lesion)
        pictures.append(_bytes(channels(changed)))
        lesions.append(tuple(drawn))
    return Sheet(example, tuple(pictures), tuple(lesions), look.tissue)


def _bytes(picture: Floats) -> Bytes:
    return np.rint(picture * FINENESS).clip(0, 255).astype(np.uint8)


def _keep(path: Path, made: Sheet) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    held = {f"picture{n}": p for n, p in enumerate(made.pictures)}
    held |= {f"lesions{n}": np.array([(v.x, v.y, v.radius) for v in rows]) for n, rows in enumerate(made.lesions)}
    np.savez_compressed(part, count=len(made.pictures), tissue=made.tissue, **held)  # type: ignore[arg-type]
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


def sheets_of(given: Sequence[Example], folder: Path, tell: Tell) -> list[Sheet]:
    """All of them, in memory: about 1 MB each."""
    found = []
    for done, example in enumerate(given, 1):
        found.append(sheet(example, folder))
        tell("pairs, sheets", done, len(given))
    return found
