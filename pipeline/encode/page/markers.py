"""What a lesion is marked with on a map: never anything that another lesion's name says."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

_OURS = re.compile(r"BM0*(\d{1,4})(?!\d)", re.IGNORECASE)
_WORDS = re.compile(r"[A-Z]+")
_NUMBERS = re.compile(r"\d+")
_LONGEST = 3
_LETTERS = "BCDEGJKMNQSTUVWXYZ"
"""Without those of directions (A P R L H F), and those that look like digits (I O)."""


def markers(names: Sequence[str]) -> dict[str, str]:
    """By name: "2" for BM02_L_FRONTAL, then the number in a name that has one alone (GTV_3), else letters.

    A number that several names have goes to the first, one of ours before others; letters that a name has are spared.
    """
    made: dict[str, str] = {}
    for number_in in (_ours, _only):
        for name in names:
            number = number_in(name)
            if name not in made and number and number not in made.values():
                made[name] = number
    said = {word for name in names for word in _WORDS.findall(name.upper())}
    letters = (letter for letter in _letters() if letter not in said)
    return {name: made.get(name) or next(letters) for name in names}


def says(name: str, marker: str) -> bool:
    """Whether a reader finds the marker in the name itself."""
    return marker in (_ours(name), _only(name))


def _ours(name: str) -> str:
    found = _OURS.match(name)
    return str(int(found[1])) if found else ""


def _only(name: str) -> str:
    numbers = _NUMBERS.findall(name)
    return str(int(numbers[0])) if len(numbers) == 1 and len(numbers[0]) <= _LONGEST else ""


def _letters() -> Iterator[str]:
    """B, C ... Z, BB, BC ..."""
    for length in itertools.count(1):
        yield from map("".join, itertools.product(_LETTERS, repeat=length))
