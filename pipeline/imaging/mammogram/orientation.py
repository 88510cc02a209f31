"""What Patient Orientation says of how an image lies, and what a breast should lie like."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.core.breast import Laterality
from pipeline.core.study import Instance
from pipeline.imaging.mammogram.canonical import Edge, Turn
from pipeline.imaging.mammogram.views import FROM_ABOVE

WALL_TO_ANTERIOR = {"A": (Edge.LEFT, Edge.TOP), "P": (Edge.RIGHT, Edge.BOTTOM)}
"""Where the chest wall lies when columns, or rows, grow towards anterior or posterior."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the header says (PS3.3 C.7.6.1.1.1).

    wall: the edge that the chest wall lies at; None when it does not say.
    upright: head, or lateral, is above; left, where the chest wall lies at the top. None when it does not say.
    side_word: the letter of the other direction that names a side ("L" of "FL"); "" when none does.
    """

    wall: Edge | None
    upright: bool | None
    side_word: str = ""


def said_of(image: Instance, laterality: Laterality, view: str) -> Said:
    """Patient Orientation (0020,0020), in the words of a mammogram."""
    value = image.get("PatientOrientation")
    pair = tuple(str(v).strip().upper() for v in value) if isinstance(value, tuple) and len(value) == 2 else ("", "")
    for axis in (0, 1):
        for letter, edges in WALL_TO_ANTERIOR.items():
            if letter in pair[axis][:1]:
                wide = pair[1 - axis]
                return Said(edges[axis], _upright(wide, laterality, view), "".join(c for c in wide if c in "LR")[:1])
    return Said(None, None)


def _upright(letters: str, laterality: Laterality, view: str) -> bool | None:
    """Whether rows, or columns, grow towards the feet; of a view from above, towards the midline."""
    if view in FROM_ABOVE:
        medial = laterality.other.value
        return None if not set(letters) & {"L", "R"} else medial in letters
    return None if not set(letters) & {"F", "H"} else "F" in letters


def turn_of(wall: Edge, upright: bool | None) -> Turn:
    """How to lay an image so that the chest wall is left and head, or lateral, up; `upright` unknown counts as true."""
    vertical = upright is False
    match wall:
        case Edge.LEFT:
            return Turn(False, False, vertical)
        case Edge.RIGHT:
            return Turn(False, True, vertical)
        case Edge.TOP:
            return Turn(True, False, vertical)
        case Edge.BOTTOM:
            return Turn(True, True, vertical)
