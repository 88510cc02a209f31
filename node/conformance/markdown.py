"""A document as Markdown with tables (GitHub Flavored Markdown 4.10)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from node.conformance.document import Block, Document, Figure, Paragraph, Table

_SPECIAL = re.compile(r"([\\`*|<>\[\]~&#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")


def markdown(document: Document) -> str:
    """The whole text, ending with a line break."""
    return "\n\n".join(_parts(document)) + "\n"


def _parts(document: Document) -> Iterator[str]:
    yield f"# {escaped(document.title)}"
    yield f"**{escaped(document.warning)}**"
    yield _table(Table("", ("", ""), document.cover))
    yield "## Contents"
    yield "\n".join(
        f"{'  ' * (s.level - 1)}- [{s.number} {escaped(s.title)}](#{s.anchor})"
        for s in document.sections
        if s.level < 4
    )
    for section in document.sections:
        yield f'<a id="{section.anchor}"></a>'
        yield f"{'#' * min(6, section.level + 1)} {section.number} {escaped(section.title)}"
        yield from map(_block, section.blocks)


def _block(block: Block) -> str:
    match block:
        case Paragraph():
            return escaped(block.text)
        case Table():
            return f"*{escaped(block.caption)}*\n\n{_table(block)}"
        case Figure():
            return f"*{escaped(block.caption)}*\n\n```text\n{block.text}\n```"


def _table(table: Table) -> str:
    return "\n".join([_row(table.heads), _row("---" for _ in table.heads), *map(_row, map(_cells, table.rows))])


def _cells(row: Iterable[str]) -> list[str]:
    return [escaped(cell) for cell in row]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def escaped(text: str) -> str:
    """Text that Markdown shows as it stands."""
    return _SPECIAL.sub(r"\\\1", text)
