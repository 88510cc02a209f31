"""Text as bytes in the character sets of DICOM (PS3.5 6.1, PS3.3 C.12.1.1.2), decoded strictly or not at all."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

from pydicom import DataElement, Dataset
from pydicom.charset import CODES_TO_ENCODINGS, STAND_ALONE_ENCODINGS, encode_string, handled_encodings, python_encoding
from pydicom.valuerep import PersonName

from pipeline.iod.breach import Breach, Found
from pipeline.iod.read import Item, Place, key_of
from pipeline.iod.required import is_copied

TEXT_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""Those that Specific Character Set is about (PS3.5 6.1.2.2)."""

KNOWN_TERMS = frozenset(python_encoding) - {"ISO_IR 6", "ISO 2022 58", ""}
"""Defined Terms of Specific Character Set; ISO_IR 6 is the default and has none (PS3.3 Table C.12-2)."""

_FRAGMENTS = re.compile(b"(^[^\x1b]+|\x1b[^\x1b]*)")
_DELIMITERS = frozenset(b"\r\n\t\f\\")
_NAME_DELIMITERS = frozenset(b"\\^=")
_RULE = "PS3.3 C.12.1.1.2"


class Undecodable(ValueError):
    """The bytes are no text in the declared character set."""


def decoded(raw: bytes, terms: Sequence[str], *, name: bool = False) -> str:
    """The text. terms: of Specific Character Set; name: of a PN, where other delimiters end an escape sequence.

    Raises Undecodable.
    """
    if raw.isascii() and b"\x1b" not in raw:
        return raw.decode("ascii")
    encodings = _encodings(terms)
    try:
        if b"\x1b" not in raw or len(encodings) == 1:
            return raw.decode(encodings[0])
        delimiters = _NAME_DELIMITERS if name else _DELIMITERS
        return "".join(_fragment(part, encodings, delimiters) for part in _FRAGMENTS.findall(raw))
    except (UnicodeError, LookupError) as error:
        raise Undecodable from error


def _encodings(terms: Sequence[str]) -> tuple[str, ...]:
    """Names of Python's codecs; of the default repertoire ASCII, where pydicom takes Latin-1."""
    return tuple(_ASCII if term in _DEFAULT else python_encoding.get(term, _ASCII) for term in terms or [""])


_ASCII, _DEFAULT = "ascii", frozenset({"", "ISO_IR 6", "ISO 2022 IR 6"})


def _fragment(part: bytes, encodings: Sequence[str], delimiters: frozenset[int]) -> str:
    """One stretch of text behind its escape sequence (PS3.5 6.1.2.5.3: a delimiter goes back to the first set)."""
    if not part.startswith(b"\x1b"):
        return part.decode(encodings[0])
    length = 4 if part.startswith((b"\x1b$(", b"\x1b$)")) else 3
    encoding = CODES_TO_ENCODINGS.get(part[:length], "")
    if encoding == "iso8859":
        encoding = "ascii"
    elif encoding not in encodings:
        raise Undecodable
    if encoding in handled_encodings:
        return part.decode(encoding)
    rest = part[length:]
    end = next((n for n, byte in enumerate(rest) if byte in delimiters), len(rest))
    return rest[:end].decode(encoding) + rest[end:].decode(encodings[0])


def breaches(item: Item) -> Found:
    """Terms that do not exist, and combinations that are not allowed."""
    if not item.has("SpecificCharacterSet"):
        return
    where, terms = item.place.of("SpecificCharacterSet"), item.terms
    if any(term not in KNOWN_TERMS for n, term in enumerate(terms) if term or n):
        words = "names a character set that DICOM does not know"
        yield (words, where), Breach(words, where, _RULE, copied=True)
    if len(terms) > 1 and any(term in STAND_ALONE_ENCODINGS for term in terms):
        words = "combines a character set that must stand alone with others"
        yield (words, where), Breach(words, where, _RULE, copied=True)


def lost_text(ds: Dataset) -> Found:
    """What the character set of a data set cannot hold, so that question marks are written in its place.

    ds: before it is written; afterwards nobody can tell a question mark that was lost from one that was meant.
    """
    yield from _lost(ds, Place(), ())


def _lost(ds: Dataset, place: Place, terms: tuple[str, ...]) -> Found:
    declared = ds.get("SpecificCharacterSet")
    if declared is not None:
        terms = (declared,) if isinstance(declared, str) else tuple(declared)
    for tag, element in ds.items():
        if not isinstance(element, DataElement):
            continue  # bytes as they were read are written as they are
        if element.VR == "SQ":
            keys = (*place.keys, key_of(int(tag)))
            for number, item in enumerate(element.value or (), 1):
                yield from _lost(item, Place(keys, (*place.numbers, number)), terms)
        elif element.VR in TEXT_VRS and not all(_holds(text, terms) for text in _texts(element.value)):
            words = "has characters that the declared character set does not hold, and loses them when it is written"
            copied = is_copied(place.keys, int(tag))
            yield (place.keys, tag), Breach(words, place.of(int(tag)), _RULE, copied=copied)


def _texts(said: Any) -> list[str]:
    if isinstance(said, str):
        return [said]
    if isinstance(said, PersonName):
        return [] if isinstance(said.original_string, bytes) else [str(said)]
    several = isinstance(said, Iterable) and not isinstance(said, bytes)
    return [text for one in said for text in _texts(one)] if several else []


def _holds(text: str, terms: Sequence[str]) -> bool:
    if text.isascii():
        return True
    encodings = [python_encoding.get(term, "iso8859") for term in terms or [""]]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # as it does when it puts question marks
            written = encode_string(text, encodings)
    except (ValueError, UserWarning):
        return False
    # Without a character set that is known, bytes of the images go through as they came.
    return not terms or any(term not in python_encoding for term in terms) or decoded(written, terms) == text
