"""Findings -> Segmentation (PS3.3 A.51), BINARY, one segment for each lesion."""

from __future__ import annotations

from typing import Any

import highdicom as hd
import numpy as np
from pydicom import Dataset
from pydicom.sr.coding import Code

from pipeline.encode.codes import REJECTED_CATEGORY, REJECTED_TYPE, code_item, site_of
from pipeline.encode.common import (
    Part,
    Stamp,
    brief,
    date_and_time,
    described,
    dress,
    local_time,
    parameters,
    serial_number,
)
from pipeline.encode.proposal import colours, proposed
from pipeline.encode.source import Frame, Source
from pipeline.encode.standin import fix_dimension_organization, name_series, stand_in
from pipeline.encode.text import plain, short
from pipeline.findings import Algorithm, Findings, Lesion, Origin

_GREY = (160, 160, 160)


def segmentation(findings: Findings, labels: hd.Volume, source: Source, stamp: Stamp) -> Dataset:
    """The SEG of the lesions, of which there is at least one. Frames without a lesion are left out.

    Segment n is lesion n. Each frame names the one image it lies on, and takes that image's position to the digit.
    """
    return _segmentation(Part.SEG, findings, labels, source, stamp)


def rejected_segmentation(findings: Findings, labels: hd.Volume, source: Source, stamp: Stamp) -> Dataset:
    """The SEG of the rejected candidates, of which there is at least one: segment n is candidate n, all are grey."""
    return _segmentation(Part.REJECTED_SEG, findings, labels, source, stamp)


def _segmentation(part: Part, findings: Findings, labels: hd.Volume, source: Source, stamp: Stamp) -> Dataset:
    drawn = findings.rejected if part is Part.REJECTED_SEG else findings.lesions
    drawn_on = np.flatnonzero(labels.array.any(axis=(1, 2)))
    frames = [source.frames[i] for i in drawn_on]
    made_at = date_and_time(local_time(source, stamp))
    made = hd.seg.Segmentation(
        source_images=[stand_in(f, source, labels, stamp.uid(part, f"stand-in {i}")) for i, f in enumerate(frames)],
        pixel_array=labels.array[drawn_on],
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_description(part, lesion, findings) for lesion in drawn],
        series_instance_uid=stamp.uid(part, "series"),
        series_number=1,  # `dress` has the last word on series, equipment and patient
        sop_instance_uid=stamp.instance(part),
        instance_number=1,
        manufacturer="Lantern",
        manufacturer_model_name="Lantern",
        software_versions=stamp.software_version,
        device_serial_number=serial_number(findings.algorithm),
        content_label="LANTERN_REJECTED" if part is Part.REJECTED_SEG else "LANTERN_SEG",
        content_description=brief(findings.algorithm),
        content_date=made_at[0],
        content_time=made_at[1],
    )
    _name_images(made, frames, source)
    fix_dimension_organization(made, part, stamp)
    return dress(made, part, source, findings, stamp)


def _description(part: Part, lesion: Lesion, findings: Findings) -> Any:
    rejected, sought = part is Part.REJECTED_SEG, findings.sought
    by_hand = lesion.origin is Origin.MANUAL  # then there is no algorithm to be named (PS3.3 C.8.20.4)
    made = hd.seg.SegmentDescription(
        segment_number=lesion.number,
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
