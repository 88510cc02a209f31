"""Polygons -> masks by winding number, sharing nothing with what traces them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread


def winding(polygon: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.int64]:
    """How often a closed (n, 2) polygon of fractional (row, column) indices runs around each voxel centre."""
    rows = np.arange(shape[0])[:, None]
    columns = np.arange(shape[1])[None, :]
    turns = np.zeros(shape, np.int64)
    for (r0, c0), (r1, c1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if r0 == r1:
            continue
        crossed = (rows >= min(r0, r1)) & (rows < max(r0, r1))
        at = c0 + (rows - r0) * (c1 - c0) / (r1 - r0)
        turns += np.where(crossed & (at > columns), 1 if r1 > r0 else -1, 0)
    return turns


def masks_of_structure_set(rtstruct: Dataset, images: list[Path]) -> dict[int, NDArray[np.bool_]]:
    """ROI number -> (images, rows, columns), from the objects alone: each contour on the image that it names.

    Fails when a contour leaves the plane of its image by more than 1/1000 mm.
    """
    headers = [dcmread(p, stop_before_pixels=True) for p in images]
    index = {h.SOPInstanceUID: i for i, h in enumerate(headers)}
    shape = (headers[0].Rows, headers[0].Columns)
    masks: dict[int, NDArray[np.bool_]] = {}
    for roi in rtstruct.ROIContourSequence:
        mask = masks.setdefault(roi.ReferencedROINumber, np.zeros((len(images), *shape), bool))
        for contour in roi.ContourSequence:
            i = index[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
            mask[i] |= winding(in_pixels(contour, headers[i]), shape) != 0
    return masks


def in_pixels(contour: Dataset, image: Dataset) -> NDArray[np.float64]:
    """(n, 2) fractional (row, column) of a contour's points on a single-frame image (PS3.3 C.7.6.2.1.1)."""
    points = np.array([float(v) for v in contour.ContourData]).reshape(-1, 3)
    assert len(points) == contour.NumberOfContourPoints
    along_column = np.array([float(v) for v in image.ImageOrientationPatient[:3]])
    along_row = np.array([float(v) for v in image.ImageOrientationPatient[3:]])
    away = points - np.array([float(v) for v in image.ImagePositionPatient])
    assert np.abs(away @ np.cross(along_column, along_row)).max() < 1e-3
    row_mm, column_mm = (float(v) for v in image.PixelSpacing)
    return np.c_[away @ along_row / row_mm, away @ along_column / column_mm]
