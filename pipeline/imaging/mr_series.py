"""What a series of MR images is, and which one to read, from headers and geometry alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom.uid import (
    EnhancedMRColorImageStorage,
    EnhancedMRImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    MRImageStorage,
)

from pipeline.core.study import Series
from pipeline.imaging.mr_contrast import Contrast, ContrastEvidence, contrast_of
from pipeline.imaging.mr_weighting import Weighting, weighting_of
from pipeline.imaging.mr_words import (
    DESCRIBED_BY,
    ELSEWHERE,
    HEAD,
    LOCALIZER,
    PROJECTION,
    REFORMAT,
    SUBTRACTION,
    described,
    described_by,
    found,
    plain_text,
)

__all__ = ["Contrast", "MrSeries", "Ranking", "Weighting", "classify", "rank_t1c"]

MR_IMAGES = (MRImageStorage, EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage)
"""The SOP classes of grey MR images."""

FEW_SLICES = 8
"""With fewer, it is no examination of the head."""

ISOTROPIC_RATIO = 1.6
"""Voxels whose longest edge is at most this many times the shortest are called isotropic here."""

THIN_MM = 2.0
"""Slices up to this are thin."""

HEAD_MM = 90.0
"""A stack that covers less than this is of a part of the head (orbits, pituitary, inner ears)."""


@dataclass(frozen=True, slots=True)
class MrSeries:
    """What a series is.

    weighting, contrast: with the sentence each rests on in `evidence`.
    acquisition:         "3D", "2D" or "" (not recorded).
    plane:               "axial", "sagittal", "coronal", led by "oblique " beyond 20 degrees; "" without orientation.
    thickness_mm:        distance from slice to slice where positions tell, else Slice Thickness; 0 when unknown.
    isotropic:           thin slices and a voxel nearly a cube.
    derived:             Image Type says DERIVED or SECONDARY.
    component:           "magnitude", "phase", "real", "imaginary" or "" (not recorded).
    n_slices:            distinct places for classic images, frames for multi-frame ones.
    body_part:           "head", another word ("knee"), or "" when nothing says.
    """

    weighting: Weighting
    contrast: ContrastEvidence
    acquisition: str
    plane: str
    thickness_mm: float
    isotropic: bool
    derived: bool
    localizer: bool
    subtraction: bool
    projection: bool
    reformatted: bool
    component: str
    n_slices: int
    body_part: str
    evidence: tuple[str, ...]

    @property
    def is_partial(self) -> bool:
        """Whether the slices are known to cover a part of the head only."""
        return 0 < self.n_slices * self.thickness_mm < HEAD_MM


def classify(series: Series) -> MrSeries:
    """Headers and geometry of one MR series, weighed. Never raises; what nothing says is empty or UNKNOWN."""
    text = described(series)
    types = set(_words(series.get("ImageType"))) | set(_words(series.get("FrameType")))
    weighting, why = weighting_of(series)
    contrast = contrast_of(series)
    body, body_why = _body_part(series)
    n_slices, spacing_mm = _extent(series)
    thickness = spacing_mm or _float(series.get("SliceThickness"))
    return MrSeries(
        weighting=weighting,
        contrast=contrast,
        acquisition=str(series.get("MRAcquisitionType") or ""),
        plane=_plane(series),
        thickness_mm=thickness,
        isotropic=_is_isotropic(series, thickness),
        derived=bool(types & {"DERIVED", "SECONDARY"}),
        localizer="LOCALIZER" in types or bool(found(LOCALIZER, text)),
        subtraction=bool(types & {"SUBTRACT", "SUBTRACTION", "SUB"}) or bool(found(SUBTRACTION, text)),
        projection=bool(types & {"PROJECTION IMAGE", "MIP", "MNIP", "MINIP", "MAXIP"}) or bool(found(PROJECTION, text)),
        reformatted=bool(types & {"MPR", "REFORMATTED", "CSAPARALLEL", "CSA MPR"}) or bool(found(REFORMAT, text)),
        component=_component(series, types),
        n_slices=n_slices,
        body_part=body,
        evidence=tuple(s for s in (f"{weighting}: {why}", f"contrast {contrast.given}: {contrast.why}", body_why) if s),
    )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A series that may be read, what it is, and why it stands where it stands."""

    series: Series
    about: MrSeries
    why: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """A series that may not, and why, in a radiologist's words."""

    series_instance_uid: str
    why: str


