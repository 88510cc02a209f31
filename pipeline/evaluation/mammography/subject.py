"""What is evaluated: anything that looks at all views of one woman and says scores and marks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.imaging.mammogram.read import MammogramPixels
from pipeline.marks import Kind


class SaidMark(Protocol):
    """One finding on one view, much as `recipes.mammography.examine.Found` is."""

    @property
    def kind(self) -> Kind:
        """What it shows."""
        ...

    @property
    def center(self) -> tuple[float, float]:
        """(column, row) of its middle in the canonical picture."""
        ...

    @property
    def score(self) -> float:
        """0…1, that it lies on a lesion."""
        ...

    @property
    def kept(self) -> bool:
        """Whether the false-positive step left it; True where there is no such step."""
        ...


class SaidView(Protocol):
    """What was said of one view, much as `recipes.mammography.examine.Sight` is."""

    @property
    def abnormal(self) -> float:
        """0…1, of the whole image."""
        ...

    @property
    def malignant(self) -> float | None:
        """0…1; None where the subject has no such score."""
        ...

    @property
    def found(self) -> Sequence[SaidMark]:
        """All marks, also those below the operating point: curves need them. In any order."""
        ...


Views = Mapping[str, MammogramPixels]
Reader = Callable[[Views], Mapping[str, SaidView]]
"""All views of one woman by role ("R-MLO", "R-MLO-2") -> what is said of each; a view left out counts as declined."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A reader under evaluation.

    reader_for:      of the woman (the data set's word for her): a cross-validated subject has one for each fold.
    operating_point: marks from this score on are shown to people; None where there is none.
    cross_validated: no reader was trained on the woman that it is given.
    seen:            women that the reader was trained on: their figures stay apart.
    """

    name: str
    version: str
    reader_for: Callable[[str], Reader]
    operating_point: float | None = None
    cross_validated: bool = False
    seen: frozenset[str] = frozenset()
