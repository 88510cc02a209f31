"""Where a lesion lies, as a report can say it: by its segment, by outlines on the images, or by outlines in space."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.sr.codedict import codes
from scipy import ndimage

from pipeline.core.forms import Coordinates
from pipeline.encode.common import Encoded, Part
from pipeline.encode.contours import IntArray, outlines
from pipeline.encode.source import Frame, Source, in_space
from pipeline.findings import Findings, Lesion

MOST_POINTS = 5000
"""Of one outline: Graphic Data (FL) of more than 65534 bytes cannot be written in Explicit VR (PS3.5 7.1.2)."""

Group = Callable[..., Any]
Outline = tuple[IntArray, Frame]

_POLYLINE, _POLYGON = hd.sr.GraphicTypeValues.POLYLINE, hd.sr.GraphicTypeValues3D.POLYGON


def placed(
    findings: Findings, source: Source, others: Sequence[Encoded], coordinates: Coordinates
) -> Iterator[tuple[Lesion, Group, dict[str, Any]]]:
    """Each lesion with the template of its group and what that is to be given besides: its place.

    TID 1411 with its segment, where coordinates may be in space and there is a segmentation. Else the exact outline of
    its voxels on every slice, holes cut out by keyholes: in pixels of the images (SCOORD, slices that were interpolated
    left out, for they are on no image), or in space (SCOORD3D, TID 1410 where there is one outline only).
    """
    if not findings.lesions:
        return
    segments = {n.number: segment_of(n, Part.SEG, others, source) for n in findings.lesions}
    if coordinates is Coordinates.SPACE and all(segments.values()):
        for lesion in findings.lesions:
            yield lesion, _VOLUME, {"referenced_segment": segments[lesion.number]}
        return
    of_lesion = _on_images if coordinates is Coordinates.IMAGE else _in_space
    for lesion, drawn in zip(findings.lesions, _outlined(findings, source), strict=True):
        yield lesion, *of_lesion(drawn, findings, source)


def segment_of(lesion: Lesion, part: Part, others: Sequence[Encoded], source: Source) -> Any:
    """A reference to its segment in the segmentation of that part, or in its own; None where there is none."""
    for encoded in others:
        if encoded.part is part and encoded.number in (0, lesion.number):
            return hd.sr.ReferencedSegment(
                sop_class_uid=encoded.dataset.SOPClassUID,
                sop_instance_uid=encoded.dataset.SOPInstanceUID,
                segment_number=1 if encoded.number else lesion.number,
                source_series=hd.sr.SourceSeriesForSegmentation(source.series_instance_uid),
            )
    return None


def centre(point_mm: tuple[float, float, float], source: Source, coordinates: Coordinates, relationship: Any) -> Any:
    """A point in space, or on its image; None where neither space nor image has a name."""
    if coordinates is Coordinates.SPACE:
        return hd.sr.Scoord3DContentItem(
            name=codes.DCM.Center,
            graphic_type=hd.sr.GraphicTypeValues3D.POINT,
            graphic_data=np.array([point_mm], float),
            frame_of_reference_uid=source.frame_of_reference_uid,
            relationship_type=relationship,
        ) if source.frame_of_reference_uid else None  # fmt: skip
    frame = source.beneath(np.array(point_mm))
    if frame.filled:
        return None
    item = hd.sr.ScoordContentItem(
        name=codes.DCM.Center,
        graphic_type=hd.sr.GraphicTypeValues.POINT,
        graphic_data=np.array([frame.pixel(np.array(point_mm))]),
        relationship_type=relationship,
    )
    item.ContentSequence = hd.sr.ContentSequence([_image(frame)])
    return item


def on_filled(findings: Findings, source: Source) -> tuple[str, ...]:
    """Which lesions have slices that are on no image, and so are not outlined on any; nothing where none has."""
    labels = findings.labels
    filled = [i for i, frame in enumerate(source.frames) if frame.filled]
    if labels is None or not filled:
        return ()
    here = set(np.unique(labels.array[filled]).tolist())
    names = [n.short_label for n in findings.lesions if n.number in here]
    if not names:
        return ()
    return (
        f"Slices that were interpolated are on no image, so outlines of {', '.join(names)} are missing there; volumes "
        "and diameters are of all slices.",
    )


def _outlined(findings: Findings, source: Source) -> Iterator[list[Outline]]:
    """Of each lesion, from the first slice of the labels to the last."""
    labels = findings.labels
    assert labels is not None
    for number, window in enumerate(ndimage.find_objects(labels.array), start=1):
        corner = np.array([window[1].start, window[2].start])
        planes = zip(labels.array[window] == number, source.frames[window[0]], strict=True)
        yield [(polygon + corner, frame) for plane, frame in planes for polygon in _short_outlines(plane)]


def _short_outlines(mask: NDArray[np.bool_]) -> list[IntArray]:
    """As `outlines`; where one would be too long to be written, those of the upper and of the lower half."""
    found = outlines(mask)
    if all(len(polygon) < MOST_POINTS for polygon in found):
        return found
    rows = np.flatnonzero(mask.any(axis=1))
    upper, lower = mask.copy(), mask.copy()
    upper[rows[len(rows) // 2] :], lower[: rows[len(rows) // 2]] = False, False
    return [*_short_outlines(upper), *_short_outlines(lower)]


def _on_images(drawn: list[Outline], findings: Findings, source: Source) -> tuple[Group, dict[str, Any]]:
    regions = [
        hd.sr.ImageRegion(_POLYLINE, _closed(polygon[:, ::-1].astype(float)), _image(frame))
        for polygon, frame in _largest_first([(p, f) for p, f in drawn if not f.filled])
    ]
    return (_VOLUME, {"referenced_regions": regions}) if regions else (_PLACELESS, {})


def _largest_first(drawn: list[Outline]) -> list[Outline]:
    """The largest outline before the others: a viewer that shows one of each lesion shows the first (OHIF 3.12)."""
    largest = max(range(len(drawn)), key=lambda i: _area(drawn[i][0]), default=0)
    return [*drawn[largest : largest + 1], *drawn[:largest], *drawn[largest + 1 :]]


def _area(polygon: IntArray) -> float:
    """In pixels (the shoelace formula)."""
    y, x = polygon.T.astype(float)
    return abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2


def _in_space(drawn: list[Outline], findings: Findings, source: Source) -> tuple[Group, dict[str, Any]]:
    labels, uid = findings.labels, source.frame_of_reference_uid
    assert labels is not None
    polygons = [_closed(in_space(polygon, frame, labels)) for polygon, frame in drawn]
    if len(polygons) == 1:
        return _PLANE, {"referenced_region": hd.sr.ImageRegion3D(_POLYGON, polygons[0], uid)}
    series = hd.sr.SourceSeriesForSegmentation(source.series_instance_uid)
    return _VOLUME, {"referenced_volume_surface": hd.sr.VolumeSurface(_POLYGON, polygons, uid, source_series=series)}


def _closed(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.vstack([points, points[:1]])


def _image(frame: Frame) -> Any:
    numbers = None if frame.frame_number is None else [frame.frame_number]
    return hd.sr.SourceImageForRegion(frame.sop_class_uid, frame.sop_instance_uid, numbers)


_VOLUME: Group = hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations
_PLANE: Group = hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations
_PLACELESS: Group = hd.sr.MeasurementsAndQualitativeEvaluations
