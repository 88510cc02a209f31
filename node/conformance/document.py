"""A document as values: sections with paragraphs, tables and figures. How it looks is for those who render it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Plain text."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Cells are plain text, each row as long as `heads`."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing, and the same for those who see letters alone."""

    caption: str
    svg: str
    text: str


Block = Paragraph | Table | Figure


@dataclass(frozen=True, slots=True)
class Section:
    """number: "4.2.1", as PS3.2 Annex A numbers them without the letter; blocks come before further sections."""

    number: str
    title: str
    blocks: tuple[Block, ...] = ()

    @property
    def level(self) -> int:
        """1 for a chapter."""
        return self.number.count(".") + 1

    @property
    def anchor(self) -> str:
        """What links lead to."""
        return "section-" + self.number.replace(".", "-")


@dataclass(frozen=True, slots=True)
class Document:
    """title, and (what, value) lines of the cover page."""

    title: str
    warning: str
    cover: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]

    @property
    def tables(self) -> tuple[Table, ...]:
        """All of them, in their order."""
        return tuple(b for s in self.sections for b in s.blocks if isinstance(b, Table))
