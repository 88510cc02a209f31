"""Proven optima for some 20 parts, limits and all, by dynamic programming over sets: the same answer on any machine.

The best grouping of a set of parts into k sessions is the best way to cut it in two and to group one side into a, the
other into k - a sessions. A side is a bit mask, the least cost of each a table with one row for each set. All that is
counted is how many cuts are tried; there is no clock, so that a busy machine takes longer and says the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
import numpy.typing as npt

from pipeline.sessions.problem import FloatArray, IntArray, Mask, Problem

LARGEST = 20
"""Parts up to which there is a table of all sets, of a million rows."""

MOST_CUTS = 1_500_000_000
"""A question of more cuts, at some 8 ns each, is not tried. 20 parts in even sessions have 0.6 thousand million at most
for up to 7 sessions."""

_AT_ONCE = 1 << 16
_ROUNDED = 1e-9
"""As `Problem.keeps` has it: how far sums may be above a limit."""

Sets = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Proof:
    """sessions: (n,) the best of all groupings that keep all limits; None where none keeps them."""

    sessions: IntArray | None


@dataclass(frozen=True, slots=True, eq=False)
class _Sizes:
    """Sets of up to `most` parts a session, cut so that the side with the lowest part gets `own` of `sessions`."""

    sessions: int
    most: int

    @property
    def own(self) -> int:
        return self.sessions // 2

    def sides(self, size: int) -> range:
        """How large the side with the lowest part of a set of that size may be."""
        return range(max(1, size - (self.sessions - self.own) * self.most), min(size, self.own * self.most) + 1)

    def cuts(self, size: int) -> int:
        """Of one set of that size."""
        return sum(comb(size - 1, side - 1) for side in self.sides(size))


def solve(problem: Problem, beyond: Mask | None = None) -> Proof | None:
    """Minimise the weight of pairs in one session; None for a question that is too large to be proven.

    beyond: (2^n,) sets that must not share a session for what is not linear (`Volume.beyond`), as bit masks.
    """
    n, k = problem.parts, problem.sessions
    if n > LARGEST or _work(n, k, min(problem.most, n)) > MOST_CUTS:
        return None
    alone = _alone(problem) if beyond is None else np.where(beyond, np.inf, _alone(problem))
    tables = _Tables(alone, n, min(problem.most, n))
    everything = (1 << n) - 1
    if not np.isfinite(tables.best(everything, k)):
        return Proof(None)
    return Proof(_numbered(problem, sorted(tables.groups(everything, k), key=lambda g: g & -g)))


def _work(n: int, sessions: int, most: int) -> int:
    """Cuts that are tried for a question; those of tables for fewer sessions among them."""
    counted = _Sizes(sessions, most).cuts(n) if sessions > 1 else 0
    for table in _needed(n, sessions, most):
        sizes = _Sizes(table.sessions, most)
        counted += sum(comb(n - table.first, m) * sizes.cuts(m) for m in table.sizes)
    return counted


@dataclass(frozen=True, slots=True)
class _Needed:
    """A table: sets of these sizes into so many sessions. first: 1 for sets that never have part 0, else 0."""

    sessions: int
    sizes: range
    first: int


def _needed(n: int, sessions: int, most: int) -> list[_Needed]:
    """Tables for an answer with so many sessions, the smallest first; each of those sizes that are asked for."""
    found: dict[int, _Needed] = {}
    left = [(sessions, n, n, 0)]
    while left:
        k, low, high, first = left.pop()
        own, other = k // 2, k - k // 2
        if k == 1:
            continue
        for half, rest, start in ((own, other, first), (other, own, 1)):
            lowest, highest = max(0, low - rest * most), min(high, half * most)
            old = found.get(half, _Needed(half, range(n, n), 1))
            new = _Needed(
                half, range(min(old.sizes.start, lowest), max(old.sizes.stop, highest + 1)), min(old.first, start)
            )
            if half > 1 and new != old:
                found[half] = new
                left.append((half, new.sizes.start, new.sizes.stop - 1, new.first))
    return [found[k] for k in sorted(found)]


class _Tables:
    """The least cost of each set of parts in 1, 2, ... sessions; inf where limits are not kept."""

    def __init__(self, alone: FloatArray, parts: int, most: int) -> None:
        self._parts, self._most = parts, most
        self._least = {1: alone}

    def best(self, everything: int, sessions: int) -> float:
        """Of one set; tables of fewer sessions are made on the way."""
        for table in _needed(self._parts, sessions, self._most):
            self._least[table.sessions] = self._table(table)
        return float(self._cut(everything, sessions)[1]) if sessions > 1 else float(self._least[1][everything])

    def groups(self, of: int, sessions: int) -> list[int]:
        """The sets that a best answer has, none of them empty."""
        if of == 0:
            return []
        if sessions == 1:
            return [of]
        side, _ = self._cut(of, sessions)
        own = sessions // 2
        return self.groups(side, own) + self.groups(of ^ side, sessions - own)

    def _table(self, needed: _Needed) -> FloatArray:
        least = np.full(1 << self._parts, np.inf)
        least[0] = 0.0
        sizes = _Sizes(needed.sessions, self._most)
        own, other = self._least[sizes.own], self._least[sizes.sessions - sizes.own]
        candidates = np.arange(1 << (self._parts - needed.first), dtype=np.int32) << needed.first
        counts = np.bitwise_count(candidates)
        for size in needed.sizes:
            for some, sides in _sides(candidates[counts == size], size, sizes):
                cost = own.take(sides)
                np.subtract(some[:, None], sides, out=sides)
                cost += other.take(sides)
                least[some] = cost.min(axis=1)
        return least

    def _cut(self, of: int, sessions: int) -> tuple[int, float]:
        """(the side of the best cut that has the lowest part, its cost)."""
        sizes = _Sizes(sessions, self._most)
        own, other = self._least[sizes.own], self._least[sessions - sizes.own]
        best, least = of, np.inf
        for some, sides in _sides(np.array([of], np.int32), of.bit_count(), sizes):
            cost = (own.take(sides) + other.take(some[:, None] - sides))[0]
            at = int(cost.argmin())
            if cost[at] < least:
                best, least = int(sides[0, at]), float(cost[at])
        return best, least


def _sides(sets: Sets, size: int, sizes: _Sizes) -> Iterator[tuple[Sets, Sets]]:
    """(b,) some of the sets, which have `size` parts each, and (b, cuts) the side with the lowest part of each cut."""
    cuts = [c for side in sizes.sides(size) for c in combinations(range(size - 1), side - 1)]
    if not cuts or size == 0:
        return
    chosen = np.zeros((size - 1, len(cuts)), np.float32)
    for column, cut in enumerate(cuts):
        chosen[list(cut), column] = 1
    step = max(1, _AT_ONCE // len(cuts))
    for start in range(0, len(sets), step):
        some = sets[start : start + step]
        bits = _bits(some, size)
        # floats of 24 bits hold a mask of 20 exactly, and a matrix of floats multiplies fast
        yield some, np.add(bits[:, 1:].astype(np.float32) @ chosen, bits[:, :1]).astype(np.intp)


def _bits(sets: Sets, size: int) -> Sets:
    """(b, size) the single bits of each, the lowest first."""
    bits, left = np.empty((len(sets), size), np.int32), sets.copy()
    for column in range(size):
        bits[:, column] = left & -left
        left ^= bits[:, column]
    return bits


def _alone(problem: Problem) -> FloatArray:
    """(2^n,) what the pairs of each set weigh in one session; inf where that session would break a limit."""
    n = problem.parts
    cost, near = np.zeros(1), np.zeros(1, bool)
    for i in range(n):
        cost = np.concatenate([cost, cost + _sums(problem.weights[i, :i])])
        near = np.concatenate([near, near | (_sums(problem.apart[i, :i]) > 0)])
    broken = near | (_sums(np.ones(n)) > problem.most)
    broken |= _sums(problem.minutes) > problem.most_minutes * (1 + _ROUNDED)
    for amount, limit in zip(problem.organ_gy.T, problem.organ_limit_gy, strict=True):
        if amount.sum() > limit:
            broken |= _sums(amount) > limit * (1 + _ROUNDED)
    return np.where(broken | _torn(problem), np.inf, cost)


def _sums(amounts: npt.NDArray[np.generic]) -> FloatArray:
    """(2^n,) of each set."""
    total = np.zeros(1)
    for amount in amounts.astype(np.float64):
        total = np.concatenate([total, total + amount])
    return total


def _torn(problem: Problem) -> npt.NDArray[np.bool_]:
    """(2^n,) sets that have parts which are locked to two sessions, or not all that are locked to one."""
    sets = np.arange(1 << problem.parts, dtype=np.int32)
    torn, locked = np.zeros(len(sets), bool), np.zeros(len(sets), np.int32)
    for session in np.unique(problem.locked[problem.locked >= 0]):
        own = int(sum(1 << int(i) for i in np.flatnonzero(problem.locked == session)))
        torn |= ((sets & own) != 0) & ((sets & own) != own)
        locked += (sets & own) != 0
    return torn | (locked > 1)


def _numbered(problem: Problem, groups: list[int]) -> IntArray:
    """(n,) the session of each part: that which a group is locked to, or else the first that is left."""
    sessions = np.zeros(problem.parts, np.intp)
    members = [np.array([i for i in range(problem.parts) if g >> i & 1]) for g in groups]
    asked = [int(problem.locked[m].max()) for m in members]
    free = iter(sorted(set(range(problem.sessions)) - set(asked)))
    for there, session in zip(members, asked, strict=True):
        sessions[there] = session if session >= 0 else next(free)
    return sessions
