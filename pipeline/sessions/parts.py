"""Fractions of lesions: the rows that a solver groups, with the doses that each gives."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.core.errors import ConfigInvalid
from pipeline.sessions.case import Case, FloatArray, Mask, Wishes
from pipeline.sessions.dosemap import Doses
from pipeline.sessions.gram import gram
from pipeline.sessions.problem import IntArray, Problem
from pipeline.sessions.tables import Limits

_FREE = -1


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """One row for each fraction of each lesion.

    lesion:  (p,) which lesion of the case.
    doses:   (lesions, v) Gy of one session at the points of the brain; organs: at those of each organ.
    outside: (v,) points of the brain in no target; gram: (lesions, lesions) over these, Gy2 ml.
    near:    (lesions, lesions) pairs that are nearer than wished.
    """

    lesion: IntArray
    doses: Doses
    organs: Mapping[str, Doses]
    outside: Mask
    gram: FloatArray
    near: Mask
    voxel_ml: float

    def together(self, groups: IntArray, sessions: int) -> Mask:
        """(lesions, sessions) who is in which. groups: (p,) the session of each part."""
        table = np.zeros((len(self.gram), sessions), bool)
        table[self.lesion, groups] = True
        return table

    def session_doses(self, groups: IntArray, sessions: int) -> FloatArray:
        """(sessions, v) Gy of each session."""
        table = self.together(groups, sessions).astype(np.float32)
        return np.asarray(table.T @ self.doses, np.float64)


def understood(case: Case, wishes: Wishes) -> Wishes:
    """The wishes with whole names: "BM02" is the lesion "BM02_L_FRONT" where no other name begins so.

    Raises ConfigInvalid for names that no lesion has, or several, and for a lesion that is locked twice.
    """
    names = [n.name for n in case.lesions]
    locked = [(_named("locked", wished, names), session) for wished, session in wishes.locked.items()]
    if twice := sorted({name for name, session in locked if dict(locked)[name] != session}):
        raise ConfigInvalid(f"{', '.join(twice)} cannot be locked to two sessions", "give one of the two")
    return replace(
        wishes,
        locked=dict(locked),
        excluded=frozenset(_named("excluded", wished, names) for wished in wishes.excluded),
        first=frozenset(_named("first", wished, names) for wished in wishes.first),
    )


def _named(what: str, wished: str, names: Sequence[str]) -> str:
    """The one lesion of that name; else the one whose name begins with it, up to the end of a word."""
    if wished in names:
        return wished
    begins = re.compile(rf"{re.escape(wished)}(?![^\W_])", re.IGNORECASE)
    meant = [name for name in names if wished and begins.match(name)]
    if not meant:
        raise ConfigInvalid(f"{what}: no lesion is called {wished}", f"there are: {', '.join(names)}")
    if len(meant) > 1:
        raise ConfigInvalid(f"{what}: {wished} may be any of {', '.join(meant)}", "give the whole name")
    return meant[0]


def treated(case: Case, wishes: Wishes) -> Case:
    """The case without excluded lesions; the wishes have whole names. Raises ConfigInvalid when none is left."""
    names = [n.name for n in case.lesions]
    if both := sorted(wishes.locked.keys() & wishes.excluded):
        raise ConfigInvalid(f"{', '.join(both)} cannot be locked and excluded", "give one of the two")
    kept = [k for k, name in enumerate(names) if name not in wishes.excluded]
    if not kept:
        raise ConfigInvalid("no lesion is left to be treated", "exclude fewer lesions")
    return replace(
        case,
        lesions=tuple(case.lesions[k] for k in kept),
        doses_gy=None if case.doses_gy is None else case.doses_gy[kept],
        organ_gy=None if case.organ_gy is None else {name: d[kept] for name, d in case.organ_gy.items()},
        given=tuple(name for name in case.given if name not in wishes.excluded),
    )


def parts_of(case: Case, wishes: Wishes) -> Parts:
    """Doses and what they add up to."""
    doses, outside = case.brain_doses()
    fractions = [n.prescription.fractions for n in case.lesions]
    return Parts(
        lesion=np.repeat(np.arange(len(fractions)), fractions),
        doses=doses,
        organs=case.organ_doses(),
        outside=outside,
        gram=gram(doses[:, outside], case.voxel_ml),
        near=(case.gaps_mm() < wishes.apart_mm) & ~np.eye(len(fractions), dtype=bool),
        voxel_ml=case.voxel_ml,
    )


def problem_of(case: Case, wishes: Wishes, parts: Parts, sessions: int) -> Problem:
    """The question for so many sessions, with all limits. Raises ConfigInvalid for locks that cannot be."""
    of = parts.lesion
    same = of[:, None] == of
    np.fill_diagonal(same, False)
    points, most_gy = _organ_points(len(parts.gram), parts.organs, case.limits)
    return Problem(
        weights=parts.gram[np.ix_(of, of)],
        sessions=sessions,
        apart=parts.near[np.ix_(of, of)] | same,
        minutes=np.full(len(of), wishes.minutes),
        most_minutes=wishes.most_minutes - wishes.setup_minutes,
        most=min(wishes.most_lesions, max(-(-len(of) // sessions) + 1, *_locked_to_one(wishes))),
        organ_gy=points[of],
        organ_limit_gy=most_gy,
        locked=_locked(case, wishes, of, sessions),
    )


def without_wishes(problem: Problem, parts: Parts, *, near: bool = True, organs: bool = True) -> Problem:
    """The same without what cannot be kept: distances between lesions of one session, limits of organs."""
    of = parts.lesion
    same = of[:, None] == of
    np.fill_diagonal(same, False)
    return replace(
        problem,
        apart=problem.apart if near else same,
        organ_gy=problem.organ_gy if organs else problem.organ_gy[:, :0],
        organ_limit_gy=problem.organ_limit_gy if organs else problem.organ_limit_gy[:0],
    )


def _organ_points(count: int, organs: Mapping[str, Doses], limits: Limits) -> tuple[FloatArray, FloatArray]:
    """(lesions, points) doses and (points,) limits of one session: points that all lesions together can exceed.

    A lesion that alone exceeds a limit cannot be helped by any grouping: it is told, and its points are left out.
    """
    columns, most = [], []
    for name, doses in organs.items():
        limit = limits.organ(name)
        if limit is None:
            continue
        critical = (doses.sum(axis=0) > limit.most_gy) & (doses.max(axis=0) <= limit.most_gy)
        chosen = doses[:, _spread(doses[:, critical], np.flatnonzero(critical))]
        columns.append(chosen)
        most += [limit.most_gy] * chosen.shape[1]
    stacked = np.concatenate(columns, axis=1) if columns else np.zeros((count, 0))
    return np.asarray(stacked, np.float64), np.array(most, np.float64)


MOST_POINTS = 24
"""Of an organ's points so many enter the question, those with the highest sums; the plan is then checked at all."""


def _spread(doses: Doses, at: IntArray) -> IntArray:
    return at[np.argsort(-doses.sum(axis=0), kind="stable")[:MOST_POINTS]]


def _locked_to_one(wishes: Wishes) -> list[int]:
    """How many lesions are locked to each session that is named; sessions are kept even but for these."""
    return [0, *Counter(wishes.locked.values()).values()]


def _locked(case: Case, wishes: Wishes, of: IntArray, sessions: int) -> IntArray:
    locked = np.full(len(of), _FREE, np.intp)
    for name, session in wishes.locked.items():
        if not 1 <= session <= sessions:
            raise ConfigInvalid(
                f"{name} is locked to session {session} of {sessions}", "sessions are counted from 1; ask for more"
            )
        at = next(k for k, n in enumerate(case.lesions) if n.name == name)
        locked[np.flatnonzero(of == at)[0]] = session - 1
    return locked
