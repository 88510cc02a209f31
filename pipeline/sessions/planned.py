"""A plan together with what it was worked out for: what is written down of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import OurFault
from pipeline.sessions.case import Case
from pipeline.sessions.plan import Plan
from pipeline.sessions.tables import Prescription


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """Which lesion is treated in which session, what that was worked out for, and what its reader must know.

    The lesions of plan and case have the names that ROIs have (`Lesion.short_label`). remarks: sentences of what lies
    before the plan; `plan.remarks` are said besides.
    """

    plan: Plan
    case: Case
    remarks: tuple[str, ...] = ()

    def session_of(self, name: str) -> tuple[int, ...]:
        """Numbers of the sessions that a lesion is treated in; none when it is excluded."""
        return tuple(s.number for s in self.plan.sessions if name in s.lesions)

    def prescription_of(self, name: str) -> Prescription | None:
        """What a lesion is to get; None when it is excluded."""
        if not self.session_of(name):
            return None
        return next(n.prescription for n in self.case.lesions if n.name == name)

    def maps_gy(self) -> tuple[npt.NDArray[np.float32], ...]:
        """Of each session, in their order, Gy on the case's grid (slices, rows, columns); 0 outside the brain.

        Raises OurFault for a case without a grid.
        """
        if self.case.grid is None:
            raise OurFault("a case without a grid has no dose maps")
        doses, _ = self.case.brain_doses()
        rows = {n.name: k for k, n in enumerate(self.case.lesions)}
        return tuple(
            self.case.grid.filled(doses[[rows[name] for name in s.lesions]].sum(axis=0)) for s in self.plan.sessions
        )
