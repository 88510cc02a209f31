"""What stands in many sequences, and is complete or useless: references to objects (PS3.3 10.8), codes (PS3.3 8.8)."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.iod.breach import Breach, Found
from pipeline.iod.read import Item, tag_of
from pipeline.iod.required import is_copied

_CODES = ("CodeValue", "LongCodeValue", "URNCodeValue")
_SHORT = 16
_REFERENCE = frozenset({tag_of("ReferencedSOPClassUID"), tag_of("ReferencedSOPInstanceUID")})


def breaches(items: Sequence[Item]) -> Found:
    """References by class and instance, and codes by value, scheme and meaning, in all items of an object."""
    for item in items:
        if not _REFERENCE.isdisjoint(item.elements):
            yield from _reference(item)
        if (item.place.keys and item.place.keys[-1].endswith("CodeSequence")) or item.has("CodeMeaning"):
            yield from _code(item)


def _reference(item: Item) -> Found:
    for keyword in ("ReferencedSOPClassUID", "ReferencedSOPInstanceUID"):
        if not item.filled(keyword):
            yield _breach(item, keyword, "is missing, and a reference is to a class and an instance", "PS3.3 10.8")
    if item.has("ReferencedFrameNumber"):
        frames = item.numbers("ReferencedFrameNumber")
        if not frames or min(frames) < 1:
            yield _breach(item, "ReferencedFrameNumber", "is no number of a frame", "PS3.3 10.3")


def _code(item: Item) -> Found:
    values = [keyword for keyword in _CODES if item.filled(keyword)]
    if len(values) != 1:
        words = "has no code value" if not values else "is one of several code values"
        yield _breach(item, "CodeValue", words, "PS3.3 8.8")
    if not item.filled("CodeMeaning"):
        yield _breach(item, "CodeMeaning", "is missing, and its type is 1", "PS3.3 8.8")
    if values and values[0] != "URNCodeValue" and not item.filled("CodingSchemeDesignator"):
        yield _breach(item, "CodingSchemeDesignator", "is missing, and there is a code value", "PS3.3 8.8")
    if values == ["LongCodeValue"] and len(item.text("LongCodeValue")) <= _SHORT:
        words = f"has {_SHORT} characters or less, and shall be a Code Value then"
        yield _breach(item, "LongCodeValue", words, "PS3.3 8.1")


def _breach(item: Item, keyword: str, words: str, rule: str) -> tuple[object, Breach]:
    copied = is_copied(item.place.keys, keyword)
    return (item.place.keys, keyword, words), Breach(words, item.place.of(keyword), rule, copied)
