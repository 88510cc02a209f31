"""Prescriptions by diameter, with more fractions where one lesion alone would exceed what a session may give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipeline.sessions.case import Case, Lesion
from pipeline.sessions.tables import Prescription


def escalated(case: Case, rows: Sequence[Prescription]) -> Case:
    """The case with the next rows of the table for lesions that alone exceed V12 in a session; remarks name each.

    Where no row is enough, the last is taken. What a planning system has given (`Case.given`) stays as it was planned.
    """
    for k, lesion in enumerate(case.lesions):
        if lesion.name not in case.given:
            case = _escalated(case, k, rows)
    return case


def _escalated(case: Case, k: int, rows: Sequence[Prescription]) -> Case:
    old, brain = case.lesions[k].prescription, case.limits.brain()
    more = [row for row in rows if row.fractions > old.fractions]
    alone_ml = _alone_ml(case, case.lesions[k])
    if alone_ml <= brain.most_ml or not more:
        return case
    fits = (n for n in (replace(case.lesions[k], prescription=r) for r in more) if _alone_ml(case, n) <= brain.most_ml)
    lesion = next(fits, replace(case.lesions[k], prescription=more[-1]))
    new = lesion.prescription
    said = (
        f"{lesion.name} gets {new.dose_gy:g} Gy in {new.fractions} sessions, not {old.dose_gy:g} Gy in {old.fractions} "
        f"as its diameter has it: with that it alone would give {alone_ml:.1f} ml {brain.dose_gy:g} Gy or more, above "
        f"{brain.most_ml:g} ml."
    )
    lesions = (*case.lesions[:k], lesion, *case.lesions[k + 1 :])
    return _with_doses(replace(case, lesions=lesions, remarks=(*case.remarks, said)), k)


def _alone_ml(case: Case, lesion: Lesion) -> float:
    """What one session of one lesion lifts to the dose of the brain's limit."""
    doses = replace(case, lesions=(lesion,)).estimated_gy(case.brain_mm)
    return float((doses >= case.limits.brain().dose_gy).sum()) * case.voxel_ml


def _with_doses(case: Case, k: int) -> Case:
    """The estimate for one lesion anew, where doses of others were given."""
    if case.doses_gy is None or case.organ_gy is None:
        return case
    alone = replace(case, lesions=(case.lesions[k],))
    doses, organs = case.doses_gy.copy(), {name: gy.copy() for name, gy in case.organ_gy.items()}
    doses[k] = alone.estimated_gy(case.brain_mm)[0]
    for name, gy in organs.items():
        gy[k] = alone.estimated_gy(case.organs_mm[name])[0]
    return replace(case, doses_gy=doses, organ_gy=organs)
