"""Which given dose is that of which lesion, and what it says of one session, in the place of the kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pipeline.imaging.dose import DoseGrid, Of, Sampled
from pipeline.sessions.case import Case
from pipeline.sessions.dosemap import Doses, Points

TREATS = 0.5
"""A dose treats the lesions whose least dose (LEAST_PERCENT), as a share of what they are prescribed, is at least this
share of that of its best-treated lesion; and it treats one only if so much of its largest dose is in a lesion."""

LEAST_PERCENT = 5.0
"""Of a lesion's voxels so many get less than what is called its least dose."""

CONTRADICTS = 0.5
"""A least dose below this share of the prescription is said."""


@dataclass(frozen=True, slots=True, eq=False)
class Treated:
    """A dose and the lesions that it treats, by number."""

    grid: DoseGrid
    lesions: tuple[int, ...]


def with_doses(case: Case, inside: Sequence[npt.NDArray[np.floating]], grids: Sequence[DoseGrid]) -> Case:
    """The case with given doses in the place of the kernel's, at the points of the brain and of the organs.

    inside: of each lesion points (n, 3) that lie in it. A dose that treats one lesion is that lesion's. One that treats
    several is divided among them in proportion to the kernel at each point, so that the sum stays what was given. What
    is of all sessions is divided by the lesion's fractions. Where a grid does not reach, the kernel stays.
    """
    if not case.lesions:
        return case
    treated, remarks = _treated(case, inside, grids)
    chosen, more = _chosen(case, treated)
    if not chosen:
        return replace(case, remarks=(*case.remarks, *remarks))
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
    case: Case, inside: Sequence[npt.NDArray[np.floating]], grids: Sequence[DoseGrid]
) -> tuple[list[Treated], list[str]]:
    found, remarks = [], []
    for grid in grids:
        doses = [grid.at(points).gy for points in inside]
        least = np.array([_least(d) / _prescribed(case, k, grid) for k, d in enumerate(doses)])
        if max(float(d.max()) for d in doses) < TREATS * grid.most_gy or least.max() <= 0:
            remarks.append(
                f"Dose {grid.sop_instance_uid} is not used: its {grid.most_gy:.1f} Gy lie in none of the lesions."
            )
        else:
            found.append(Treated(grid, tuple(np.flatnonzero(least >= TREATS * least.max()).tolist())))
    return found, remarks


def _least(gy: Doses) -> float:
    return float(np.percentile(gy, LEAST_PERCENT))


def _prescribed(case: Case, number: int, grid: DoseGrid) -> float:
    prescription = case.lesions[number].prescription
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


def _sampled(case: Case, chosen: Mapping[int, Treated], points: Points) -> tuple[Doses, dict[int, float]]:
    """(lesions, n) Gy of one session of each, and the share of the points beyond the grid of each given dose."""
    doses = case.estimated_gy(points)
    estimate, outside = doses.copy(), {}
    grids = {id(t.grid): t.grid for t in chosen.values()}
    asked: dict[int, Sampled] = {key: grid.at(points) for key, grid in grids.items()}
    for k, treated in chosen.items():
        sampled = asked[id(treated.grid)]
        own = sampled.gy * _share(case, treated, k, estimate)
        if treated.grid.of is Of.COURSE:
            own /= case.lesions[k].prescription.fractions
        doses[k] = np.where(sampled.outside, estimate[k], own)
        outside[k] = sampled.share_outside
    return doses, outside


def _share(case: Case, treated: Treated, number: int, estimate: Doses) -> Doses | float:
    """(n,) of a dose that is a lesion's own, by what the kernel says of all that it treats."""
    if len(treated.lesions) == 1:
        return 1.0
    times = [case.lesions[k].prescription.fractions if treated.grid.of is Of.COURSE else 1 for k in treated.lesions]
    rows = estimate[list(treated.lesions)] * np.array(times, np.float32)[:, None]
    return np.asarray(rows[treated.lesions.index(number)] / np.maximum(rows.sum(axis=0), 1e-6), np.float32)


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
    of = [f"{names[k]} ({_times(case, k, t.grid)})" for k, t in sorted(chosen.items())]
    said.append(f"What one session gives was taken from given doses by the prescriptions here: {', '.join(of)}.")
    if missing := [name for k, name in enumerate(names) if k not in chosen]:
        said.append(f"No dose was given for {', '.join(missing)}: it is estimated.")
    return said


def _times(case: Case, number: int, grid: DoseGrid) -> str:
    if grid.of is Of.SESSION:
        return f"{grid.summation}, as it is"
    fractions = case.lesions[number].prescription.fractions
    return f"{grid.summation}, in {fractions} sessions" if fractions > 1 else f"{grid.summation}, in a single one"


def _beyond(case: Case, outside: Mapping[int, float]) -> list[str]:
    parts = [f"{share:.0%} for {case.lesions[k].name}" for k, share in sorted(outside.items()) if share > 0]
    if not parts:
        return []
    return [f"Given doses do not reach a part of the brain, where they are estimated: {', '.join(parts)}."]


def _contradicted(case: Case, inside: Sequence[npt.NDArray[np.floating]], chosen: Mapping[int, Treated]) -> list[str]:
    said = []
    for k, treated in sorted(chosen.items()):
        least, prescribed = _least(treated.grid.at(inside[k]).gy), _prescribed(case, k, treated.grid)
        if least < CONTRADICTS * prescribed:
            said.append(
                f"The given dose of {case.lesions[k].name} contradicts its prescription of {prescribed:g} Gy: "
                f"{LEAST_PERCENT:.0f} % of it get less than {least:.1f} Gy. It is used as it is."
            )
    return said
