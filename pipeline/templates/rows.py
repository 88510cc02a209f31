"""What a template of PS3.16 says, as data: rows with their conditions and value sets (PS3.16 6.1)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ParentIs:
    """Whether the value of the content item above is one of these codes. otherwise: the row may be there even so."""

    codes: tuple[str, ...]
    otherwise: bool = False


@dataclass(frozen=True, slots=True)
class ParentIsNot:
    """The opposite."""

    codes: tuple[str, ...]
    otherwise: bool = False


@dataclass(frozen=True, slots=True)
class RowIs:
    """Whether another row of the same template has one of these values."""

    row: str
    codes: tuple[str, ...]
    otherwise: bool = False


@dataclass(frozen=True, slots=True)
class With:
    """Whether one of these rows of the same template is there."""

    rows: tuple[str, ...]
    otherwise: bool = False


@dataclass(frozen=True, slots=True)
class Without:
    """Whether none of them is."""

    rows: tuple[str, ...]
    otherwise: bool = False


@dataclass(frozen=True, slots=True)
class AtLeastOneOf:
    """At least one of these rows shall be there, and any of them may."""

    rows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImageHas:
    """Whether the image has one of these attributes; known only to who has the image at hand."""

    keywords: tuple[str, ...]


Condition = ParentIs | ParentIsNot | RowIs | With | Without | AtLeastOneOf | ImageHas


@dataclass(frozen=True, slots=True)
class Group:
    """A code of a context group (PS3.16 Annex B). extensible: others are allowed, "BCID"."""

    cid: int
    extensible: bool = False


@dataclass(frozen=True, slots=True)
class Number:
    """A number in one of these units (UCUM; none: any) within limits. whole: an integer."""

    units: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """Graphic Type of coordinates (PS3.3 C.18.6.1.1)."""

    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InLibrary:
    """An IMAGE of the Image Library of the same document."""


Values = Group | Number | Shape | InLibrary

PERCENT = Number(("%",), 0, 100)
OUTLINE = Shape(("CIRCLE", "ELLIPSE", "POLYLINE"))
ANY = "*"


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    number:       as the table has it.
    nesting:      how many ">".
    relationship: with the item above; "R-" before it: by reference; "": that of the row that includes the template.
    what:         value type, or "INCLUDE 4019"; "*": any.
    name:         concept name, a code of DCM, or "272741003 SCT", or "CID 6037"; "": it has none; "*": any.
    many:         "1-n" rather than "1".
    requirement:  M, MC, U or UC (PS3.16 6.1.7).
    """

    number: str
    nesting: int
    relationship: str
    what: str
    name: str
    many: bool
    requirement: str
    condition: Condition | None = None
    values: Values | None = None

    @property
    def included(self) -> int:
        """The TID that it includes, or 0."""
        return int(self.what.removeprefix("INCLUDE ")) if self.what.startswith("INCLUDE ") else 0


@dataclass(frozen=True, slots=True)
class Node:
    """A row and those nested below it."""

    row: Row
    below: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A table.

    source:    where it was read.
    tolerated: (relationship, value type) of content that is let pass beside its rows: of a table that was not seen
               to its end.
    nodes:     its rows as a forest.
    """

    tid: int
    title: str
    source: str
    rows: tuple[Row, ...]
    tolerated: frozenset[tuple[str, str]] = frozenset()
    nodes: tuple[Node, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", _forest(self.rows, 0))


def _forest(rows: tuple[Row, ...], nesting: int) -> tuple[Node, ...]:
    heads = [i for i, row in enumerate(rows) if row.nesting == nesting]
    ends = [*heads[1:], len(rows)][: len(heads)]
    return tuple(
        Node(rows[head], _forest(rows[head + 1 : end], nesting + 1)) for head, end in zip(heads, ends, strict=True)
    )
