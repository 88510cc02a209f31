"""What a film scan shows, guessed from its pixels where nobody says it: side, view, size."""

from __future__ import annotations

import numpy as np

from pipeline.datasets.mammo.case import Picture
from pipeline.datasets.mg_breast import Edge, breast, chest_wall, coarse
from pipeline.marks import Laterality

FILM_MM = 240.0
"""Long side of an 18 x 24 cm film, the commonest."""

PECTORAL = 1.25
"""So many times brighter the upper corner at the chest wall is than the lower one where the pectoral muscle shows.

Of 258 mini-MIAS films, all mediolateral oblique, 94 % reach it. No craniocaudal film was at hand to set it by: there
both corners should be alike.
"""


def side(picture: Picture) -> Laterality:
    """The breast, when the film hangs as is usual: chest wall at the right edge is the right breast."""
    return Laterality.LEFT if chest_wall(picture) is Edge.LEFT else Laterality.RIGHT


def view(picture: Picture) -> str:
    """ "MLO" when the pectoral muscle shows, else "CC"."""
    return "MLO" if brighter_above(picture) >= PECTORAL else "CC"


def brighter_above(picture: Picture) -> float:
    """Mean of the upper corner at the chest wall over that of the lower one, inside the breast's bounding box."""
    small = coarse(picture)
    found = breast(small)
    rows, columns = np.flatnonzero(found.any(axis=1)), np.flatnonzero(found.any(axis=0))
    inner = (small * found)[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    if chest_wall(picture) is Edge.RIGHT:
        inner = inner[:, ::-1]
    height, width = max(1, int(inner.shape[0] * 0.15)), max(1, int(inner.shape[1] * 0.25))
    return float(inner[:height, :width].mean() / max(inner[-height:, :width].mean(), 1e-6))


def spacing_mm(shape: tuple[int, int]) -> tuple[float, float]:
    """(down, across) when the picture is of a whole 18 x 24 cm film."""
    size = round(FILM_MM / max(shape), 4)
    return size, size
