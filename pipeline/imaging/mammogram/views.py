"""Side, view and what is special about it, from codes, from View Position, or from words where these are missing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from pipeline.core.breast import Laterality
from pipeline.core.study import Instance
from pipeline.imaging.view_codes import MODIFIER_CODES, VIEW_CODE


class Modifier(StrEnum):
    """What is special about a view (PS3.16 CID 4015)."""

    IMPLANT_DISPLACED = "implant displaced"
    MAGNIFICATION = "magnification"
    SPOT = "spot compression"
    CLEAVAGE = "cleavage"
    AXILLARY_TAIL = "axillary tail"
    AXILLARY_TISSUE = "axillary tissue"
    INFRAMAMMARY_FOLD = "infra-mammary fold"
    TANGENTIAL = "tangential"
    ROLLED_LATERAL = "rolled lateral"
    ROLLED_MEDIAL = "rolled medial"
    ROLLED_INFERIOR = "rolled inferior"
    ROLLED_SUPERIOR = "rolled superior"
    NIPPLE_IN_PROFILE = "nipple in profile"
    ANTERIOR_COMPRESSION = "anterior compression"


VIEWS: Mapping[str, str] = MappingProxyType(
    {
        "399162004": "CC",
        "399368009": "MLO",
        "399260004": "ML",
        "399352003": "LM",
        "399099002": "LMO",
        "399196006": "FB",
        "399188001": "SIO",
        "441555000": "ISO",
        "399192008": "XCCL",
        "399101009": "XCCM",
        "127457009": "SPECIMEN",
    }
)
"""SNOMED CT code (PS3.16 CID 4014) -> View Position (0018,5101)."""

MODIFIERS: Mapping[str, Modifier] = MappingProxyType(
    {
        "399209000": Modifier.IMPLANT_DISPLACED,
        "399163009": Modifier.MAGNIFICATION,
        "399055006": Modifier.SPOT,
        "399161006": Modifier.CLEAVAGE,
        "399011000": Modifier.AXILLARY_TAIL,
        "442580003": Modifier.AXILLARY_TISSUE,
        "442593008": Modifier.INFRAMAMMARY_FOLD,
        "399110001": Modifier.TANGENTIAL,
        "399197002": Modifier.ROLLED_LATERAL,
        "399226006": Modifier.ROLLED_MEDIAL,
        "414493004": Modifier.ROLLED_INFERIOR,
        "415670009": Modifier.ROLLED_SUPERIOR,
        "442581004": Modifier.NIPPLE_IN_PROFILE,
        "441752004": Modifier.ANTERIOR_COMPRESSION,
    }
)
"""SNOMED CT code (PS3.16 CID 4015) -> modifier."""

FROM_ABOVE = frozenset({"CC", "FB", "XCC", "XCCL", "XCCM"})
"""Views in which lateral and medial, and no head and foot, lie up and down."""

OBLIQUE = frozenset({"MLO", "LMO", "SIO", "ISO"})
"""Views that should show the pectoral muscle."""

READ = FROM_ABOVE | OBLIQUE | {"ML", "LM"}
"""Views of a whole breast."""

_SIDE_WORDS = {"R": Laterality.RIGHT, "L": Laterality.LEFT, "RIGHT": Laterality.RIGHT, "LEFT": Laterality.LEFT}
_TOGETHER = re.compile(r"^([RL])(CC|MLO|ML|LM|LMO|XCCL|XCCM|FB)(?:ID|M|S)?$")
_CBIS = re.compile(r"_(LEFT|RIGHT)_(CC|MLO)")
"""In the Patient ID of CBIS-DDSM, "P_00001_LEFT_CC"; its files have no Image Laterality."""
_AFTER = {"ID": Modifier.IMPLANT_DISPLACED, "MAG": Modifier.MAGNIFICATION, "SPOT": Modifier.SPOT}
_DESCRIBED_BY = ("SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription", "ImageComments")


def laterality_of(image: Instance) -> Laterality | None:
    """Of the image, else of its frames, else of the series, else from the words that describe it; None if unknown."""
    said = _side_of_tags(image)
    if said is not None or is_bilateral(image):
        return said
    found = {_SIDE_WORDS[w] for w in _words(image) if w in _SIDE_WORDS}
    return found.pop() if len(found) == 1 else None


def _side_of_tags(image: Instance) -> Laterality | None:
    for keyword in ("ImageLaterality", "FrameLaterality", "Laterality"):
        value = str(image.get(keyword, "")).strip().upper()
        if value in ("L", "R"):
            return Laterality(value)
        if value in ("B", "BILATERAL"):
            return None
    named = _CBIS.search(str(image.get("PatientID", "")).upper())
    return _SIDE_WORDS[named[1]] if named else None


def is_bilateral(image: Instance) -> bool:
    """The header says that both breasts are in it."""
    keywords = ("ImageLaterality", "FrameLaterality", "Laterality")
    first = next((v for v in (str(image.get(k, "")).strip().upper() for k in keywords) if v), "")
    return first in ("B", "BILATERAL")


def view_of(image: Instance) -> str:
    """View Position; the code is asked first, for View Position of old mammographs holds what it likes. "" if unknown.

    CBIS-DDSM writes the view into Patient Orientation.
    """
    said = _view_of_tags(image)
    if said:
        return said
    found = {w for w in _words(image) if w in READ}
    return found.pop() if len(found) == 1 else ""


def said_by_words(image: Instance) -> tuple[str, ...]:
    """Of "side" and "view", what no attribute for it says, but a description alone."""
    unsaid = {"side": _side_of_tags(image) is None, "view": not _view_of_tags(image)}
    return tuple(name for name, absent in unsaid.items() if absent)


def _view_of_tags(image: Instance) -> str:
    for code in image.get(VIEW_CODE, ()):
        if code in VIEWS:
            return VIEWS[code]
    for keyword in ("ViewPosition", "PatientOrientation"):
        value = image.get(keyword, "")
        word = value.strip().upper() if isinstance(value, str) else ""
        together = _TOGETHER.match(word)
        word = together[2] if together else word
        if word in READ:
            return word
    return ""


def modifiers_of(image: Instance) -> tuple[Modifier, ...]:
    """What is special about the view: by codes; without any, by the words that describe it."""
    codes = image.get(MODIFIER_CODES, ())
    if codes:
        return tuple(dict.fromkeys(MODIFIERS[c] for c in codes if c in MODIFIERS))
    view = str(image.get("ViewPosition", "")).upper()
    displaced = [Modifier.IMPLANT_DISPLACED] if re.search(r"(CC|MLO|ML)ID$", view) else []
    words = [_AFTER[w] for w in _words(image) if w in _AFTER]
    whole = " ".join(_words(image))
    words += [Modifier.MAGNIFICATION] * ("MAGNIFICATION" in whole or "MAGNIFIED" in whole)
    words += [Modifier.IMPLANT_DISPLACED] * ("IMPLANT DISPLACED" in whole)
    return tuple(dict.fromkeys(displaced + words))


def _words(image: Instance) -> list[str]:
    """Upper-case words of what describes the image; "RMLO" is two of them."""
    text = " ".join(str(image.get(k, "")) for k in _DESCRIBED_BY).upper()
    words: list[str] = []
    for word in re.split(r"[^A-Z]+", text):
        together = _TOGETHER.match(word)
        words += [together[1], together[2]] if together else [word]
    return [w for w in words if w]
