"""Rows of a template with those of the templates that they include, as what may stand below one content item."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from pydicom.sr.codedict import codes

from pipeline.templates.items import Term, term
from pipeline.templates.mammography import TEMPLATES
from pipeline.templates.rows import Condition, Node, Row
from pipeline.templates.values import group


@dataclass(frozen=True, eq=False)
class Slot:
    """A row that is a content item.

    order: where it stands among its neighbours; rows of a template that is included often have one place.
    many:  whether it may be there more than once; gates: conditions of the rows that include it.
    """

    node: Node
    tid: int
    relationship: str
    order: tuple[int, ...]
    many: bool
    gates: tuple[Condition, ...] = ()

    @property
    def row(self) -> Row:
        """Its row."""
        return self.node.row

    @property
    def by_reference(self) -> bool:
        """Whether the table has "R-" before the relationship."""
        return self.relationship.startswith("R-")

    @cached_property
    def names(self) -> frozenset[Term | str]:
        """The concept names that it may have; "*" among them for any; none where it has no name."""
        name, _, scheme = self.row.name.partition(" ")
        if name == "CID":
            return frozenset(group(int(scheme)))
        if name == "*":
            return frozenset({"*"})
        return frozenset({term(name, scheme or "DCM")}) if name else frozenset()

    @property
    def label(self) -> str:
        """For people: "Rendering Intent"."""
        return _meaning(self.row.name) or self.row.what

    @property
    def rule(self) -> str:
        """ "TID 4003 row 2"."""
        return f"TID {self.tid} row {self.row.number}"


@dataclass(frozen=True, eq=False)
class Block:
    """A row that includes a template, with the rows of that."""

    row: Row
    tid: int
    entries: tuple[Slot | Block, ...]

    @property
    def label(self) -> str:
        """ "TID 4021 Mammography CAD Geometry"."""
        return f"TID {self.row.included} {TEMPLATES[self.row.included].title}"

    @property
    def rule(self) -> str:
        """ "TID 4006 row 8"."""
        return f"TID {self.tid} row {self.row.number}"


Entry = Slot | Block


@dataclass(frozen=True, slots=True)
class _Place:
    relationship: str = ""
    order: tuple[int, ...] = ()
    many: bool = False
    gates: tuple[Condition, ...] = ()


def expand(nodes: tuple[Node, ...], tid: int, place: _Place = _Place()) -> tuple[Entry, ...]:
    """What may stand below an item: its rows, and in place of those that include a template, the rows of that."""
    return tuple(_entry(node, tid, k, place) for k, node in enumerate(nodes))


def _entry(node: Node, tid: int, k: int, place: _Place) -> Entry:
    row = node.row
    relationship = row.relationship or place.relationship
    order = place.order if place.many else (*place.order, k)
    many = place.many or row.many
    if not row.included:
        return Slot(node, tid, relationship, order, many, place.gates)
    gates = (*place.gates, row.condition) if row.condition else place.gates
    inner = TEMPLATES[row.included]
    return Block(row, tid, expand(inner.nodes, inner.tid, _Place(relationship, order, many, gates)))


def flat(entries: tuple[Entry, ...]) -> tuple[Slot, ...]:
    """The content items alone."""
    return tuple(s for e in entries for s in ((e,) if isinstance(e, Slot) else flat(e.entries)))


def _meaning(name: str) -> str:
    value, _, scheme = name.partition(" ")
    return next(
        (c.meaning for c in getattr(codes, scheme or "DCM").concepts.values() if c.value == value), ""
    ) if value.isdigit() else name  # fmt: skip
