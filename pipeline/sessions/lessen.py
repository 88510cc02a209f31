"""Groupings whose sessions keep the limit of the brain's volume, or else exceed it least."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from pipeline.sessions.problem import FloatArray, IntArray, Problem
from pipeline.sessions.volume import Volume

SHAKEN = 12
"""So many further starts: the best so far with a few parts exchanged at random."""

MOST_TRIED = 1500
"""So many moves and exchanges are tried in one search, at some 0.2 ms each: it ends then with what it has."""

Rank = tuple[float, float, float]


class _Search:
    """One search: what it has left to spend, and the question."""

    def __init__(self, problem: Problem, volume: Volume) -> None:
        self._problem, self._volume = problem, volume
        self._left = MOST_TRIED

    @property
    def spent(self) -> bool:
        return self._left <= 0

    def rank(self, groups: IntArray) -> Rank:
        """Less is better: by how much the worst session exceeds the limit, all of them, squared doses."""
        return (*self._over(self._volume.each(groups, self._problem.sessions)), self._problem.cost(groups))

    def _over(self, volumes_ml: FloatArray) -> tuple[float, float]:
        over = np.maximum(volumes_ml - self._volume.most_ml, 0.0)
        return float(over.max(initial=0.0)), float(over.sum())

    def descend(self, groups: IntArray) -> IntArray:
        """The best single move or exchange out of the session that gives most, again and again while one helps."""
        rank = self.rank(groups)
        while rank[0] > 0 and not self.spent:
            found = min(self._out_of_worst(groups, rank), key=lambda f: f[0], default=None)
            if found is None:
                break
            rank, groups = found
        return groups

    def _out_of_worst(self, groups: IntArray, rank: Rank) -> Iterator[tuple[Rank, IntArray]]:
        """What is better and keeps the other limits."""
        doses = self._volume.sessions_gy(groups, self._problem.sessions)
        volumes = np.array([self._volume.of(row) for row in doses])
        worst = int(volumes.argmax())
        for i in np.flatnonzero((groups == worst) & (self._problem.locked < 0)):
            for other, j in self._exchanges(groups, int(i), worst):
                if self.spent:
                    return
                self._left -= 1
                added = self._volume.doses_gy[i] - (self._volume.doses_gy[j] if j >= 0 else 0)
                changed = volumes.copy()
                changed[[worst, other]] = self._volume.of(doses[worst] - added), self._volume.of(doses[other] + added)
                if (over := self._over(changed)) > rank[:2]:
                    continue
                after = groups.copy()
                after[i] = other
                if j >= 0:
                    after[j] = worst
                if self._problem.keeps(after) and (better := (*over, self._problem.cost(after))) < rank:
                    yield better, after

    def _exchanges(self, groups: IntArray, i: int, worst: int) -> Iterator[tuple[int, int]]:
        """(session, part of it that comes back; -1 for none) that part i could go to."""
        for other in range(self._problem.sessions):
            if other != worst:
                yield other, -1
                yield from ((other, int(j)) for j in np.flatnonzero((groups == other) & (self._problem.locked < 0)))


def lessened(problem: Problem, volume: Volume, starts: Iterable[IntArray], seed: int) -> IntArray:
    """(n,) the best that was found from these groupings: the largest volume within the limit, or the least beyond it.

    Of groupings that keep the limit the one of least squared doses. Starts that break other limits are passed over.
    """
    search = _Search(problem, volume)
    rng = np.random.default_rng(seed)
    good = [g for g in starts if problem.keeps(g)]
    found = [search.descend(g) for g in good]
    best = min(found, key=search.rank)
    for _ in range(SHAKEN):
        if search.spent:
            break
        shaken = _shaken(problem, best, rng)
        best = min(best, search.descend(shaken) if problem.keeps(shaken) else best, key=search.rank)
    return best


def _shaken(problem: Problem, groups: IntArray, rng: np.random.Generator) -> IntArray:
    free = np.flatnonzero(problem.locked < 0)
    shaken = groups.copy()
    for _ in range(3):
        if len(free) > 1:
            i, j = rng.choice(free, 2, replace=False)
            shaken[i], shaken[j] = shaken[j], shaken[i]
    return shaken