@dataclass(frozen=True, slots=True)
class Ranking:
    """Candidates, best first, and all other series with their reasons, in the order of the study."""

    candidates: tuple[Candidate, ...]
    rejected: tuple[Rejected, ...]

    @property
    def best(self) -> Candidate | None:
        """The series to read, if there is one."""
        return self.candidates[0] if self.candidates else None

    @property
    def reason(self) -> str:
        """Why nothing can be read: the reasons of all series; empty when something can."""
        if self.candidates:
            return ""
        return "; ".join(r.why for r in self.rejected) or "the study has no series"


def rank_t1c(series: Sequence[Series], *, require_contrast: bool = True) -> Ranking:
    """Which series to read as contrast-enhanced T1, from headers alone.

    require_contrast: False also admits T1 without contrast (or where nobody can tell), behind all with contrast.
    """
    judged = [(s, classify(s)) for s in series]
    reasons = [(s, about, _objection(s, about, require_contrast)) for s, about in judged]
    admitted = sorted(((s, about) for s, about, why in reasons if not why), key=lambda pair: _order(*pair))
    return Ranking(
        tuple(Candidate(s, about, _praise(s, about)) for s, about in admitted),
        tuple(Rejected(s.series_instance_uid, why) for s, _, why in reasons if why),
    )


def _objection(series: Series, about: MrSeries, require_contrast: bool) -> str:
    """Why a series is not to be read as T1c; empty when it may be."""
    name = _name(series)
    if series.modality != "MR":
        return f"{name} is {series.modality or 'of no named modality'}; this pipeline reads MR"
    if series.first.sop_class_uid not in MR_IMAGES:
        colour = series.first.sop_class_uid == EnhancedMRColorImageStorage
        return f"{name} is {'in colour' if colour else 'no MR image (a capture, spectrum or report)'}"
    for holds, what in (
        (about.localizer, "is a localizer"),
        (about.body_part not in ("", "head"), f"shows the {about.body_part}, not the head"),
        (about.subtraction, "is a subtraction"),
        (about.projection, "is a projection (MIP)"),
        (about.component not in ("", "magnitude"), f"is a {about.component} image"),
        (about.weighting is Weighting.UNKNOWN, "cannot be recognised: nothing says how it is weighted"),
        (about.weighting is not Weighting.T1, f"is {about.weighting}; this model reads T1-weighted images"),
        (series.get("SamplesPerPixel", 1) != 1, "is in colour"),
        (about.n_slices < FEW_SLICES, f"has only {about.n_slices} slice(s), too few for a head"),
    ):
        if holds:
            return f"{name} {what}"
    return _contrast_objection(name, about.contrast) if require_contrast else ""


def _contrast_objection(name: str, contrast: ContrastEvidence) -> str:
    if contrast.given is Contrast.YES:
        return ""
    has = "has no contrast agent" if contrast.given is Contrast.NO else "may have no contrast agent"
    return f"T1-weighted {name} {has}: {contrast.why}; this model reads contrast-enhanced T1"


def _order(series: Series, about: MrSeries) -> tuple[Any, ...]:
    """Contrast and a whole head first; then originals, cubes, thin slices, recorded contrast, the later one."""
    contrast = {Contrast.YES: 0, Contrast.UNKNOWN: 1, Contrast.NO: 2}[about.contrast.given]
    return (
        contrast,
        about.is_partial,
        about.reformatted,
        about.derived,
        not about.isotropic,
        round(about.thickness_mm, 1) or 99.0,
        not about.contrast.strong,
        -about.n_slices,
        -_float(series.get("SeriesNumber")),
        series.series_instance_uid,
    )


