"""What a mammogram's header says in nested sequences of codes, as plain values beside the rest of the header."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from pydicom import Dataset

from pipeline.imaging.values import MALFORMED

VIEW_CODE = "ViewCodeValue"
"""In a header: codes of the view, SNOMED CT (PS3.16 CID 4014). No keyword of DICOM, nor are the next ones."""
MODIFIER_CODES = "ViewModifierCodeValues"
"""Codes of what is special about the view, SNOMED CT (PS3.16 CID 4015)."""
PART_CODES = "PartialViewCodeValues"
"""Codes of the part of the breast that a partial view shows (PS3.16 CID 4005)."""
SOURCE_IMAGES = "SourceImageUIDs"
"""SOP Instance UIDs of the images that this one was made from (PS3.3 C.7.6.1)."""

_OLD_SNOMED = ("SRT", "SNM3", "99SDM")
"""Designators that stand for SNOMED-RT codes (PS3.16 8); many mammographs still write SNM3."""


def view_codes(ds: Dataset) -> dict[str, Any]:
    """Tuples of texts under the keys above; what is absent or malformed is left out."""
    try:
        views = _items(ds, "ViewCodeSequence")
        found = {
            VIEW_CODE: tuple(_codes(views)),
            MODIFIER_CODES: tuple(c for v in [*views, ds] for c in _codes(_items(v, "ViewModifierCodeSequence"))),
            PART_CODES: tuple(_codes(_items(ds, "PartialViewCodeSequence"))),
            SOURCE_IMAGES: tuple(
                str(i.get("ReferencedSOPInstanceUID") or "") for i in _items(ds, "SourceImageSequence")
            ),
        }
    except MALFORMED:
        return {}
    return {key: value for key, value in found.items() if any(value)}


def _items(ds: Dataset, keyword: str) -> list[Dataset]:
    return list(ds.get(keyword) or [])[:8]


def _codes(items: list[Dataset]) -> Iterator[str]:
    for item in items:
        value, scheme = str(item.get("CodeValue") or ""), str(item.get("CodingSchemeDesignator") or "")
        yield _modern(value) if scheme in _OLD_SNOMED else value


@cache
def _modern(value: str) -> str:
    """SNOMED-RT to SNOMED CT, by pydicom's tables: it compares codes as equal, and does not tell the other one."""
    from pydicom.sr.codedict import codes  # noqa: PLC0415  (it is large, and most headers are not of mammograms)
    from pydicom.sr.coding import Code  # noqa: PLC0415

    old, contexts = Code(value, "SRT", ""), (codes.cid4014, codes.cid4015, codes.cid4005)
    known = [getattr(context, word) for context in contexts for word in dir(context)]
    return next((str(code.value) for code in known if isinstance(code, Code) and code == old), value)
