"""Channels of whole breasts as the pair network's training keeps them, plain and with drawn lesions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.recipes.mammography.channels import channels
from pipeline.recipes.mammography.looks import Floats
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
    pictures = [_bytes(channels(look))]
    lesions: list[list[tuple[float, float, float]]] = [[]]
    detail = detail_mm(example)
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


def sheets_of(given: Sequence[Example], folder: Path, tell: Tell) -> list[Sheet]:
    """All of them, in memory: about 1 MB each."""
    found = []
    for done, example in enumerate(given, 1):
        found.append(sheet(example, folder))
        tell("pairs, sheets", done, len(given))
    return found
