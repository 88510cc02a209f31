"""Do two files hold the same SOP Instance? The encoding may differ; the content may not.

Senders that transcode, or a second route through another PACS, give the same object other bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO

import numpy as np
from pydicom import DataElement, Dataset, dcmread
from pydicom.charset import convert_encodings
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.pixels import iter_pixels
from pydicom.tag import BaseTag, Tag
from pydicom.uid import ExplicitVRBigEndian

from node.syntaxes import LOSSLESS
from pipeline.imaging.header import MALFORMED

_BLOCK = 1 << 20

_NOT_COMPARABLE: tuple[type[Exception], ...] = (*MALFORMED, RuntimeError, OSError)

_WORDS = {"OW": "u2", "OF": "u4", "OL": "u4", "OD": "u8", "OV": "u8"}

_OF_THE_ENCODING = {
    Tag("PhotometricInterpretation"),  # RGB becomes YBR_RCT in JPEG 2000; the decoded pixels are compared instead
    Tag("PlanarConfiguration"),
    Tag("DataSetTrailingPadding"),
    Tag(0x00080001),  # Length to End, retired
}

_DRAWN = (
    "StructureSetROISequence",
    "ROIContourSequence",
    "RTROIObservationsSequence",
    "SegmentSequence",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "NumberOfFrames",
    "Rows",
    "Columns",
)

_COLOURS = {Tag("ROIDisplayColor"), Tag("RecommendedDisplayCIELabValue"), Tag("RecommendedDisplayGrayscaleValue")}


def same_content(one: Path, other: Path) -> bool:
    """True when both files surely hold the same instance: equal data sets, or equal elements and decoded pixels.

    One frame at a time is held in memory. Files that cannot be compared (lossy on one side, malformed) are not the
    same: the caller keeps both.
    """
    try:
        return _same_bytes(one, other) or _same_meaning(one, other)
    except _NOT_COMPARABLE:
        return False


def same_drawing(one: Path, other: Path) -> bool:
    """True when both files surely show the same contours or segments, with the same names, types and numbers.

    Of an RTSTRUCT its ROIs, contours and observations count, of a SEG its segments, functional groups and pixels; not
    what a PACS rewrites, nor private elements, nor colours. What is written anew in another way (1.0 for 1.00) differs.
    """
    try:
        a, b = _drawing(one), _drawing(other)
        if any(x != y for x, y in zip_longest(_elements(a, _is_big_endian(a)), _elements(b, _is_big_endian(b)))):
            return False
        return "Rows" not in a or (_syntaxes(a, b) <= LOSSLESS and _same_pixels(one, other))
    except _NOT_COMPARABLE:
        return False


def _drawing(path: Path) -> Dataset:
    ds = dcmread(path, specific_tags=list(_DRAWN), stop_before_pixels=True)
    ds.remove_private_tags()
    ds.walk(_without_colour)
    return ds


def _without_colour(ds: Dataset, element: DataElement) -> None:
    if element.tag in _COLOURS:
        del ds[element.tag]


def _syntaxes(a: Dataset, b: Dataset) -> set[str]:
    return {str(ds.file_meta.TransferSyntaxUID) for ds in (a, b)}


def _same_bytes(one: Path, other: Path) -> bool:
    with one.open("rb") as a, other.open("rb") as b:
        if _skip_meta(a) != _skip_meta(b):
            return False
        while block := a.read(_BLOCK):
            if block != b.read(len(block)):
                return False
        return not b.read(1)


def _skip_meta(file: BinaryIO) -> str:
    """Move to the first byte of the data set; returns the Transfer Syntax UID."""
    meta = dcmread(file, specific_tags=[], stop_before_pixels=True).file_meta
    # The group length counts from after itself: prefix 132 bytes, its own element 12 (PS3.10 7.1).
    file.seek(132 + 12 + meta.FileMetaInformationGroupLength)
    return str(meta.TransferSyntaxUID)


def _same_meaning(one: Path, other: Path) -> bool:
    a, b = dcmread(one, stop_before_pixels=True), dcmread(other, stop_before_pixels=True)
    if any(x != y for x, y in zip_longest(_elements(a, _is_big_endian(a)), _elements(b, _is_big_endian(b)))):
        return False
    if "Rows" not in a:
        return True
    return _syntaxes(a, b) <= LOSSLESS and _same_pixels(one, other)


def _same_pixels(one: Path, other: Path) -> bool:
    frames = zip_longest(iter_pixels(one), iter_pixels(other))
    return all(x is not None and y is not None and np.array_equal(x, y) for x, y in frames)


def _is_big_endian(ds: Dataset) -> bool:
    return str(ds.file_meta.TransferSyntaxUID) == ExplicitVRBigEndian


def _elements(ds: Dataset, big_endian: bool) -> Iterator[tuple[BaseTag, bytes | int]]:
    """Every element as it would stand in Implicit VR Little Endian; sequences as their items, one after another."""
    encodings = convert_encodings(ds.get("SpecificCharacterSet") or "")
    for element in ds:
        if element.tag.element == 0 or element.tag in _OF_THE_ENCODING:
            continue
        if element.VR == "SQ":
            yield element.tag, len(element.value)
            for item in element.value:
                yield from _elements(item, big_endian)
        elif big_endian and element.VR in _WORDS:
            # pydicom leaves the words of a stream as it found them.
            words = np.frombuffer(element.value, _WORDS[element.VR]).byteswap().tobytes()
            yield element.tag, _encoded(DataElement(element.tag, element.VR, words), encodings)
        else:
            yield element.tag, _encoded(element, encodings)


def _encoded(element: DataElement, encodings: list[str]) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, True
    write_data_element(buffer, element, encodings)
    return bytes(buffer.getvalue())
