"""What is evaluated: anything that reads a volume and names candidates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import highdicom as hd
import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Read:
    """What a reader made of one volume.

    candidates:  uint16 labels 1…n on the grid of the image, 0 background: all candidates, before model 2.
    probability: (n,) of the network; score: (n,) after model 2, calibrated. Candidate k is at index k - 1.
    kept:        (n,) bool, what model 2 left.
    enhancing:   enhancing tissue inside the candidates, or None when the reader does not tell it apart.
    declined:    why the volume was not read; then there are no candidates.
    seconds:     per stage.
    """

    candidates: npt.NDArray[np.uint16]
    probability: npt.NDArray[np.float64]
    score: npt.NDArray[np.float64]
    kept: npt.NDArray[np.bool_]
    enhancing: npt.NDArray[np.bool_] | None
    declined: str
    seconds: Mapping[str, float]

    def __post_init__(self) -> None:
        n = int(self.candidates.max(initial=0))
        if not len(self.probability) == len(self.score) == len(self.kept) == n:
            raise ValueError(f"{n} candidates need as many probabilities, scores and verdicts")


Reader = Callable[[hd.Volume, str], Read]
"""What reads an image; the second argument is its group (patient or anatomy), for readers that are cross-validated."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A reader under evaluation.

    operating_point: candidates of at least this certainty count "before model 2"; 0 for all that the reader names.
    seen:            groups of cases that it was trained on: their figures are listed apart.
    """

    name: str
    version: str
    reader: Reader
    operating_point: float = 0.0
    seen: frozenset[str] = frozenset()
