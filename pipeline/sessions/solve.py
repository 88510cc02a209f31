"""One number of sessions: the grouping of least squared doses that keeps all limits, the brain's volume among them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.core.errors import ConfigInvalid
from pipeline.sessions import exact
from pipeline.sessions.bound import water_filling
from pipeline.sessions.case import Case, Wishes
from pipeline.sessions.exceeded import TOLERANCE, over, volumes_ml
from pipeline.sessions.gram import squared_sum
from pipeline.sessions.lessen import lessened
from pipeline.sessions.naive import by_place, by_size
from pipeline.sessions.parts import Parts, problem_of, without_wishes
from pipeline.sessions.plan import Option
from pipeline.sessions.problem import IntArray, Mask, Problem
from pipeline.sessions.search import search
from pipeline.sessions.volume import Volume, volume_of


@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """An answer for one number of sessions. groups: (parts,) 0...K-1; problem: with the limits that could be kept."""

    option: Option
    groups: IntArray
    problem: Problem


@dataclass(frozen=True, slots=True, eq=False)
class _Grouped:
    """groups; proven: whether of least cost; least: a grouping that no other of so many sessions is better than, by
    squared doses alone, where one is known; why: in words, where the volume's limit is exceeded."""

    groups: IntArray
    proven: bool
    least: IntArray | None = None
    why: str = ""


@dataclass(frozen=True, eq=False)
class Solver:
    """Solves a case for any number of sessions. fewest: the smallest number that will be asked for."""

    case: Case
    wishes: Wishes
    parts: Parts
    fewest: int
    seed: int = 0

    def solve(self, sessions: int, *, sure: bool, prove: bool = False) -> Solved:
        """The best grouping that keeps the limits; where none does, wishes about distances go first, then organs.

        sure:  whether to make sure that there is none which keeps the volume's limit before it is exceeded.
        prove: whether the least squared doses are to be proven; both for up to `exact.LARGEST` parts.
        Raises ConfigInvalid where not even locks, time and fractions can be kept.
        """
        whole = problem_of(self.case, self.wishes, self.parts, sessions)
        for near, organs in ((True, True), (False, True), (True, False), (False, False)):
            problem = without_wishes(whole, self.parts, near=near, organs=organs)
            found = self._grouped(problem, sure=sure, prove=prove)
            if problem.keeps(found.groups):
                break
        else:
            raise ConfigInvalid(
                f"no grouping into {sessions} sessions keeps locks, time and fractions", "lock fewer lesions"
            )
        exceeded, unavoidable = over(self.case, self.parts, found.groups, sessions, found.why)
        broken = exceeded if near else [self._near(sessions), *exceeded]
        return Solved(self._option(found, sessions, broken, unavoidable), found.groups, problem)

    def _near(self, sessions: int) -> str:
        apart = f"Lesions nearer than {self.wishes.apart_mm:g} mm share a session"
        return f"{apart}: in {sessions} they cannot be apart."

    def _option(self, found: _Grouped, sessions: int, broken: list[str], unavoidable: list[str]) -> Option:
        squared = self._squared(found.groups, sessions)
        floor = squared if found.proven else min(self._floor(found, sessions), squared)
        volumes = sorted(volumes_ml(self.case, self.parts, found.groups, sessions).tolist(), reverse=True)
        return Option(sessions, tuple(volumes), squared, floor, found.proven, tuple(broken), tuple(unavoidable))

    def _squared(self, groups: IntArray, sessions: int) -> float:
        return squared_sum(self.parts.gram, self.parts.together(groups, sessions))

    def _floor(self, found: _Grouped, sessions: int) -> float:
        if found.least is not None:
            return self._squared(found.least, sessions)
        doses = self.parts.doses[self.parts.lesion][:, self.parts.outside]
        return water_filling(doses, sessions, self.parts.voxel_ml)

    def _grouped(self, problem: Problem, *, sure: bool, prove: bool) -> _Grouped:
        start = self._dealt(problem.sessions)
        found = search(problem, self.seed, given=start)
        proof = exact.solve(problem) if prove else None
        best, proven = _better(problem, found, proof)
        within = self._volume.most_ml * (1 + TOLERANCE)
        if self._volume.largest(best, problem.sessions) <= within or not problem.keeps(best):
            return _Grouped(best, proven)
        least = best if proven else None
        if prove or sure:
            answer = self._proof_within(problem, self._beyond)
            if answer is not None and answer.sessions is not None:
                return _Grouped(answer.sessions, True, least)
            if answer is not None:
                return self._least_beyond(problem, [best, found, start], least, "which no grouping into so many keeps")
        return self._least_beyond(problem, [best, found, start], least, "and none was found that keeps it")

    def _least_beyond(self, problem: Problem, starts: list[IntArray], least: IntArray | None, why: str) -> _Grouped:
        """Of groupings that exceed the volume's limit, as far as is known, that which exceeds it least."""
        centres = np.array([n.target.centre_mm for n in self.case.lesions])[self.parts.lesion]
        starts = [*starts, by_place(centres, problem.sessions)]
        groups = lessened(problem, self._volume, starts, self.seed)
        kept = self._volume.largest(groups, problem.sessions) <= self._volume.most_ml
        return _Grouped(groups, False, least, "" if kept else f", {why}")

    def _proof_within(self, problem: Problem, beyond: Mask | None) -> exact.Proof | None:
        return None if beyond is None else exact.solve(problem, beyond)

    def _dealt(self, sessions: int) -> IntArray:
        """Dealt out by size: a start, so that the result is never worse."""
        volumes = np.array([n.target.volume_mm3 for n in self.case.lesions])
        return by_size(volumes[self.parts.lesion], sessions)

    @cached_property
    def _most(self) -> int:
        return problem_of(self.case, self.wishes, self.parts, self.fewest).most

    @cached_property
    def _volume(self) -> Volume:
        brain = self.case.limits.brain()
        doses = self.parts.doses[self.parts.lesion]
        return volume_of(doses, brain.dose_gy, self.parts.voxel_ml, brain.most_ml, self._most)

    @cached_property
    def _beyond(self) -> Mask | None:
        """Sets of parts that exceed the volume's limit in one session; None for too many parts."""
        of = self.parts.lesion
        if len(of) > exact.LARGEST:
            return None
        same = of[:, None] == of
        np.fill_diagonal(same, False)
        return self._volume.beyond(self._volume.most_ml * (1 + TOLERANCE), self._most, same)


def _better(problem: Problem, found: IntArray, proof: exact.Proof | None) -> tuple[IntArray, bool]:
    """(groups, whether proven to be the best)."""
    if proof is None or proof.sessions is None:
        return found, False
    good = problem.keeps(found) and problem.cost(found) <= problem.cost(proof.sessions) + TOLERANCE
    return (found if good else proof.sessions), True
