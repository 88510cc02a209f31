"""Findings -> Key Object Selection Document (PS3.3 A.35.4, PS3.16 TID 2010): what to look at first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import highdicom as hd
import numpy as np
from pydicom import Dataset
from pydicom.sr.codedict import codes

from pipeline.contract import Found
from pipeline.encode.codes import scheme_item
from pipeline.encode.common import Encoded, Part, Stamp, date_and_time, dress, local_time, statements
from pipeline.encode.document import device, stub
from pipeline.encode.named import named
from pipeline.encode.origin import Origin
from pipeline.encode.source import Frame, Source
from pipeline.encode.text import plain
from pipeline.findings import Findings

_CONTAINS = hd.sr.RelationshipTypeValues.CONTAINS
_NOT_POINTED_AT = {Part.REJECTED_SEG, Part.SR}
"""Rejected candidates are nothing of interest; a report comes after what it names."""


def key_objects(findings: Findings, source: Source, stamp: Stamp, others: Sequence[Encoded]) -> tuple[Encoded, ...]:
    """The KO of lesions: the image in which each is largest, then `others` of the run; none without lesions."""
    shown = key_frames(findings, source)
    if not shown:
        return ()
    ordered = dict.fromkeys((f.sop_instance_uid, f.frame_number) for f in shown.values())
    frames = {(f.sop_instance_uid, f.frame_number): f for f in shown.values()}
    images = [
        key_image(f.sop_class_uid, f.sop_instance_uid, f.frame_number) for f in (frames[place] for place in ordered)
    ]
    evidence = [stub(source, f.sop_class_uid, f.sop_instance_uid, source.series_instance_uid) for f in frames.values()]
    names = {n.number: n.short_label for n in findings.lesions}
    said = f"Key image of each of {len(shown)} lesion(s), the one where it is largest: " + ", ".join(
        f"{names[number]} image {image_number(source, frame)}" for number, frame in shown.items()
    )
    return (selection(images, evidence, said, source, findings, stamp, others),)


def key_frames(findings: Findings, source: Source) -> dict[int, Frame]:
    """Lesion number -> the image in which most of its voxels lie; of interpolated slices the image before."""
    if findings.labels is None:
        return {}
    array = findings.labels.array
    there = np.array([not f.filled for f in source.frames])
    found = {}
    for lesion in findings.lesions:
        areas = np.count_nonzero(array == lesion.number, axis=(1, 2))
        found[lesion.number] = source.frames[int(np.argmax(areas * there if (areas * there).any() else areas))]
    return found


def image_number(source: Source, frame: Frame) -> int:
    """Which image of the series it is, in the order of the slices, from 1."""
    places = [(f.sop_instance_uid, f.frame_number) for f in source.frames if not f.filled]
    return places.index((frame.sop_instance_uid, frame.frame_number)) + 1


def key_image(of_class: str, uid: str, frame_number: int | None = None) -> Any:
    """What a finding is best seen in, as a content item."""
    numbers = None if frame_number is None else [frame_number]
    return hd.sr.ImageContentItem(
        codes.cid7003.BestIllustrationOfFinding,
        of_class,
        uid,
        referenced_frame_numbers=numbers,
        relationship_type=_CONTAINS,
    )


def selection(
    images: list[Any],
    evidence: list[Dataset],
    said: str,
    source: Origin,
    found: Found,
    stamp: Stamp,
    others: Sequence[Encoded],
) -> Encoded:
    """The document: images first, then `others` of the run.

    evidence: of the images; said: which they are, in words.
    """
    warning, algorithm, *_ = statements(found.algorithm)
    pointed = [e for e in others if e.part not in _NOT_POINTED_AT]
    content = hd.ko.KeyObjectSelection(
        document_title=codes.cid7010.OfInterest,
        referenced_objects=[evidence[0]],  # highdicom names no frames and no presentation states: put in below
        observer_device_context=device(found.algorithm),
        description=plain(f"{warning} {said}. {algorithm}")[:1024],
    )
    root = content[0]
    root.ContentSequence = hd.sr.ContentSequence(
        [*(i for i in root.ContentSequence if i.ValueType != "COMPOSITE"), *images, *(named(e) for e in pointed)]
    )
    made = hd.ko.KeyObjectSelectionDocument(
        evidence=[*evidence, *(e.dataset for e in pointed)],
        content=content,
        series_instance_uid=stamp.uid(Part.KEY_OBJECTS, "series"),
        series_number=1,  # `dress` has the last word on series, equipment and patient
        sop_instance_uid=stamp.instance(Part.KEY_OBJECTS),
        instance_number=1,
        manufacturer="Lantern",
        specific_character_set=None,
    )
    made.ContentDate, made.ContentTime = date_and_time(local_time(source, stamp))
    dressed = dress(made, Part.KEY_OBJECTS, source, found, stamp)
    dressed.CodingSchemeIdentificationSequence = [scheme_item()]
    return Encoded(Part.KEY_OBJECTS, dressed)
