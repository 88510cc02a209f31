"""Content items of structured reports and key object documents: what each value type has to say."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pydicom.uid import (
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EnhancedSRStorage,
    KeyObjectSelectionDocumentStorage,
    MammographyCADSRStorage,
)

from pipeline.iod.breach import Breach, Found
from pipeline.iod.read import Item

_BASIC = "TEXT CODE NUM DATETIME DATE TIME UIDREF PNAME COMPOSITE IMAGE WAVEFORM CONTAINER"
_VALUE_TYPES: Mapping[str, str] = {
    EnhancedSRStorage: f"{_BASIC} SCOORD TCOORD",
    ComprehensiveSRStorage: f"{_BASIC} SCOORD TCOORD",
    Comprehensive3DSRStorage: f"{_BASIC} SCOORD SCOORD3D TCOORD TABLE",
    MammographyCADSRStorage: "TEXT CODE NUM DATE TIME UIDREF PNAME SCOORD COMPOSITE IMAGE CONTAINER",
    KeyObjectSelectionDocumentStorage: "TEXT CODE UIDREF PNAME COMPOSITE IMAGE WAVEFORM CONTAINER",
}
"""By SOP Class (PS3.3 A.35.2 to A.35.13, A.35.4 for Key Object Selection)."""

_SAYS: Mapping[str, tuple[str, ...]] = {
    "TEXT": ("TextValue",),
    "CODE": ("ConceptCodeSequence",),
    "DATETIME": ("DateTime",),
    "DATE": ("Date",),
    "TIME": ("Time",),
    "UIDREF": ("UID",),
    "PNAME": ("PersonName",),
    "COMPOSITE": ("ReferencedSOPSequence",),
    "IMAGE": ("ReferencedSOPSequence",),
    "WAVEFORM": ("ReferencedSOPSequence",),
    "SCOORD": ("GraphicType", "GraphicData"),
    "SCOORD3D": ("GraphicType", "GraphicData", "ReferencedFrameOfReferenceUID"),
    "TCOORD": ("TemporalRangeType",),
    "CONTAINER": ("ContinuityOfContent",),
}
"""What has to be there with a value. Of a NUM the sequence may be empty, with a reason (PS3.3 C.18.1)."""

_NAMED = frozenset({"TEXT", "CODE", "NUM", "DATETIME", "DATE", "TIME", "UIDREF", "PNAME", "SCOORD3D"})
"""Value types that say nothing without a concept name (PS3.3 Table C.17-5, 1C)."""

_RELATIONSHIPS = frozenset({
    "CONTAINS", "HAS OBS CONTEXT", "HAS ACQ CONTEXT", "HAS CONCEPT MOD", "HAS PROPERTIES", "INFERRED FROM",
    "SELECTED FROM",
})  # fmt: skip
_POINTS: Mapping[str, tuple[int, int]] = {
    "POINT": (1, 1), "MULTIPOINT": (1, 1 << 31), "POLYLINE": (2, 1 << 31), "POLYGON": (4, 1 << 31), "CIRCLE": (2, 2),
    "ELLIPSE": (4, 4), "ELLIPSOID": (6, 6),
}  # fmt: skip
"""Least and most points of a Graphic Type (PS3.3 C.18.6.1.2, C.18.9.1.2). A closed polygon repeats its first."""

_EVIDENCE = ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence")


def breaches(root: Item) -> Found:
    """The breaches of a document; of an object that is none, none."""
    known = frozenset(_VALUE_TYPES.get(root.text("SOPClassUID"), "").split())
    if not known:
        return
    content = dict(_content(root))
    for position, item in content.items():
        yield from _item(item, known, position)
        target = item.numbers("ReferencedContentItemIdentifier")
        if target and target not in content:
            yield _breach(item, "ReferencedContentItemIdentifier", "points at no content item", "PS3.3 C.17.3.2.5")
    yield from _evidence(root, content.values())


def _content(item: Item, position: tuple[int, ...] = (1,)) -> Iterator[tuple[tuple[int, ...], Item]]:
    yield position, item
    for number, child in enumerate(item.items("ContentSequence"), 1):
        yield from _content(child, (*position, number))


def _item(item: Item, known: frozenset[str], position: tuple[int, ...]) -> Found:
    if len(position) > 1 and item.text("RelationshipType") not in _RELATIONSHIPS:
        yield _breach(item, "RelationshipType", "is no relationship of content items", "PS3.3 C.17.3.2.4")
    if item.has("ReferencedContentItemIdentifier"):
        return
    value_type = item.text("ValueType")
    if value_type not in known:
        yield _breach(item, "ValueType", "is none that this SOP Class allows", "PS3.3 A.35")
    for keyword in _SAYS.get(value_type, ()):
        if not item.filled(keyword):
            yield _breach(item, keyword, f"is missing or empty in a {value_type}", "PS3.3 C.18")
    has_name = value_type in _NAMED or len(position) == 1
    if has_name and not item.filled("ConceptNameCodeSequence"):
        yield _breach(item, "ConceptNameCodeSequence", f"is missing, and a {value_type} has a name", "PS3.3 C.17.3")
    if value_type == "NUM":
        yield from _measured(item)
    elif value_type in ("SCOORD", "SCOORD3D"):
        yield from _drawn(item, 2 if value_type == "SCOORD" else 3)


def _measured(item: Item) -> Found:
    if not item.has("MeasuredValueSequence"):
        yield _breach(item, "MeasuredValueSequence", "is missing in a NUM", "PS3.3 C.18.1")
    elif not item.items("MeasuredValueSequence") and not item.items("NumericValueQualifierCodeSequence"):
        yield _breach(item, "MeasuredValueSequence", "is empty, and nothing says why", "PS3.3 C.18.1")
    for measured in item.items("MeasuredValueSequence"):
        for keyword in ("NumericValue", "MeasurementUnitsCodeSequence"):
            if not measured.filled(keyword):
                yield _breach(measured, keyword, "is missing or empty in a NUM", "PS3.3 C.18.1")


def _drawn(item: Item, dimensions: int) -> Found:
    element = item.element("GraphicData")
    if element is None or not element.raw or len(element.raw) % 4:
        return  # said elsewhere
    kind, points = item.text("GraphicType"), len(element.raw) // 4 / dimensions
    if kind not in _POINTS:
        yield _breach(item, "GraphicType", "is none that there is", "PS3.3 C.18.6, C.18.9")
    elif not points.is_integer() or not _POINTS[kind][0] <= points <= _POINTS[kind][1]:
        words = f"has {len(element.raw) // 4} numbers, which are no {kind} of {dimensions} coordinates each"
        yield _breach(item, "GraphicData", words, "PS3.3 C.18.6, C.18.9")
    elif kind == "POLYGON" and dimensions == 3 and element.raw[:12] != element.raw[-12:]:
        yield _breach(item, "GraphicData", "does not end where the polygon begins", "PS3.3 C.18.9.1.2")
    if dimensions == 2 and min(struct.unpack(f"<{len(element.raw) // 4}f", element.raw)) < 0:
        yield _breach(item, "GraphicData", "has a negative coordinate, outside the image", "PS3.3 C.18.6.1.1")


def _evidence(root: Item, content: Iterable[Item]) -> Found:
    """Every object that the tree names is among the evidence of the document (PS3.3 C.17.2.3)."""
    listed = {
        reference.text("ReferencedSOPInstanceUID")
        for keyword in _EVIDENCE
        for study in root.items(keyword)
        for series in study.items("ReferencedSeriesSequence")
        for reference in series.items("ReferencedSOPSequence")
    }
    for item in content:
        for reference in item.items("ReferencedSOPSequence"):
            if reference.text("ReferencedSOPInstanceUID") not in listed:
                words = "is of an object that is not among the evidence of the document"
                yield _breach(reference, "ReferencedSOPInstanceUID", words, "PS3.3 C.17.2.3")


def _breach(item: Item, keyword: str, words: str, rule: str) -> tuple[object, Breach]:
    return (_flat(item.place.keys), keyword, words), Breach(words, item.place.of(keyword), rule)


def _flat(keys: Sequence[str]) -> tuple[str, ...]:
    """Of whatever depth: the same fault of many content items is told once."""
    return tuple(key for key in keys if key != "ContentSequence")
