"""RT Structure Set -> mask on the grid of an image volume."""

from __future__ import annotations

import re

import highdicom as hd
import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from pipeline.core.errors import GeometryUnusable
from pipeline.evaluation.cases.case import Mask

OFF_PLANE = 0.3
"""A contour whose points lie further apart than this across the slices (in slices) is not planar on the image."""

_TARGET = re.compile(r"gtv|met|lesion|tumou?r|^bm\d", re.IGNORECASE)
_NOT_TARGETS = ("EXTERNAL", "ORGAN", "AVOIDANCE", "SUPPORT", "CONTROL", "PTV", "CTV", "FIXATION", "DOSE_REGION")


def structure_masks(rtstruct: Dataset, image: hd.Volume) -> Mask:
    """The tumours of a structure set as one mask, (slices, rows, columns) of the image.

    Tumours are ROIs of the interpreted type GTV, or named like one; if there is none, all that are no organ, margin
    or outline. A voxel belongs to an ROI when its centre lies in an odd number of its contours (PS3.3 C.8.8.6.3:
    inner contours are holes).

    Raises GeometryUnusable for contours that do not lie in the planes of the image, and without any ROI to take.
    """
    wanted = _targets(rtstruct)
    mask = np.zeros(image.spatial_shape, bool)
    for roi in rtstruct.ROIContourSequence:
        if int(roi.ReferencedROINumber) in wanted:
            mask |= _roi(roi, image)
    return mask


def _targets(rtstruct: Dataset) -> set[int]:
    names = {int(r.ROINumber): str(r.get("ROIName") or "") for r in rtstruct.StructureSetROISequence}
    types = {
        int(o.ReferencedROINumber): str(o.get("RTROIInterpretedType") or "")
        for o in rtstruct.get("RTROIObservationsSequence") or ()
    }
    gtv = {n for n in names if types.get(n) == "GTV"}
    named = {n for n, name in names.items() if _TARGET.search(name) and types.get(n) not in _NOT_TARGETS}
    rest = {n for n in names if types.get(n) not in _NOT_TARGETS}
    chosen = gtv or named or rest
    if not chosen:
        raise GeometryUnusable("the structure set has no tumour", "give the ROIs of tumours the type GTV")
    return chosen


def _roi(roi: Dataset, image: hd.Volume) -> Mask:
    mask = np.zeros(image.spatial_shape, bool)
    to_index = np.linalg.inv(image.affine)
    for contour in roi.get("ContourSequence") or ():
        points = np.array(contour.ContourData, float).reshape(-1, 3)
        index = points @ to_index[:3, :3].T + to_index[:3, 3]
        if len(points) < 3:
            continue
        place = float(np.median(index[:, 0]))
        if np.abs(index[:, 0] - place).max() > OFF_PLANE:
            raise GeometryUnusable("a contour does not lie in a slice of its series")
        number = round(place)
        if 0 <= number < mask.shape[0]:
            mask[number] ^= inside(index[:, 1:], mask.shape[1:])
    return mask


def inside(polygon: npt.NDArray[np.float64], shape: tuple[int, ...]) -> Mask:
    """Pixels whose centre is inside a closed (n, 2) polygon of fractional (row, column), by the even-odd rule."""
    found = np.zeros(shape, bool)
    first = np.clip(np.floor(polygon.min(axis=0)).astype(int), 0, None)
    last = np.minimum(np.ceil(polygon.max(axis=0)).astype(int) + 1, shape)
    if (last <= first).any():
        return found
    rows = np.arange(first[0], last[0])[:, None]
    columns = np.arange(first[1], last[1])[None, :]
    odd = np.zeros((rows.size, columns.size), bool)
    for (r0, c0), (r1, c1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if r0 != r1:
            crossed = (rows >= min(r0, r1)) & (rows < max(r0, r1))
            odd ^= crossed & (c0 + (rows - r0) * (c1 - c0) / (r1 - r0) > columns)
    found[first[0] : last[0], first[1] : last[1]] = odd
    return found
