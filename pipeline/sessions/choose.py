"""From a case to a plan: every number of sessions is tried, the fewest that keep all limits are recommended."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.errors import ConfigInvalid
from pipeline.sessions import exact
from pipeline.sessions.bound import water_filling
from pipeline.sessions.case import Case, FloatArray, Lesion, Wishes
from pipeline.sessions.dosemap import Doses
from pipeline.sessions.gram import squared_sum
from pipeline.sessions.naive import by_place, by_size
from pipeline.sessions.parts import Parts, parts_of, problem_of, treated, understood, without_wishes
from pipeline.sessions.plan import Compared, Option, Plan, Session
from pipeline.sessions.problem import IntArray, Problem
from pipeline.sessions.search import search
from pipeline.sessions.tables import FRACTIONS, course
from pipeline.sessions.why import reasons

TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """An answer for one number of sessions. groups: (parts,) 0...K-1; problem: with the limits that could be kept."""

    option: Option
    groups: IntArray
    problem: Problem


def plan(case: Case, wishes: Wishes | None = None, *, seed: int = 0) -> Plan:
    """Group the lesions of a case; the same arguments give the same plan, however busy the machine is.

    Raises ConfigInvalid for wishes about lesions that are not there, that contradict each other or cannot be met.
    """
    wishes = understood(case, wishes or Wishes())
    case = treated(case, wishes)
    parts = parts_of(case, wishes)
    tried = [_solve(case, wishes, parts, k, seed) for k in _numbers(case, wishes, parts)]
    chosen = _recommended(tried, wishes)
    if len(parts.lesion) <= exact.LARGEST:  # a proof is worth its seconds for what is shown as the answer alone
        proven = _solve(case, wishes, parts, chosen.option.sessions, seed, prove=True)
        tried = [proven if s is chosen else s for s in tried]
        chosen = proven
    order = _order(case, wishes, parts, chosen)
    groups = np.argsort(order)[chosen.groups]  # sessions numbered as they are treated
    return Plan(
        sessions=_sessions(case, wishes, parts, groups, chosen.option.sessions),
        curve=tuple(s.option for s in tried),
        chosen=chosen.option.sessions,
        why=reasons(case, parts, chosen.problem, groups),
        compared=_compared(case, wishes, parts, groups, chosen.option.sessions),
        brain_bed_gy=_mean_bed(parts, groups, chosen.option.sessions, wishes),
        organs_bed_gy=_organs_bed(parts, groups, chosen.option.sessions, wishes),
        remarks=(
            *case.remarks,
            *chosen.option.broken,
            *_warnings(case, parts, groups, chosen.option.sessions, wishes),
        ),
        given=case.given,
        alpha_beta_gy=wishes.alpha_beta_gy,
    )


def _numbers(case: Case, wishes: Wishes, parts: Parts) -> list[int]:
    """Sessions to try: from the fewest that fractions, time and capacity allow to the most that are wished."""
    fractions = max(n.prescription.fractions for n in case.lesions)
    fit = int(max(wishes.most_minutes - wishes.setup_minutes, wishes.minutes) // wishes.minutes)
    least = max(fractions, -(-len(parts.lesion) // max(1, min(wishes.most_lesions, fit))), *wishes.locked.values(), 1)
    most = max(wishes.most_sessions, wishes.sessions or 0)
    if wishes.sessions is not None and wishes.sessions < least:
        raise ConfigInvalid(
            f"{wishes.sessions} sessions are too few: {least} are needed",
            "for fractions, time and lesions of a session: allow more sessions, more minutes or more lesions",
        )
    if least > most:
        raise ConfigInvalid(
            f"{least} sessions are needed, {most} allowed",
            "allow more sessions, more minutes or more lesions a session",
        )
    return list(range(least, most + 1))


def _solve(case: Case, wishes: Wishes, parts: Parts, sessions: int, seed: int, *, prove: bool = False) -> Solved:
    """The best grouping that keeps the limits; where none does, wishes about distances go first, then organs."""
    whole = problem_of(case, wishes, parts, sessions)
    broken: list[str] = []
    for near, organs in ((True, True), (False, True), (True, False), (False, False)):
        problem = without_wishes(whole, parts, near=near, organs=organs)
        groups, proven = _grouped(problem, _dealt(case, parts, sessions), seed, prove=prove)
        if problem.keeps(groups):
            break
    else:
        raise ConfigInvalid(
            f"no grouping into {sessions} sessions keeps locks, time and fractions", "lock fewer lesions"
        )
    if not near:
        broken.append(
            f"Lesions nearer than {wishes.apart_mm:g} mm share a session: in {sessions} they cannot be apart."
        )
    broken += _over(case, parts, groups, sessions)
    table = parts.together(groups, sessions)
    squared = squared_sum(parts.gram, table)
    floor = squared if proven else min(_floor(parts, sessions), squared)
    option = Option(sessions, _volumes(case, parts, groups, sessions), squared, floor, proven, tuple(broken))
    return Solved(option, groups, problem)


def _dealt(case: Case, parts: Parts, sessions: int) -> IntArray:
    """Dealt out by size: a start, so that the result is never worse."""
    volumes = np.array([n.target.volume_mm3 for n in case.lesions])
    return by_size(volumes[parts.lesion], sessions)


def _grouped(problem: Problem, given: IntArray, seed: int, *, prove: bool) -> tuple[IntArray, bool]:
    """(groups, whether proven to be the best)."""
    found = search(problem, seed, given=given)
    proof = exact.solve(problem) if prove else None
    if proof is None or proof.sessions is None:
        return found, False
    good = problem.keeps(found) and problem.cost(found) <= problem.cost(proof.sessions) + TOLERANCE
    return (found if good else proof.sessions), True


def _floor(parts: Parts, sessions: int) -> float:
    return water_filling(parts.doses[parts.lesion][:, parts.outside], sessions, parts.voxel_ml)


def _volumes(case: Case, parts: Parts, groups: IntArray, sessions: int) -> tuple[float, ...]:
    return tuple(sorted(_v(case, parts, groups, sessions).tolist(), reverse=True))


def _v(case: Case, parts: Parts, groups: IntArray, sessions: int) -> FloatArray:
    """(sessions,) ml of the brain with targets at or above the dose of the limit of a single session."""
    level = case.limits.brain().dose_gy
    return np.asarray((parts.session_doses(groups, sessions) >= level).sum(axis=1) * parts.voxel_ml)


def _over(case: Case, parts: Parts, groups: IntArray, sessions: int) -> list[str]:
    """Sentences on limits of single sessions that this grouping exceeds."""
    brain, said = case.limits.brain(), []
    largest = float(_v(case, parts, groups, sessions).max())
    if largest > brain.most_ml:
        said.append(f"V{brain.dose_gy:g} of a session is {largest:.1f} ml, above {brain.most_ml:g} ml.")
    table = parts.together(groups, sessions).astype(np.float32)
    for name, doses in parts.organs.items():
        limit, highest = case.limits.organ(name), float((table.T @ doses).max(initial=0))
        if limit and highest > limit.most_gy * (1 + TOLERANCE):
            alone = [n.name for n, own in zip(case.lesions, doses, strict=True) if own.max() > limit.most_gy]
            whose = f", of which no grouping can help: {', '.join(alone)} alone exceed(s) it" if alone else ""
            said.append(f"The {name} gets {highest:.1f} Gy in a session, above {limit.most_gy:g} Gy{whose}.")
    return said


def _recommended(tried: Sequence[Solved], wishes: Wishes) -> Solved:
    """The number that was asked for; else the smallest that breaks no limit; else that with the least V12."""
    if wishes.sessions is not None:
        return next(s for s in tried if s.option.sessions == wishes.sessions)
    good = [s for s in tried if not s.option.broken]
    return good[0] if good else min(tried, key=lambda s: (len(s.option.broken), s.option.v12_ml[0]))


def _order(case: Case, wishes: Wishes, parts: Parts, chosen: Solved) -> list[int]:
    """Which group is treated first, second, ...: wished-for and large lesions early, strong neighbours not in a row.

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

    def neighbours(order: tuple[int, ...]) -> float:
        return float(sum(between[a, b] for a, b in itertools.pairwise((first, *order))))

    if k > 7:
        return [first, *sorted(rest, key=lambda s: -urgent[s])]
    return [first, *min(itertools.permutations(rest), key=neighbours)]


