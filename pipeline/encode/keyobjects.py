"""Findings -> Key Object Selection Document (PS3.3 A.35.4, PS3.16 TID 2010): what to look at first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import highdicom as hd
import numpy as np
from pydicom import Dataset
from pydicom.sr.codedict import codes
from scipy import ndimage

from pipeline.contract import Found
from pipeline.encode.codes import scheme_item
from pipeline.encode.common import Encoded, Part, Stamp, date_and_time, dress, local_time, statements
from pipeline.encode.document import device, stub
from pipeline.encode.named import named
from pipeline.encode.origin import Origin
from pipeline.encode.source import Source, key_slice
from pipeline.encode.text import plain
from pipeline.findings import Findings

_CONTAINS = hd.sr.RelationshipTypeValues.CONTAINS
_NOT_POINTED_AT = {Part.REJECTED_SEG, Part.SR}
"""Rejected candidates are nothing of interest; a report comes after what it names."""


def key_objects(findings: Findings, source: Source, stamp: Stamp, others: Sequence[Encoded]) -> tuple[Encoded, ...]:
    """The KO of lesions: the image in which each is largest, then `others` of the run; none without lesions."""
    if findings.labels is None:
        return ()
    slices = key_slices(findings, findings.labels, source)
    frames = [source.frames[at] for at in dict.fromkeys(slices)]
    images = [key_image(f.sop_class_uid, f.sop_instance_uid, f.frame_number) for f in frames]
    evidence = [stub(source, f.sop_class_uid, f.sop_instance_uid, source.series_instance_uid) for f in frames]
    words = ", ".join(f"{n.short_label} image {at + 1}" for n, at in zip(findings.lesions, slices, strict=True))
    said = f"Key image of each of {len(slices)} lesion(s), the one where it is largest: {words}"
    return (selection(images, evidence, said, source, findings, stamp, others),)


def key_slices(findings: Findings, labels: hd.Volume, source: Source) -> tuple[int, ...]:
    """For each lesion the slice that shows it best, from 0: the one that its picture on the page shows."""
    array, there = np.asarray(labels.array), [not f.filled for f in source.frames]
    boxes = ndimage.find_objects(array)
    return tuple(key_slice(array, n.number, boxes[n.number - 1], there) for n in findings.lesions)


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
