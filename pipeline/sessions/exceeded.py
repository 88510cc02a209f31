"""What a grouping gives to brain and organs, and what of it is above limits, in sentences."""

from __future__ import annotations

import numpy as np

from pipeline.sessions.case import Case, FloatArray, Lesion, Wishes
from pipeline.sessions.dosemap import Doses
from pipeline.sessions.parts import Parts
from pipeline.sessions.problem import IntArray
from pipeline.sessions.tables import FRACTIONS, course

TOLERANCE = 1e-6


def volumes_ml(case: Case, parts: Parts, groups: IntArray, sessions: int) -> FloatArray:
    """(sessions,) ml of the brain with targets at or above the dose of the limit of a single session."""
    level = case.limits.brain().dose_gy
    return np.asarray((parts.session_doses(groups, sessions) >= level).sum(axis=1) * parts.voxel_ml)


def over(case: Case, parts: Parts, groups: IntArray, sessions: int, why: str = "") -> tuple[list[str], list[str]]:
    """Sentences on limits of single sessions that this grouping exceeds, and those of them that no grouping keeps.

    why: it gives so much brain the dose.
    """
    brain, said, unavoidable = case.limits.brain(), list[str](), list[str]()
    largest = float(volumes_ml(case, parts, groups, sessions).max())
    if largest > brain.most_ml * (1 + TOLERANCE):
        said.append(f"V{brain.dose_gy:g} of a session is {largest:.1f} ml, above {brain.most_ml:g} ml{why}.")
    table = parts.together(groups, sessions).astype(np.float32)
    for name, doses in parts.organs.items():
        limit, given = case.limits.organ(name), table.T @ doses
        highest = float(given.max(initial=0))
        if limit and highest > limit.most_gy * (1 + TOLERANCE):
            alone = [n.name for n, own in zip(case.lesions, doses, strict=True) if own.max() > limit.most_gy]
            whose = f", of which no grouping can help: {', '.join(alone)} alone exceed(s) it" if alone else ""
            said.append(f"The {name} gets {highest:.1f} Gy in a session, above {limit.most_gy:g} Gy{whose}.")
            elsewhere = given[:, doses.max(axis=0) <= limit.most_gy]
            if elsewhere.max(initial=0) <= limit.most_gy * (1 + TOLERANCE):
                unavoidable.append(said[-1])
    return said, unavoidable


def _bed(sessions_gy: FloatArray, alpha_beta_gy: float) -> FloatArray:
    """Sum over sessions of D (1 + D / (a/b)), with complete repair between them. sessions_gy: (sessions, n)."""
    return np.asarray((sessions_gy * (1 + sessions_gy / alpha_beta_gy)).sum(axis=0))


def mean_bed(parts: Parts, groups: IntArray, k: int, wishes: Wishes) -> float:
    """Gy, mean over the brain outside the targets, of the whole course."""
    doses = parts.session_doses(groups, k)[:, parts.outside]
    return float(_bed(doses, wishes.alpha_beta_gy).mean()) if doses.size else 0.0


def organs_bed(parts: Parts, groups: IntArray, k: int, wishes: Wishes) -> dict[str, float]:
    """Gy at the point of each organ that has most, of the whole course."""
    table = parts.together(groups, k).astype(np.float64)
    return {n: float(_bed(table.T @ d, wishes.alpha_beta_gy).max(initial=0)) for n, d in parts.organs.items()}


def warnings(case: Case, parts: Parts, groups: IntArray, k: int, wishes: Wishes) -> tuple[str, ...]:
    """Sentences on what is near a limit, and on limits of the whole course, which no grouping is asked to keep."""
    said = []
    brain = case.limits.brain()
    largest = float(volumes_ml(case, parts, groups, k).max())
    if brain.warn_ml < largest <= brain.most_ml:
        said.append(f"V{brain.dose_gy:g} of a session reaches {largest:.1f} ml, above {brain.warn_ml:g} ml.")
    beds = organs_bed(parts, groups, k, wishes)
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
