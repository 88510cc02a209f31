"""Which way a breast lies in its image: where the wall is from the pixels, which end is up from the header."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.imaging.mammogram.breast import Found, chest_wall
from pipeline.imaging.mammogram.canonical import Edge, Floats, Turn
from pipeline.imaging.mammogram.nipple import Nipple, find_nipple
from pipeline.imaging.mammogram.orientation import Said, turn_of
from pipeline.imaging.mammogram.pectoral import Pectoral, find_pectoral
from pipeline.imaging.mammogram.views import FROM_ABOVE

Mask = NDArray[np.bool_]

_ACROSS, _DOWN = (Edge.LEFT, Edge.RIGHT), (Edge.TOP, Edge.BOTTOM)
TURNED_BY = 2.5
"""So many times stronger the muscle's edge has to be with the picture upside down, for it to count as such."""


@dataclass(frozen=True, slots=True)
class Lay:
    """A breast on the coarse grid, laid: chest wall left, head or lateral side up.

    turn, wall:  how the image was turned, and where its chest wall lay.
    small:       coarse tissue values, laid; found: the masks, laid.
    upside_down: the header did not say which end is up, and the muscle was at the bottom.
    """

    turn: Turn
    wall: Edge
    small: Floats
    found: Found
    pectoral: Pectoral | None
    nipple: Nipple | None
    upside_down: bool

    @property
    def muscle(self) -> Mask:
        """The pectoral muscle, of the size of `small`."""
        shape = (self.small.shape[0], self.small.shape[1])
        return self.pectoral.mask(shape) if self.pectoral else np.zeros(shape, bool)

    @property
    def muscle_px(self) -> tuple[tuple[float, float], ...]:
        """Its corners, (column, row) on the laid coarse grid."""
        return self.pectoral.polygon if self.pectoral else ()

    @property
    def nipple_px(self) -> tuple[float, float] | None:
        """(column, row) on the laid coarse grid; None where the breast is cut off there."""
        if self.nipple is None or self.nipple.column >= self.small.shape[1] - 2:
            return None
        return self.nipple.column, self.nipple.row


def lay(small: Floats, found: Found, said: Said, view: str) -> Lay:
    """Lay the coarse picture of an image. The pixels say where the chest wall is, the header which end is up."""
    along = _DOWN if said.wall in _DOWN else _ACROSS
    wall = chest_wall(found.mask, along, said.wall)
    turn = turn_of(wall, said.upright)
    laid, masks = turn.array(small), Found(turn.array(found.mask), turn.array(found.rough))
    pectoral = None if view in FROM_ABOVE else find_pectoral(laid, masks.mask)
    upside_down = False
    if said.upright is None and view not in FROM_ABOVE and _is_upside_down(laid, masks, pectoral):
        upside_down, turn = True, turn_of(wall, False)
        laid, masks = turn.array(small), Found(turn.array(found.mask), turn.array(found.rough))
        pectoral = find_pectoral(laid, masks.mask)
    nipple = find_nipple(masks.mask, masks.rough, pectoral)
    return Lay(turn, wall, laid, masks, pectoral, nipple, upside_down)


def _is_upside_down(laid: Floats, found: Found, pectoral: Pectoral | None) -> bool:
    below = find_pectoral(laid[::-1], found.mask[::-1])
    return below is not None and below.strength > TURNED_BY * (pectoral.strength if pectoral else 0.02)
