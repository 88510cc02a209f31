"""What a person changed since earlier results, as content of the report."""

from __future__ import annotations

from typing import Any

import highdicom as hd
from pydicom.sr.codedict import codes

from pipeline.encode.codes import CORRECTED_BY, CORRECTION, CORRECTIONS, EDIT, EDITED_OBJECT, EDITS
from pipeline.encode.text import plain
from pipeline.findings import Correction, Corrections

_CONTAINS = hd.sr.RelationshipTypeValues.CONTAINS


def corrected(corrections: Corrections) -> Any:
    """A container beside TID 1500: who, in which object, and each outline with what became of it."""
    box = hd.sr.ContainerContentItem(name=CORRECTIONS, relationship_type=_CONTAINS)
    by = hd.sr.TextContentItem(name=CORRECTED_BY, value=plain(corrections.by), relationship_type=_CONTAINS)
    edited = hd.sr.CompositeContentItem(
        name=EDITED_OBJECT,
        referenced_sop_class_uid=corrections.sop_class_uid,
        referenced_sop_instance_uid=corrections.sop_instance_uid,
        relationship_type=_CONTAINS,
    )
    box.ContentSequence = hd.sr.ContentSequence([by, edited, *(_one(c) for c in corrections.changes)])
    return box


def _one(correction: Correction) -> Any:
    item = hd.sr.ContainerContentItem(name=CORRECTION, relationship_type=_CONTAINS)
    content = hd.sr.ContentSequence(
        hd.sr.TrackingIdentifier(uid=correction.tracking_uid, identifier=plain(correction.label))
        if correction.tracking_uid
        else []
    )
    edit = EDITS[correction.edit.value]
    content.append(hd.sr.CodeContentItem(name=EDIT, value=edit, relationship_type=_CONTAINS))
    words = hd.sr.TextContentItem(name=codes.DCM.Comment, value=plain(correction.words), relationship_type=_CONTAINS)
    content.append(words)
    item.ContentSequence = content
    return item


def said_of_corrections(corrections: Corrections | None) -> tuple[str, ...]:
    """Sentences for every object: whose outlines these are, and how many were changed."""
    if corrections is None:
        return ()
    counts: dict[str, int] = {}
    for change in corrections.changes:
        counts[change.edit.value] = counts.get(change.edit.value, 0) + 1
    since = ", ".join(f"{n} {what}" for what, n in counts.items())
    compared = f"Against the outlines made here before: {since}" if corrections.compared else f"Outlines: {since}"
    return (
        f"Outlines as sent by {corrections.by}; no lesion was sought or judged anew.",
        f"{compared}. Source: SOP Instance UID {corrections.sop_instance_uid}.",
    )
