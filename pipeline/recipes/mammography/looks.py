"""One breast as all models of this recipe see it: level of brightness on one grid, and the grid of their answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.imaging.mammogram.read import MammogramPixels

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

FINE_UM = 100.0
"""Of the canonical picture that a look is made from: what is sought for specks at."""
LEVEL_MM = 0.2
"""A pixel of `level`."""
CELL = 16
"""Pixels of `level` in a cell of a heat map: 3.2 mm."""


@dataclass(frozen=True, slots=True)
class Look:
    """One view. Everything lies as the canonical picture does: chest wall left, head or lateral side up.

    All grids begin at its top left corner and reach a little beyond its right and lower edges, to whole cells: cell
    (i, j) covers 3.2 x 3.2 mm, level pixels 16 i … 16 i + 15 and fine pixels 32 i … 32 i + 31.

    fine:   (32 rows, 32 columns) float32, 0.1 mm: brightness as `imaging.mammogram.normal` has it, -0.2…1.2; 0 beyond.
    level:  (16 rows, 16 columns) float32, 0.2 mm: the mean of `fine`.
    breast: (16 rows, 16 columns) bool; muscle: the same, the pectoral muscle, inside the breast.
    tissue: (rows, columns) float32: the share of each cell that is breast without muscle.
    """

    fine: Floats
    level: Floats
    breast: Mask
    muscle: Mask
    tissue: Floats

    @property
    def cells(self) -> tuple[int, int]:
        """(rows, columns) of a heat map."""
        return self.tissue.shape[0], self.tissue.shape[1]


def look_of(pixels: MammogramPixels) -> Look:
    """Of a view that was read at FINE_UM. Raises ValueError for another spacing."""
    if pixels.canonical.spacing_um != FINE_UM:
        raise ValueError(f"read at {pixels.canonical.spacing_um} um, wanted {FINE_UM}")
    fine = _whole(pixels.normal)
    breast, muscle = (_reduced(_whole(m.astype(np.float32)), 2) > 0.5 for m in (pixels.breast, pixels.pectoral))
    return look_from(fine, breast, muscle)


def look_from(fine: Floats, breast: Mask, muscle: Mask) -> Look:
    """From its parts: `fine`, and the masks on the grid of `level`, all of whole cells."""
    tissue = _reduced((breast & ~muscle).astype(np.float32), CELL)
    return Look(fine, _reduced(fine, 2), breast, muscle, tissue)


def _whole(picture: Floats) -> Floats:
    """With zeros below and to the right, to whole cells."""
    step = 2 * CELL
    return np.pad(picture, [(0, -n % step) for n in picture.shape])


def _reduced(picture: Floats, by: int) -> Floats:
    """Means of blocks of `by` x `by`."""
    rows, columns = (n // by for n in picture.shape)
    return picture.reshape(rows, by, columns, by).mean(axis=(1, 3), dtype=np.float32)