def _sessions(case: Case, wishes: Wishes, parts: Parts, groups: IntArray, k: int) -> tuple[Session, ...]:
    table, volumes = parts.together(groups, k), _v(case, parts, groups, k)
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


def _bed(sessions_gy: FloatArray, alpha_beta_gy: float) -> FloatArray:
    """Sum over sessions of D (1 + D / (a/b)), with complete repair between them. sessions_gy: (sessions, n)."""
    return np.asarray((sessions_gy * (1 + sessions_gy / alpha_beta_gy)).sum(axis=0))


def _mean_bed(parts: Parts, groups: IntArray, k: int, wishes: Wishes) -> float:
    doses = parts.session_doses(groups, k)[:, parts.outside]
    return float(_bed(doses, wishes.alpha_beta_gy).mean()) if doses.size else 0.0


def _organs_bed(parts: Parts, groups: IntArray, k: int, wishes: Wishes) -> dict[str, float]:
    table = parts.together(groups, k).astype(np.float64)
    return {n: float(_bed(table.T @ d, wishes.alpha_beta_gy).max(initial=0)) for n, d in parts.organs.items()}


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
            float(_v(case, parts, way, of).max()),
            squared_sum(parts.gram, parts.together(way, of)),
            _mean_bed(parts, way, of, wishes),
        )
        for name, (way, of) in ways.items()
    )


