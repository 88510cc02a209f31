"""Text and tables from top to bottom, on as many sheets as they need: nothing is cut off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.encode.page.model import (
    GREY,
    HEIGHT,
    MARGIN,
    PLAIN,
    RGB,
    SMALL,
    TOP,
    WHITE,
    WIDTH,
    Block,
    Box,
    Sheet,
    Text,
)
from pipeline.encode.text import plain

FULL = Box(MARGIN, TOP, WIDTH - 2 * MARGIN, HEIGHT - MARGIN - TOP)
_LEAD, _GAP = 5, 10
_NEARLY_EMPTY = 0.35 * FULL.height
_SCALES = (0.92, 0.84, 0.76, 0.68, 0.6)
_ROOM = 1.03
"""Drawn letters may be so much wider than measured ones: they are fitted to pixels."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table. rgb: of its first cell."""

    cells: tuple[str, ...]
    rgb: RGB = WHITE
    rest: RGB = WHITE


@dataclass(frozen=True, slots=True)
class Table:
    """columns: (heading, width in px)."""

    columns: tuple[tuple[str, float], ...]
    rows: tuple[Row, ...]


@cache
def _font(px: int, bold: bool) -> Any:
    import matplotlib  # noqa: PLC0415 - heavy, and only a page needs it
    from PIL import ImageFont  # noqa: PLC0415 - as above

    name = f"DejaVuSans{'-Bold' if bold else ''}.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), px)


def width(words: str, px: int = PLAIN, *, bold: bool = False) -> float:
    """Of one line, in pixels."""
    return float(_font(px, bold).getlength(words)) * _ROOM


def wrapped(words: str, room: float, px: int = PLAIN, *, bold: bool = False) -> list[str]:
    """Lines that are no wider than `room`; a word that is wider by itself is broken where it must."""
    lines = [""]
    for word in plain(words).split():
        longer = f"{lines[-1]} {word}".strip()
        if width(longer, px, bold=bold) <= room:
            lines[-1] = longer
        else:
            lines += _pieces(word, room, px, bold)
    return [line for line in lines if line] or [""]


def _pieces(word: str, room: float, px: int, bold: bool) -> list[str]:
    pieces = [""]
    for letter in word:
        if pieces[-1] and width(pieces[-1] + letter, px, bold=bold) > room:
            pieces.append("")
        pieces[-1] += letter
    return pieces


def stacked(lines: Sequence[tuple[str, RGB, bool]], box: Box, px: int = SMALL) -> list[Text]:
    """Lines of (words, colour, bold) below each other, wrapped to the box; its height is not looked at."""
    made: list[Text] = []
    for words, rgb, bold in lines:
        for line in wrapped(words, box.width, px, bold=bold) if words else ():
            made.append(Text(box.left, box.top + len(made) * (px + _LEAD), line, px, rgb, bold))
    return made


class Flow:
    """Sheets of one title that fill from top to bottom. y: where the next thing goes on the last of them."""

    def __init__(self, title: str, rgb: RGB = WHITE) -> None:
        self._title, self._rgb = title, rgb
        self._sheets: list[list[Block]] = [[]]
        self.y: float = TOP

    @property
    def sheets(self) -> tuple[Sheet, ...]:
        """All so far."""
        titles = [self._title, *[f"{self._title} (continued)"] * (len(self._sheets) - 1)]
        return tuple(Sheet(t, tuple(blocks), self._rgb) for t, blocks in zip(titles, self._sheets, strict=True))

    def put(self, *blocks: Block) -> None:
        """At their own places."""
        self._sheets[-1] += blocks

    @property
    def ends_nearly_empty(self) -> bool:
        """Whether the last of several sheets has little on it."""
        return len(self._sheets) > 1 and self.y < TOP + _NEARLY_EMPTY

    def skip(self, px: float = _GAP) -> None:
        """Leave some room."""
        self.y += px

    def keep_together(self, lines: int) -> None:
        """Begin a new sheet where so many lines have no room on this one."""
        self._make_room(lines * (PLAIN + _LEAD))

    def say(self, words: str, rgb: RGB = WHITE, *, px: int = PLAIN, bold: bool = False) -> None:
        """A paragraph over the whole width."""
        for line in wrapped(words, FULL.width, px, bold=bold):
            self._make_room(px + _LEAD)
            self.put(Text(MARGIN, self.y, line, px, rgb, bold))
            self.y += px + _LEAD

    def table(self, table: Table) -> None:
        """Over the whole width; its headings are said again on each sheet."""
        self._make_room(3 * (PLAIN + _LEAD))
        self._headings(table)
        for row in table.rows:
            cells = _cells(table, row)
            if self._make_room(_height(cells)):
                self._headings(table)
            self.put(*_placed(table, cells, row, MARGIN, self.y))
            self.y += _height(cells)
        self.skip()

    def _headings(self, table: Table) -> None:
        headings, cells = _headings(table)
        self.put(*_placed(table, cells, headings, MARGIN, self.y))
        self.y += _height(cells)

    def _make_room(self, px: float) -> bool:
        """Whether a new sheet had to be begun."""
        if self.y + px <= HEIGHT - MARGIN / 2:
            return False
        self._sheets.append([])
        self.y = TOP
        return True


def fitted(make: Callable[[float], Flow]) -> Flow:
    """What `make` lays out with pictures at 1 or the largest smaller scale that spares a nearly empty last sheet."""
    whole = make(1.0)
    if not whole.ends_nearly_empty:
        return whole
    smaller = (make(scale) for scale in _SCALES)
    return next((flow for flow in smaller if len(flow.sheets) < len(whole.sheets)), whole)


def small_table(table: Table, left: float, top: float) -> list[Text]:
    """A table at a place of its own, which must have room for it."""
    made: list[Text] = []
    for row in (_headings(table)[0], *table.rows):
        cells = _cells(table, row)
        made += _placed(table, cells, row, left, top)
        top += _height(cells)
    return made


def _headings(table: Table) -> tuple[Row, list[list[str]]]:
    row = Row(tuple(name for name, _ in table.columns), GREY, GREY)
    return row, _cells(table, row)


def _cells(table: Table, row: Row) -> list[list[str]]:
    columns = zip(row.cells, table.columns, strict=True)
    return [wrapped(cell, room - _GAP, PLAIN) for cell, (_, room) in columns]


def _height(cells: list[list[str]]) -> float:
    return max(len(lines) for lines in cells) * (PLAIN + _LEAD)


def _placed(table: Table, cells: list[list[str]], row: Row, left: float, top: float) -> list[Text]:
    made = []
    for k, (lines, (_, room)) in enumerate(zip(cells, table.columns, strict=True)):
        for n, line in enumerate(lines):
            made.append(Text(left, top + n * (PLAIN + _LEAD), line, PLAIN, row.rest if k else row.rgb, not k))
        left += room
    return [text for text in made if text.words]
