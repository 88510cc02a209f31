"""What a Mammography CAD SR (PS3.16 TID 4000) says of each mark, read from its content tree alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydicom import Dataset

from pipeline.encode.mammo.words import KINDS

_FINDING, _INTENT, _CERTAINTY, _CENTER = "111059", "111056", "111012", "111010"
_PARAMETER = "111002"
_PRESENTED = "111150"
_LIBRARY = "111028"


@dataclass(frozen=True, slots=True)
class ToldMark:
    """One Single Image Finding (TID 4006).

    kind:      in words for people: "mass", where the code of a mass on one image is that of a density (CID 6014).
    certainty: 0…100.
    center_px: (column, row), the top left corner of the top left pixel is (0, 0).
    presented: whether viewers are to show it (Rendering Intent); others were below the operating point or turned down.
    """

    kind: str
    certainty: float
    sop_instance_uid: str
    center_px: tuple[float, float]
    presented: bool


def marks_told(report: Dataset) -> tuple[ToldMark, ...]:
    """In the order of the report."""
    images = _library(report)
    return tuple(_mark(item, images) for item in _findings(report))


def _findings(ds: Dataset) -> Iterator[Dataset]:
    for item in ds.get("ContentSequence", []):
        if _name(item) == _FINDING and item.get("ValueType") == "CODE":
            yield item
        yield from _findings(item)


def _mark(item: Dataset, images: Mapping[tuple[int, ...], str]) -> ToldMark:
    center = _below(item, _CENTER)
    place = tuple(int(n) for n in center.ContentSequence[0].ReferencedContentItemIdentifier)
    column, row = (float(v) for v in center.GraphicData)
    return ToldMark(
        kind=_kind(item),
        certainty=float(_below(item, _CERTAINTY).MeasuredValueSequence[0].NumericValue),
        sop_instance_uid=images[place],
        center_px=(column, row),
        presented=_below(item, _INTENT).ConceptCodeSequence[0].CodeValue == _PRESENTED,
    )


def _kind(item: Dataset) -> str:
    """As its algorithm's parameters say; what the code means in a report that does not say it there."""
    said = [str(child.TextValue) for child in item.ContentSequence if _name(child) == _PARAMETER]
    known = {f"kind={kind.value}": words for kind, words in KINDS.items()}
    return next((known[text] for text in said if text in known), str(item.ConceptCodeSequence[0].CodeMeaning))


def _library(report: Dataset) -> dict[tuple[int, ...], str]:
    """SOP Instance UIDs of the Image Library by position: by reference is how marks name their images."""
    found: dict[tuple[int, ...], str] = {}
    for n, part in enumerate(report.ContentSequence, start=1):
        if _name(part) == _LIBRARY:
            for k, entry in enumerate(part.ContentSequence, start=1):
                found[1, n, k] = str(entry.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
    return found


def _below(item: Dataset, name: str) -> Dataset:
    return next(child for child in item.ContentSequence if _name(child) == name)


def _name(item: Dataset) -> str:
    names = item.get("ConceptNameCodeSequence")
    return str(names[0].CodeValue) if names else ""
