"""Frames of Segmentations and Parametric Maps: functional groups and dimensions (PS3.3 C.7.6.16, C.7.6.17)."""

from __future__ import annotations

from collections.abc import Mapping

from pydicom.uid import ParametricMapStorage, SegmentationStorage

from pipeline.iod.breach import Breach, Found
from pipeline.iod.read import Item, named

LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
"""Label Map Segmentation Storage, which pydicom has no name for."""

_IN_SPACE = ("PixelMeasuresSequence", "PlanePositionSequence", "PlaneOrientationSequence")
_GROUPS: Mapping[str, tuple[str, ...]] = {
    SegmentationStorage: (*_IN_SPACE, "SegmentIdentificationSequence", "FrameContentSequence"),
    LABEL_MAP: (*_IN_SPACE, "FrameContentSequence"),
    ParametricMapStorage: (
        *_IN_SPACE, "FrameContentSequence", "ParametricMapFrameTypeSequence", "RealWorldValueMappingSequence",
    ),
}  # fmt: skip
"""In the shared item or in that of each frame (PS3.3 Tables A.51-2, A.75-2); of a label map pixels say the segment."""

_RULE = "PS3.3 C.7.6.16"


def breaches(root: Item) -> Found:
    """One item for each frame, with the groups that the IOD asks for; segments that exist; dimensions that fit."""
    groups = _GROUPS.get(root.text("SOPClassUID"))
    if groups is None:
        return
    shared = next(iter(root.items("SharedFunctionalGroupsSequence")), None)
    each = root.items("PerFrameFunctionalGroupsSequence")
    if len(each) != (root.number("NumberOfFrames") or 0):
        words = f"has {len(each)} items for {root.number('NumberOfFrames') or 0} frames"
        yield "frames", Breach(words, named("PerFrameFunctionalGroupsSequence"), _RULE)
    in_space = root.filled("FrameOfReferenceUID") and not root.has("TotalPixelMatrixColumns")  # no slide, no film
    for keyword in groups:
        if (shared is not None and shared.filled(keyword)) or (keyword in _IN_SPACE and not in_space):
            continue
        for item in each:
            if not item.filled(keyword):
                yield keyword, Breach("is missing, and not shared either", item.place.of(keyword), _RULE)
    if any(i.filled("PlanePositionSequence") for i in (*each, shared) if i) and not root.filled("FrameOfReferenceUID"):
        words = "is missing, and frames have positions in the patient"
        yield "FrameOfReferenceUID", Breach(words, named("FrameOfReferenceUID"), "PS3.3 C.7.4.1")
    yield from _segments(root, each)
    yield from _dimensions(root, each)


def _segments(root: Item, each: tuple[Item, ...]) -> Found:
    segments = [item.number("SegmentNumber") for item in root.items("SegmentSequence")]
    if segments != list(range(1, len(segments) + 1)) and root.text("SOPClassUID") != LABEL_MAP:
        words = "does not count the segments from 1 without a gap"
        yield "SegmentNumber", Breach(words, named("SegmentNumber"), "PS3.3 C.8.20.2.4")
    for frame in each:
        for item in frame.items("SegmentIdentificationSequence"):
            if item.number("ReferencedSegmentNumber") not in segments:
                place = item.place.of("ReferencedSegmentNumber")
                yield "segment", Breach("is of no segment of this object", place, "PS3.3 C.8.20.3.2")


def _dimensions(root: Item, each: tuple[Item, ...]) -> Found:
    dimensions = len(root.items("DimensionIndexSequence"))
    for frame in each:
        for item in frame.items("FrameContentSequence"):
            if len(item.numbers("DimensionIndexValues")) != dimensions:
                words = f"has not one value for each of {dimensions} dimensions"
                yield "dimensions", Breach(words, item.place.of("DimensionIndexValues"), "PS3.3 C.7.6.17")
