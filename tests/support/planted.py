"""Ways to make an object wrong, by changing what was encoded; each takes a data set that was read from a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.pixels import pack_bits

from pipeline.encode import to_bytes

Spoil = Callable[[Dataset], None]


def spoiled(data: bytes, spoil: Spoil) -> bytes:
    """The object with a fault in it."""
    ds = dcmread(BytesIO(data))
    spoil(ds)
    return to_bytes(ds)


def pixels(change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> Spoil:
    """Of a binary segmentation: (frames, rows, columns)."""

    def spoil(ds: Dataset) -> None:
        ds.PixelData = pack_bits(np.ascontiguousarray(change(ds.pixel_array)).ravel(), pad=True)

    return spoil


def frames(ds: Dataset) -> list[Dataset]:
    return list(ds.PerFrameFunctionalGroupsSequence)


def move_frames(way_mm: Callable[[Dataset], NDArray[np.float64]]) -> Spoil:
    """All frames of a segmentation or map."""

    def spoil(ds: Dataset) -> None:
        for frame in frames(ds):
            plane = frame.PlanePositionSequence[0]
            plane.ImagePositionPatient = written(np.array(plane.ImagePositionPatient, float) + way_mm(ds))

    return spoil


def written(values: NDArray[np.float64]) -> list[str]:
    return [f"{v:.6f}" for v in values]


def axes(ds: Dataset) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Millimetres of a slice, row, column, as vectors in the patient, of a segmentation or map."""
    shared = ds.SharedFunctionalGroupsSequence[0]
    cosines = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    measures = shared.PixelMeasuresSequence[0]
    down, across = (float(v) for v in measures.PixelSpacing)
    between = float(measures.get("SpacingBetweenSlices") or measures.SliceThickness)
    return np.cross(cosines[:3], cosines[3:]) * between, cosines[3:] * down, cosines[:3] * across


def contours(ds: Dataset) -> Iterator[Dataset]:
    return (contour for roi in ds.ROIContourSequence for contour in roi.ContourSequence)


def points(contour: Dataset) -> NDArray[np.float64]:
    return np.array(contour.ContourData, float).reshape(-1, 3)


def redraw(contour: Dataset, corners: NDArray[np.float64]) -> None:
    contour.ContourData = written(corners.ravel())
    contour.NumberOfContourPoints = len(corners)


def move_contours(change: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Spoil:
    """All points of all contours."""

    def spoil(ds: Dataset) -> None:
        for contour in contours(ds):
            redraw(contour, change(points(contour)))

    return spoil


def below(ds: Dataset) -> Iterator[Dataset]:
    """All content items."""
    for item in ds.get("ContentSequence") or []:
        yield item
        yield from below(item)


def named(ds: Dataset, code: str) -> list[Dataset]:
    """Content items with that concept name."""
    return [i for i in below(ds) if i.get("ConceptNameCodeSequence") and i.ConceptNameCodeSequence[0].CodeValue == code]


def each(sequence: Callable[[Dataset], list[Dataset]], **values: object) -> Spoil:
    """Elements of some items."""

    def spoil(ds: Dataset) -> None:
        for item in sequence(ds):
            for keyword, value in values.items():
                setattr(item, keyword, value)

    return spoil
