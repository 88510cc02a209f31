"""What a given dose was planned for: its RT Plan's prescription in the place of the table's, where a plan came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.imaging.dose import DoseGrid
from pipeline.imaging.rtplan import RtPlan
from pipeline.sessions.tables import Prescription

TOO_MUCH = 1.25
"""A least dose above so many prescriptions is of another one: 27 Gy in 3 where 20 Gy in 1 are prescribed here."""

TOO_MUCH_PLANNED = 2.0
"""The same where an RT Plan names the fractions: planned to the 50 % isodose, a dose reaches twice the prescription."""


@dataclass(frozen=True, slots=True)
class Course:
    """What an RT Plan says of a dose. dose_gy: of all fractions; None where it names no single one."""

    plan_uid: str
    fractions: int
    dose_gy: float | None


def course_of(grid: DoseGrid, plans: Sequence[RtPlan]) -> Course | None:
    """Of the one plan that the dose names; None where it is not here, or does not say in how many fractions."""
    named = next((p for p in plans if (p.sop_instance_uid,) == grid.plans), None)
    fractions = named.fractions_of(grid.groups) if named else None
    if named is None or fractions is None:
        return None
    whole = len(named.fractions) == 1  # else the prescription is of several groups together
    return Course(named.sop_instance_uid, fractions, named.prescribed_gy if whole else None)


def prescribed(own: Prescription, course: Course | None) -> Prescription | None:
    """What a lesion gets by a course, else by the table; None where the course has other fractions and no dose."""
    if course is None:
        return own
    if course.dose_gy is None or (course.dose_gy, course.fractions) == (own.dose_gy, own.fractions):
        return own if course.fractions == own.fractions else None
    return replace(own, dose_gy=course.dose_gy, fractions=course.fractions, source=f"RT Plan {course.plan_uid}")
