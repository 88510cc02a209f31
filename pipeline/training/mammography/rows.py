"""Cells that the dense model learns from: all of each lesion, some of everything else, none of a lesion's rim."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.marks import Kind
from pipeline.recipes.mammography.looks import CELL
from pipeline.training.mammography.material import Example

NEGATIVES, POSITIVES = 120, 40
"""Cells, at most: of an image outside lesions, of a lesion."""
CORE, LEAST_CORE = 0.75, 12.0
"""Of a lesion's radius: cells with their centre so near are positive; and level pixels."""
RIM, RIM_MORE = 1.4, 16.0
"""Times the radius, and level pixels: cells up to there that are not positive are not used."""
NEARLY_NONE, HALF = 0.2, 0.5
"""Of tissue, that cells of a lesion and that others must have."""
ALIKE = -0.6
"""Power of a lesion's number of cells that each weighs: lesions count nearly alike, whatever their size."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Cells of one example.

    features: (cells, features) half precision, as `dense.compared` gives them.
    lesion:   (cells,) number of the lesion, -1 for none.
    weight:   (cells,) before lesions and the rest are balanced.
    malignant: of each lesion; kind: the same.
    """

    features: NDArray[np.float16]
    lesion: NDArray[np.int64]
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


def rows_of(example: Example, tissue: NDArray[np.float32], found: NDArray[np.floating]) -> Rows | None:
    """Of one example; None where nobody said where its lesion is.

    tissue: of its look; found: (features, rows, columns) as `dense.compared` gives them.
    """
    if example.somewhere:
        return None
    rng = np.random.default_rng(list(f"{example.name}.{example.reading.value}".encode()))
    owner = owners(example, (tissue.shape[0], tissue.shape[1]))
    parts = []
    for number in range(len(example.lesions)):
        cells = _some(np.argwhere((owner == number) & (tissue > NEARLY_NONE)), POSITIVES, rng)
        parts.append((cells, number, max(len(cells), 1) ** ALIKE))
    parts.append((_some(np.argwhere((owner == -1) & (tissue > HALF)), NEGATIVES, rng), -1, 1.0))
    at = np.concatenate([cells for cells, *_ in parts])
    lesion, weight = (np.repeat([p[k] for p in parts], [len(p[0]) for p in parts]) for k in (1, 2))
    return Rows(
        found[:, at[:, 0], at[:, 1]].T.clip(-6e4, 6e4).astype(np.float16),
        lesion,
        weight,
        tuple(one.malignant for one in example.lesions),
        tuple(one.kind for one in example.lesions),
    )


def _some(cells: NDArray[np.int64], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return cells[rng.choice(len(cells), min(most, len(cells)), replace=False)] if len(cells) else cells