def _praise(series: Series, about: MrSeries) -> str:
    contrast = {
        Contrast.YES: "contrast-enhanced",
        Contrast.NO: "without contrast",
        Contrast.UNKNOWN: "with or without contrast",
    }[about.contrast.given]
    words = [about.acquisition, about.plane, "T1-weighted", contrast]
    shape = f"{about.n_slices} slices of {about.thickness_mm:.2g} mm"
    if about.is_partial:
        shape += f", covering only {about.n_slices * about.thickness_mm:.0f} mm of the head"
    return f"{_name(series)} is {' '.join(w for w in words if w)}, {shape} ({'; '.join(about.evidence)})"


def _name(series: Series) -> str:
    number = series.get("SeriesNumber")
    return f"series {number}" if number is not None else f"series {series.series_instance_uid}"


def _component(series: Series, types: set[str]) -> str:
    stated = str(series.get("ComplexImageComponent") or "").lower()
    if stated in ("magnitude", "phase", "real", "imaginary"):
        return stated
    for component, words in (
        ("phase", {"P", "PHASE", "PHASE MAP"}),
        ("real", {"R", "REAL"}),
        ("imaginary", {"I", "IMAGINARY"}),
        ("magnitude", {"M", "MAGNITUDE", "M_FFE", "M_SE", "M_IR"}),
    ):
        if types & words:
            return component
    return ""


def _body_part(series: Series) -> tuple[str, str]:
    """The series' own words first: Body Part Examined is often what was registered, not what was scanned."""
    own = described_by(series, *DESCRIBED_BY)
    elsewhere, head = found(ELSEWHERE, own), found(HEAD, own)
    if elsewhere and not head:
        return elsewhere, f'the description says "{elsewhere}"'
    for keyword in ("AnatomicRegionSequence", "BodyPartExamined"):
        text = plain_text(" ".join(_words(series.get(keyword))))
        if text and (found(HEAD, text) or found(ELSEWHERE, text)):
            return ("head" if found(HEAD, text) else text), f"{keyword} is {text}"
    text = described_by(series, "StudyDescription")
    if found(HEAD, text):
        return "head", f'the study is described as "{found(HEAD, text)}"'
    elsewhere = found(ELSEWHERE, text)
    return elsewhere, f'the study is described as "{elsewhere}"' if elsewhere else ""


def _extent(series: Series) -> tuple[int, float]:
    """Number of slices, and the distance between them in mm (0 when nothing says)."""
    stated = _float(series.get("SpacingBetweenSlices"))
    frames = series.get("NumberOfFrames", 1)
    if isinstance(frames, int) and frames > 1:
        return frames * len(series.instances), abs(stated)
    normal = _normal(series)
    positions = [i.get("ImagePositionPatient") for i in series.instances]
    usable = [p for p in positions if isinstance(p, tuple) and len(p) == 3 and all(_is_number(v) for v in p)]
    if normal is None or not usable:
        return len(series.instances), abs(stated)
    along = np.unique(np.round(np.array(usable, float) @ normal, 2))
    return len(along), float(np.median(np.diff(along))) if len(along) > 1 else abs(stated)


def _is_isotropic(series: Series, thickness_mm: float) -> bool:
    spacing = series.get("PixelSpacing")
    if not isinstance(spacing, tuple) or len(spacing) != 2 or not all(_is_number(v) and v > 0 for v in spacing):
        return False
    edges = (*spacing, thickness_mm)
    return 0 < thickness_mm <= THIN_MM and max(edges) <= ISOTROPIC_RATIO * min(edges)


def _plane(series: Series) -> str:
    normal = _normal(series)
    if normal is None:
        return ""
    axis = int(np.abs(normal).argmax())
    oblique = "" if abs(normal[axis]) > np.cos(np.radians(20)) else "oblique "
    return oblique + ("sagittal", "coronal", "axial")[axis]


def _normal(series: Series) -> Any:
    cosines = series.get("ImageOrientationPatient")
    if not isinstance(cosines, tuple) or len(cosines) != 6 or not all(map(_is_number, cosines)):
        return None
    normal = np.cross(cosines[:3], cosines[3:])
    length = float(np.linalg.norm(normal))
    return normal / length if length > 0.5 else None


def _words(value: Any) -> list[str]:
    many = value if isinstance(value, tuple) else (value,)
    return [str(v).strip().upper() for v in many if v]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _float(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
