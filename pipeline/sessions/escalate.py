"""Prescriptions by diameter, with more fractions where one lesion alone would exceed what a session may give."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.sessions.dosemap import Falloff, Points, Target
from pipeline.sessions.kernel import Kernel
from pipeline.sessions.tables import Limits, Prescription, prescribe


def prescription_for(
    target: Target,
    diameter_mm: float,
    rows: Sequence[Prescription],
    brain_mm: Points,
    voxel_ml: float,
    limits: Limits,
    kernel: Kernel,
) -> Prescription:
    """The row for the diameter, or the next ones while the lesion alone gives too much brain the limit's dose."""
    brain, falloff = limits.brain(), Falloff(kernel)
    beyond = target.beyond_mm(brain_mm)
    chosen = prescribe(tuple(rows), diameter_mm)
    for row in (chosen, *(r for r in rows if r.fractions > chosen.fractions)):
        dose = falloff.at(beyond, target.volume_mm3, row.per_session_gy)
        if float((dose >= brain.dose_gy).sum()) * voxel_ml <= brain.most_ml:
            return row
    return rows[-1] if rows[-1].fractions > chosen.fractions else chosen
