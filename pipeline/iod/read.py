"""A DICOM file as bytes -> its attributes as they stand there, whatever they are.

pydicom repairs and believes (it pads, guesses and decodes with replacements), which is right for using an object and
wrong for judging it; and of a report of 100 lesions it takes seconds to convert all 50,000 attributes. So this reads on
its own: PS3.5 7 and PS3.10 7, little endian.
"""

from __future__ import annotations

import gc
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

_LONG = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
"""Value Representations whose length has four bytes in an explicit transfer syntax (PS3.5 7.1.2)."""

_VRS = _LONG | {"AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "PN", "SH", "SL", "SS", "ST",
                "TM", "UI", "UL", "US"}  # fmt: skip
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_CHARACTER_SET = 0x00080005

DEEPEST = 60
"""Levels of nesting that are followed; a content tree of ours has 6."""

MOST_INFLATED = 1 << 31
"""Bytes of a deflated data set that are read."""


class Place(NamedTuple):
    """Where an item is: the keywords of the sequences that lead to it, and the number of the item in each, from 1."""

    keys: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()

    def of(self, tag: int | str) -> str:
        """An attribute in this item: "ROIName (3006,0026) in StructureSetROISequence[1]"."""
        inside = " > ".join(f"{key}[{number}]" for key, number in zip(self.keys, self.numbers, strict=True))
        return f"{named(tag)} in {inside}" if inside else named(tag)


class Element(NamedTuple):
    """One attribute. vr: as the file says, else of the dictionary; said_vr: "" where the file says none.

    length: as the file says, None when undefined. fragments: bytes of each, of encapsulated pixel data.
    """

    tag: int
    vr: str
    said_vr: str
    raw: bytes
    length: int | None
    items: tuple[Item, ...] = ()
    fragments: tuple[int, ...] = ()


class Item(NamedTuple):
    """A data set: the whole, or an item of a sequence. terms: of the Specific Character Set that holds in it."""

    place: Place
    elements: Mapping[int, Element]
    terms: tuple[str, ...] = ()

    def walk(self) -> Iterator[Item]:
        """This one, and all below it, in the order of the file."""
        yield self
        for element in self.elements.values():
            for item in element.items:
                yield from item.walk()

    def element(self, keyword: str) -> Element | None:
        """An attribute by its keyword."""
        return self.elements.get(tag_of(keyword))

    def has(self, keyword: str) -> bool:
        """Whether it is there, with or without a value."""
        return tag_of(keyword) in self.elements

    def filled(self, keyword: str) -> bool:
        """Whether it is there with a value that is not padding alone."""
        element = self.elements.get(tag_of(keyword))
        return element is not None and is_filled(element)

    def texts(self, keyword: str) -> tuple[str, ...]:
        """The values of an attribute whose characters are those of the default repertoire, without padding."""
        element = self.elements.get(tag_of(keyword))
        if element is None or not element.raw:
            return ()
        return tuple(one.strip(" \0") for one in element.raw.decode("latin-1").split("\\"))

    def text(self, keyword: str) -> str:
        """The first of them, "" without one."""
        return next(iter(self.texts(keyword)), "")

    def numbers(self, keyword: str) -> tuple[int, ...]:
        """The whole numbers of an attribute of VR IS, US, SS, UL, SL; none where one of them is no number."""
        element = self.elements.get(tag_of(keyword))
        if element is None:
            return ()
        try:
            if element.vr == "IS":
                return tuple(int(one) for one in self.texts(keyword))
            letter = _INTEGERS[element.vr]
            return struct.unpack(f"<{len(element.raw) // struct.calcsize(letter)}{letter}", element.raw)
        except (ValueError, KeyError, struct.error):
            return ()

    def number(self, keyword: str) -> int | None:
        """The first of them."""
        return next(iter(self.numbers(keyword)), None)

    def items(self, keyword: str) -> tuple[Item, ...]:
        """The items of a sequence."""
        element = self.elements.get(tag_of(keyword))
        return element.items if element is not None else ()


_INTEGERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "US or SS": "H"}


@dataclass(frozen=True, slots=True)
class File:
    """What was read. faults: sentences on why it was not all. meta: the File Meta Information (PS3.10 7.1)."""

    meta: Item
    root: Item
    faults: tuple[str, ...] = ()


