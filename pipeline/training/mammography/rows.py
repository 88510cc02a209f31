"""Cells that the dense model learns from: all of each lesion, some of everything else, none of a lesion's rim."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.marks import Kind
from pipeline.recipes.mammography.dense import compared
from pipeline.recipes.mammography.looks import CELL
from pipeline.training.mammography.features import features
from pipeline.training.mammography.material import Example

DRAWS = 2
"""Of negatives: models of each are averaged."""
NEGATIVES, POSITIVES = 120, 40
"""Cells, at most: of an image in a draw, of a lesion."""
CORE, LEAST_CORE = 0.75, 12.0
"""Of a lesion's radius: cells with their centre so near are positive; and level pixels."""
RIM, RIM_MORE = 1.4, 16.0
"""Times the radius, and level pixels: cells up to there that are not positive are not used."""
ALIKE = -0.6
"""Power of a lesion's number of cells that each weighs: lesions count nearly alike, whatever their size."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Cells of one example.

    features: (cells, features) half precision, as `dense.compared` gives them.
    lesion:   (cells,) number of the lesion, -1 for none.
    draw:     (cells,) which draw of negatives, -1 for cells of lesions, which are in every draw.
    weight:   (cells,) of positive cells.
    malignant: of each lesion; kind: the same.
    """

    features: NDArray[np.float16]
    lesion: NDArray[np.int64]
    draw: NDArray[np.int64]
    weight: NDArray[np.float64]
    malignant: tuple[bool, ...]
    kind: tuple[Kind | None, ...]


def owners(example: Example, shape: tuple[int, int]) -> NDArray[np.int64]:
    """(rows, columns): the lesion that a cell is of, -1 for none, -2 for a rim."""
    row, column = np.mgrid[: shape[0], : shape[1]] * CELL + CELL / 2
    found = np.full(shape, -1)
    placed = [(n, lesion) for n, lesion in enumerate(example.lesions) if lesion.placed]
    for _, lesion in placed:
        found[np.hypot(column - lesion.x, row - lesion.y) < RIM * lesion.radius + RIM_MORE] = -2
    for number, lesion in placed:
        found[np.hypot(column - lesion.x, row - lesion.y) <= max(CORE * lesion.radius, LEAST_CORE)] = number
    return found


def rows_of(example: Example, other: Example | None, tissue: NDArray[np.float32], folder: Path) -> Rows | None:
    """Of one example; None where nobody said where its lesion is. tissue: of the look."""
    if example.somewhere:
        return None
    rng = np.random.default_rng([ord(c) for c in example.name + example.reading.value])
    owner = owners(example, (tissue.shape[0], tissue.shape[1]))
    places, lesion, draw, weight = [], [], [], []
    for number in range(len(example.lesions)):
        cells = _some(np.argwhere((owner == number) & (tissue > 0.2)), POSITIVES, rng)
        places.append(cells)
        lesion += [number] * len(cells)
        draw += [-1] * len(cells)
        weight += [len(cells) ** ALIKE] * len(cells)
    for nth in range(DRAWS):
        cells = _some(np.argwhere((owner == -1) & (tissue > 0.5)), NEGATIVES, rng)
        places.append(cells)
        lesion += [-1] * len(cells)
        draw += [nth] * len(cells)
        weight += [1.0] * len(cells)
    at = np.concatenate(places)
    theirs = None if other is None else features(other, folder)
    found = compared(features(example, folder), theirs, example.affine)[:, at[:, 0], at[:, 1]].T
    return Rows(
        found.clip(-6e4, 6e4).astype(np.float16),
        np.array(lesion),
        np.array(draw),
        np.array(weight),
        tuple(one.malignant for one in example.lesions),
        tuple(one.kind for one in example.lesions),
    )


def _some(cells: NDArray[np.int64], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return cells[rng.choice(len(cells), min(most, len(cells)), replace=False)] if len(cells) else cells
