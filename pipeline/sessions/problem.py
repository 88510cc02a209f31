"""The question that a solver answers: who goes into which session, at the least dose that sessions add up to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """A part is one fraction of one lesion: each goes into one session, parts of one lesion into different ones.

    weights:     (n, n) what two parts add when they share a session, symmetric, diagonal ignored; Gy2 ml.
    sessions:    K.
    apart:       (n, n) pairs that must not share a session; parts of one lesion always.
    minutes:     (n,) treatment time of each; most_minutes: per session.
    most:        parts per session.
    organ_gy:    (n, points) dose of each part at points of organs at risk; organ_limit_gy: (points,) per session.
    locked:      (n,) the session a part must be in, -1 where it is free.

    Raises ValueError when the parts do not fit together.
    """

    weights: FloatArray
    sessions: int
    apart: Mask
    minutes: FloatArray
    most_minutes: float
    most: int
    organ_gy: FloatArray
    organ_limit_gy: FloatArray
    locked: IntArray

    def __post_init__(self) -> None:
        n = len(self.weights)
        shapes = (self.weights.shape, self.apart.shape, self.minutes.shape, self.organ_gy.shape, self.locked.shape)
        if shapes != ((n, n), (n, n), (n,), (n, len(self.organ_limit_gy)), (n,)):
            raise ValueError(f"parts that do not fit together: {shapes}")
        if self.sessions < 1 or (n and int(self.locked.max()) >= self.sessions):
            raise ValueError(f"{self.sessions} sessions, a part locked to session {int(self.locked.max()) + 1}")

    @property
    def parts(self) -> int:
        """How many there are."""
        return len(self.weights)

    def cost(self, sessions: IntArray) -> float:
        """Sum of the weights of pairs that share a session, each once. sessions: (n,) 0...K-1."""
        z = np.eye(self.sessions)[sessions]
        return float(((self.weights @ z) * z).sum() - np.trace(self.weights)) / 2

    def excess(self, sessions: IntArray) -> float:
        """By how much limits are exceeded, in units of each limit, summed; 0 when all are kept."""
        z = np.eye(self.sessions)[sessions]
        pairs = (((self.apart @ z) * z).sum() - np.trace(self.apart)) / 2
        long = np.maximum(self.minutes @ z / self.most_minutes - 1, 0).sum()
        many = np.maximum(z.sum(axis=0) / self.most - 1, 0).sum()
        organs = np.maximum((self.organ_gy.T @ z) / self.organ_limit_gy[:, None] - 1, 0).sum()
        moved = ((self.locked >= 0) & (self.locked != sessions)).sum()
        return float(pairs + long + many + organs + moved)

    def keeps(self, sessions: IntArray) -> bool:
        """Whether all limits are kept."""
        return self.excess(sessions) <= 1e-9
