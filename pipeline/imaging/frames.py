"""Every image of a series with where it lies and what it shows, from headers alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.uid import EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage

from pipeline.core.errors import GeometryUnusable
from pipeline.core.study import Instance, Series
from pipeline.imaging.header import DEFER_BYTES, MALFORMED, first_item_groups, groups_in, read_header
from pipeline.imaging.values import plain_values

PERPENDICULAR = 1e-2
"""How far from 0 the product of the two direction cosines may be (0.6 degrees); real headers are rounded."""

FUNCTIONAL_GROUPS = (EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage)
"""SOP classes whose planes are in functional groups, however few their frames are."""

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FrameRef:
    """One image: a SOP Instance, or one frame of a multi-frame one.

    frame_number: counts from 1 (Referenced Frame Number, PS3.3 10.3); None for a single-frame object.
    """

    sop_instance_uid: str
    frame_number: int | None
    path: Path


@dataclass(frozen=True, slots=True)
class Frame:
    """One image and its plane (PS3.3 C.7.6.2): where its first voxel lies, and along what its indices run.

    position_mm:   LPS of the centre of the first voxel (row 0, column 0).
    along_columns: unit vector in which the row index grows.
    along_rows:    unit vector in which the column index grows; first in Image Orientation (Patient).
    spacing_mm:    (between rows, between columns), the order of Pixel Spacing.
    shape:         (rows, columns).
    attributes:    plain values by keyword; of a multi-frame object, its functional groups laid over the rest.
    """

    ref: FrameRef
    position_mm: tuple[float, float, float]
    along_columns: tuple[float, float, float]
    along_rows: tuple[float, float, float]
    spacing_mm: tuple[float, float]
    shape: tuple[int, int]
    attributes: Mapping[str, Any]

    @property
    def normal(self) -> Vector:
        """Unit vector out of the plane: along_rows x along_columns."""
        return np.cross(self.along_rows, self.along_columns)

    @property
    def index(self) -> int:
        """Where the frame is in the pixel data of its object, from 0."""
        return (self.ref.frame_number or 1) - 1

    def get(self, keyword: str) -> Any:
        """The value of a keyword for this frame, or None."""
        return self.attributes.get(keyword)


def frames_of(series: Series) -> list[Frame]:
    """All frames of all instances, in no order that means anything.

    Multi-frame objects are opened (without their pixels) for the functional groups of each frame. Raises
    GeometryUnusable for an image without a position, orientation or spacing.
    """
    return [frame for instance in series.instances for frame in _frames_of_instance(instance)]


def _frames_of_instance(instance: Instance) -> list[Frame]:
    header = instance.header if instance.header is not None else read_header(instance.path).header or {}
    count = header.get("NumberOfFrames", 1)
    has_groups = "FrameType" in header or instance.sop_class_uid in FUNCTIONAL_GROUPS
    if isinstance(count, int) and count <= 1 and not has_groups:
        return [_frame(FrameRef(instance.sop_instance_uid, None, instance.path), header)]
    items = _functional_groups(instance)
    if not items:
        raise GeometryUnusable(
            f"multi-frame image {instance.sop_instance_uid} says nothing about its single frames",
            "multi-frame MR needs Per-Frame Functional Groups (PS3.3 C.7.6.16); send the classic images instead",
        )
    return [
        _frame(FrameRef(instance.sop_instance_uid, number, instance.path), {**header, **groups})
        for number, groups in enumerate(items, start=1)
    ]


def _functional_groups(instance: Instance) -> list[dict[str, Any]]:
    """Per frame, its functional groups over the shared ones."""
    try:
        ds = dcmread(instance.path, stop_before_pixels=True, defer_size=DEFER_BYTES, force=True)
        shared = _merged(first_item_groups(ds, "SharedFunctionalGroupsSequence"))
        return [{**shared, **_merged(groups_in(item))} for item in ds.get("PerFrameFunctionalGroupsSequence") or []]
    except MALFORMED as error:
        raise GeometryUnusable(
            f"the functional groups of {instance.sop_instance_uid} do not parse ({type(error).__name__})",
            "the file may be truncated: send it again",
        ) from error


def _merged(groups: list[Dataset]) -> dict[str, Any]:
    """First come, first kept: standard groups have lower tags than private ones and lie before nested ones."""
    merged: dict[str, Any] = {}
    for group in groups:
        merged = {**plain_values(group), **merged}
    return merged


def _frame(ref: FrameRef, attributes: Mapping[str, Any]) -> Frame:
    position = _numbers(ref, attributes, "ImagePositionPatient", 3)
    cosines = _numbers(ref, attributes, "ImageOrientationPatient", 6)
    spacing = _numbers(ref, attributes, "PixelSpacing", 2)
    shape = _numbers(ref, attributes, "Rows", 1) + _numbers(ref, attributes, "Columns", 1)
    if min(spacing) <= 0:
        raise GeometryUnusable(f"image {_name(ref)} has a Pixel Spacing of {spacing[0]:g} x {spacing[1]:g} mm")
    along_rows, along_columns = _axes(ref, cosines)
    return Frame(
        ref=ref,
        position_mm=(position[0], position[1], position[2]),
        along_columns=along_columns,
        along_rows=along_rows,
        spacing_mm=(spacing[0], spacing[1]),
        shape=(int(shape[0]), int(shape[1])),
        attributes=attributes,
    )


def _axes(ref: FrameRef, cosines: list[float]) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """The two direction cosines, made exactly unit and exactly perpendicular."""
    first, second = np.array(cosines[:3]), np.array(cosines[3:])
    lengths = np.linalg.norm(first), np.linalg.norm(second)
    if max(abs(length - 1) for length in lengths) > PERPENDICULAR or abs(first @ second) > PERPENDICULAR:
        raise GeometryUnusable(f"the Image Orientation of {_name(ref)} is not two perpendicular unit vectors")
    first = first / lengths[0]
    second = second - (second @ first) * first
    second = second / np.linalg.norm(second)
    return (first[0], first[1], first[2]), (second[0], second[1], second[2])


def _numbers(ref: FrameRef, attributes: Mapping[str, Any], keyword: str, count: int) -> list[float]:
    value = attributes.get(keyword)
    many = list(value) if isinstance(value, tuple) else [value]
    found = [float(v) for v in many if isinstance(v, int | float)]
    if len(many) != count or len(found) != count:
        raise GeometryUnusable(
            f"image {_name(ref)} has no {keyword} that can be used",
            "only images with a position in the patient can be measured; send the original series",
        )
    return found


def _name(ref: FrameRef) -> str:
    frame = f" frame {ref.frame_number}" if ref.frame_number else ""
    return f"{ref.sop_instance_uid}{frame}"
