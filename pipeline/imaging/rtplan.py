"""RT Plan -> in how many fractions it gives what (PS3.3 A.20, C.8.8.10, C.8.8.13); beams are not looked at."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pydicom import Dataset
from pydicom.uid import RTPlanStorage

from pipeline.core.errors import HeaderUnusable
from pipeline.imaging.values import MALFORMED


@dataclass(frozen=True, slots=True)
class RtPlan:
    """What a planning system says that a patient is to get.

    fractions:     Fraction Group Number -> Number of Fractions Planned.
    prescribed_gy: in all fractions: the Target Prescription Dose that all its targets have; None where there is none,
                   or several that differ.
    """

    sop_instance_uid: str
    fractions: Mapping[int, int]
    prescribed_gy: float | None

    def fractions_of(self, groups: tuple[int, ...]) -> int | None:
        """Of the one group among these, or among all where none is named; None for several: they may share days."""
        found = [n for group, n in self.fractions.items() if not groups or group in groups]
        return found[0] if len(found) == 1 else None


def read_plan(ds: Dataset) -> RtPlan:
    """Raises HeaderUnusable for what is no RT Plan, or is malformed."""
    if ds.get("SOPClassUID") != RTPlanStorage:
        raise HeaderUnusable("an object that was given as a plan is no RT Plan", "export the plan as RTPLAN")
    try:
        groups = {
            int(g.FractionGroupNumber): int(g.get("NumberOfFractionsPlanned") or 0)
            for g in ds.get("FractionGroupSequence") or ()
        }
        targets = {
            float(r.TargetPrescriptionDose)
            for r in ds.get("DoseReferenceSequence") or ()
            if r.get("DoseReferenceType") == "TARGET" and r.get("TargetPrescriptionDose") is not None
        }
    except MALFORMED as error:
        name = f"plan {ds.get('SOPInstanceUID')}"
        raise HeaderUnusable(f"{name} does not parse ({type(error).__name__})", "export it again") from error
    good = [gy for gy in targets if math.isfinite(gy) and gy > 0]
    return RtPlan(
        str(ds.get("SOPInstanceUID") or ""),
        {group: n for group, n in groups.items() if n > 0},
        good[0] if len(targets) == len(good) == 1 else None,
    )
