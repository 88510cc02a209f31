"""Findings -> Segmentation (PS3.3 A.51): one segment for each lesion, in the form that the stamp asks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.encoders import RLELosslessEncoder
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian, RLELossless
from scipy import ndimage

from pipeline.core.forms import Form, Segments
from pipeline.encode.codes import REJECTED_CATEGORY, REJECTED_TYPE, SUPERSEDED, code_item, site_of
from pipeline.encode.common import (
    Encoded,
    Part,
    Stamp,
    brief,
    date_and_time,
    described,
    dress,
    local_time,
    parameters,
    revision,
    serial_number,
)
from pipeline.encode.proposal import colours, proposed
from pipeline.encode.source import Frame, Source
from pipeline.encode.standin import fix_dimension_organization, name_series, stand_in
from pipeline.encode.text import plain, short
from pipeline.findings import Algorithm, Findings, Lesion, Origin

if "gdcm" in RLELosslessEncoder.available_plugins:
    # It aborts the whole process at frames of 8 bits with odd numbers of rows and columns (gdcmRLECodec.cxx, 3.0).
    RLELosslessEncoder.remove_plugin("gdcm")

_GREY = (160, 160, 160)
_TYPES = {
    Segments.BINARY: (hd.seg.SegmentationTypeValues.BINARY, ExplicitVRLittleEndian),
    Segments.LABELMAP: (hd.seg.SegmentationTypeValues.LABELMAP, RLELossless),
}


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """What one object holds.

    number: 0, or that of its only lesion; planes: which slices of the labels; voxels: (planes, rows, columns), where n
    is the n-th lesion.
    """

    number: int
    lesions: tuple[Lesion, ...]
    planes: NDArray[np.intp]
    voxels: NDArray[np.unsignedinteger]


def segmentations(
    part: Part, findings: Findings, labels: hd.Volume, source: Source, stamp: Stamp
) -> tuple[Encoded, ...]:
    """The SEG of the lesions, or of the rejected candidates, of which there is at least one; in the form of `stamp`.

    Segment n is lesion n; with an object for each lesion, its number is the lesion's, and its only segment is 1. Frames
    without a lesion are left out, unless the form has all. Each frame names the one image it lies on, and takes that
    image's position to the digit. Rejected candidates are grey.
    """
    lesions = findings.rejected if part is Part.REJECTED_SEG else findings.lesions
    each = _each if stamp.form.per_lesion else _together
    return tuple(
        Encoded(part, _segmentation(part, drawn, findings, labels, source, stamp), drawn.number)
        for drawn in each(lesions, labels.array, stamp.form)
    )


def _together(lesions: tuple[Lesion, ...], array: NDArray[Any], form: Form) -> Iterator[_Drawn]:
    planes = np.arange(len(array)) if form.all_frames else np.flatnonzero(array.any(axis=(1, 2)))
    yield _Drawn(0, lesions, planes, array[planes])


def _each(lesions: tuple[Lesion, ...], array: NDArray[Any], form: Form) -> Iterator[_Drawn]:
    for lesion, window in zip(lesions, ndimage.find_objects(array), strict=True):
        inside = array[window] == lesion.number
        first = window[0].start
        planes = np.arange(len(array)) if form.all_frames else first + np.flatnonzero(inside.any(axis=(1, 2)))
        voxels = np.zeros((len(planes), *array.shape[1:]), np.uint8)
        drawn_on = (planes >= first) & (planes < window[0].stop)
        voxels[drawn_on, window[1], window[2]] = inside[planes[drawn_on] - first]
        yield _Drawn(lesion.number, (lesion,), planes, voxels)


def _segmentation(
    part: Part, drawn: _Drawn, findings: Findings, labels: hd.Volume, source: Source, stamp: Stamp
) -> Dataset:
    frames = [source.frames[i] for i in drawn.planes]
    made_at = date_and_time(local_time(source, stamp))
    of_type, syntax = _TYPES[stamp.form.segments]
    made = hd.seg.Segmentation(
        source_images=[stand_in(f, source, labels, stamp.uid(part, f"stand-in {i}")) for i, f in enumerate(frames)],
        pixel_array=drawn.voxels,
        segmentation_type=of_type,
        segment_descriptions=[_description(part, n, k, findings) for k, n in enumerate(drawn.lesions, start=1)],
        series_instance_uid=stamp.uid(part, "series"),
        series_number=1,  # `dress` has the last word on series, equipment and patient
        sop_instance_uid=stamp.instance(part, drawn.number),
        instance_number=1,
        manufacturer="Lantern",
        manufacturer_model_name="Lantern",
        software_versions=stamp.software_version,
        device_serial_number=serial_number(findings.algorithm),
        content_label=_label(part, drawn.number),
        content_description=brief(findings.algorithm, _which(drawn, findings, stamp)),
        content_date=made_at[0],
        content_time=made_at[1],
        omit_empty_frames=not stamp.form.all_frames,
        transfer_syntax_uid=syntax,
    )
    _name_images(made, frames, source)
    fix_dimension_organization(made, part, stamp)
    dressed = dress(made, part, source, findings, stamp, drawn.number)
    dressed.file_meta.TransferSyntaxUID = syntax
    if stamp.replaces:
        dressed.RelatedSeriesSequence = _superseded(source, stamp)
    return dressed


def _label(part: Part, number: int) -> str:
    """Content Label: a CS of at most 16 characters."""
    label = "LANTERN_REJECTED" if part is Part.REJECTED_SEG else "LANTERN_SEG"
    return f"{label[:12]}_{number}"[:16] if number else label


def _which(drawn: _Drawn, findings: Findings, stamp: Stamp) -> str:
    alone = [drawn.lesions[0].short_label] if drawn.number else []
    return ", ".join(words for words in (revision(findings, stamp), *alone) if words)


def _superseded(source: Source, stamp: Stamp) -> list[Dataset]:
    """The series that this one replaces: the IOD has no predecessor, but series may be related (PS3.3 C.7.3.1)."""
    items = []
    for uid in dict.fromkeys(series for _, _, series in stamp.replaces):
        item = Dataset()
        item.StudyInstanceUID, item.SeriesInstanceUID = source.study_instance_uid, uid
        item.PurposeOfReferenceCodeSequence = [code_item(SUPERSEDED)]
        items.append(item)
    return items


def _description(part: Part, lesion: Lesion, number: int, findings: Findings) -> Any:
    rejected, sought = part is Part.REJECTED_SEG, findings.sought
    by_hand = lesion.origin is Origin.MANUAL  # then there is no algorithm to be named (PS3.3 C.8.20.4)
    made = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=short(lesion.label, 64),
        segmented_property_category=REJECTED_CATEGORY if rejected else sought.category,
        segmented_property_type=REJECTED_TYPE if rejected else sought.finding,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues(lesion.origin.value),
        algorithm_identification=None if by_hand else _algorithm(findings.algorithm),
        tracking_uid=lesion.tracking_uid,
        tracking_id=plain(lesion.label),
        display_color=hd.color.CIELabColor.from_rgb(*(_GREY if rejected else colours(findings)[lesion.number])),
    )
    when = () if rejected else proposed(findings, lesion)
    if not by_hand and lesion.drawn_with not in ("", findings.algorithm.name):
        made.SegmentAlgorithmName = short(lesion.drawn_with, 64)
        del made.SegmentationAlgorithmIdentificationSequence  # which would be that of this program
    made.SegmentDescription = short("; ".join(("RESEARCH USE ONLY", *when, *described(lesion))), 1024)
    where = site_of(lesion, sought)
    if where:
        made.AnatomicRegionSequence = [_region(*where)]
    return made


def _algorithm(algorithm: Algorithm) -> Any:
    return hd.AlgorithmIdentificationSequence(
        name=short(algorithm.name, 64),
        family=algorithm.family,
        version=short(algorithm.version, 64),
        source=short(algorithm.manufacturer, 64),
        parameters=parameters(algorithm),
    )


def _region(where: Code, side: Code | None) -> Dataset:
    """Anatomic Region with its side as a modifier (PS3.3 10.5, C.8.20.4)."""
    item = code_item(where)
    if side:
        item.AnatomicRegionModifierSequence = [code_item(side)]
    return item


def _name_images(made: Dataset, frames: list[Frame], source: Source) -> None:
    """Put the true references in place of those to the stand-ins (PS3.3 C.7.6.16.2.6, C.12.2, C.7.6.1.4)."""
    positions = np.array([f.position for f in frames])
    for group in made.PerFrameFunctionalGroupsSequence:
        here = np.array([float(v) for v in group.PlanePositionSequence[0].ImagePositionPatient])
        frame = frames[int(np.linalg.norm(positions - here, axis=1).argmin())]
        if frame.filled:
            group.DerivationImageSequence = []
            continue
        image = group.DerivationImageSequence[0].SourceImageSequence[0]
        image.ReferencedSOPClassUID = frame.sop_class_uid
        image.ReferencedSOPInstanceUID = frame.sop_instance_uid
        if frame.frame_number is not None:
            image.ReferencedFrameNumber = frame.frame_number
    name_series(made, source)
