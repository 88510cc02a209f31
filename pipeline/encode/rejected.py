"""Candidates that the false-positive step turned down, as a part of the report that nothing takes for lesions.

They stand in a container of their own beside those of TID 1500 (which is extensible), and not as Measurement Groups:
whoever counts these, or looks for a Finding, counts lesions alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import highdicom as hd
from pydicom.sr.codedict import codes

from pipeline.core.forms import Coordinates
from pipeline.encode.codes import (
    FINDING_CATEGORY,
    REASON_AGAINST,
    REJECTED_CANDIDATE,
    REJECTED_CANDIDATES,
    REJECTED_TYPE,
)
from pipeline.encode.common import Encoded, Part
from pipeline.encode.measurements import certainty, finding_sites, sizes, threshold
from pipeline.encode.regions import centre, segment_of
from pipeline.encode.source import Source
from pipeline.encode.text import plain
from pipeline.findings import Findings, Lesion, Sought, Verdict

_CONTAINS = hd.sr.RelationshipTypeValues.CONTAINS


def rejected_candidates(findings: Findings, source: Source, others: Sequence[Encoded], coordinates: Coordinates) -> Any:
    """A container with one container for each rejected candidate; `others` may hold their segmentation."""
    box = hd.sr.ContainerContentItem(name=REJECTED_CANDIDATES, relationship_type=_CONTAINS)
    places = [
        (
            centre(c.centroid_mm, source, coordinates, _CONTAINS),
            *(segment_of(c, Part.REJECTED_SEG, others, source) or ()),
        )
        for c in findings.rejected
    ]
    box.ContentSequence = hd.sr.ContentSequence(
        _candidate(c, findings.sought, place) for c, place in zip(findings.rejected, places, strict=True)
    )
    return box


def _candidate(candidate: Lesion, sought: Sought, place: Sequence[Any]) -> Any:
    item = hd.sr.ContainerContentItem(name=REJECTED_CANDIDATE, relationship_type=_CONTAINS)
    content = hd.sr.ContentSequence(
        hd.sr.TrackingIdentifier(uid=candidate.tracking_uid, identifier=plain(candidate.label))
    )
    content.extend(finding_sites(candidate, sought))
    content.append(_code(FINDING_CATEGORY, REJECTED_TYPE))
    # As CAD reports tell what need not be shown from what must be (PS3.16 CID 6034).
    content.append(_code(codes.DCM.RenderingIntent, codes.cid6034.PresentationOptionalRenderingDeviceMayPresent))
    content.extend(where for where in place if where is not None)
    for row in (
        *sizes(candidate),
        *certainty(candidate),
        *([threshold(candidate.verdict)] if candidate.verdict else []),
    ):
        content.extend(row)
    content.extend(_text(words) for words in _against(candidate.verdict))
    item.ContentSequence = content
    return item


def _code(name: Any, value: Any) -> Any:
    return hd.sr.CodeContentItem(name=name, value=value, relationship_type=_CONTAINS)


def _against(verdict: Verdict | None) -> list[str]:
    if verdict is None:
        return []
    features = [f"{r.words} ({r.feature} = {r.value:.4g}, weight {r.weight:.3g})" for r in verdict.against]
    return [*([verdict.barred] if verdict.barred else []), *features]


def _text(words: str) -> Any:
    return hd.sr.TextContentItem(name=REASON_AGAINST, value=plain(words), relationship_type=_CONTAINS)
