"""RT Structure Set -> its regions on the grid of an image volume, of whatever vendor."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import highdicom as hd
import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from pipeline.core.errors import GeometryUnusable

Mask = npt.NDArray[np.bool_]
Box = tuple[slice, slice, slice]

OFF_PLANE = 0.3
"""A contour whose points lie further apart than this across the slices (in slices) is not planar on the image."""

_TUMOUR = re.compile(
    r"(?i:(?<![a-z])(gtv|(mets?|metastas\w*|lesions?|tumou?rs?)(?![a-z]))|^bm\d)|(?<=[a-z])(Met|Tumou?r|Lesion)s?(?![a-z])"
)
_MARGIN = re.compile(r"ptv|ctv|prv|itv|ring|shell|margin|avoid|minus|total|union", re.IGNORECASE)
_NOT_TARGETS = ("EXTERNAL", "ORGAN", "AVOIDANCE", "SUPPORT", "CONTROL", "PTV", "CTV", "FIXATION", "DOSE_REGION")
_TRACKING = re.compile(r"Tracking UID ([0-9.]+)")


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """One ROI of a structure set.

    number:       ROI Number; name: ROI Name; kind: RT ROI Interpreted Type ("GTV"), "" where none is given.
    tracking_uid: that an object of ours gave it, "" for others.
    drawn_by:     ROI Generation Algorithm (AUTOMATIC, SEMIAUTOMATIC, MANUAL), "" where none is given.
    algorithm:    that drew it, as the file calls it (its Algorithm Name, else ROI Generation Description), or "".
    frame_of_reference_uid: Referenced Frame of Reference UID of this ROI, "" where none is given.
    is_target:    whether it is a tumour: of the type GTV, or named like a tumour and of no other type; where no ROI is,
                  any that is no organ, margin or outline.
    """

    number: int
    name: str
    kind: str
    tracking_uid: str
    is_target: bool
    contours: tuple[npt.NDArray[np.float64], ...]
    drawn_by: str = ""
    algorithm: str = ""
    frame_of_reference_uid: str = ""

    def on(self, image: hd.Volume) -> tuple[Mask, Box]:
        """Its voxels within a box of the image. A voxel belongs to it when its centre lies in an odd number of its
        contours (PS3.3 C.8.8.6.3: inner contours are holes).

        Raises GeometryUnusable for contours that do not lie in the planes of the image, or outside it; its words go
        to logs, so that they have the ROI's number and not its name, which is free text.
        """
        to_index = np.linalg.inv(image.affine)
        placed = [c @ to_index[:3, :3].T + to_index[:3, 3] for c in self.contours if len(c) >= 3]
        planes: dict[int, list[npt.NDArray[np.float64]]] = {}
        for index in placed:
            place = float(np.median(index[:, 0]))
            if np.abs(index[:, 0] - place).max() > OFF_PLANE:
                raise GeometryUnusable(f"a contour of ROI {self.number} does not lie in a slice of the series", _HINT)
            planes.setdefault(round(place), []).append(index[:, 1:])
        return self._filled(planes, image.spatial_shape)

    def _filled(self, planes: dict[int, list[npt.NDArray[np.float64]]], shape: tuple[int, ...]) -> tuple[Mask, Box]:
        here = sorted(k for k in planes if 0 <= k < shape[0])
        if not here:
            raise GeometryUnusable(f"ROI {self.number} has no contour on the images of the series", _HINT)
        points = np.concatenate([p for k in here for p in planes[k]])
        low = np.clip(np.floor(points.min(axis=0)).astype(int), 0, None)
        high = np.minimum(np.ceil(points.max(axis=0)).astype(int) + 1, shape[1:])
        if (high <= low).any():
            raise GeometryUnusable(f"ROI {self.number} lies outside the images of the series", _HINT)
        mask = np.zeros((here[-1] - here[0] + 1, *(high - low)), bool)
        for k in here:
            for polygon in planes[k]:
                mask[k - here[0]] ^= inside(polygon - low, mask.shape[1:])
        return mask, (slice(here[0], here[-1] + 1), slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1])))


_HINT = "draw the contours on the images of the series itself, and send that series"


def structures(rtstruct: Dataset) -> tuple[Structure, ...]:
    """All ROIs that have contours, in the order of the file."""
    found = list(_read(rtstruct))
    targets = _targets(found)
    return tuple(replace(s, is_target=s.number in targets) for s in found)


def _read(rtstruct: Dataset) -> Iterator[Structure]:
    contours = {int(i.ReferencedROINumber): i for i in rtstruct.get("ROIContourSequence") or ()}
    seen = {int(i.ReferencedROINumber): i for i in rtstruct.get("RTROIObservationsSequence") or ()}
    for roi in rtstruct.get("StructureSetROISequence") or ():
        number = int(roi.ROINumber)
        points = tuple(_points(c) for c in contours.get(number, Dataset()).get("ContourSequence") or ())
        about = seen.get(number, Dataset())
        uid = _TRACKING.search(f"{roi.get('ROIDescription') or ''} {about.get('ROIObservationDescription') or ''}")
        name = str(roi.get("ROIName") or about.get("ROIObservationLabel") or f"ROI {number}").strip()
        kind = str(about.get("RTROIInterpretedType") or "").upper()
        if any(len(p) >= 3 for p in points):
            drawn_by = str(roi.get("ROIGenerationAlgorithm") or "").upper()
            frame = str(roi.get("ReferencedFrameOfReferenceUID") or "")
            yield Structure(number, name, kind, uid[1] if uid else "", False, points, drawn_by, _algorithm(roi), frame)


def _algorithm(roi: Dataset) -> str:
    named = (roi.get("ROIDerivationAlgorithmIdentificationSequence") or [Dataset()])[0]
    return str(named.get("AlgorithmName") or roi.get("ROIGenerationDescription") or "").strip()


def _points(contour: Dataset) -> npt.NDArray[np.float64]:
    numbers = np.array(contour.get("ContourData") or (), float)
    if str(contour.get("ContourGeometricType") or "") not in ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR") or len(numbers) % 3:
        return np.zeros((0, 3))
    return numbers.reshape(-1, 3)


def is_tumour_named(name: str) -> bool:
    """Whether a name is that of a tumour ("GTV_2", "Met 3", "BM01_L_FRONTAL"), and of no margin, ring or sum."""
    return _TUMOUR.search(name) is not None and not is_margin_named(name)


def is_margin_named(name: str) -> bool:
    """Whether a name is that of a margin, a ring or a sum of others ("PTV1", "GTV_total")."""
    return _MARGIN.search(name) is not None


def _targets(found: list[Structure]) -> set[int]:
    """What an editor adds to a set of GTVs often has no type: it counts by its name."""
    gtv = {s.number for s in found if s.kind == "GTV"}
    named = {s.number for s in found if is_tumour_named(s.name) and s.kind not in _NOT_TARGETS}
    return gtv | named or {s.number for s in found if s.kind not in _NOT_TARGETS}


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
