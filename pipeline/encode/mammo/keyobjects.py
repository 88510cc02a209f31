"""Marks -> Key Object Selection Document: the views that have any."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.encode.common import Encoded, Part, Stamp, reference
from pipeline.encode.document import stub
from pipeline.encode.keyobjects import key_image, selection
from pipeline.encode.mammo.source import Image, MarkedSource
from pipeline.marks import MarkedStudy


def marked_key_objects(
    study: MarkedStudy, source: MarkedSource, stamp: Stamp, others: Sequence[Encoded]
) -> tuple[Encoded, ...]:
    """The KO of marks: each view with one, under the presentation state that shows it; none without marks."""
    count = {one.number: sum(m.role == one.view.role for m in study.marks) for one in source.images}
    shown = [one for one in source.images if count[one.number]]
    if not shown:
        return ()
    images = [_under(key_image(one.view.sop_class_uid, one.view.sop_instance_uid), one, others) for one in shown]
    evidence = [
        stub(source, one.view.sop_class_uid, one.view.sop_instance_uid, one.series_instance_uid) for one in shown
    ]
    said = "Views with marks: " + ", ".join(f"{one.view.role} ({count[one.number]})" for one in shown)
    return (selection(images, evidence, said, source, study, stamp, others),)


def _under(item: Any, one: Image, others: Iterable[Encoded]) -> Any:
    """The image as its presentation state shows it (PS3.3 C.18.4)."""
    for state in (e.dataset for e in others if e.part is Part.OVERLAY):
        images = state.ReferencedSeriesSequence[0].ReferencedImageSequence
        if any(i.ReferencedSOPInstanceUID == one.view.sop_instance_uid for i in images):
            item.ReferencedSOPSequence[0].ReferencedSOPSequence = [reference(state.SOPClassUID, state.SOPInstanceUID)]
    return item
