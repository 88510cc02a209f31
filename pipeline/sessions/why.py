"""Why each lesion is where it is: what would happen if it went into another session."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.sessions.case import Case
from pipeline.sessions.dosemap import Doses
from pipeline.sessions.gram import squared_sum
from pipeline.sessions.parts import Parts
from pipeline.sessions.plan import Why
from pipeline.sessions.problem import IntArray, Problem


def reasons(case: Case, parts: Parts, problem: Problem, groups: IntArray) -> tuple[Why, ...]:
    """For each lesion and each session that it is not in: the limit in the way, or the lesion there that matters most.

    groups: (parts,) 0...K-1. Lesions of several fractions are told once, of their first.
    """
    said = []
    gaps = case.gaps_mm()
    doses = parts.session_doses(groups, problem.sessions).astype(np.float32)
    squared = squared_sum(parts.gram, parts.together(groups, problem.sessions))

    def growth(moved: IntArray) -> float:
        return squared_sum(parts.gram, parts.together(moved, problem.sessions)) / squared - 1 if squared else 0.0

    open_to = replace(problem, locked=np.full(problem.parts, -1))
    for i, lesion in enumerate(case.lesions):
        part = int(np.flatnonzero(parts.lesion == i)[0])
        own = set(groups[parts.lesion == i].tolist())
        for session in (s for s in range(problem.sessions) if s not in own):
            moved = groups.copy()
            moved[part] = session
            beside = set(parts.lesion[groups == groups[part]].tolist())  # of several fractions, here as well as there
            there = [int(j) for j in np.unique(parts.lesion[groups == session]) if j not in beside]
            other = max(there, key=lambda j, i=i: parts.gram[i, j]) if there else None  # type: ignore[misc]
            limit = _limit(open_to, moved)
            near = f"{case.lesions[other].name} is there, {gaps[i, other]:.0f} mm away; " if other is not None else ""
            words = f"{near}{limit or _cost(case, doses[session], parts, i, growth(moved))}"
            said.append(Why(lesion.name, session + 1, case.lesions[other].name if other is not None else "", words))
    return tuple(said)


def _cost(case: Case, before: Doses, parts: Parts, lesion: int, growth: float) -> str:
    """What a lesion would do in a session, in words. before: (v,) Gy of that session; growth: of the squared doses."""
    brain = case.limits.brain()
    without, with_it = (
        float((d >= brain.dose_gy).sum()) * parts.voxel_ml for d in (before, before + parts.doses[lesion])
    )
    above = f", above {brain.most_ml:g} ml" if with_it > brain.most_ml else ""
    return (
        f"V{brain.dose_gy:g} of that session would be {with_it:.1f} ml{above}, not {without:.1f} ml, and the squared "
        f"doses of the course {growth:+.1%}"
    )


def _limit(problem: Problem, after: IntArray) -> str:
    """The limit that a move would break, in words; "" when it breaks none."""
    z = np.eye(problem.sessions)[after]
    if np.triu(problem.apart & (after[:, None] == after), 1).any():
        return "too near to a lesion there"
    if (z.sum(axis=0) > problem.most).any():
        return f"no more than {problem.most} lesions a session, so that sessions are about even"
    if (problem.minutes @ z > problem.most_minutes).any():
        return f"no more than {problem.most_minutes:.0f} minutes of treatment a session"
    if ((problem.organ_gy.T @ z) > problem.organ_limit_gy[:, None]).any():
        return "an organ at risk would get more than its limit"
    return ""
