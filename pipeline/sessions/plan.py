"""A plan: the fewest sessions that keep the limits, who is in which, and what every session gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Session:
    """One day of treatment.

    number:   1, 2, ... in the order of treatment; day: the first is 1.
    lesions:  names, the largest first; fractions: which of how many of each, {"BM01": (1, 3)}.
    v12_ml:   of the brain with targets; organs_gy: largest dose to each organ at risk.
    minutes:  expected.
    """

    number: int
    day: int
    lesions: tuple[str, ...]
    fractions: Mapping[str, tuple[int, int]]
    v12_ml: float
    organs_gy: Mapping[str, float]
    minutes: float


@dataclass(frozen=True, slots=True)
class Option:
    """A course of so many sessions.

    v12_ml:       of each session, the largest first.
    squared:      integral over the brain outside the targets of sum_s D_s^2, Gy2 ml: what was minimised.
    bound:        no grouping into so many sessions has less; gap: 1 - bound / squared; proven: none that keeps the
                  limits has less.
    broken:       limits that this course does not keep, in words; empty when it keeps all. unavoidable: those of them
                  that no number of sessions and no grouping could keep, for one lesion alone exceeds them.
    """

    sessions: int
    v12_ml: tuple[float, ...]
    squared: float
    bound: float
    proven: bool
    broken: tuple[str, ...]
    unavoidable: tuple[str, ...] = ()

    @property
    def avoidable(self) -> tuple[str, ...]:
        """Of what is broken, that which another course might keep."""
        return tuple(words for words in self.broken if words not in self.unavoidable)

    @property
    def gap(self) -> float:
        """0...1, by how much it could at most be better."""
        return max(0.0, 1 - self.bound / self.squared) if self.squared > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Why:
    """Why a lesion is not in another session. other: the lesion there that matters most, "" when a limit does."""

    lesion: str
    session: int
    other: str
    words: str


@dataclass(frozen=True, slots=True)
class Compared:
    """Another way to treat the same lesions. v12_ml: the largest of any session; bed_gy: mean of the brain."""

    name: str
    sessions: int
    v12_ml: float
    squared: float
    bed_gy: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What model 3 says. Estimated doses: to be looked at by a physicist, never to be treated from.

    curve:      one option for each number of sessions that was tried.
    brain_bed_gy: mean of the brain, complete repair between sessions; organs_bed_gy: largest of each organ;
    alpha_beta_gy: that they were worked out with.
    compared:   one session, by size, by place; and this plan under its own name, "optimised".
    remarks:    sentences for the reader.
    given:      lesions whose doses are those of a planning system.
    """

    sessions: tuple[Session, ...]
    curve: tuple[Option, ...]
    chosen: int
    why: tuple[Why, ...]
    compared: tuple[Compared, ...]
    brain_bed_gy: float
    organs_bed_gy: Mapping[str, float]
    remarks: tuple[str, ...]
    given: tuple[str, ...] = ()
    alpha_beta_gy: float = 2.0

    @property
    def option(self) -> Option:
        """The one that was chosen."""
        return next(o for o in self.curve if o.sessions == self.chosen)
