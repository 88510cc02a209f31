"""Content items of a structured report as a frozen tree, whatever their attributes look like (PS3.3 C.17.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydicom import Dataset
from pydicom.sr._snomed_dict import mapping

DEEPEST = 60
"""Levels that are looked at; no template goes half as deep."""

_VALUE_OF = {"TEXT": "TextValue", "DATE": "Date", "TIME": "Time", "UIDREF": "UID", "PNAME": "PersonName"}


@dataclass(frozen=True, slots=True)
class Term:
    """A coded concept; two are equal where they mean the same, whichever SNOMED scheme they stand in."""

    value: str
    scheme: str


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One content item.

    position: as a by-reference relationship names it: 1 is the root, 1.2 its second item (PS3.3 C.17.3.2.5).
    target:   the position that it refers to; None for an item that is here by value.
    words:    its concept name and those above it, for people.
    """

    position: tuple[int, ...]
    relationship: str
    value_type: str
    name: Term | None
    words: tuple[str, ...]
    dataset: Dataset
    children: tuple[Item, ...]
    target: tuple[int, ...] | None = None

    @property
    def path(self) -> str:
        """Where it stands: "1.3.1 Mammography CAD Report > ... > Rendering Intent"."""
        return f"{'.'.join(map(str, self.position))} {' > '.join(self.words)}"

    @property
    def code(self) -> Term | None:
        """The value of a CODE."""
        return _term(self.dataset, "ConceptCodeSequence")

    @property
    def number(self) -> tuple[float, str] | None:
        """The value of a NUM and its unit; None where there is none that can be read."""
        measured = _first(self.dataset, "MeasuredValueSequence")
        unit = measured and _term(measured, "MeasurementUnitsCodeSequence")
        try:
            return (float(measured.NumericValue), unit.value) if measured and unit else None
        except (AttributeError, TypeError, ValueError):
            return None

    @property
    def graphic(self) -> tuple[str, tuple[float, ...]]:
        """Graphic Type and Graphic Data of an SCOORD."""
        data = self.dataset.get("GraphicData")
        values = tuple(float(v) for v in data) if isinstance(data, (list, tuple)) or hasattr(data, "__iter__") else ()
        return str(self.dataset.get("GraphicType") or ""), values

    @property
    def image(self) -> tuple[str, str]:
        """SOP Class UID and SOP Instance UID of an IMAGE or COMPOSITE."""
        item = _first(self.dataset, "ReferencedSOPSequence") or Dataset()
        return str(item.get("ReferencedSOPClassUID") or ""), str(item.get("ReferencedSOPInstanceUID") or "")

    @property
    def is_empty(self) -> bool:
        """Whether it lacks the value that its type calls for."""
        match self.value_type:
            case "CODE":
                return self.code is None
            case "NUM":
                return self.number is None
            case "SCOORD":
                return not self.graphic[1]
            case "IMAGE" | "COMPOSITE":
                return not all(self.image)
        keyword = _VALUE_OF.get(self.value_type)
        return keyword is not None and not str(self.dataset.get(keyword) or "").strip()

    def walk(self) -> Iterator[Item]:
        """Itself and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()


def tree(report: Dataset) -> Item:
    """The content of a document, from its root container on."""
    return _item(report, (1,), ())


def _item(ds: Dataset, position: tuple[int, ...], above: tuple[str, ...]) -> Item:
    words = (*above, _meaning(ds))
    below = ds.get("ContentSequence") or [] if len(position) < DEEPEST else []
    target = ds.get("ReferencedContentItemIdentifier")
    return Item(
        position=position,
        relationship=str(ds.get("RelationshipType") or ""),
        value_type=str(ds.get("ValueType") or ""),
        name=_term(ds, "ConceptNameCodeSequence"),
        words=words,
        dataset=ds,
        children=tuple(_item(child, (*position, k), words) for k, child in enumerate(below, start=1)),
        target=None if target is None else _numbers(target),
    )


def _numbers(value: Any) -> tuple[int, ...]:
    return tuple(int(v) for v in value) if hasattr(value, "__iter__") else (int(value),)


def _meaning(ds: Dataset) -> str:
    name = _first(ds, "ConceptNameCodeSequence") or Dataset()
    return str(name.get("CodeMeaning") or ds.get("ValueType") or "(reference)")


def _first(ds: Dataset, keyword: str) -> Dataset | None:
    items = ds.get(keyword)
    return items[0] if items else None


def _term(ds: Dataset, keyword: str) -> Term | None:
    item = _first(ds, keyword)
    value = item and next((item.get(k) for k in ("CodeValue", "LongCodeValue", "URNCodeValue") if item.get(k)), None)
    return term(str(value), str(item.get("CodingSchemeDesignator") or "")) if item and value else None


def term(value: str, scheme: str) -> Term:
    """A concept, with the older SNOMED schemes turned into SCT (PS3.16 8.1)."""
    if scheme in ("SRT", "SNM3", "99SDM"):
        known = mapping["SRT"].get(value)
        return Term(known, "SCT") if known else Term(value, scheme)
    return Term(value, scheme)
