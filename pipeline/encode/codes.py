"""The codes that results are written in: standard ones, and our own where there is none (PS3.16 8.2, 99LANTERN)."""

from __future__ import annotations

import re

from pydicom import Dataset
from pydicom.sr.coding import Code

from pipeline.encode.text import short
from pipeline.findings import Lesion, Sought

FINDING_CATEGORY = Code("276214006", "SCT", "Finding category")

REJECTED_CATEGORY = Code("309825002", "SCT", "Spatial and Relational Concept")
REJECTED_TYPE = Code("111102", "DCM", "Non-lesion")
"""What a rejected candidate is written as: nothing that looks for neoplasms or for abnormal structures finds it."""

LEFT = Code("7771000", "SCT", "Left")
RIGHT = Code("24028007", "SCT", "Right")

SCHEME = "99LANTERN"
AGREEMENT = Code("AGREEMENT", SCHEME, "Agreement of outlines in repeated readings")
ENHANCING_VOLUME = Code("ENHANCING_VOLUME", SCHEME, "Volume of enhancing part")
"""A name of its own: a reader that looks for Volume and overlooks modifiers must not take the part for the whole."""

CALIBRATED = Code("CALIBRATED", SCHEME, "Calibrated probability of a lesion")
SURFACE_DISTANCE = Code("SURFACE_DISTANCE", SCHEME, "From surface of lesion to surface of structure")
REJECTED_CANDIDATES = Code("REJECTED_ALL", SCHEME, "Rejected candidates, not lesions")
REJECTED_CANDIDATE = Code("REJECTED_ONE", SCHEME, "Rejected candidate, not a lesion")
REASON_AGAINST = Code("REASON_AGAINST", SCHEME, "Feature that spoke against a lesion")
THRESHOLD = Code("THRESHOLD", SCHEME, "Certainty from which a candidate is kept")

_ORGANS = {
    "brainstem": (Code("119238007", "SCT", "Brain Stem"),),
    "cochlea": (Code("80169004", "SCT", "Cochlea"),),
    "optic chiasm": (Code("244453006", "SCT", "Optic chiasm"),),
    "optic nerve": (Code("18234004", "SCT", "Optic nerve"),),
    "optic tract": (Code("53238003", "SCT", "Optic tract"),),
}
_ORGANS["optic pathway"] = tuple(_ORGANS[part][0] for part in ("optic nerve", "optic chiasm", "optic tract"))
_SIDES = {"left": LEFT, "right": RIGHT}


def site_of(lesion: Lesion, sought: Sought) -> tuple[Code, Code | None] | None:
    """Finding site and laterality; that of the pipeline where no atlas said more; None where nobody knows."""
    if not lesion.site:
        return (sought.site, None) if sought.site else None
    code = lesion.site.code
    return Code(code.value, code.scheme_designator, short(code.meaning, 64)), lesion.site.laterality


def organ(name: str) -> tuple[tuple[Code, ...], Code | None]:
    """The codes of an organ at risk ("left cochlea") and its side.

    Several codes where none covers the whole (PS3.16 TID 300: Finding Site may be multiple); one of our own for an
    organ that has none here.
    """
    first, _, rest = name.strip().lower().partition(" ")
    side = _SIDES.get(first)
    bare = rest if side else name.strip().lower()
    own = Code(re.sub(r"[^A-Z0-9]+", "_", bare.upper())[:16], SCHEME, bare[:64])
    return _ORGANS.get(bare, (own,)), side


def code_item(code: Code) -> Dataset:
    """One item of a code sequence (PS3.3 8.8)."""
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning
    return item


def scheme_item() -> Dataset:
    """Who is responsible for 99LANTERN: an item of Coding Scheme Identification (PS3.3 C.12.1)."""
    item = Dataset()
    item.CodingSchemeDesignator = SCHEME
    item.CodingSchemeName = "Lantern private codes"
    item.CodingSchemeResponsibleOrganization = "Lantern"
    return item
