"""The images that findings are about, read again from their own headers: where they lie in the patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset, dcmread

from pipeline.findings import Findings
from pipeline.imaging.read import FrameRef
from pipeline.imaging.values import MALFORMED
from pipeline.proof.fault import Unprovable
from pipeline.proof.lattice import Array

_PLANE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
_SHARED, _EACH = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
_OTHERS = ("FrameOfReferenceUID", "Rows", "Columns", _SHARED, _EACH)

PERSON = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyID",
    "AccessionNumber",
)
"""What a PACS files by, beside UIDs: in every object as in the images, malformed values too."""

WHOSE = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", *PERSON)
"""What `identity_of` asks for."""

Place = tuple[str, str]
"""SOP Class UID and Series Instance UID of an object."""

_MACRO = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
}


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """Where one image lies (PS3.3 C.7.6.2), LPS mm.

    position:   (3,) centre of its first pixel.
    across:     (3,) unit vector in which the column index grows; down: the row index; at right angles.
    spacing_mm: (between rows, between columns). shape: (rows, columns).
    """

    position: Array
    across: Array
    down: Array
    spacing_mm: tuple[float, float]
    shape: tuple[int, int]

    @property
    def normal(self) -> Array:
        """(3,) unit vector out of the plane."""
        return np.asarray(np.cross(self.across, self.down))

    def to_mm(self, pixels: Array) -> Array:
        """(n, 2) (row, column) indices of pixel centres -> (n, 3) LPS mm."""
        rows, columns = pixels[:, :1] * self.spacing_mm[0], pixels[:, 1:2] * self.spacing_mm[1]
        return np.asarray(self.position + rows * self.down + columns * self.across)

    def to_pixels(self, points_mm: Array) -> Array:
        """(n, 3) LPS mm -> (n, 2) fractional (row, column) of their feet on the plane."""
        away = points_mm - self.position
        return np.stack([away @ self.down / self.spacing_mm[0], away @ self.across / self.spacing_mm[1]], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """Whose images they are.

    person:    of each of PERSON what the images say, as `said_of` has it.
    instances: all that may be referred to as an image, by SOP Instance UID.
    """

    study_instance_uid: str
    frame_of_reference_uid: str
    person: dict[str, frozenset[bytes]]
    instances: dict[str, Place]


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """The images of findings in space, one for each slice of the labels; None where there is no such image."""

    identity: Identity
    refs: tuple[FrameRef, ...]
    planes: tuple[Plane | None, ...]
    by_uid: dict[str, list[int]]

    def slices_of(self, sop_instance_uid: str, frame_number: int | None) -> list[int]:
        """Which slices lie on that image; of a multi-frame object without a number, on any of its frames."""
        slices = self.by_uid.get(sop_instance_uid, [])
        return [k for k in slices if frame_number is None or self.refs[k].frame_number in (None, frame_number)]


def read_images(findings: Findings) -> Images:
    """The headers of `findings.frames`. Raises Unprovable where one is gone or says nothing about its place."""
    if not findings.frames:
        raise Unprovable("the findings name no images, so there is nothing to compare the results with")
    headers: dict[Path, Dataset] = {}
    for ref in findings.frames:
        if ref.path not in headers:
            headers[ref.path] = read_header(ref.path, ref.sop_instance_uid, (*_PLANE, *_OTHERS, *WHOSE))
    planes = tuple(
        None if k and ref == findings.frames[k - 1] else _plane(headers[ref.path], ref)
        for k, ref in enumerate(findings.frames)
    )
    by_uid: dict[str, list[int]] = {}
    for k, (ref, plane) in enumerate(zip(findings.frames, planes, strict=True)):
        if plane is not None:
            by_uid.setdefault(ref.sop_instance_uid, []).append(k)
    return Images(identity_of(list(headers.values())), findings.frames, planes, by_uid)


def read_header(path: Path, sop_instance_uid: str, keywords: Sequence[str]) -> Dataset:
    """Some elements of an image. Raises Unprovable."""
    try:
        ds = dcmread(path, stop_before_pixels=True, specific_tags=list(keywords), force=True)
    except FileNotFoundError as error:
        raise Unprovable(
            f"source image {sop_instance_uid} is no longer there, so nothing can be compared with it; "
            "send the study again"
        ) from error
    except MALFORMED as error:
        raise Unprovable(f"source image {sop_instance_uid} cannot be read ({type(error).__name__})") from error
    if str(ds.get("SOPInstanceUID")) != sop_instance_uid:
        raise Unprovable(f"the file of source image {sop_instance_uid} holds another image; send the study again")
    return ds


def identity_of(headers: list[Dataset]) -> Identity:
    """Patient, study and frame of reference of the first; the rest have to agree. Raises Unprovable."""
    person = {keyword: frozenset().union(*(said_of(ds, keyword) for ds in headers)) for keyword in PERSON}
    said = {
        (
            str(ds.get("PatientID") or ""),
            str(ds.get("StudyInstanceUID") or ""),
            str(ds.get("FrameOfReferenceUID") or ""),
        )
        for ds in headers
    }
    if len({(patient, study) for patient, study, _ in said}) > 1:
        raise Unprovable("the source images are of several patients or studies")
    _, study, _ = next(iter(said))
    frames = {frame for *_, frame in said}
    return Identity(
        study,
        frames.pop() if len(frames) == 1 else "",
        person,
        {str(ds.SOPInstanceUID): place_of(ds) for ds in headers},
    )


def said_of(ds: Dataset, keyword: str) -> frozenset[bytes]:
    """A value as its bytes stand in the file, and as text; both without padding. Either being equal is enough.

    Bytes that are no text in the character set are copied as they are, and text with escape sequences (ISO 2022) can be
    written in several ways. b"" where there is none.
    """
    value = getattr(ds.get_item(keyword), "value", None)
    try:
        text = str(ds.get(keyword) or "").strip(" \0").encode("utf-8", "replace")
    except MALFORMED:
        text = None
    of_file = value.strip(b" \0") if isinstance(value, bytes) else None
    return frozenset(v for v in (text, of_file) if v is not None) or frozenset({b""})


def place_of(ds: Dataset) -> Place:
    """Of a header."""
    return str(ds.get("SOPClassUID") or ""), str(ds.get("SeriesInstanceUID") or "")


def plane_of(position: Any, cosines: Any, spacing: Any, shape: tuple[Any, Any]) -> Plane:
    """A plane from what headers say; cosines are made exactly unit and perpendicular, for they are rounded.

    Raises ValueError where they say nothing that could be a plane.
    """
    first, corner = numbers(cosines, 6), numbers(position, 3)
    down_mm, across_mm = numbers(spacing, 2)
    across, down = first[:3] / np.linalg.norm(first[:3]), first[3:]
    down = down - (down @ across) * across
    if not (np.linalg.norm(down) > 0.9 and down_mm > 0 and across_mm > 0):
        raise ValueError("no plane")
    return Plane(
        corner, across, down / np.linalg.norm(down), (float(down_mm), float(across_mm)), (int(shape[0]), int(shape[1]))
    )


def numbers(values: Any, count: int) -> Array:
    """(count,) finite numbers. Raises ValueError."""
    found = np.array([float(v) for v in values] if values is not None else [], float)
    if found.shape != (count,) or not np.isfinite(found).all():
        raise ValueError(f"not {count} numbers")
    return found


def group_value(ds: Dataset, frame: int | None, macro: str, keyword: str) -> Any:
    """A value of a frame (from 0) out of its functional groups or the shared ones, else of the object itself."""
    each, shared = ds.get(_EACH) or [], ds.get(_SHARED) or []
    groups = [*(each[frame : frame + 1] if frame is not None else []), *shared[:1]]
    for group in groups:
        items = group.get(macro)
        if items and items[0].get(keyword) is not None:
            return items[0].get(keyword)
    return ds.get(keyword)


def plane_of_frame(ds: Dataset, frame: int | None) -> Plane:
    """The plane of a frame (from 0) of a multi-frame object, or of a single image. Raises ValueError."""
    position, cosines, spacing = (group_value(ds, frame, _MACRO[keyword], keyword) for keyword in _PLANE)
    return plane_of(position, cosines, spacing, (ds.get("Rows") or 0, ds.get("Columns") or 0))


def _plane(ds: Dataset, ref: FrameRef) -> Plane:
    try:
        return plane_of_frame(ds, None if ref.frame_number is None else ref.frame_number - 1)
    except MALFORMED as error:
        raise Unprovable(f"source image {ref.sop_instance_uid} does not say where it lies in the patient") from error
