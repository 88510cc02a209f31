"""What was not analysed, as a part of the report: a reader of codes alone must not take silence for "nothing there"."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import highdicom as hd
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from pipeline.encode.codes import IMAGE_UID, MISSED, MISSED_ALL
from pipeline.encode.source import Source
from pipeline.encode.text import plain
from pipeline.findings import Findings

NOT_ATTEMPTED = codes.cid6042.NotAttempted
_CONTAINS = hd.sr.RelationshipTypeValues.CONTAINS
_OTHERS = "No other series of this study was analysed."


@dataclass(frozen=True, slots=True)
class Missed:
    """One thing. words: what and why; outcome: of CID 6042, None for what nobody was meant to look at; what: the
    detection or analysis, where it was one of them; image: SOP Instance UID of an image that was not looked at.
    """

    words: str
    outcome: Code | None = NOT_ATTEMPTED
    what: Code | None = None
    image: str = ""


def missed_in(findings: Findings, source: Source) -> tuple[Missed, ...]:
    """Of a volume: slices without an image, parts of the body that it does not cover, all other series."""
    return (
        *(Missed(words) for words in (*_made_up(source), *findings.unseen)),
        # Without a code: a reader that looks for "not attempted" would find it in every report.
        Missed(f"Series {source.series_instance_uid} was analysed. {_OTHERS}", outcome=None),
    )


def is_partial(findings: Findings, source: Source) -> bool:
    """Whether a part of what the pipeline is meant to look at was not there to be looked at."""
    return bool(_made_up(source) or findings.unseen)


def not_analysed(missed: Iterable[Missed]) -> Any:
    """A container at the root with one for each (99LANTERN), and how the detection fared there (PS3.16 CID 6042)."""
    box = hd.sr.ContainerContentItem(name=MISSED_ALL, relationship_type=_CONTAINS)
    box.ContentSequence = hd.sr.ContentSequence(_one(each) for each in missed)
    return box


def _one(missed: Missed) -> Any:
    item = hd.sr.ContainerContentItem(name=MISSED, relationship_type=_CONTAINS)
    content: list[Any] = []
    if missed.outcome is not None:
        content.append(
            hd.sr.CodeContentItem(codes.DCM.SummaryOfDetections, missed.outcome, relationship_type=_CONTAINS)
        )
    content.append(hd.sr.TextContentItem(codes.DCM.Comment, plain(missed.words), relationship_type=_CONTAINS))
    if missed.what is not None:
        content.append(hd.sr.CodeContentItem(codes.DCM.DetectionPerformed, missed.what, relationship_type=_CONTAINS))
    if missed.image:
        content.append(hd.sr.UIDRefContentItem(IMAGE_UID, missed.image, relationship_type=_CONTAINS))
    item.ContentSequence = hd.sr.ContentSequence(content)
    return item


def _made_up(source: Source) -> tuple[str, ...]:
    slices = [str(at) for at, frame in enumerate(source.frames, start=1) if frame.filled]
    if not slices:
        return ()
    return (f"Slice(s) {', '.join(slices)} of {len(source.frames)}: there is no image; nothing found there was seen.",)
