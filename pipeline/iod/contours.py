"""Structure sets: ROIs that are counted right, contours that are whole, images that are listed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydicom.uid import RTStructureSetStorage

from pipeline.iod.breach import Breach, Found
from pipeline.iod.read import Item, named

_LEAST: Mapping[str, int] = {"POINT": 1, "OPEN_PLANAR": 2, "OPEN_NONPLANAR": 2, "CLOSED_PLANAR": 3,
                             "CLOSEDPLANAR_XOR": 3}  # fmt: skip
"""Least points of each Contour Geometric Type (PS3.3 C.8.8.6.1)."""

_ROI_SEQUENCES = ("ROIContourSequence", "RTROIObservationsSequence")


def breaches(root: Item) -> Found:
    """The breaches of a structure set; of another object, none."""
    if root.text("SOPClassUID") != RTStructureSetStorage:
        return
    numbers = [roi.number("ROINumber") for roi in root.items("StructureSetROISequence")]
    if len(set(numbers)) != len(numbers):
        yield "ROINumber", Breach("stands for two ROIs", named("ROINumber"), "PS3.3 C.8.8.5")
    for keyword in _ROI_SEQUENCES:
        for roi in root.items(keyword):
            if roi.number("ReferencedROINumber") not in numbers:
                words = "is of no ROI of this structure set"
                yield keyword, Breach(words, roi.place.of("ReferencedROINumber"), "PS3.3 C.8.8.5")
    listed = {_instance(image) for image in _listed(root)}
    frames = {i.text("FrameOfReferenceUID") for i in root.items("ReferencedFrameOfReferenceSequence")}
    for roi in root.items("StructureSetROISequence"):
        if roi.text("ReferencedFrameOfReferenceUID") not in frames:
            words = "is none of the frames of reference that the structure set names"
            yield "frame", Breach(words, roi.place.of("ReferencedFrameOfReferenceUID"), "PS3.3 C.8.8.5")
    for roi in root.items("ROIContourSequence"):
        for contour in roi.items("ContourSequence"):
            yield from _contour(contour, listed)


def _listed(root: Item) -> Iterator[Item]:
    for frame in root.items("ReferencedFrameOfReferenceSequence"):
        for study in frame.items("RTReferencedStudySequence"):
            for series in study.items("RTReferencedSeriesSequence"):
                yield from series.items("ContourImageSequence")


def _contour(contour: Item, listed: set[str]) -> Found:
    data = contour.element("ContourData")
    count = data.raw.count(b"\\") + 1 if data and data.raw else 0
    points = contour.number("NumberOfContourPoints") or 0
    kind = contour.text("ContourGeometricType")
    if kind not in _LEAST:
        place = contour.place.of("ContourGeometricType")
        yield "kind", Breach("is none that there is", place, "PS3.3 C.8.8.6.1")
    elif points < _LEAST[kind]:
        words = f"is {points}, too few for a {kind} contour"
        yield "few", Breach(words, contour.place.of("NumberOfContourPoints"), "PS3.3 C.8.8.6")
    if count != 3 * points:
        words = f"has {count} numbers for {points} points"
        yield "count", Breach(words, contour.place.of("ContourData"), "PS3.3 C.8.8.6")
    for image in contour.items("ContourImageSequence"):
        if _instance(image) not in listed:
            words = "is of an image that the structure set does not list"
            yield "image", Breach(words, image.place.of("ReferencedSOPInstanceUID"), "PS3.3 C.8.8.6")


def _instance(image: Item) -> str:
    return image.text("ReferencedSOPInstanceUID")
