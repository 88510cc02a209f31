"""Segmentation of whatever vendor -> its segments on the grid of an image volume."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import highdicom as hd
import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.errors import InvalidDicomError

from pipeline.core.errors import GeometryUnusable

OFF_GRID = 0.3
"""A frame whose corner lies further from a voxel's centre than this (in voxels) is not of these images."""

TURNED = 0.01
"""How far the cosines of a frame may be off those of the images."""

_UNREADABLE = (InvalidDicomError, AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError, OSError)
_HINT = "export the segmentation on the images of the series itself"

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """One segment. type_code: (value, scheme) of its type; mask: on the grid of the image; drawn_by: Algorithm Type."""

    number: int
    label: str
    tracking_uid: str
    type_code: tuple[str, str]
    drawn_by: str
    mask: Mask


def segments_on(seg: Dataset, image: hd.Volume) -> tuple[Segment, ...]:
    """All segments of a Segmentation (PS3.3 A.51; BINARY, or FRACTIONAL from one half on) that lies on `image`.

    Raises GeometryUnusable when it does not lie on that grid, is a label map, or cannot be read.
    """
    kind = str(seg.get("SegmentationType") or "")
    if kind not in ("BINARY", "FRACTIONAL"):
        raise GeometryUnusable(f"a segmentation of type {kind or 'unknown'} is not read", "export it as BINARY")
    try:
        most = float(seg.get("MaximumFractionalValue") or 1) if kind == "FRACTIONAL" else 1.0
        masks: dict[int, Mask] = {}
        for number, index, frame in _frames(seg, image):
            masks.setdefault(number, np.zeros(image.spatial_shape, bool))[index] |= frame >= most / 2
        return tuple(_segment(s, masks[int(s.SegmentNumber)]) for s in seg.SegmentSequence
                     if int(s.SegmentNumber) in masks)  # fmt: skip
    except _UNREADABLE as error:  # data sets raise what they like
        raise GeometryUnusable(
            f"the segmentation cannot be read ({type(error).__name__})", "export it again"
        ) from error


def _segment(s: Dataset, mask: Mask) -> Segment:
    code = (s.get("SegmentedPropertyTypeCodeSequence") or [Dataset()])[0]
    return Segment(
        number=int(s.SegmentNumber),
        label=str(s.get("SegmentLabel") or f"segment {s.SegmentNumber}").strip(),
        tracking_uid=str(s.get("TrackingUID") or ""),
        type_code=(str(code.get("CodeValue") or ""), str(code.get("CodingSchemeDesignator") or "")),
        drawn_by=str(s.get("SegmentAlgorithmType") or ""),
        mask=mask,
    )


def _frames(seg: Dataset, image: hd.Volume) -> Iterator[tuple[int, int, npt.NDArray[np.uint8]]]:
    """(segment, slice, pixels) of each frame."""
    frames = np.asarray(seg.pixel_array).reshape(-1, int(seg.Rows), int(seg.Columns))
    for item, frame in zip(seg.PerFrameFunctionalGroupsSequence, frames, strict=True):
        position = [float(v) for v in _group(seg, item, "PlanePositionSequence").ImagePositionPatient]
        cosines = [float(v) for v in _group(seg, item, "PlaneOrientationSequence").ImageOrientationPatient]
        number = int(_group(seg, item, "SegmentIdentificationSequence").ReferencedSegmentNumber)
        yield number, _slice(position, cosines, image, frame.shape), frame


def _group(seg: Dataset, frame: Dataset, keyword: str) -> Dataset:
    """A functional group of a frame; what all frames have in common, as the segment of a lone lesion, stands apart."""
    return (frame if keyword in frame else seg.SharedFunctionalGroupsSequence[0])[keyword].value[0]


def _slice(position_mm: list[float], cosines: list[float], image: hd.Volume, shape: tuple[int, ...]) -> int:
    index = np.linalg.inv(image.affine) @ np.append(position_mm, 1.0)
    number = round(float(index[0]))
    own = np.asarray(image.affine)[:3, [2, 1]] / np.asarray(image.spacing)[[2, 1]]
    off = np.abs(index[:3] - (number, 0, 0)).max() > OFF_GRID or np.abs(own.T.ravel() - cosines).max() > TURNED
    if off or shape != image.spatial_shape[1:] or not 0 <= number < image.spatial_shape[0]:
        raise GeometryUnusable("the segmentation does not lie on the images that it names", _HINT)
    return number
