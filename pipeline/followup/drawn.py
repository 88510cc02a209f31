"""A Segmentation that was made here, back on the grid of the images it was drawn on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
from pydicom.errors import InvalidDicomError

from pipeline.core.errors import GeometryUnusable
from pipeline.followup.change import Size
from pipeline.imaging.regions import measure
from pipeline.imaging.segments import segments_on


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
        found = segments_on(hd.seg.segread(path), image)
    except (InvalidDicomError, AttributeError, ValueError, OSError) as error:
        kind = type(error).__name__
        raise GeometryUnusable(
            f"the earlier segmentation cannot be read ({kind})", "send the study's results again"
        ) from error
    labels = np.zeros(image.spatial_shape, np.uint16)
    for segment in found:
        if not segment.tracking_uid:
            raise GeometryUnusable(f"segment {segment.number} of the earlier segmentation has no Tracking UID")
        labels[segment.box][segment.mask] = segment.number
    return Drawn(image.with_array(labels), {s.number: (s.tracking_uid, s.label) for s in found})


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
