"""Pixel data against the attributes that describe it (PS3.3 C.7.6.3, PS3.5 8)."""

from __future__ import annotations

from collections.abc import Mapping

from pydicom.uid import RLELossless

from pipeline.iod.breach import Breach, Found
from pipeline.iod.read import Element, Item, named

_KINDS: Mapping[str, int | None] = {"PixelData": None, "FloatPixelData": 32, "DoubleFloatPixelData": 64}
"""Bits of a stored value; of PixelData as Bits Allocated says."""

_INTEGER = ("SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit",
            "PixelRepresentation")  # fmt: skip
_RULE = "PS3.3 C.7.6.3"


def breaches(root: Item, transfer_syntax_uid: str) -> Found:
    """How many bytes there should be, and whether bits and frames go together."""
    there = [(keyword, element) for keyword in _KINDS if (element := root.element(keyword)) is not None]
    if len(there) > 1:
        yield "two", Breach("stands beside other pixel data, of which there may be one kind", named(there[1][0]), _RULE)
    for keyword, element in there:
        wanted = _INTEGER if keyword == "PixelData" else ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated")
        lacking = [name for name in wanted if not root.filled(name)]
        for name in lacking:
            yield name, Breach("is missing, and there are pixels", named(name), _RULE)
        if not lacking:
            yield from _sized(root, keyword, element, transfer_syntax_uid)
    if there:
        yield from _bits(root)


def _sized(root: Item, keyword: str, element: Element, transfer_syntax_uid: str) -> Found:
    frames = root.number("NumberOfFrames") if root.filled("NumberOfFrames") else 1
    if frames is None or frames < 1:
        yield "frames", Breach("is no positive number", named("NumberOfFrames"), "PS3.3 C.7.6.6")
        return
    if element.length is None:
        yield from _fragments(keyword, len(element.fragments), frames, transfer_syntax_uid)
        return
    bits = _KINDS[keyword] or root.number("BitsAllocated") or 0
    area = (root.number("Rows") or 0) * (root.number("Columns") or 0)
    wanted = (area * (root.number("SamplesPerPixel") or 0) * frames * bits + 7) // 8
    if element.length != wanted + wanted % 2:
        words = f"has {element.length} bytes, and rows, columns, frames and bits make it {wanted + wanted % 2}"
        yield keyword, Breach(words, named(keyword), "PS3.5 8.1.1")


def _fragments(keyword: str, fragments: int, frames: int, transfer_syntax_uid: str) -> Found:
    """A frame has at least one fragment; in RLE exactly one (PS3.5 A.4)."""
    if fragments < frames or (transfer_syntax_uid == RLELossless and fragments != frames):
        words = f"has {fragments} fragments for {frames} frames"
        yield keyword, Breach(words, named(keyword), "PS3.5 A.4")


def _bits(root: Item) -> Found:
    allocated, stored, high = (root.number(k) for k in ("BitsAllocated", "BitsStored", "HighBit"))
    if allocated is None or stored is None or high is None:
        return
    if not 0 < stored <= allocated:
        words = f"is {stored}, and {named('BitsAllocated')} is {allocated}"
        yield "BitsStored", Breach(words, named("BitsStored"), "PS3.5 8.1.1")
    elif high != stored - 1:
        words = f"is {high}, and shall be one less than {named('BitsStored')}"
        yield "HighBit", Breach(words, named("HighBit"), "PS3.3 C.7.6.3")
