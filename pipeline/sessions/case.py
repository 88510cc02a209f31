"""What is to be planned: lesions and prescriptions, the brain and organs around them, and the physician's wishes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import ConfigInvalid
from pipeline.sessions.dosemap import Doses, Falloff, Grid, Points, Target
from pipeline.sessions.kernel import Kernel, equivalent_radius_mm
from pipeline.sessions.tables import LIMITS, PRESCRIPTIONS, Limits, Prescription, read_limits

FloatArray = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the physician and the clinic want.

    sessions:      exactly so many; None for the fewest that keep all limits.
    most_sessions: of a course. most_lesions, most_minutes: of one session.
    minutes:       to set up one lesion and treat it; setup_minutes: once a session.
    apart_mm:      lesions nearer than this (edge to edge) go into different sessions while that can be done.
    days_between:  from one session to the next; 24 h or more, for the brain to repair.
    locked:        lesion -> session (1, 2, ...) that it must be in; excluded: lesions that are not treated.
    first:         lesions that should be treated in the first session, symptomatic ones.
    alpha_beta_gy: of brain and organs.

    Raises ConfigInvalid for numbers that no course can have.
    """

    sessions: int | None = None
    most_sessions: int = 5
    most_lesions: int = 20
    most_minutes: float = 120.0
    minutes: float = 8.0
    setup_minutes: float = 15.0
    apart_mm: float = 10.0
    days_between: int = 2
    locked: Mapping[str, int] = field(default_factory=dict)
    excluded: frozenset[str] = frozenset()
    first: frozenset[str] = frozenset()
    alpha_beta_gy: float = 2.0

    def __post_init__(self) -> None:
        least = {"most_sessions": 1, "most_lesions": 1, "days_between": 1, "setup_minutes": 0, "apart_mm": 0}
        wrong = [f"{key} = {getattr(self, key):g}" for key, low in least.items() if not getattr(self, key) >= low]
        wrong += [
            f"{k} = {getattr(self, k):g}"
            for k in ("minutes", "most_minutes", "alpha_beta_gy")
            if not 0 < getattr(self, k) < 1e6
        ]
        if self.sessions is not None and self.sessions < 1:
            wrong.append(f"sessions = {self.sessions}")
        if wrong:
            raise ConfigInvalid(f"cannot be met: {', '.join(wrong)}", "give numbers above 0")


@dataclass(frozen=True, slots=True)
class Tables:
    """Which tables are used, and how steeply the clinic's plans fall off.

    gradient_index: V50/V100 of its plans (Paddick 2006).
    """

    limits: Path = LIMITS
    prescriptions: Path = PRESCRIPTIONS
    gradient_index: float = 2.0**1.5

    def kernel(self) -> Kernel:
        """How dose falls. Raises ConfigInvalid for an index that no machine has."""
        try:
            return Kernel(self.gradient_index)
        except ValueError as error:
            raise ConfigInvalid(str(error), "2.83 for Gamma Knife, 3 to 6 for arcs of a linear accelerator") from error


@dataclass(frozen=True, slots=True, eq=False)
class Lesion:
    """One lesion to treat: name, target, what it is to get.

    diameter_mm: the largest in any direction, which the table of prescriptions goes by; None where nobody said it.
    """

    name: str
    target: Target
    prescription: Prescription
    diameter_mm: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One patient.

    brain_mm:  (v, 3) points that fill the brain, targets and all, LPS; voxel_ml: what each stands for.
    organs_mm: (n, 3) points of each organ at risk, by name.
    kernel:    how dose falls; `doses_gy` takes its place where a planning system has given doses.
    grid:      whose points in the brain `brain_mm` are, for maps; None where they lie on none.
    doses_gy:  (lesions, v) Gy of one session of each at `brain_mm`; organ_gy: the same at organs' points, by name.
    given:     names of the lesions whose doses are a planning system's, and not the kernel's.
    remarks:   sentences on what the case was made from, for the reader of the plan.
    """

    lesions: tuple[Lesion, ...]
    brain_mm: Points
    voxel_ml: float
    organs_mm: Mapping[str, Points] = field(default_factory=dict)
    kernel: Kernel = field(default_factory=Kernel)
    limits: Limits = field(default_factory=read_limits)
    doses_gy: Doses | None = None
    organ_gy: Mapping[str, Doses] | None = None
    grid: Grid | None = None
    given: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def brain_doses(self) -> tuple[Doses, Mask]:
        """(lesions, v) Gy of one session of each lesion at the points of the brain, and (v,) which lie in no target."""
        doses = np.empty((len(self.lesions), len(self.brain_mm)), np.float32)
        outside = np.ones(len(self.brain_mm), bool)
        falloff = Falloff(self.kernel)
        for row, n in zip(doses, self.lesions, strict=True):
            beyond = n.target.beyond_mm(self.brain_mm)
            outside &= beyond > 0
            if self.doses_gy is None:
                row[:] = falloff.at(beyond, n.target.volume_mm3, n.prescription.per_session_gy)
        return (doses if self.doses_gy is None else self.doses_gy), outside

    def organ_doses(self) -> dict[str, Doses]:
        """The same at the points of each organ at risk."""
        if self.organ_gy is not None:
            return dict(self.organ_gy)
        return {name: self.estimated_gy(points) for name, points in self.organs_mm.items() if len(points)}

    def estimated_gy(self, points: Points) -> Doses:
        """(lesions, n) Gy of one session of each lesion at any points, by the kernel."""
        falloff = Falloff(self.kernel)
        rows = [
            falloff.at(n.target.beyond_mm(points), n.target.volume_mm3, n.prescription.per_session_gy)
            for n in self.lesions
        ]
        return np.stack(rows) if rows else np.zeros((0, len(points)), np.float32)

    def gaps_mm(self) -> FloatArray:
        """(n, n) distances from surface to surface, spheres of the lesions' volumes for their shapes."""
        centres = np.array([n.target.centre_mm for n in self.lesions]).reshape(-1, 3)
        radii = np.array([equivalent_radius_mm(n.target.volume_mm3) for n in self.lesions])
        between = np.linalg.norm(centres[:, None] - centres, axis=2)
        return np.asarray(np.maximum(between - radii[:, None] - radii, 0.0))
