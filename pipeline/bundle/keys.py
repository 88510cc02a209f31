"""Takes keys out of a TOML table, checks them, and gathers what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

MANIFEST = "lantern.toml"


class Reader:
    """Takes keys out of a table and gathers what is wrong with them."""

    def __init__(self, table: Mapping[str, Any], problems: list[str] | None = None, name: str = "") -> None:
        self._table, self._name = table, name
        self._taken: set[str] = set()
        self._inner: list[Reader] = []
        self.problems = [] if problems is None else problems

    def table(self, key: str) -> Reader:
        """A reader of the table below that key; its problems are among these."""
        self._taken.add(key)
        value = self._table.get(key)
        if not isinstance(value, dict):
            self.say(key, f"must be a table, [{key}]")
        self._inner.append(Reader(value if isinstance(value, dict) else {}, self.problems, f"[{key}] "))
        return self._inner[-1]

    def take(self, key: str, check: Callable[[Any], Any], default: Any = None) -> Any:
        """The checked value; None when it is missing or wrong, which is then among the problems."""
        self._taken.add(key)
        if key not in self._table:
            if default is None and (self._table or not self._name):
                self.say(key, "is missing")
            return default
        try:
            return check(self._table[key])
        except ValueError as error:
            self.say(key, str(error))
            return None

    def say(self, key: str, what: str) -> None:
        """Note a problem with a key."""
        self.problems.append(f"{self._name}{key} {what}")

    def leftovers(self) -> None:
        """Note every key that nobody took, here and in the tables below."""
        for key in sorted(self._table.keys() - self._taken):
            self.say(key, "is no key that Lantern knows")
        for reader in self._inner:
            reader.leftovers()


def line(value: Any) -> str:
    """One line of text that fits a DICOM value: no backslash, no control character (PS3.5 6.2)."""
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or "\\" in value:
        raise ValueError("must be one line of text without a backslash")
    return value.strip()


def inside(value: Any) -> str:
    """A path that stays inside the folder of the manifest."""
    text = line(value)
    if Path(text).is_absolute() or ".." in Path(text).parts:
        raise ValueError(f"must be a path inside the folder of {MANIFEST}")
    return text


def digest(value: Any) -> str:
    """64 hexadecimal digits, in lower case."""
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-fA-F]{64}", value):
        raise ValueError("must be the 64 hexadecimal digits that `sha256sum` prints")
    return value.lower()


def one_of(known: tuple[str, ...]) -> Callable[[Any], str]:
    """One of these words."""

    def check(value: Any) -> str:
        if value not in known:
            raise ValueError(f"must be {' or '.join(map(repr, known))}, not {value!r}")
        return str(value)

    return check


def orientation(value: Any) -> str:
    """Where three array axes lead: "RAS"."""
    wanted = ({"L", "R"}, {"A", "P"}, {"S", "I"})
    letters = value.upper() if isinstance(value, str) else ""
    if len(letters) != 3 or sorted(sum(c in pair for c in letters) for pair in wanted) != [1, 1, 1]:
        raise ValueError('must be three letters, one each of L/R, A/P and S/I, such as "RAS": where array axes lead')
    return letters


def number(low: float, high: float) -> Callable[[Any], float]:
    """From `low` to `high`, whole or not."""

    def check(value: Any) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}, not {value!r}")
        return float(value)

    return check


def whole(low: int, high: int) -> Callable[[Any], int]:
    """A whole number from `low` to `high`."""

    def check(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}, not {value!r}")
        return value

    return check


def many(check: Callable[[Any], Any], count: int = 0) -> Callable[[Any], tuple[Any, ...]]:
    """An array of these, of `count` where that is given."""

    def check_all(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list) or not value or (count and len(value) != count):
            raise ValueError(f"must be an array of {count or 'one or more'}")
        return tuple(check(v) for v in value)

    return check_all


WHOLE = "whole"


def patch_or_whole(value: Any) -> tuple[int, ...]:
    """(rows, columns), or () for "whole"."""
    if value == WHOLE:
        return ()
    if isinstance(value, str):
        raise ValueError(f'must be an array of 2, or "{WHOLE}", not {value!r}')
    return tuple(many(whole(8, 8192), 2)(value))
