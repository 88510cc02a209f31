"""RT Dose -> Gy at places in the patient, whatever way the grid lies (PS3.3 A.18, C.8.8.3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.uid import RTDoseStorage
from scipy import ndimage

from pipeline.core.errors import GeometryUnusable, HeaderUnusable, PixelsUnreadable
from pipeline.imaging.values import MALFORMED

Vector = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

ORTHONORMAL = 1e-3
"""How far lengths and product of the direction cosines may be from 1, 1 and 0; headers are rounded."""

EDGE_MM = 1e-3
"""Points so far beyond the outermost voxel centres are still on the grid."""

SAME_PLACE_MM = 1e-3
"""Two planes that are nearer than this lie at one place."""

MOST_GY = 500.0
"""No treatment of a brain has this; it is the sign of another unit."""

MOST_VOXELS = 300_000_000
"""More is no dose grid of a head, and would not fit in memory."""


class Of(StrEnum):
    """What a dose is the dose of."""

    COURSE = "course"  #: all sessions of a plan, or of a group of fractions
    SESSION = "session"  #: one of them


SUMMATIONS: dict[str, Of] = {
    "PLAN": Of.COURSE,
    "MULTI_PLAN": Of.COURSE,
    "PLAN_OVERVIEW": Of.COURSE,
    "FRACTION": Of.COURSE,
    "FRACTION_SESSION": Of.SESSION,
}
"""Dose Summation Types that are used. FRACTION is the entire delivery of one Fraction Group, and no single fraction:
that is FRACTION_SESSION (PS3.3 C.8.8.3). Beams, control points and records of treatment are parts of a dose."""


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """Doses at points. gy: (n,), 0 where `outside`: (n,) points that the grid does not reach."""

    gy: Floats
    outside: npt.NDArray[np.bool_]

    @property
    def share_outside(self) -> float:
        """0...1, of the points that were asked for."""
        return float(self.outside.mean()) if len(self.outside) else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class DoseGrid:
    """A dose as a planning system calculated it.

    of:        whether all sessions of a plan or one; summation: the Dose Summation Type that says so.
    made_at:   Instance Creation Date and Time, "" where there is none: the newer of two sorts last.
    gy:        (planes, rows, columns), planes ascending along the normal; planes_mm: (planes,) along it, the first of
               the file is 0; they need not be evenly spaced.
    affine:    4 x 4, (mm along the normal, row, column) -> LPS mm of the voxel centre.
    plans:     SOP Instance UIDs of the RT Plans it is the dose of; groups: Fraction Group Numbers, none for all.
    """

    sop_instance_uid: str
    frame_of_reference_uid: str
    of: Of
    summation: str
    made_at: str
    gy: Floats
    planes_mm: Vector
    affine: Vector
    plans: tuple[str, ...] = ()
    groups: tuple[int, ...] = ()

    def at(self, points_mm: npt.NDArray[np.floating]) -> Sampled:
        """Doses at LPS points (n, 3), between voxel centres by trilinear interpolation."""
        back = np.linalg.inv(self.affine)
        place = np.asarray(points_mm, np.float64) @ back[:3, :3].T + back[:3, 3]
        first, last = self.planes_mm[0], self.planes_mm[-1]
        low = np.array([first, 0, 0])
        high = np.array([last, self.gy.shape[1] - 1, self.gy.shape[2] - 1])
        edge = EDGE_MM / np.linalg.norm(self.affine[:3, :3], axis=0)
        outside = ((place < low - edge) | (place > high + edge)).any(axis=1)
        place[:, 0] = np.interp(place[:, 0], self.planes_mm, np.arange(len(self.planes_mm)))
        gy = ndimage.map_coordinates(self.gy, place.T, order=1, mode="nearest", output=np.float32)
        gy[outside] = 0
        return Sampled(gy, outside)

    @property
    def most_gy(self) -> float:
        """The largest dose of any voxel."""
        return float(self.gy.max())


def read_dose(ds: Dataset) -> DoseGrid:
    """The grid of an RT Dose with its pixels.

    Raises HeaderUnusable (no dose, or of a kind that is not used: relative, biologically effective, of single beams),
    GeometryUnusable (a grid that has no place in the patient) or PixelsUnreadable.
    """
    if ds.get("SOPClassUID") != RTDoseStorage:
        raise HeaderUnusable("an object that was given as a dose is no RT Dose", "export the dose as RTDOSE")
    name = f"dose {ds.get('SOPInstanceUID')}"
    try:
        of = _kind(ds, name)
        affine, along_mm = _grid(ds, name)
        gy = _gy(ds, name, len(along_mm))
        plans, groups = _references(ds)
    except MALFORMED as error:
        raise HeaderUnusable(f"{name} does not parse ({type(error).__name__})", _AGAIN) from error
    order = np.argsort(along_mm, kind="stable")
    made_at = f"{ds.get('InstanceCreationDate') or ''}{ds.get('InstanceCreationTime') or ''}"
    return DoseGrid(
        sop_instance_uid=str(ds.get("SOPInstanceUID") or ""),
        frame_of_reference_uid=str(ds.get("FrameOfReferenceUID") or ""),
        of=of,
        summation=str(ds.DoseSummationType),
        made_at=made_at,
        gy=gy[order],
        planes_mm=along_mm[order],
        affine=affine,
        plans=plans,
        groups=groups,
    )


def _references(ds: Dataset) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Plans and fraction groups that the dose is of (PS3.3 C.8.8.3, Referenced RT Plan Sequence)."""
    plans = list(ds.get("ReferencedRTPlanSequence") or ())
    groups = [g for plan in plans for g in plan.get("ReferencedFractionGroupSequence") or ()]
    numbers = tuple(int(g.ReferencedFractionGroupNumber) for g in groups)
    return tuple(str(plan.get("ReferencedSOPInstanceUID") or "") for plan in plans), numbers


