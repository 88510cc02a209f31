"""The estimated dose of each proposed session as arrays with a place, for objects that hold pixels."""

from __future__ import annotations

from dataclasses import dataclass

import highdicom as hd
import numpy as np
import numpy.typing as npt

from pipeline.encode.maps import along_normal
from pipeline.encode.source import Source
from pipeline.sessions.dosemap import Grid
from pipeline.sessions.plan import Session
from pipeline.sessions.planned import Planned
from pipeline.sessions.told import ESTIMATE


@dataclass(frozen=True, slots=True, eq=False)
class Dose:
    """One session. volume: (slices, rows, columns) float32 Gy, LPS mm; its slices follow each other along the normal.

    highest_gy: of all sessions, so that all can be shown in one window; of: how many there are.
    """

    session: Session
    of: int
    volume: hd.Volume
    highest_gy: float

    @property
    def brief(self) -> str:
        """In at most 64 characters."""
        return f"{ESTIMATE}: dose of session {self.session.number} of {self.of}"

    @property
    def said(self) -> str:
        """All that whoever looks at the pixels must know."""
        return (
            f"{self.brief}, {', '.join(self.session.lesions)}. Physical dose in Gy, estimated for a plan that nobody "
            "has made. Outside the brain it is 0 because no dose is estimated there, not because there would be none."
        )


def doses(planned: Planned, source: Source) -> tuple[Dose, ...]:
    """Of each session, in their order, on the points of the case's grid around the brain, no less and no others.

    Raises OurFault for a case without a grid.
    """
    maps, grid = planned.maps_gy(), planned.case.grid
    assert grid is not None
    placed = [_placed(m, grid, source) for m in maps]
    highest = max((float(m.max()) for m in maps), default=0.0)
    sessions = planned.plan.sessions
    return tuple(Dose(s, len(sessions), v, highest) for s, v in zip(sessions, placed, strict=True))


def _placed(values: npt.NDArray[np.float32], grid: Grid, source: Source) -> hd.Volume:
    box = _around(grid.brain)
    affine = np.asarray(grid.affine, np.float64).copy()
    affine[:3, 3] += affine[:3, :3] @ [s.start for s in box]
    volume = hd.Volume(
        np.ascontiguousarray(values[box]), affine, "PATIENT", frame_of_reference_uid=source.frame_of_reference_uid
    )
    return along_normal(volume)


def _around(brain: npt.NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """The smallest box with the whole brain, and one point more on each side where there is one."""
    box = []
    for axis in range(3):
        there = np.flatnonzero(brain.any(axis=tuple({0, 1, 2} - {axis})))
        first, last = (int(there[0]), int(there[-1])) if len(there) else (0, brain.shape[axis] - 1)
        box.append(slice(max(first - 1, 0), last + 2))
    return box[0], box[1], box[2]
