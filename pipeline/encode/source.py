"""The images that findings are drawn on: headers only, every file opened once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from pipeline.core.errors import HeaderUnusable, OurFault
from pipeline.encode.origin import Origin, origin_of, read_image_header
from pipeline.findings import Findings, Lesion
from pipeline.imaging.read import FrameRef

_PLANE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness")
_FUNCTIONAL_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_READ = (*_PLANE, *_FUNCTIONAL_GROUPS)

_MACROS = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "SliceThickness": "PixelMeasuresSequence",
}
"""Where multi-frame objects keep the image plane (PS3.3 C.7.6.16.2)."""

OFF_POSITION = 0.3
"""Of a voxel, along each of its edges: farther than this, a slice of the labels does not lie on the image that it
names. What the reader of series lets pass (`imaging.stack`, 0.25 in the plane and 0.05 across) must pass here."""

OFF_AXES = 0.03
"""How far direction cosines and the ratio of spacings may differ: headers are rounded, a flipped axis is off by 2."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One slice of the labels and the image that it lies on (PS3.3 C.7.6.2), LPS mm.

    frame_number: counts from 1; None for a single-frame object.
    position:     (3,) centre of the first voxel.
    cosines:      (6,) as in Image Orientation (Patient): of increasing column index, then of increasing row index.
    spacing_mm:   (between rows, between columns).
    filled:       there is no such image: the slice was interpolated, and the image named is the one before it.
    """

    sop_class_uid: str
    sop_instance_uid: str
    frame_number: int | None
    position: Array
    cosines: Array
    spacing_mm: tuple[float, float]
    thickness_mm: float | None
    filled: bool = False

    def pixel(self, point_mm: Array) -> tuple[float, float]:
        """(column, row) of a point in space, where (0, 0) is the upper left corner of the image (PS3.3 C.18.6)."""
        away = point_mm - self.position
        between_rows, between_columns = self.spacing_mm
        column, row = away @ self.cosines[:3] / between_columns, away @ self.cosines[3:] / between_rows
        return float(column) + 0.5, float(row) + 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Source(Origin):
    """The series that findings are drawn on, one Frame for each slice of the labels, in their order."""

    frame_of_reference_uid: str
    position_reference_indicator: str
    frames: tuple[Frame, ...]
    frame_counts: dict[str, int]

    @property
    def image_count(self) -> int:
        """How many images (frames of multi-frame objects counted one by one) the findings are drawn on."""
        return sum(not f.filled for f in self.frames)

    def beneath(self, point_mm: Array) -> Frame:
        """The frame whose plane is nearest to a point in space."""
        normal = np.cross(self.frames[0].cosines[:3], self.frames[0].cosines[3:])
        return min(self.frames, key=lambda f: abs(float(normal @ (point_mm - f.position))))

    @property
    def instances(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """SOP Instance UID -> (SOP Class UID, frame numbers used); no numbers where all frames are used."""
        used: dict[str, tuple[str, tuple[int, ...]]] = {}
        for f in self.frames:
            if not f.filled:
                numbers = used.get(f.sop_instance_uid, ("", ()))[1]
                used[f.sop_instance_uid] = (f.sop_class_uid, (*numbers, f.frame_number or 1))
        return {
            uid: (of_class, () if len(numbers) == self.frame_counts[uid] else tuple(sorted(numbers)))
            for uid, (of_class, numbers) in used.items()
        }


def key_slice(labels: NDArray[np.integer], number: int, box: tuple[slice, slice, slice], there: Sequence[bool]) -> int:
    """The slice where a lesion is largest, among those whose images are there.

    labels: (slices, rows, columns); box: where lesion `number` lies in them.
    """
    area = (labels[box] == number).sum(axis=(1, 2))
    seen = np.array(there[box[0]])
    return int(box[0].start + np.where(seen | ~(area[seen] > 0).any(), area, -1).argmax())


def read_source(findings: Findings) -> Source:
    """The headers of `findings.frames`. Raises NotFound, HeaderUnusable, or OurFault when they make no series."""
    if not findings.frames:
        raise OurFault("findings without frames: there is no image they could be about")
    headers: dict[Path, Dataset] = {}
    for ref in findings.frames:
        if ref.path not in headers:
            headers[ref.path] = read_image_header(ref.path, ref.sop_instance_uid, _READ)
        _check_kinship(headers[ref.path], headers[findings.frames[0].path], ref)
    first = origin_of(headers[findings.frames[0].path])
    rest = first["header"]
    return Source(
        **first,
        frame_of_reference_uid=str(rest.get("FrameOfReferenceUID") or ""),
        position_reference_indicator=str(rest.get("PositionReferenceIndicator") or ""),
        frames=_frames(headers, findings),
        frame_counts={str(ds.SOPInstanceUID): int(ds.get("NumberOfFrames") or 1) for ds in headers.values()},
    )


def check_frame_of_reference(source: Source) -> None:
    """Raises HeaderUnusable without a Frame of Reference UID: nothing can be drawn in a space without a name."""
    if not source.frame_of_reference_uid:
        raise HeaderUnusable(
            "the source images have no FrameOfReferenceUID (PS3.3 C.7.4.1)",
            "segmentations and contours need one: ask the sender's vendor, or exclude this series in the route",
        )


def checked(labels: hd.Volume | None, drawn: Sequence[Lesion], source: Source) -> hd.Volume:
    """The labels, when they agree with what is `drawn` and with the images; raises OurFault when not.

    They hold 0 and the number of every lesion, and each slice lies on the image that it names, corner by corner.
    """
    if labels is None or len(source.frames) != labels.spatial_shape[0]:
        raise OurFault("findings.frames and the labels differ in their number of slices")
    numbers = [lesion.number for lesion in drawn]
    counts = np.bincount(labels.array.ravel(), minlength=len(numbers) + 1)
    if numbers != list(range(1, len(counts))) or not counts[1:].all():
        raise OurFault(f"lesions {numbers} do not match the {len(counts) - 1} labels of the volume")
    _check_alignment(labels, source)
    return labels


def in_space(polygon: NDArray[np.int64], frame: Frame, labels: hd.Volume) -> Array:
    """(n, 3) LPS mm of (n, 2) lattice points of `contours`, on the plane of the frame."""
    in_plane = np.asarray(labels.affine, dtype=float)[:3, 1:3]
    points: Array = frame.position + (polygon - 0.5) @ in_plane.T
    return points


def _check_alignment(labels: hd.Volume, source: Source) -> None:
    affine = np.asarray(labels.affine, dtype=float)
    lengths = np.array(labels.spacing)[1:]
    cosines = (affine[:3, [2, 1]] / lengths[::-1]).T.ravel()
    for i, frame in enumerate(source.frames):
        off = affine[:3, 0] * i + affine[:3, 3] - frame.position
        if np.abs(np.linalg.solve(affine[:3, :3], off)).max() > OFF_POSITION:
            raise OurFault(f"slice {i} of the labels lies {np.linalg.norm(off):.2f} mm off the image that it names")
        if np.abs(cosines - frame.cosines).max() > OFF_AXES or np.abs(lengths / frame.spacing_mm - 1).max() > OFF_AXES:
            raise OurFault(f"slice {i} of the labels is turned or scaled against the image that it names")


def _check_kinship(ds: Dataset, first: Dataset, ref: FrameRef) -> None:
    if ds.SOPInstanceUID != ref.sop_instance_uid:
        raise OurFault(f"the file of {ref.sop_instance_uid} holds another image")
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        if ds.get(keyword) != first.get(keyword):
            raise HeaderUnusable(
                f"source image {ref.sop_instance_uid} differs from the first in {keyword}",
                "the images of a series must share it: ask the sender's vendor",
            )


def _frames(headers: dict[Path, Dataset], findings: Findings) -> tuple[Frame, ...]:
    """A slice that repeats the image before it was interpolated: it lies between its neighbours."""
    refs = findings.frames
    made = [replace(_frame(headers[r.path], r), filled=i > 0 and r == refs[i - 1]) for i, r in enumerate(refs)]
    there = [i for i, frame in enumerate(made) if not frame.filled]
    known = np.array([made[i].position for i in there])
    between = np.stack([np.interp(range(len(made)), there, axis) for axis in known.T], axis=1)
    return tuple(replace(f, position=between[i]) if f.filled else f for i, f in enumerate(made))


def _frame(ds: Dataset, ref: FrameRef) -> Frame:
    between_rows, between_columns = _numbers(ds, ref, "PixelSpacing", 2)
    thickness = _value(ds, ref, "SliceThickness")
    return Frame(
        sop_class_uid=str(ds.SOPClassUID),
        sop_instance_uid=ref.sop_instance_uid,
        frame_number=ref.frame_number,
        position=_numbers(ds, ref, "ImagePositionPatient", 3),
        cosines=_numbers(ds, ref, "ImageOrientationPatient", 6),
        spacing_mm=(float(between_rows), float(between_columns)),
        thickness_mm=float(thickness) if thickness else None,
    )


def _numbers(ds: Dataset, ref: FrameRef, keyword: str, count: int) -> Array:
    try:
        values = np.array([float(v) for v in _value(ds, ref, keyword)])
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.shape != (count,):
        raise HeaderUnusable(
            f"source image {ref.sop_instance_uid} has no usable {keyword} (PS3.3 C.7.6.2)",
            "results cannot be placed in space without it: ask the sender's vendor",
        )
    return values


def _value(ds: Dataset, ref: FrameRef, keyword: str) -> Any:
    if ref.frame_number is None:
        return ds.get(keyword)
    own, shared = (ds.get(s) or [] for s in reversed(_FUNCTIONAL_GROUPS))
    groups = [*own[ref.frame_number - 1 : ref.frame_number], *shared[:1]]
    for group in groups:
        macro = group.get(_MACROS[keyword])
        if macro and macro[0].get(keyword) is not None:
            return macro[0].get(keyword)
    return ds.get(keyword)
