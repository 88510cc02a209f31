"""Which given dose is that of which lesion, and what it says of one session, in the place of the kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pipeline.imaging.dose import DoseGrid, Of, Sampled
from pipeline.imaging.rtplan import RtPlan
from pipeline.recipes.srs.prescribed import TOO_MUCH, TOO_MUCH_PLANNED, Course, course_of, prescribed
from pipeline.sessions.case import Case
from pipeline.sessions.dosemap import Doses, Points
from pipeline.sessions.tables import FRACTIONS, Prescription

TREATS = 0.5
"""A dose treats the lesions whose least dose (LEAST_PERCENT), as a share of what they are prescribed, is at least this
share of that of its best-treated lesion; and it treats one only if so much of its largest dose is in a lesion."""

LEAST_PERCENT = 5.0
"""Of a lesion's voxels so many get less than what is called its least dose."""

CONTRADICTS = 0.9
"""A least dose below this share of the prescription is said."""


@dataclass(frozen=True, slots=True, eq=False)
class Treated:
    """A dose and the lesions that it treats, by number, each with what it was planned for. course: its RT Plan's."""

    grid: DoseGrid
    lesions: Mapping[int, Prescription]
    course: Course | None

    def times(self, number: int) -> int:
        """So many sessions of that lesion are in the dose."""
        return self.lesions[number].fractions if self.grid.of is Of.COURSE else 1


def with_doses(
    case: Case, inside: Sequence[npt.NDArray[np.floating]], grids: Sequence[DoseGrid], plans: Sequence[RtPlan] = ()
) -> Case:
    """The case with given doses in the place of the kernel's, at the points of the brain and of the organs.

    inside: of each lesion points (n, 3) that lie in it. A dose that treats one lesion is that lesion's. One that treats
    several is divided among them in proportion to the kernel at each point, so that the sum stays what was given. Where
    a grid does not reach, the kernel stays.
    plans:  what is of all sessions is divided by the fractions of the plan that a dose names, whose prescription takes
    the place of the table's; without it by those of the table. What is too much for its prescription is not used.
    """
    if not case.lesions:
        return case
    treated, remarks = _treated(case, inside, grids, plans)
    chosen, more = _chosen(case, treated)
    if not chosen:
        return replace(case, remarks=(*case.remarks, *remarks))
    more += _replaced(case, chosen)
    of = {k: t.lesions[k] for k, t in chosen.items()}
    case = replace(
        case, lesions=tuple(replace(n, prescription=of.get(k, n.prescription)) for k, n in enumerate(case.lesions))
    )
    brain, outside = _sampled(case, chosen, case.brain_mm)
    organs = {name: _sampled(case, chosen, points)[0] for name, points in case.organs_mm.items() if len(points)}
    said = [*remarks, *more, *_told(case, chosen), *_beyond(case, outside), *_contradicted(case, inside, chosen)]
    return replace(
        case,
        doses_gy=brain,
        organ_gy=organs,
        given=tuple(case.lesions[k].name for k in sorted(chosen)),
        remarks=(*case.remarks, *said),
    )


def _treated(
    case: Case, inside: Sequence[npt.NDArray[np.floating]], grids: Sequence[DoseGrid], plans: Sequence[RtPlan]
) -> tuple[list[Treated], list[str]]:
    found, remarks = [], []
    for grid in grids:
        answer = _understood(case, inside, grid, course_of(grid, plans))
        if isinstance(answer, str):
            remarks.append(f"Dose {grid.sop_instance_uid} is not used: {answer}.")
        else:
            found.append(answer)
    return found, remarks


