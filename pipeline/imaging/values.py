"""Data elements as plain Python values, quietly: a malformed element is left out, and never an exception."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Iterable
from typing import Any

from pydicom import Dataset
from pydicom.charset import decode_bytes, python_encoding
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.valuerep import TEXT_VR_DELIMS

LONGEST_BYTES = 1024
"""Longer values are left out: no one routes on them, and a header is kept in memory for each image."""

Plain = str | int | float

_NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}
_TEXT = {"AE", "AS", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}
_ONE_VALUE = {"LT", "ST", "UT", "UR"}
MALFORMED: tuple[type[Exception], ...] = (
    InvalidDicomError,
    BytesLengthException,
    EOFError,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    NotImplementedError,
    ArithmeticError,
    AssertionError,
    RecursionError,
    MemoryError,
    struct.error,
    zlib.error,
)
"""What pydicom raises on bytes that are not what they claim to be; the disk's own errors are told by an errno."""


def plain_values(ds: Dataset) -> dict[str, Any]:
    """Keyword -> str, int, float, or a tuple of them when there are several.

    Private, binary and long elements are left out, and so are those that do not parse. Of a sequence of codes
    the Code Meanings are kept (PS3.3 8.8), as a tuple. Raw elements are parsed here and not by pydicom, which
    warns about every odd value.
    """
    encodings = _encodings(ds)
    found = {}
    for tag in ds.keys():  # noqa: SIM118 - iterating the data set itself would convert every element
        keyword = "" if tag.is_private else keyword_for_tag(tag)
        value = _value(ds, tag, encodings) if keyword else None
        if value is not None:
            found[keyword] = value
    return found


def _value(ds: Dataset, tag: Any, encodings: list[str]) -> Any:
    try:
        element = ds.get_item(tag)
        vr = str(element.VR or dictionary_VR(tag))
        if vr == "SQ":
            return _code_meanings(ds, tag)
        is_raw = isinstance(element, RawDataElement)
        values = _from_raw(element, vr, ds, encodings) if is_raw else _from_set(element, vr)
    except MALFORMED:
        return None
    if not values:
        return None
    return values[0] if len(values) == 1 else tuple(values)


def _from_raw(element: RawDataElement, vr: str, ds: Dataset, encodings: list[str]) -> list[Plain]:
    raw = element.value
    if not isinstance(raw, bytes) or len(raw) > LONGEST_BYTES:
        return []
    if "US" in vr:
        vr = "SS" if vr != "US" and _is_signed(ds) else "US"
    if vr in _NUMBERS:
        size = struct.calcsize(_NUMBERS[vr])
        order = "<" if element.is_little_endian else ">"
        count = len(raw) // size
        return _finite(struct.unpack(f"{order}{count}{_NUMBERS[vr]}", raw[: count * size]))
    if vr in ("IS", "DS"):
        return _numbers(raw.decode("ascii", "replace").split("\\"), int if vr == "IS" else float)
    return _texts(_decoded(raw, encodings), vr) if vr in _TEXT else []


def _from_set(element: DataElement, vr: str) -> list[Plain]:
    many = element.value if isinstance(element.value, MultiValue | list | tuple) else [element.value]
    if vr in ("IS", "DS"):
        return _numbers([str(v) for v in many if v is not None], int if vr == "IS" else float)
    if vr in _NUMBERS or "US" in vr:
        return _finite(v for v in many if isinstance(v, int | float))
    if vr not in _TEXT or sum(len(str(v)) for v in many) > LONGEST_BYTES:
        return []
    return _kept([str(v).strip(" \0") for v in many if v is not None])


def _numbers(texts: list[str], kind: Callable[[float], Plain]) -> list[Plain]:
    stripped = [t.strip(" \0\t\r\n") for t in texts]
    values = [float(t) for t in stripped] if all(stripped) else []
    if not all(map(math.isfinite, values)):
        return []
    return [kind(v) if kind is float or v.is_integer() else v for v in values]


def _finite(values: Iterable[int | float]) -> list[Plain]:
    kept = list(values)
    return list(kept) if all(map(math.isfinite, kept)) else []


def _texts(text: str, vr: str) -> list[Plain]:
    return _kept([t.strip(" \0") for t in ([text] if vr in _ONE_VALUE else text.split("\\"))])


def _kept(texts: list[str]) -> list[Plain]:
    return list(texts) if any(texts) else []


def _is_signed(ds: Dataset) -> bool:
    element = ds.get_item("PixelRepresentation") if "PixelRepresentation" in ds else None
    value = element.value if element is not None else 0
    return value in (1, b"\x01\x00", b"\x00\x01")


def _encodings(ds: Dataset) -> list[str]:
    element = ds.get_item("SpecificCharacterSet") if "SpecificCharacterSet" in ds else None
    value = getattr(element, "value", None) or ""
    names = value.decode("ascii", "replace") if isinstance(value, bytes) else value
    terms = names.split("\\") if isinstance(names, str) else list(names)
    return [python_encoding.get(str(t).strip(" \0"), "iso8859") for t in terms] or ["iso8859"]


def _decoded(raw: bytes, encodings: list[str]) -> str:
    if raw.isascii() and b"\x1b" not in raw:
        return raw.decode("ascii")
    return str(decode_bytes(raw, encodings, TEXT_VR_DELIMS))


def _code_meanings(ds: Dataset, tag: Any) -> tuple[str, ...] | None:
    element = ds.get_item(tag)
    if isinstance(element, RawDataElement) and element.value is None:
        return None
    meanings = [plain_values(item).get("CodeMeaning") for item in ds[tag].value[:8] if "CodeMeaning" in item]
    return tuple(str(m) for m in meanings if m) or None
