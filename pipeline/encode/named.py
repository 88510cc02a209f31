"""The other objects of a run as content items of the documents that name them, each with what it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import highdicom as hd
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from pipeline.core.result import Kind
from pipeline.encode.codes import (
    DOSE_IMAGE,
    PROBABILITY_MAP,
    REJECTED_SEGMENTATION,
    RESULTS,
    SUMMARY_PAGE,
)
from pipeline.encode.common import Encoded, Part

_CONTAINS = hd.sr.RelationshipTypeValues.CONTAINS
_IMAGES = {Kind.SEG, Kind.PM, Kind.SC}
"""What is an image (PS3.3 C.17.3.2.1: IMAGE); the rest is COMPOSITE."""

PURPOSES: dict[Part, Code] = {
    Part.KEY_OBJECTS: Code("KO", "DCM", "Key Object Selection"),
    Part.SEG: Code("SEG", "DCM", "Segmentation"),
    Part.RTSTRUCT: Code("RTSTRUCT", "DCM", "RT Structure Set"),
    Part.REJECTED_SEG: REJECTED_SEGMENTATION,
    Part.PROBABILITY: PROBABILITY_MAP,
    Part.DOSE_MAP: DOSE_IMAGE,
    Part.RT_DOSE: Code("RTDOSE", "DCM", "RT Dose"),
    Part.PAGE: SUMMARY_PAGE,
    Part.CAD_SR: codes.DCM.MammographyCADReport,
    Part.OVERLAY: Code("PR", "DCM", "Presentation State"),
}
"""Concept name of the reference to an object: of modalities the code that CID 32 has."""


def named(encoded: Encoded) -> Any:
    """A reference to one object: IMAGE, or COMPOSITE for what is none."""
    item = hd.sr.ImageContentItem if encoded.kind in _IMAGES else hd.sr.CompositeContentItem
    ds = encoded.dataset
    return item(PURPOSES[encoded.part], ds.SOPClassUID, ds.SOPInstanceUID, relationship_type=_CONTAINS)


def results(others: Iterable[Encoded]) -> tuple[Any, ...]:
    """A container of the report that names every other object of the run, in their order; nothing without any."""
    items = [named(encoded) for encoded in others]
    if not items:
        return ()
    box = hd.sr.ContainerContentItem(name=RESULTS, relationship_type=_CONTAINS)
    box.ContentSequence = hd.sr.ContentSequence(items)
    return (box,)