@cache
def tag_of(keyword: str) -> int:
    """The number of an attribute of the standard. Raises KeyError: a misspelt keyword of ours."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return int(tag)


@cache
def key_of(tag: int) -> str:
    """The keyword of an attribute, or its number where it has none."""
    return keyword_for_tag(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


@cache
def named(attribute: int | str) -> str:
    """ "StudyID (0020,0010)"; a private or unknown attribute by its number."""
    tag = tag_of(attribute) if isinstance(attribute, str) else attribute
    number = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
    return f"{keyword_for_tag(tag) or ('Private' if tag >> 16 & 1 else 'Unknown') + ' attribute'} {number}"


@cache
def vr_of(tag: int) -> str:
    """By the dictionary; "UN" where it has none."""
    try:
        return str(dictionary_VR(tag))
    except KeyError:
        return "LO" if tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF else "UN"


def is_filled(element: Element) -> bool:
    """Whether there is a value that is not padding alone."""
    if element.vr == "SQ":
        return bool(element.items)
    return bool(element.fragments or (element.raw.strip(b" \0") if element.vr in TEXTUAL else element.raw))


TEXTUAL = _VRS - {"AT", "FD", "FL", "OB", "OD", "OF", "OL", "OV", "OW", "SL", "SQ", "SS", "SV", "UL", "UN", "US", "UV"}
"""Value Representations that are characters."""


class _Broken(Exception):
    """The bytes end where there should be more, or are no attributes: `args[0]` says where, in bytes from the start."""


def read(data: bytes) -> File:
    """A file with or without preamble. Never raises: what cannot be read is in `faults`."""
    with _no_collection():
        return _read(data)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Of a report tens of thousands of tuples are made and all are kept: looking for garbage doubles the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _read(data: bytes) -> File:
    begin, faults = (132, []) if data[128:132] == b"DICM" else (0, ["has no DICM prefix: it is no file of PS3.10"])
    meta = _Reader(data, explicit=True)
    begin = meta.group_2(begin)
    syntax = Item(Place(), meta.found).text("TransferSyntaxUID")
    if syntax == ExplicitVRBigEndian:
        faults.append("is big endian, a transfer syntax that was retired, and was not checked")
        return File(Item(Place(), meta.found), Item(Place(), {}), tuple(faults))
    if syntax == DeflatedExplicitVRLittleEndian:
        data, begin = _inflated(data[begin:]), 0
    explicit = syntax != ImplicitVRLittleEndian if syntax else data[begin + 4 : begin + 6].isalpha()
    reader = _Reader(data, explicit=explicit)
    root = reader.whole(begin)
    return File(Item(Place(), meta.found), root, (*faults, *meta.faults, *reader.faults))


def _inflated(data: bytes) -> bytes:
    """What can be inflated; what follows the end of a broken stream is missed where it is read."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, MOST_INFLATED)
    except zlib.error:
        return b""