def _warnings(case: Case, parts: Parts, groups: IntArray, k: int, wishes: Wishes) -> tuple[str, ...]:
    said = []
    brain = case.limits.brain()
    largest = float(_v(case, parts, groups, k).max())
    if brain.warn_ml < largest <= brain.most_ml:
        said.append(f"V{brain.dose_gy:g} of a session reaches {largest:.1f} ml, above {brain.warn_ml:g} ml.")
    beds = _organs_bed(parts, groups, k, wishes)
    for name, bed in beds.items():
        limit = case.limits.organ(name, k)
        if limit:
            each = limit.most_gy / limit.fractions
            most = limit.most_gy * (1 + each / wishes.alpha_beta_gy)
            if bed > most * (1 + TOLERANCE):
                said.append(
                    f"The whole course gives the {name} a BED of {bed:.0f} Gy, above {most:.0f} Gy "
                    f"({limit.most_gy:g} Gy in {course(k)})."
                )
    return (
        *said,
        *_fractionated(case, parts),
        *(s for n, dose in zip(case.lesions, parts.doses, strict=True) for s in _alone(case, n, dose, parts)),
    )


def _fractionated(case: Case, parts: Parts) -> list[str]:
    """What lesions of as many fractions do to the brain together, in all their sessions.

    A remark, and no limit that a grouping is asked to keep: the volumes were published for single lesions, and the sum
    of such a lesion's sessions is the same in any grouping.
    """
    said = []
    for fractions in FRACTIONS[1:]:
        rows = [k for k, n in enumerate(case.lesions) if n.prescription.fractions > 1 and _row(n) == fractions]
        if len(rows) < 2:
            continue
        brain = case.limits.brain(fractions)
        total = sum(parts.doses[k] * case.lesions[k].prescription.fractions for k in rows)
        volume = float((total >= brain.dose_gy).sum() * parts.voxel_ml)
        if volume > brain.most_ml:
            names = ", ".join(case.lesions[k].name for k in rows)
            said.append(
                f"{names} together give {volume:.1f} ml {brain.dose_gy:g} Gy or more over all their sessions, above "
                f"{brain.most_ml:g} ml, which was published for single lesions and is not known to hold for several."
            )
    return said


def _row(lesion: Lesion) -> int:
    return course(lesion.prescription.fractions)


def _alone(case: Case, lesion: Lesion, dose_gy: Doses, parts: Parts) -> list[str]:
    """What one lesion exceeds by itself: V12 in a session, and over its fractions the limit of such a course."""
    fractions, said = lesion.prescription.fractions, []
    for over, brain, what in ((1, case.limits.brain(), "a session"), (fractions, case.limits.brain(fractions), "all")):
        volume = float((dose_gy * over >= brain.dose_gy).sum() * parts.voxel_ml)
        if volume > brain.most_ml:
            much = f"{lesion.name} alone gives {volume:.1f} ml {brain.dose_gy:g} Gy or more in {what}"
            said.append(f"{much}, above {brain.most_ml:g} ml: consider more fractions.")
        if fractions == 1:
            break
    return said
