"""Candidates that the false-positive step turned down, as a part of the report that nothing takes for lesions.

They stand in a container of their own beside those of TID 1500 (which is extensible), and not as Measurement Groups:
whoever counts these, or looks for a Finding, counts lesions alone.
"""

from __future__ import annotations

from typing import Any

import highdicom as hd
import numpy as np
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import SegmentationStorage

from pipeline.encode.codes import (
    FINDING_CATEGORY,
    REASON_AGAINST,
    REJECTED_CANDIDATE,
    REJECTED_CANDIDATES,
    REJECTED_TYPE,
)
from pipeline.encode.measurements import certainty, finding_sites, sizes, threshold
from pipeline.encode.source import Source
from pipeline.encode.text import plain
from pipeline.findings import Findings, Lesion, Sought, Verdict

_CONTAINS = hd.sr.RelationshipTypeValues.CONTAINS


def rejected_candidates(findings: Findings, source: Source, seg: Dataset | None) -> Any:
    """A container with one container for each rejected candidate; `seg` is their segmentation, when one is made."""
    box = hd.sr.ContainerContentItem(name=REJECTED_CANDIDATES, relationship_type=_CONTAINS)
    box.ContentSequence = hd.sr.ContentSequence(_candidate(c, findings.sought, source, seg) for c in findings.rejected)
    return box


def _candidate(candidate: Lesion, sought: Sought, source: Source, seg: Dataset | None) -> Any:
    item = hd.sr.ContainerContentItem(name=REJECTED_CANDIDATE, relationship_type=_CONTAINS)
    content = hd.sr.ContentSequence(
        hd.sr.TrackingIdentifier(uid=candidate.tracking_uid, identifier=plain(candidate.label))
    )
    content.extend(finding_sites(candidate, sought))
    content.append(_code(FINDING_CATEGORY, REJECTED_TYPE))
    # As CAD reports tell what need not be shown from what must be (PS3.16 CID 6034).
    content.append(_code(codes.DCM.RenderingIntent, codes.cid6034.PresentationOptionalRenderingDeviceMayPresent))
    content.extend(_where(candidate, source, seg))
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


def _where(candidate: Lesion, source: Source, seg: Dataset | None) -> list[Any]:
    items: list[Any] = []
    if source.frame_of_reference_uid:  # without one a report can be made, a point in space cannot
        centre = hd.sr.Scoord3DContentItem(
            name=codes.DCM.Center,
            graphic_type=hd.sr.GraphicTypeValues3D.POINT,
            graphic_data=np.array([candidate.centroid_mm], float),
            frame_of_reference_uid=source.frame_of_reference_uid,
            relationship_type=_CONTAINS,
        )
        items.append(centre)
    if seg is not None:
        segment = hd.sr.ReferencedSegment(
            sop_class_uid=SegmentationStorage,
            sop_instance_uid=seg.SOPInstanceUID,
            segment_number=candidate.number,
            source_series=hd.sr.SourceSeriesForSegmentation(source.series_instance_uid),
        )
        items.extend(segment)
    return items


def _against(verdict: Verdict | None) -> list[str]:
    if verdict is None:
        return []
    features = [f"{r.words} ({r.feature} = {r.value:.4g}, weight {r.weight:.3g})" for r in verdict.against]
    return [*([verdict.barred] if verdict.barred else []), *features]


def _text(words: str) -> Any:
    return hd.sr.TextContentItem(name=REASON_AGAINST, value=plain(words), relationship_type=_CONTAINS)
