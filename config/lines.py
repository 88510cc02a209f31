"""The line of every key of a TOML document: what `tomllib` does not tell.

It reads only documents that `tomllib` has accepted, and so checks nothing.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right

from config.problems import Key

_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}' r"|'''.*?'{3,5}" r'|"(?:\\.|[^"\\])*"' r"|'[^']*'",
    re.DOTALL,
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"\d{4}-\d\d-\d\d \d\d:[^,\]}\s#]*|[^,\]}\s#]+")
_BLANK = re.compile(r"(?:\s|#[^\n]*)*")


def key_lines(text: str) -> dict[Key, int]:
    """The line, counted from 1, on which each table, array item and key of a valid TOML document begins."""
    scanner = _Scanner(text.replace("\r\n", "\n"))
    scanner.document()
    return scanner.lines


class _Scanner:
    def __init__(self, text: str) -> None:
        self.lines: dict[Key, int] = {}
        self._text = text
        self._pos = 0
        self._ends = [m.start() for m in re.finditer("\n", text)]
        self._items: dict[Key, int] = {}  # how many [[name]] there have been

    def document(self) -> None:
        base: Key = ()
        while self._next():
            base = self._header() if self._text[self._pos] == "[" else self._pair(base)

    def _header(self) -> Key:
        width = 2 if self._text.startswith("[[", self._pos) else 1
        start = self._pos
        self._pos += width
        keys = self._dotted_key()
        self._pos += width
        if width == 1:
            return self._resolve(keys, start)
        whole: Key = (*self._resolve(keys[:-1], start), keys[-1])
        self._items[whole] = self._items.get(whole, 0) + 1
        self._note(whole, start)
        return self._resolve(keys, start)

    def _resolve(self, keys: list[str], start: int) -> Key:
        path: Key = ()
        for key in keys:
            path = (*path, key)
            self._note(path, start)
            if path in self._items:
                path = (*path, self._items[path] - 1)
                self._note(path, start)
        return path

    def _pair(self, base: Key) -> Key:
        start, path = self._pos, base
        for key in self._dotted_key():
            path = (*path, key)
            self._note(path, start)
        self._pos += 1  # the equals sign
        self._value(path)
        return base

    def _value(self, path: Key) -> None:
        self._next()
        opening = self._text[self._pos]
        if opening == "[":
            self._array(path)
        elif opening == "{":
            self._inline_table(path)
        else:
            self._take(_STRING if opening in "\"'" else _SCALAR)

    def _array(self, path: Key) -> None:
        self._pos += 1
        count = 0
        while self._until("]"):
            self._note((*path, count), self._pos)
            self._value((*path, count))
            count += 1

    def _inline_table(self, path: Key) -> None:
        self._pos += 1
        while self._until("}"):
            self._pair(path)

    def _until(self, closing: str) -> bool:
        """Go past a comma to the next item; False, and past `closing`, at the end."""
        self._next()
        if self._text[self._pos] == ",":
            self._pos += 1
            self._next()
        if self._text[self._pos] != closing:
            return True
        self._pos += 1
        return False

    def _dotted_key(self) -> list[str]:
        keys = []
        while True:
            self._next()
            quoted = self._text[self._pos] in "\"'"
            key = self._take(_STRING if quoted else _BARE_KEY)
            keys.append(str(tomllib.loads(f"key = {key}")["key"]) if quoted else key)
            self._next()
            if self._text[self._pos] != ".":
                return keys
            self._pos += 1

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._pos)
        assert found is not None, "tomllib accepted this"
        self._pos = found.end()
        return found.group()

    def _next(self) -> bool:
        self._take(_BLANK)
        return self._pos < len(self._text)

    def _note(self, path: Key, position: int) -> None:
        self.lines.setdefault(path, bisect_right(self._ends, position - 1) + 1)