def _understood(
    case: Case, inside: Sequence[npt.NDArray[np.floating]], grid: DoseGrid, course: Course | None
) -> Treated | str:
    """Which lesions a dose treats, or why it is not used."""
    if course and course.fractions > FRACTIONS[-1]:
        return f"its RT Plan has {course.fractions} fractions, and sessions are proposed for up to {FRACTIONS[-1]}"
    doses = [grid.at(points).gy for points in inside]
    wanted = [prescribed(n.prescription, course) for n in case.lesions]
    least_gy = [_least(d) for d in doses]
    asked_gy = [_asked(w or n.prescription, grid) for w, n in zip(wanted, case.lesions, strict=True)]
    share = np.array(least_gy) / np.array(asked_gy)
    if max(float(d.max()) for d in doses) < TREATS * grid.most_gy or share.max() <= 0:
        return f"its {grid.most_gy:.1f} Gy lie in none of the lesions"
    numbers = np.flatnonzero(share >= TREATS * share.max()).tolist()
    lesions = {k: w for k in numbers if (w := wanted[k]) is not None}
    if course and (unknown := [case.lesions[k].name for k in numbers if k not in lesions]):
        return (
            f"its RT Plan has {course.fractions} fraction(s) and no single prescription, and the table of "
            f"prescriptions has other fractions for {', '.join(unknown)}: put what was planned into that table"
        )
    highest = max(numbers, key=lambda k: float(share[k]))
    if share[highest] > (TOO_MUCH_PLANNED if course else TOO_MUCH):
        return _too_much(case.lesions[highest].name, least_gy[highest], lesions[highest], grid, course)
    return Treated(grid, lesions, course)


def _too_much(name: str, least_gy: float, wanted: Prescription, grid: DoseGrid, course: Course | None) -> str:
    asked_gy = _asked(wanted, grid)
    over = "a session" if grid.of is Of.SESSION else f"{wanted.fractions} session(s)"
    whose = "its RT Plan prescribes" if course else "are prescribed here"
    do = (
        "check which plan it is of"
        if course
        else "send its RT Plan, or put the dose and fractions that it was planned with into the table of prescriptions"
    )
    return (
        f"{100 - LEAST_PERCENT:.0f} % of {name} get {least_gy:.1f} Gy or more, {least_gy / asked_gy:.1f} times the "
        f"{asked_gy:g} Gy in {over} that {whose}, so that it is of another prescription: {do}"
    )


def _least(gy: Doses) -> float:
    return float(np.percentile(gy, LEAST_PERCENT))


def _asked(prescription: Prescription, grid: DoseGrid) -> float:
    return prescription.dose_gy if grid.of is Of.COURSE else prescription.per_session_gy


def _chosen(case: Case, treated: Sequence[Treated]) -> tuple[dict[int, Treated], list[str]]:
    """For each lesion the dose that treats the fewest lesions, the newest of several; and what is said of these."""
    chosen, remarks = {}, []
    for k, lesion in enumerate(case.lesions):
        mine = sorted(
            (t for t in treated if k in t.lesions),
            key=lambda t: (-len(t.lesions), t.grid.made_at, t.grid.sop_instance_uid),
        )
        if not mine:
            continue
        chosen[k] = mine[-1]
        if sum(len(t.lesions) == len(mine[-1].lesions) for t in mine) > 1:
            uid = mine[-1].grid.sop_instance_uid
            remarks.append(f"Several doses were sent for {lesion.name}; the newest is used, {uid}.")
    return chosen, remarks


def _replaced(case: Case, chosen: Mapping[int, Treated]) -> list[str]:
    """Prescriptions of a plan in the place of the table's."""
    said = []
    for k, treated in sorted(chosen.items()):
        old, new = case.lesions[k].prescription, treated.lesions[k]
        if old != new:
            said.append(
                f"{case.lesions[k].name} is planned with {new.dose_gy:g} Gy in {new.fractions} session(s), as "
                f"{new.source} prescribes, not with the table's {old.dose_gy:g} Gy in {old.fractions}."
            )
    return said


