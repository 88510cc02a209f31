"""Structure sets as another system would send them back: contours moved, deleted, added, renamed."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from itertools import pairwise
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.uid import generate_uid


def edited(
    rtstruct: Dataset,
    *,
    move: tuple[str, tuple[float, float, float]] | None = None,
    delete: str = "",
    rename: tuple[str, str] | None = None,
    keep_descriptions: bool = True,
) -> Dataset:
    """A new object, under a new UID, as an editor makes it."""
    ds = deepcopy(rtstruct)
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.SeriesInstanceUID = generate_uid()
    ds.Manufacturer, ds.ManufacturerModelName, ds.OperatorsName = "ACME", "Contour Desk", "Editor^Test"
    ds.StructureSetDate, ds.StructureSetTime = "20991231", "101112"
    numbers = {str(r.ROIName): int(r.ROINumber) for r in ds.StructureSetROISequence}
    if move:
        _move(_contours(ds, numbers[move[0]]), move[1])
    if delete:
        _delete(ds, numbers[delete])
    if rename:
        next(r for r in ds.StructureSetROISequence if r.ROIName == rename[0]).ROIName = rename[1]
    if not keep_descriptions:
        for item in (*ds.StructureSetROISequence, *ds.RTROIObservationsSequence):
            for keyword in ("ROIDescription", "ROIObservationDescription", "ROIObservationLabel"):
                if keyword in item:
                    delattr(item, keyword)
    return ds


def add_square(ds: Dataset, name: str, slice_like: Sequence[Any], half_mm: float = 4.0, slices: int = 3) -> None:
    """A square prism about a point, on the slices of the structure set's own contours. slice_like: (x, y, z) LPS mm."""
    number = max(int(r.ROINumber) for r in ds.StructureSetROISequence) + 1
    roi = deepcopy(ds.StructureSetROISequence[0])
    roi.ROINumber, roi.ROIName, roi.ROIGenerationAlgorithm = number, name, "MANUAL"
    for keyword in ("ROIDescription", "ROIVolume", "ROIDerivationAlgorithmIdentificationSequence"):
        if keyword in roi:
            delattr(roi, keyword)
    planes = sorted({float(c.ContourData[2]) for i in ds.ROIContourSequence for c in i.ContourSequence})
    step = min(b - a for a, b in pairwise(planes))
    nearest = min(planes, key=lambda z: abs(z - slice_like[2]))
    contour = Dataset()
    contour.ReferencedROINumber = number
    contour.ContourSequence = [_square(slice_like, nearest + k * step, half_mm) for k in range(slices)]
    seen = Dataset()
    seen.ObservationNumber = seen.ReferencedROINumber = number
    seen.RTROIInterpretedType, seen.ROIInterpreter = "GTV", ""
    ds.StructureSetROISequence.append(roi)
    ds.ROIContourSequence.append(contour)
    ds.RTROIObservationsSequence.append(seen)


def _square(centre: Sequence[Any], z: float, half: float) -> Dataset:
    item = Dataset()
    x, y = centre[:2]
    corners = [(x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half)]
    item.ContourGeometricType, item.NumberOfContourPoints = "CLOSED_PLANAR", 4
    item.ContourData = [f"{v:.4f}" for a, b in corners for v in (a, b, z)]
    return item


def _contours(ds: Dataset, number: int) -> Dataset:
    return next(i for i in ds.ROIContourSequence if int(i.ReferencedROINumber) == number)


def _move(item: Dataset, by_mm: tuple[float, float, float]) -> None:
    for contour in item.ContourSequence:
        points = np.array(contour.ContourData, float).reshape(-1, 3) + by_mm
        contour.ContourData = [f"{v:.4f}" for v in points.ravel()]


def _delete(ds: Dataset, number: int) -> None:
    for sequence, keyword in (
        ("StructureSetROISequence", "ROINumber"),
        ("ROIContourSequence", "ReferencedROINumber"),
        ("RTROIObservationsSequence", "ReferencedROINumber"),
    ):
        setattr(ds, sequence, [i for i in ds[sequence].value if int(i[keyword].value) != number])
