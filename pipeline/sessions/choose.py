"""From a case to a plan: every number of sessions is tried, the fewest that keep all limits are recommended."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.core.errors import ConfigInvalid
from pipeline.sessions import exact
from pipeline.sessions.case import Case, Wishes
from pipeline.sessions.exceeded import mean_bed, organs_bed, volumes_ml, warnings
from pipeline.sessions.gram import squared_sum
from pipeline.sessions.naive import by_place, by_size
from pipeline.sessions.parts import Parts, parts_of, treated, understood
from pipeline.sessions.plan import Compared, Plan, Session
from pipeline.sessions.problem import IntArray
from pipeline.sessions.solve import Solved, Solver
from pipeline.sessions.why import reasons


def plan(case: Case, wishes: Wishes | None = None, *, seed: int = 0) -> Plan:
    """Group the lesions of a case; the same arguments give the same plan, however busy the machine is.

    Raises ConfigInvalid for wishes about lesions that are not there, that contradict each other or cannot be met.
    """
    wishes = understood(case, wishes or Wishes())
    case = treated(case, wishes)
    parts = parts_of(case, wishes)
    wishes, fewer = _filled(wishes, parts)
    numbers = _numbers(case, wishes, parts)
    tried, chosen = _tried(Solver(case, wishes, parts, numbers[0], seed), numbers, wishes)
    k = chosen.option.sessions
    order = _order(case, wishes, parts, chosen)
    groups = np.argsort(order)[chosen.groups]  # sessions numbered as they are treated
    return Plan(
        sessions=_sessions(case, wishes, parts, groups, k),
        curve=tuple(s.option for s in tried),
        chosen=k,
        why=reasons(case, parts, chosen.problem, groups),
        compared=_compared(case, wishes, parts, groups, k),
        brain_bed_gy=mean_bed(parts, groups, k, wishes),
        organs_bed_gy=organs_bed(parts, groups, k, wishes),
        remarks=(*case.remarks, *fewer, *chosen.option.broken, *warnings(case, parts, groups, k, wishes)),
        given=case.given,
        alpha_beta_gy=wishes.alpha_beta_gy,
    )


def _filled(wishes: Wishes, parts: Parts) -> tuple[Wishes, tuple[str, ...]]:
    """The wishes without sessions that would be empty, and what is said of that."""
    most = max(len(parts.lesion), *wishes.locked.values(), 1)
    limited = replace(wishes, most_sessions=min(wishes.most_sessions, most))
    if wishes.sessions is None or wishes.sessions <= most:
        return limited, ()
    said = f"{wishes.sessions} sessions were asked for: {most} are proposed, for more would be empty."
    return replace(limited, sessions=most), (said,)


def _numbers(case: Case, wishes: Wishes, parts: Parts) -> list[int]:
    """Sessions to try: from the fewest that fractions, time and capacity allow to the most that are wished."""
    fractions = max(n.prescription.fractions for n in case.lesions)
    fit = int((wishes.most_minutes - wishes.setup_minutes) / wishes.minutes + 1e-9)
    if fit < 1:
        raise ConfigInvalid(
            f"no lesion fits into a session of {wishes.most_minutes:g} minutes: {wishes.setup_minutes:g} to set up and "
            f"{wishes.minutes:g} for a lesion",
            "allow more minutes a session (most_minutes), or fewer for a lesion (minutes, setup_minutes)",
        )
    per_session = min(wishes.most_lesions, fit)
    least = max(fractions, -(-len(parts.lesion) // per_session), *wishes.locked.values(), 1)
    most = max(wishes.most_sessions, wishes.sessions or 0)
    if (wishes.sessions or most) < least:
        asked = f"{wishes.sessions} sessions are too few" if wishes.sessions else f"at most {most} sessions are allowed"
        raise ConfigInvalid(
            f"{asked}: {least} are needed ({_needed(case, wishes, parts, per_session, least)})",
            "allow more sessions, more minutes or more lesions a session, or change locks",
        )
    return list(range(least, most + 1))


def _needed(case: Case, wishes: Wishes, parts: Parts, per_session: int, least: int) -> str:
    """What so many sessions are needed for."""
    locked = [name for name, session in wishes.locked.items() if session == least]
    if locked:
        return f"{locked[0]} is locked to session {least}"
    of = next((n for n in case.lesions if n.prescription.fractions == least), None)
    if of is not None:
        return f"{of.name} gets {least} fractions"
    return f"{len(parts.lesion)} treatments of lesions, {per_session} a session by time and by number"


def _tried(solver: Solver, numbers: Sequence[int], wishes: Wishes) -> tuple[list[Solved], Solved]:
    """Each number of sessions that can be, and the recommended one, with a proof where there are few enough parts.

    Until one keeps all limits, it is made sure of each that it cannot.
    """
    tried: list[Solved] = []
    for k in numbers:
        asked = k == wishes.sessions
        sure = asked or (wishes.sessions is None and all(s.option.avoidable for s in tried))
        try:
            tried.append(solver.solve(k, sure=sure))
        except ConfigInvalid:
            if asked or (k == numbers[-1] and not tried):
                raise
    chosen = _recommended(tried, wishes)
    if len(solver.parts.lesion) > exact.LARGEST:
        return tried, chosen
    # A proof is worth its seconds for what is shown as the answer alone.
    proven = solver.solve(chosen.option.sessions, sure=True, prove=True)
    return [proven if s is chosen else s for s in tried], proven


def _recommended(tried: Sequence[Solved], wishes: Wishes) -> Solved:
    """The number that was asked for; else the smallest that breaks no limit which can be kept; else the least V12."""
    if wishes.sessions is not None:
        return next(s for s in tried if s.option.sessions == wishes.sessions)
    good = [s for s in tried if not s.option.avoidable]
    return good[0] if good else min(tried, key=lambda s: (len(s.option.avoidable), s.option.v12_ml[0]))


def _order(case: Case, wishes: Wishes, parts: Parts, chosen: Solved) -> list[int]:
    """Which group is treated first, second, ...: wished-for and large lesions early, fractions of a lesion in a row,
    strong neighbours not in a row.

    A lock names a session by its number, so that with locks the groups stay where they are.
    """
    k = chosen.option.sessions
    if wishes.locked:
        return list(range(k))
    table = parts.together(chosen.groups, k).astype(float)
    between = table.T @ parts.gram @ table
    volumes = np.array([n.target.volume_mm3 for n in case.lesions])
    wished = np.array([n.name in wishes.first for n in case.lesions], float)
    urgent = (table * (wished * volumes.sum() + volumes)[:, None]).max(axis=0)
    first = int(urgent.argmax())
    rest = [s for s in range(k) if s != first]

    def apart(order: tuple[int, ...]) -> tuple[int, float]:
        """(sessions between the fractions of a lesion, over all; what neighbouring sessions share)."""
        whole = (first, *order)
        days = table[:, whole]
        span = k - days[:, ::-1].argmax(axis=1) - days.argmax(axis=1)
        between_gy2 = sum(between[a, b] for a, b in itertools.pairwise(whole))
        return int((span - days.sum(axis=1)).sum()), float(between_gy2)

    if k > 7:
        return [first, *sorted(rest, key=lambda s: -urgent[s])]
    return [first, *min(itertools.permutations(rest), key=apart)]


def _sessions(case: Case, wishes: Wishes, parts: Parts, groups: IntArray, k: int) -> tuple[Session, ...]:
    table, volumes = parts.together(groups, k), volumes_ml(case, parts, groups, k)
    sizes = np.array([n.target.volume_mm3 for n in case.lesions])
    made = []
    for s in range(k):
        there = [int(i) for i in np.argsort(-sizes, kind="stable") if table[i, s]]
        fractions = {
            case.lesions[i].name: (int(table[i, : s + 1].sum()), case.lesions[i].prescription.fractions) for i in there
        }
        organs = {name: float(doses[there].sum(axis=0).max(initial=0)) for name, doses in parts.organs.items()}
        minutes = wishes.setup_minutes + wishes.minutes * len(there)
        names = tuple(case.lesions[i].name for i in there)
        day = 1 + s * wishes.days_between
        made.append(Session(s + 1, day, names, fractions, float(volumes[s]), organs, minutes))
    return tuple(made)


def _compared(case: Case, wishes: Wishes, parts: Parts, groups: IntArray, k: int) -> tuple[Compared, ...]:
    """The plan beside one session, a deal by size, and clusters. Each lesion's fractions stay in different sessions."""
    volumes = np.array([n.target.volume_mm3 for n in case.lesions])
    centres = np.array([n.target.centre_mm for n in case.lesions])
    ways = {"optimised": (groups, k), "by size": (by_size(volumes[parts.lesion], k), k)}
    if (parts.lesion == np.arange(len(parts.lesion))).all():  # fractions of one lesion make neither sense there
        ways |= {"by place": (by_place(centres, k), k), "one session": (np.zeros(len(parts.lesion), np.intp), 1)}
    return tuple(
        Compared(
            name,
            of,
            float(volumes_ml(case, parts, way, of).max()),
            squared_sum(parts.gram, parts.together(way, of)),
            mean_bed(parts, way, of, wishes),
        )
        for name, (way, of) in ways.items()
    )
