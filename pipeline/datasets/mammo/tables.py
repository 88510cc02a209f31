"""Tables that come with data sets: CSV with any separator, and the first sheet of an XLSX file."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from pipeline.core.errors import HeaderUnusable

Row = Mapping[str, str]

_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
LARGEST_BYTES = 256 * 2**20
"""No table of a data set is larger; what unpacks to more is none."""
MOST_COLUMNS, MOST_CELLS = 16_384, 10_000_000
"""Of a sheet (XFD is the last column of a spreadsheet program); of all its rows, with the empty cells before others."""


def read_table(path: Path, needed: Sequence[str]) -> list[Row]:
    """The rows by column name; names in lower case, with single spaces.

    needed: columns that must be there. Raises HeaderUnusable when the file is no table or lacks one.
    """
    lines = _xlsx(path) if path.suffix.lower() == ".xlsx" else _csv(path)
    head, *body = [line for line in lines if any(line)] or [[]]
    names = [re.sub(r"\s+", " ", name).strip().lower() for name in head]
    missing = [name for name in needed if name not in names]
    if missing:
        raise HeaderUnusable(
            f"{path.name} has no column {', '.join(missing)}", "give the table as it came with the data set"
        )
    return [dict(zip(names, (cell.strip() for cell in line), strict=False)) for line in body]


def _csv(path: Path) -> list[list[str]]:
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise HeaderUnusable(f"{path.name} cannot be read: {error.strerror}", "") from error
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    try:
        return list(csv.reader(io.StringIO(text), delimiter=separator))
    except csv.Error as error:
        raise HeaderUnusable(f"{path.name} is no CSV table: {error}", "export the table as CSV again") from error


def _xlsx(path: Path) -> list[list[str]]:
    """The first sheet; numbers as they are written, shared and inline texts in full."""
    try:
        with zipfile.ZipFile(path) as book:
            shared = [_text(item) for item in _part(book, "xl/sharedStrings.xml").iter(f"{_SHEET}si")]
            sheets = sorted(n for n in book.namelist() if n.startswith("xl/worksheets/sheet"))
            rows = _part(book, sheets[0] if sheets else "").iter(f"{_SHEET}row")
            return list(_limited(_cells(row, shared) for row in rows))
    except (zipfile.BadZipFile, ElementTree.ParseError, IndexError, ValueError, OSError) as error:
        raise HeaderUnusable(f"{path.name} is no XLSX table", "export the table as CSV") from error


def _part(book: zipfile.ZipFile, name: str) -> ElementTree.Element:
    if name not in book.namelist():
        return ElementTree.Element("none")
    if book.getinfo(name).file_size > LARGEST_BYTES:
        raise ValueError(name)
    data = book.read(name)
    if b"<!DOCTYPE" in data[:1024]:  # no such part has one; entities could grow without end
        raise ValueError(name)
    return ElementTree.fromstring(data)


def _limited(rows: Iterable[list[str]]) -> Iterator[list[str]]:
    """A few bytes make a long row of empty cells. Raises ValueError for more cells than any table has."""
    cells = 0
    for row in rows:
        cells += len(row)
        if cells > MOST_CELLS:
            raise ValueError("cells")
        yield row


def _cells(row: ElementTree.Element, shared: Sequence[str]) -> list[str]:
    found: dict[int, str] = {}
    for place, cell in enumerate(row.iter(f"{_SHEET}c")):
        at = _column(cell.get("r", "")) if cell.get("r") else place
        if at >= MOST_COLUMNS:
            raise ValueError(cell.get("r"))
        value = cell.find(f"{_SHEET}v")
        plain = (value.text or "") if value is not None else ""
        found[at] = shared[int(plain)] if cell.get("t") == "s" else (plain or _text(cell))
    return [found.get(i, "") for i in range(max(found, default=-1) + 1)]


def _text(element: ElementTree.Element) -> str:
    return "".join(t.text or "" for t in element.iter(f"{_SHEET}t"))


def _column(reference: str) -> int:
    """ "C7" -> 2. Raises ValueError for what is no reference, or has more than three letters."""
    letters = re.match(r"([A-Z]{1,3})\d*$", reference.upper())
    if letters is None:
        raise ValueError(reference)
    number = 0
    for letter in letters[1]:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
