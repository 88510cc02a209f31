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
Box = tuple[slice, slice, slice]


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """One segment.

    type_code: (value, scheme) of its type; drawn_by: Segment Algorithm Type; algorithm: Segment Algorithm Name, or "".
    mask:      its voxels in `box` of the image.
    """

    number: int
    label: str
    tracking_uid: str
    type_code: tuple[str, str]
    drawn_by: str
    mask: Mask
    box: Box
    algorithm: str = ""


def segments_on(seg: Dataset, image: hd.Volume) -> tuple[Segment, ...]:
    """All segments of a Segmentation (PS3.3 A.51; BINARY, or FRACTIONAL from one half on) that lies on `image`.

    Raises GeometryUnusable when it does not lie on that grid, is a label map, or cannot be read.
    """
    kind = str(seg.get("SegmentationType") or "")
    if kind not in ("BINARY", "FRACTIONAL"):
        raise GeometryUnusable(f"a segmentation of type {kind or 'unknown'} is not read", "export it as BINARY")
    try:
        most = float(seg.get("MaximumFractionalValue") or 1) if kind == "FRACTIONAL" else 1.0
        planes: dict[int, list[tuple[int, Mask]]] = {}
        for number, index, frame in _frames(seg, image):
            planes.setdefault(number, []).append((index, frame >= most / 2))
        return tuple(
            _segment(s, *_boxed(planes[int(s.SegmentNumber)]))
            for s in seg.SegmentSequence
            if any(frame.any() for _, frame in planes.get(int(s.SegmentNumber), ()))
        )
    except _UNREADABLE as error:  # data sets raise what they like
        raise GeometryUnusable(
            f"the segmentation cannot be read ({type(error).__name__})", "export it again"
        ) from error


def _boxed(planes: list[tuple[int, Mask]]) -> tuple[Mask, Box]:
    """The planes of one segment, cut to what they hold: many lesions on a large grid must not cost a volume each."""
    filled = [(k, frame) for k, frame in planes if frame.any()]
    first, last = min(k for k, _ in filled), max(k for k, _ in filled)
    over = np.logical_or.reduce([frame for _, frame in filled])
    rows, columns = (np.flatnonzero(over.any(axis=axis)) for axis in (1, 0))
    box = (slice(first, last + 1), slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
    mask = np.zeros([s.stop - s.start for s in box], bool)
    for k, frame in filled:
        mask[k - first] |= frame[box[1:]]
    return mask, box


def _segment(s: Dataset, mask: Mask, box: Box) -> Segment:
    code = (s.get("SegmentedPropertyTypeCodeSequence") or [Dataset()])[0]
    return Segment(
        number=int(s.SegmentNumber),
        label=str(s.get("SegmentLabel") or f"segment {s.SegmentNumber}").strip(),
        tracking_uid=str(s.get("TrackingUID") or ""),
        type_code=(str(code.get("CodeValue") or ""), str(code.get("CodingSchemeDesignator") or "")),
        drawn_by=str(s.get("SegmentAlgorithmType") or ""),
        mask=mask,
        box=box,
        algorithm=str(s.get("SegmentAlgorithmName") or "").strip(),
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
