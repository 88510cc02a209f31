"""A DICOM file read to its end, or an error that names the file.

pydicom takes a file that was cut off for one that ends there: of a structure set the last lesions would be missing, and
nobody would know. So the lengths that the file itself states are followed to its end first (PS3.5 7.1, 7.5).
"""

from __future__ import annotations

import struct
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

from pipeline.core.errors import HeaderUnusable
from pipeline.imaging.values import MALFORMED

_AGAIN = "export or copy it again"
_LONG = frozenset(str(vr).encode() for vr in EXPLICIT_VR_LENGTH_32)
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_ENDS, _SEQUENCE_ENDS = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)


def read_whole(path: Path) -> Dataset:
    """A file (PS3.10) of which nothing is cut off, with every element parsed.

    Raises HeaderUnusable, which names the file: for whoever gave it, and not for logs.
    """
    try:
        ds = dcmread(path, force=True)
        if "SOPClassUID" not in ds:
            raise HeaderUnusable(f"{path} is no DICOM file, or a damaged one", _AGAIN)
        cut = not _ends_well(path.read_bytes(), ds)
        for _ in ds.iterall():  # pydicom parses an element when somebody asks for it
            pass
    except MALFORMED as error:
        raise HeaderUnusable(f"{path} is damaged: it does not parse ({type(error).__name__})", _AGAIN) from error
    if cut:
        raise HeaderUnusable(f"{path} is damaged: its end is missing", _AGAIN)
    return ds


def _ends_well(data: bytes, ds: Dataset) -> bool:
    """Whether the last element ends where the file does; zeros may follow, as from old tapes."""
    if ds.file_meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        return True  # zlib has looked
    implicit, little = ds.original_encoding
    at = 132 if data[128:132] == b"DICM" else 0
    meta = _Elements(data, "<", implicit=False)
    elements = _Elements(data, "<" if little else ">", implicit=bool(implicit))
    try:
        while at < len(data) and meta.tag(at)[0] == 0x0002:
            at = meta.after(at)
        while any(data[at : at + 8]):
            at = elements.after(at)
    except struct.error:  # a header that is cut off itself
        return False
    return at <= len(data)


class _Elements:
    """Where the elements of a data set end, by their lengths alone. Raises struct.error beyond the end of the data."""

    def __init__(self, data: bytes, order: str, *, implicit: bool) -> None:
        self._data, self._order, self._implicit = data, order, implicit

    def tag(self, at: int) -> tuple[int, int]:
        """(group, element) of what begins there."""
        group, element = struct.unpack_from(f"{self._order}HH", self._data, at)
        return group, element

    def after(self, at: int) -> int:
        """Where the next element begins."""
        value, length = self._head(at)
        return value + length if length != _UNDEFINED else self._after_items(value)

    def _head(self, at: int) -> tuple[int, int]:
        """Where the value begins, and its length."""
        vr = self._data[at + 4 : at + 6]
        if self._implicit or not vr.isalpha() or self.tag(at)[0] == 0xFFFE:
            return at + 8, self._number("L", at + 4)
        if vr in _LONG:
            return at + 12, self._number("L", at + 8)
        return at + 8, self._number("H", at + 6)

    def _number(self, code: str, at: int) -> int:
        return int(struct.unpack_from(self._order + code, self._data, at)[0])

    def _after_items(self, at: int) -> int:
        """Behind the delimiter of a sequence, or of encapsulated pixels, whose first item begins there."""
        while (tag := self.tag(at)) != _SEQUENCE_ENDS:
            if tag != _ITEM:
                raise struct.error("neither an item nor the end of the sequence")
            at = self.after(at) if self._number("L", at + 4) != _UNDEFINED else self._after_item(at + 8)
        return at + 8

    def _after_item(self, at: int) -> int:
        while self.tag(at) != _ITEM_ENDS:
            at = self.after(at)
        return at + 8
