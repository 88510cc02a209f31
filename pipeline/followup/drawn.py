"""A Segmentation that was made here, back on the grid of the images it was drawn on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
from pydicom import Dataset
from pydicom.errors import InvalidDicomError

from pipeline.core.errors import GeometryUnusable
from pipeline.followup.change import Size
from pipeline.imaging.regions import measure

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
            position = [float(v) for v in _group(seg, item, "PlanePositionSequence").ImagePositionPatient]
            number = int(_group(seg, item, "SegmentIdentificationSequence").ReferencedSegmentNumber)
            labels[_slice(position, image, frame.shape)][frame > 0] = number
    except _UNREADABLE as error:  # data sets raise what they like
        raise GeometryUnusable(
            f"the earlier segmentation cannot be read ({type(error).__name__})", "send the study's results again"
        ) from error
    return Drawn(image.with_array(labels), names)


def _group(seg: Dataset, frame: Dataset, keyword: str) -> Dataset:
    """A functional group of a frame; what all frames have in common, as the segment of a lone lesion, stands apart."""
    return (frame if keyword in frame else seg.SharedFunctionalGroupsSequence[0])[keyword].value[0]


def _slice(position_mm: list[float], image: hd.Volume, shape: tuple[int, ...]) -> int:
    index = np.linalg.inv(image.affine) @ np.append(position_mm, 1.0)
    number = round(float(index[0]))
    off = np.abs(index[:3] - (number, 0, 0)).max() > OFF_GRID
    if off or shape != image.spatial_shape[1:] or not 0 <= number < image.spatial_shape[0]:
        raise GeometryUnusable("the earlier segmentation does not lie on the images that it names")
    return number


def sizes_in(labels: hd.Volume, enhancing_mm3: Mapping[int, float | None]) -> dict[int, Size]:
    """How large every label is; enhancing_mm3: by label, where it was measured."""
    slices, rows, columns = (float(v) for v in labels.spacing)
    return {
        region.number: Size(
            volume_mm3=region.volume_mm3,
            long_axis_mm=region.long_axis_mm,
            short_axis_mm=region.short_axis_mm,
            slices=region.box[0].stop - region.box[0].start,
            voxel_mm=(slices, rows, columns),
            enhancing_volume_mm3=enhancing_mm3.get(region.number),
        )
        for region in measure(labels)
    }