_AGAIN = "the file may be truncated: export it again"
_ABSOLUTE = "export the physical dose of the plan in Gy"


def _kind(ds: Dataset, name: str) -> Of:
    units, kind = str(ds.get("DoseUnits") or "missing"), str(ds.get("DoseType") or "missing")
    if units != "GY":
        raise HeaderUnusable(f"{name} is not in Gy: its Dose Units are {units}", _ABSOLUTE)
    if kind != "PHYSICAL":
        raise HeaderUnusable(f"{name} is no physical dose: its Dose Type is {kind}", _ABSOLUTE)
    summation = str(ds.get("DoseSummationType") or "missing")
    if summation not in SUMMATIONS:
        raise HeaderUnusable(
            f"{name} is no dose of a whole plan or session: its Dose Summation Type is {summation}",
            f"export one of {', '.join(SUMMATIONS)}",
        )
    return SUMMATIONS[summation]


def _grid(ds: Dataset, name: str) -> tuple[Vector, Vector]:
    """The affine of `DoseGrid`, and where each plane lies along the normal, in the order of the file."""
    position = _numbers(ds, name, "ImagePositionPatient", 3)
    cosines = _numbers(ds, name, "ImageOrientationPatient", 6)
    between_rows, between_columns = _numbers(ds, name, "PixelSpacing", 2)
    along_rows, along_columns = cosines[:3], cosines[3:]
    wrong = max(
        abs(along_rows @ along_rows - 1), abs(along_columns @ along_columns - 1), abs(along_rows @ along_columns)
    )
    if wrong > ORTHONORMAL:
        raise GeometryUnusable(f"the Image Orientation of {name} is not two perpendicular unit vectors", _AS_PLANNED)
    if min(between_rows, between_columns) <= 0:
        raise GeometryUnusable(f"the Pixel Spacing of {name} is {between_rows:g} x {between_columns:g} mm", _AS_PLANNED)
    affine = np.eye(4)
    affine[:3, 0] = np.cross(along_rows, along_columns)
    affine[:3, 1] = along_columns * between_rows
    affine[:3, 2] = along_rows * between_columns
    affine[:3, 3] = position
    return affine, _planes(ds, name, position, affine[:3, 0])


_AS_PLANNED = "export the dose as it was calculated, as multi-frame RTDOSE"


def _planes(ds: Dataset, name: str, position: Vector, normal: Vector) -> Vector:
    """Grid Frame Offset Vector (PS3.3 C.8.8.3.2) as mm along the normal from the first plane.

    It begins with 0 (a), or with the z of Image Position, for transverse planes alone (b).
    """
    frames = int(ds.get("NumberOfFrames") or 1)
    if frames < 2:
        raise GeometryUnusable(f"{name} has a single plane", _AS_PLANNED)
    offsets = _numbers(ds, name, "GridFrameOffsetVector", frames)
    if offsets[0] != 0:
        if abs(offsets[0] - position[2]) > SAME_PLACE_MM or abs(normal[2]) < 1 - ORTHONORMAL:
            raise GeometryUnusable(
                f"the Grid Frame Offset Vector of {name} begins with {offsets[0]:g}: neither with 0, nor with the z of "
                "transverse planes",
                _AS_PLANNED,
            )
        offsets = (offsets - position[2]) * np.sign(normal[2])
    if np.diff(np.sort(offsets)).min() < SAME_PLACE_MM:
        raise GeometryUnusable(f"two planes of {name} lie at one place", _AS_PLANNED)
    return offsets


_NOT_DECODED: tuple[type[Exception], ...] = (*MALFORMED, RuntimeError)


def _gy(ds: Dataset, name: str, planes: int) -> Floats:
    scaling = float(_numbers(ds, name, "DoseGridScaling", 1)[0])
    if scaling <= 0:
        raise HeaderUnusable(f"the Dose Grid Scaling of {name} is {scaling:g}", _AGAIN)
    shape = (planes, int(ds.get("Rows") or 0), int(ds.get("Columns") or 0))
    if min(shape) < 2 or np.prod(shape, dtype=float) > MOST_VOXELS:
        raise GeometryUnusable(f"{name} has a grid of {shape[0]} x {shape[1]} x {shape[2]} voxels", _AS_PLANNED)
    try:
        stored: Any = ds.pixel_array
    except _NOT_DECODED as error:
        raise PixelsUnreadable(f"the pixels of {name} do not decode ({type(error).__name__})", _AGAIN) from error
    if stored.shape != shape:
        raise PixelsUnreadable(f"{name} decodes to {stored.shape} voxels, not {shape}", _AGAIN)
    gy = np.asarray(stored * np.float64(scaling), np.float32)
    if not 0 < float(gy.max()) <= MOST_GY or float(gy.min()) < 0:
        raise HeaderUnusable(f"{name} reaches from {gy.min():g} to {gy.max():g}: not Gy of a treatment", _ABSOLUTE)
    return gy


def _numbers(ds: Dataset, name: str, keyword: str, count: int) -> Vector:
    value = ds.get(keyword)
    found = np.array([] if value is None else value, np.float64).ravel()
    if len(found) != count or not np.isfinite(found).all():
        raise GeometryUnusable(f"{name} has no {keyword} of {count} number(s)", _AS_PLANNED)
    return found
