"""What each Value Representation allows (PS3.5 6.2), checked on the bytes of the file."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import cache

from pydicom.datadict import dictionary_VM

from pipeline.iod.breach import Breach, Found
from pipeline.iod.read import Element, Item, vr_of
from pipeline.iod.required import is_copied, of_scanner
from pipeline.iod.text import TEXT_VRS, Undecodable, decoded

_RULE = "PS3.5 6.2"

MOST_BYTES: Mapping[str, int] = {"AE": 16, "AS": 4, "CS": 16, "DA": 8, "DS": 16, "DT": 26, "IS": 12, "TM": 14, "UI": 64}
"""Of one value, without padding (PS3.5 Table 6.2-1)."""

MOST_CHARACTERS: Mapping[str, int] = {"LO": 64, "LT": 10240, "SH": 16, "ST": 1024}
"""Of one value, counted in characters and not in bytes; of a PN 64 in each component group."""

SIZES: Mapping[str, int] = {
    "AT": 4, "FD": 8, "FL": 4, "SL": 4, "SS": 2, "SV": 8, "UL": 4, "US": 2, "UV": 8,
    "OD": 8, "OF": 4, "OL": 4, "OV": 8, "OW": 2,
}  # fmt: skip
"""Bytes of one number."""

_SYNTAX: Mapping[str, tuple[re.Pattern[str], str]] = {
    "AE": (re.compile(r"[\x20-\x5b\x5d-\x7e]*"), "is no AE title"),
    "AS": (re.compile(r"\d{3}[DWMY]"), "is no age of three digits and D, W, M or Y"),
    "CS": (re.compile(r"[A-Z0-9 _]*"), "has other characters than A-Z, 0-9, space and underscore"),
    "DA": (re.compile(r"\d{8}"), "is no date of eight digits"),
    "DS": (re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?"), "is no decimal number"),
    "DT": (
        re.compile(r"\d{4}((0[1-9]|1[0-2])((0[1-9]|[12]\d|3[01])"
                   r"(([01]\d|2[0-3])([0-5]\d(([0-5]\d|60)(\.\d{1,6})?)?)?)?)?)?([+-](0\d|1[0-4])[0-5]\d)?"),
        "is no date with time (YYYYMMDDHHMMSS.FFFFFF&ZZXX)",
    ),
    "IS": (re.compile(r"[+-]?\d+"), "is no whole number"),
    "TM": (re.compile(r"([01]\d|2[0-3])([0-5]\d(([0-5]\d|60)(\.\d{1,6})?)?)?"), "is no time of day (HHMMSS.FFFFFF)"),
    "UI": (re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+"), "is no UID: digits and dots, no leading zeros"),
    "UR": (re.compile(r"[!#-;=?-\[\]_a-z~%]*"), "is no URI"),
}  # fmt: skip

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_IN_PARAGRAPHS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")
_PARAGRAPHS = frozenset({"LT", "ST", "UT"})
"""Of these a backslash is a character like any other, and CR, LF, TAB and FF are allowed."""

_ONE_VALUE = _PARAGRAPHS | {"UR", "OB", "OD", "OF", "OL", "OV", "OW", "UN", "SQ"}
_UNSIGNED_32, _LEAST_IS, _MOST_IS = 0xFFFFFFFF, -(2**31), 2**31 - 1


def breaches(items: Sequence[Item]) -> Found:
    """The breaches of every attribute in these items, of which the first is the data set as a whole.

    Most values of a report stand in it hundreds of times (codes, UIDs): what was found of one is kept.
    """
    known: dict[tuple[object, ...], tuple[tuple[str, str], ...]] = {}
    scanner = of_scanner(items[0])
    for item in items:
        for element in item.elements.values():
            what = (element.tag, element.said_vr, element.length, element.raw, item.terms)
            faults = known.get(what)
            if faults is None:
                faults = known[what] = tuple(_faults(element, item.terms))
            for words, rule in faults:
                copied = is_copied(item.place.keys, element.tag) or item.place in scanner
                yield (item.place.keys, element.tag, words), Breach(words, item.place.of(element.tag), rule, copied)


def _faults(element: Element, terms: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if element.length is not None and element.length % 2:
        yield "has an odd number of bytes", "PS3.5 7.1.1"
    yield from _representation(element)
    if element.vr in SIZES:
        yield from _numbers(element, element.raw)
    elif element.vr in _SYNTAX or element.vr in TEXT_VRS:
        yield from _strings(element, element.raw, terms)


def _representation(element: Element) -> Iterator[tuple[str, str]]:
    """What the file says of the VR against the dictionary (PS3.6)."""
    known = vr_of(element.tag)
    if known != "UN" and element.said_vr not in ("", "UN") and element.said_vr not in known.split(" or "):
        yield f"has the VR {element.said_vr}, and is a {known}", "PS3.6 6"


def _numbers(element: Element, raw: bytes) -> Iterator[tuple[str, str]]:
    size = SIZES[element.vr]
    if len(raw) % size:
        yield f"has {len(raw)} bytes, which are no whole {element.vr} values", _RULE
        return
    if element.vr in ("FL", "FD") and raw:
        found = struct.unpack(f"<{len(raw) // size}{'f' if size == 4 else 'd'}", raw)
        if not all(math.isfinite(n) for n in found):
            yield "is not a finite number", _RULE
    if not element.vr.startswith("O"):
        yield from _multiplicity(element.tag, len(raw) // size)


def _strings(element: Element, raw: bytes, terms: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    try:
        said = decoded(raw, terms if element.vr in TEXT_VRS else (), name=element.vr == "PN")
    except Undecodable:
        yield "has bytes that are no text in the declared character set", "PS3.3 C.12.1.1.2"
        return
    padding = "\0" if element.vr == "UI" else " "
    if len(raw) % 2 == 0:
        said = said.removesuffix(padding)
    each = [said] if element.vr in _ONE_VALUE else said.split("\\")
    if said.strip(" \0"):
        yield from _multiplicity(element.tag, len(each))
    for words in dict.fromkeys(w for one in each for w in _string(element.vr, one)):
        yield words, _RULE


def _string(vr: str, one: str) -> Iterator[str]:
    """What is wrong with one value."""
    bare = one if vr == "UI" else one.rstrip(" ") if vr in _PARAGRAPHS else one.strip(" ")
    if not bare:
        return
    if len(one) > MOST_BYTES.get(vr, len(one)):
        yield f"has a value of {len(one)} bytes, and a {vr} has room for {MOST_BYTES[vr]}"
    if len(bare) > MOST_CHARACTERS.get(vr, len(bare)):
        yield f"has a value of {len(bare)} characters, and a {vr} has room for {MOST_CHARACTERS[vr]}"
    if vr in _SYNTAX and not _SYNTAX[vr][0].fullmatch(bare):
        yield _SYNTAX[vr][1]
    elif vr in _MORE:
        yield from _MORE[vr](bare)
    if vr in TEXT_VRS and (_CONTROL_IN_PARAGRAPHS if vr in _PARAGRAPHS else _CONTROL).search(bare):
        yield "has a control character"


def _date(bare: str) -> Iterator[str]:
    try:
        date(int(bare[:4]), int(bare[4:6]), int(bare[6:]))
    except ValueError:
        yield "is no day of the calendar"


def _whole(bare: str) -> Iterator[str]:
    if not _LEAST_IS <= int(bare[:40]) <= _MOST_IS:
        yield "is beyond the range of 32 bits"


def _decimal(bare: str) -> Iterator[str]:
    if not math.isfinite(float(bare)):
        yield "is not a finite number"


def _name(bare: str) -> Iterator[str]:
    groups = bare.split("=")
    if len(groups) > 3:
        yield "has more than three component groups"
    if any(group.count("^") > 4 for group in groups):
        yield "has more than five components"
    if longest := max((len(g) for g in groups if len(g) > 64), default=0):
        yield f"has a component group of {longest} characters, and a PN has room for 64"


_MORE: Mapping[str, Callable[[str], Iterator[str]]] = {"DA": _date, "IS": _whole, "DS": _decimal, "PN": _name}


def _multiplicity(tag: int, count: int) -> Iterator[tuple[str, str]]:
    """Against the dictionary: "1", "1-3", "2-2n", "3-n"."""
    allowed = _vm(tag)
    if count and allowed and not _is_allowed(count, allowed):
        yield f"has {count} values, and its multiplicity is {allowed}", "PS3.6 6"


@cache
def _vm(tag: int) -> str:
    try:
        return str(dictionary_VM(tag))
    except KeyError:
        return ""


@cache
def _is_allowed(count: int, allowed: str) -> bool:
    for way in allowed.split(" or "):
        least, _, most = way.partition("-")
        if not most:
            if count == int(least):
                return True
        elif most.endswith("n"):
            if count >= int(least) and count % int(most[:-1] or 1) == 0:
                return True
        elif int(least) <= count <= int(most):
            return True
    return False
