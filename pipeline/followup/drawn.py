"""A Segmentation that was made here, back on the grid of the images it was drawn on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
from pydicom.errors import InvalidDicomError

from pipeline.core.errors import GeometryUnusable

OFF_GRID = 0.3
"""A frame whose corner lies further from a voxel's centre than this (in voxels) is not of these images."""

_UNREADABLE = (InvalidDicomError, AttributeError, KeyError, ValueError, TypeError, OSError)


@dataclass(frozen=True, slots=True)
class Drawn:
    """labels: uint16, segment numbers, on the grid of the images; names: number -> (tracking UID, label)."""

    labels: hd.Volume
    names: dict[int, tuple[str, str]]


def drawn_in(path: Path, image: hd.Volume) -> Drawn:
    """The segments of a BINARY Segmentation (PS3.3 A.51) that was drawn on `image`.

    Raises GeometryUnusable when it does not lie on that grid, cannot be read, or a segment has no Tracking UID.
    """
    try:
        seg = hd.seg.segread(path)
        names = {int(s.SegmentNumber): (str(s.TrackingUID), str(s.SegmentLabel)) for s in seg.SegmentSequence}
        frames = np.asarray(seg.pixel_array).reshape(-1, int(seg.Rows), int(seg.Columns))
        labels = np.zeros(image.spatial_shape, np.uint16)
        for item, frame in zip(seg.PerFrameFunctionalGroupsSequence, frames, strict=True):
            position = [float(v) for v in item.PlanePositionSequence[0].ImagePositionPatient]
            number = int(item.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
            labels[_slice(position, image, frame.shape)][frame > 0] = number
    except _UNREADABLE as error:  # data sets raise what they like
        raise GeometryUnusable(
            f"the earlier segmentation cannot be read ({type(error).__name__})", "send the study's results again"
        ) from error
    return Drawn(image.with_array(labels), names)


def _slice(position_mm: list[float], image: hd.Volume, shape: tuple[int, ...]) -> int:
    index = np.linalg.inv(image.affine) @ np.append(position_mm, 1.0)
    number = round(float(index[0]))
    off = np.abs(index[:3] - (number, 0, 0)).max() > OFF_GRID
    if off or shape != image.spatial_shape[1:] or not 0 <= number < image.spatial_shape[0]:
        raise GeometryUnusable("the earlier segmentation does not lie on the images that it names")
    return number