class _Reader:
    """Reads one stretch of bytes. found: top-level attributes, also of what ends too early."""

    def __init__(self, data: bytes, *, explicit: bool) -> None:
        self.data, self.explicit = data, explicit
        self.found: dict[int, Element] = {}
        self.faults: list[str] = []

    def group_2(self, at: int) -> int:
        """Read the File Meta Information; where the data set begins."""
        while self.data[at : at + 2] == b"\x02\x00":
            try:
                element, at = self._element(at, len(self.data), Place(), (), self.explicit)
            except _Broken as broken:
                self._say(broken)
                return len(self.data)
            self.found[element.tag] = element
        return at

    def whole(self, begin: int) -> Item:
        """Read the data set."""
        try:
            item, _ = self._item(begin, len(self.data), Place(), (), self.explicit, self.found)
        except _Broken as broken:
            self._say(broken)
            item = Item(Place(), self.found)
        return item

    def _say(self, broken: _Broken) -> None:
        self.faults.append(f"cannot be read from byte {broken.args[0]} on: {broken.args[1]}")

    def _item(
        self, at: int, end: int, place: Place, terms: tuple[str, ...], explicit: bool, found: dict[int, Element]
    ) -> tuple[Item, int]:
        """The attributes up to `end`, or to the item's delimiter where its length is undefined."""
        before = -1
        while at < end:
            if self.data[at : at + 4] == b"\xfe\xff\x0d\xe0":
                at += 8
                break
            element, at = self._element(at, end, place, terms, explicit)
            if element.tag <= before:
                self.faults.append(f"has {place.of(element.tag)} twice, or out of order")
            before = element.tag
            found[before] = element
            if before == _CHARACTER_SET:
                terms = tuple(one.strip(" \0") for one in element.raw.decode("latin-1").split("\\"))
        return Item(place, found, terms), at

    def _element(self, at: int, end: int, place: Place, terms: tuple[str, ...], explicit: bool) -> tuple[Element, int]:
        tag, said, length, begin = self._head(at, end, explicit)
        vr = said if said and said != "UN" else vr_of(tag)
        if length == _UNDEFINED:
            return self._undefined(tag, vr, said, begin, end, place, terms)
        if begin + length > end:
            raise _Broken(at, f"{place.of(tag)} is longer than what it is in")
        stop = begin + length
        if vr == "SQ":
            # Unknown to whoever wrote it, so implicit inside (PS3.5 6.2.2).
            items, _ = self._items(begin, stop, tag, place, terms, explicit and said != "UN")
            return Element(tag, vr, said, b"", length, items), stop
        return Element(tag, vr, said, self.data[begin:stop], length), stop

    def _head(self, at: int, end: int, explicit: bool) -> tuple[int, str, int, int]:
        """(tag, VR as it is said, length, where the value begins)."""
        if at + 8 > end:
            raise _Broken(at, "the bytes end within an attribute")
        if not explicit:
            group, element, length = _IMPLICIT(self.data, at)
            return group << 16 | element, "", length, at + 8
        group, element, letters, length = _EXPLICIT(self.data, at)
        said = _LETTERS.get(letters, "")
        if not said:
            raise _Broken(at, f"({group:04X},{element:04X}) has no Value Representation")
        if said not in _LONG:
            return group << 16 | element, said, length, at + 8
        if at + 12 > end:
            raise _Broken(at, "the bytes end within an attribute")
        return group << 16 | element, said, _LENGTH(self.data, at + 8)[0], at + 12

    def _undefined(
        self, tag: int, vr: str, said: str, begin: int, end: int, place: Place, terms: tuple[str, ...]
    ) -> tuple[Element, int]:
        if vr == "SQ" or said == "UN":
            items, at = self._items(begin, end, tag, place, terms, self.explicit and said != "UN")
            return Element(tag, "SQ", said, b"", None, items), at
        fragments, at = self._fragments(begin, end)
        return Element(tag, vr, said, b"", None, (), fragments), at

    def _items(
        self, at: int, end: int, tag: int, place: Place, terms: tuple[str, ...], explicit: bool
    ) -> tuple[tuple[Item, ...], int]:
        if len(place.keys) >= DEEPEST:
            raise _Broken(at, "sequences are nested too deep")
        keys = (*place.keys, key_of(tag))
        items: list[Item] = []
        while at < end:
            kind, length, at = self._delimiter(at, end)
            if kind == _SEQUENCE_END:
                break
            stop = end if length == _UNDEFINED else at + length
            if stop > end:
                raise _Broken(at, f"an item of {place.of(tag)} is longer than what it is in")
            here = Place(keys, (*place.numbers, len(items) + 1))
            item, at = self._item(at, stop, here, terms, explicit, {})
            items.append(item)
        return tuple(items), at

    def _fragments(self, at: int, end: int) -> tuple[tuple[int, ...], int]:
        """Lengths of the fragments, without the basic offset table (PS3.5 A.4)."""
        lengths: list[int] = []
        while True:
            kind, length, at = self._delimiter(at, end)
            if kind == _SEQUENCE_END:
                return tuple(lengths[1:]), at
            if at + length > end:
                raise _Broken(at, "a fragment of pixel data is longer than the file")
            lengths.append(length)
            at += length

    def _delimiter(self, at: int, end: int) -> tuple[int, int, int]:
        if at + 8 > end:
            raise _Broken(at, "the bytes end within a sequence")
        group, element, length = _IMPLICIT(self.data, at)
        kind = group << 16 | element
        if kind not in (_ITEM, _SEQUENCE_END):
            raise _Broken(at, "there is no item where a sequence has to have one")
        return kind, length, at + 8


_IMPLICIT = struct.Struct("<HHI").unpack_from
_EXPLICIT = struct.Struct("<HH2sH").unpack_from
_LENGTH = struct.Struct("<I").unpack_from
_LETTERS = {vr.encode(): vr for vr in _VRS}