def _sampled(case: Case, chosen: Mapping[int, Treated], points: Points) -> tuple[Doses, dict[int, float]]:
    """(lesions, n) Gy of one session of each, and the share of the points beyond the grid of each given dose."""
    doses = case.estimated_gy(points)
    estimate, outside = doses.copy(), {}
    grids = {id(t.grid): t.grid for t in chosen.values()}
    asked: dict[int, Sampled] = {key: grid.at(points) for key, grid in grids.items()}
    for k, treated in chosen.items():
        sampled = asked[id(treated.grid)]
        own = sampled.gy * _share(case, treated, k, estimate)
        own /= treated.times(k)
        doses[k] = np.where(sampled.outside, estimate[k], own)
        outside[k] = sampled.share_outside
    return doses, outside


def _share(case: Case, treated: Treated, number: int, estimate: Doses) -> Doses | float:
    """(n,) of a dose that is a lesion's own, by what the kernel says of all that it treats."""
    if len(treated.lesions) == 1:
        return 1.0
    times = [treated.times(k) for k in treated.lesions]
    rows = estimate[list(treated.lesions)] * np.array(times, np.float32)[:, None]
    return np.asarray(rows[list(treated.lesions).index(number)] / np.maximum(rows.sum(axis=0), 1e-6), np.float32)


def _told(case: Case, chosen: Mapping[int, Treated]) -> list[str]:
    """Where the doses come from, in sentences."""
    names = [n.name for n in case.lesions]
    alone = [names[k] for k in sorted(chosen) if len(chosen[k].lesions) == 1]
    said = [f"Given doses are used, one for each of: {', '.join(alone)}."] if alone else []
    shared = {id(t.grid): t for t in chosen.values() if len(t.lesions) > 1}
    said += [
        f"The given dose of {', '.join(names[k] for k in t.lesions)} was divided among them in proportion to what is "
        "estimated of each at every point; together they give what was sent."
        for t in shared.values()
    ]
    parted: dict[str, list[str]] = {}
    for k, t in sorted(chosen.items()):
        parted.setdefault(_parted(t, k), []).append(names[k])
    said += [f"The given dose of {', '.join(of)} {words}" for words, of in parted.items()]
    if missing := [name for k, name in enumerate(names) if k not in chosen]:
        said.append(f"No dose was given for {', '.join(missing)}: it is estimated.")
    return said


def _parted(treated: Treated, number: int) -> str:
    """How the dose of one session came of what was given."""
    summation, times = treated.grid.summation, treated.times(number)
    if treated.grid.of is Of.SESSION:
        return f"({summation}) is that of one session, as it is."
    if treated.course:
        plan = treated.course.plan_uid
        return f"({summation}) is of all sessions: divided by the {times} fraction(s) of RT Plan {plan}."
    one = "taken for that of a single session" if times == 1 else f"divided by {times} sessions"
    return (
        f"({summation}) is of all sessions and came without an RT Plan that says of how many: {one}, as the table of "
        "prescriptions has it. Check that it was planned so."
    )


def _beyond(case: Case, outside: Mapping[int, float]) -> list[str]:
    parts = [f"{share:.0%} for {case.lesions[k].name}" for k, share in sorted(outside.items()) if share > 0]
    if not parts:
        return []
    return [f"Given doses do not reach a part of the brain, where they are estimated: {', '.join(parts)}."]


def _contradicted(case: Case, inside: Sequence[npt.NDArray[np.floating]], chosen: Mapping[int, Treated]) -> list[str]:
    said = []
    for k, treated in sorted(chosen.items()):
        name, asked_gy = case.lesions[k].name, _asked(treated.lesions[k], treated.grid)
        least_gy = _least(treated.grid.at(inside[k]).gy)
        if least_gy < CONTRADICTS * asked_gy:
            said.append(
                f"The given dose of {name} contradicts its prescription of {asked_gy:g} Gy: "
                f"{LEAST_PERCENT:.0f} % of it get less than {least_gy:.1f} Gy. It is used as it is."
            )
        elif least_gy > TOO_MUCH * asked_gy:
            said.append(
                f"The given dose of {name} is far above its prescription of {asked_gy:g} Gy: "
                f"{100 - LEAST_PERCENT:.0f} % of it get {least_gy:.1f} Gy or more. It is used as it is."
            )
    return said
