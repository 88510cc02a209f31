"""RT Structure Set (PS3.3 A.19) -> places, volumes and masks of each ROI again, from the digits of its contours."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from pydicom import Dataset
from pydicom.dataelem import RawDataElement

from pipeline.proof.agreement import Drawn, differences, displaced
from pipeline.proof.fault import few
from pipeline.proof.filled import Contour, enclosed, masks, plane_at
from pipeline.proof.lattice import Array
from pipeline.proof.named import ON_PLANE_MM, names_of, off_named, on_plane
from pipeline.proof.told import TRACKED, is_named, meant, misdescribed, term_of
from pipeline.proof.truth import Solid, Truth

_XOR = "CLOSEDPLANAR_XOR"
_CLOSED = ("CLOSED_PLANAR", _XOR)
_VOLUME_SHARE = 0.02
_SMALLEST_CM3 = 1e-4
"""What some systems round volumes to."""

_NAME_LENGTH = 16
"""Planning systems cut ROI names there, and so does the encoder."""


def check_structure_set(ds: Dataset, truth: Truth) -> Iterator[str]:
    """What is wrong with it."""
    rois, faults = _matched(ds, truth)
    yield from faults
    for number, (item, solid) in rois.items():
        contours, misplaced = _contours(item, truth)
        yield from (f"ROI {number}, {solid.name}: {words}" for words in misplaced)
        if not contours:
            yield f"ROI {number}, which is to be {solid.name}, has no contour on any image"
            yield from _somewhere(item, solid, truth)
            continue
        yield from differences(enclosed(contours, solid, truth), truth)
        yield from (f"ROI {number}: {words}" for words in masks(contours, solid))


def _somewhere(item: Dataset, solid: Solid, truth: Truth) -> Iterator[str]:
    """Where contours are that lie on no image: it tells what happened to them."""
    points = [_points(contour) for contour in item.get("ContourSequence") or []]
    if sum(map(len, points)):
        yield from displaced(np.concatenate(points).mean(axis=0), solid, truth)


def rois_of(ds: Dataset, truth: Truth) -> list[Drawn]:
    """What it draws of each lesion."""
    rois, _ = _matched(ds, truth)
    read = ((_contours(item, truth)[0], solid) for item, solid in rois.values())
    return [enclosed(contours, solid, truth) for contours, solid in read if contours]


def lesions_in(ds: Dataset, truth: Truth) -> set[str]:
    """Tracking UIDs of the lesions that it has an ROI of."""
    return {solid.lesion.tracking_uid for _, solid in _matched(ds, truth)[0].values()}


def _matched(ds: Dataset, truth: Truth) -> tuple[dict[int, tuple[Dataset, Solid]], list[str]]:
    """ROI Number -> its contours and the lesion it is; and what is wrong with numbers, names and how many."""
    described = {int(item.ROINumber): item for item in ds.StructureSetROISequence}
    drawn = {int(item.ReferencedROINumber): item for item in ds.ROIContourSequence}
    observed = {int(item.ReferencedROINumber): item for item in ds.RTROIObservationsSequence}
    faults = (
        [] if described.keys() == drawn.keys() == observed.keys() else ["ROIs, contours and observations do not match"]
    )
    found: dict[int, tuple[Dataset, Solid]] = {}
    for number in described.keys() & drawn.keys():
        solid = _solid(number, described[number], len(described), truth)
        if solid is None:
            faults.append(f"ROI {number} is no lesion of the findings")
            continue
        found[number] = drawn[number], solid
        faults += _named(number, described[number], solid, truth)
        faults += _described(described[number], observed.get(number, Dataset()), solid, truth)
    names = [str(item.get("ROIName")) for item in described.values()]
    if len(set(names)) < len(names):
        faults.append("two ROIs have the same name")
    here = {solid.name for _, solid in found.values()}
    if len(described) > 1:
        faults += [f"{solid.name} has no ROI" for solid in truth.solids.values() if solid.name not in here]
    return dict(sorted(found.items())), faults


def _solid(number: int, item: Dataset, count: int, truth: Truth) -> Solid | None:
    """By its tracking UID, where it says one, which a structure set has no attribute for; else by its number."""
    said = TRACKED.search(str(item.get("ROIDescription") or ""))
    if said:
        return truth.solids.get(said.group(1))
    return next((s for s in truth.solids.values() if s.number == number or count == len(truth.solids) == 1), None)


def _named(number: int, item: Dataset, solid: Solid, truth: Truth) -> Iterator[str]:
    if len(truth.solids) > 1 and number != solid.number and item.get("ROINumber") != 1:
        yield f"ROI {number} says that it is {solid.name}: ROI numbers are exchanged"
    if not _is_roi_name(str(item.get("ROIName") or ""), solid):
        yield f"ROI {number} is not named as {solid.name} is"
    if item.get("ReferencedFrameOfReferenceUID") != truth.images.identity.frame_of_reference_uid:
        yield f"ROI {number} is drawn in another frame of reference than the images"


def _is_roi_name(name: str, solid: Solid) -> bool:
    """The lesion's name, or what is left of it with its number behind, where another ROI has the name already."""
    label, number = solid.lesion.short_label, solid.number
    if is_named(name, label, _NAME_LENGTH):
        return True
    begin = re.sub(rf"_{number}(_\d+)?$", "", name)
    return begin not in ("", name) and is_named(begin, label or "LESION", _NAME_LENGTH - (len(name) - len(begin)))


def _described(item: Dataset, observed: Dataset, solid: Solid, truth: Truth) -> Iterator[str]:
    """Its tracking UID is told, and what else is told is the lesion's."""
    sought, name = truth.findings.sought, solid.name
    if not TRACKED.search(str(item.get("ROIDescription") or "")):
        yield f"the ROI of {name} does not tell its tracking UID"
    for ds, keyword in ((item, "ROIDescription"), (observed, "ROIObservationDescription")):
        yield from misdescribed(str(ds.get(keyword) or ""), solid.lesion, name)
    if not _is_roi_name(str(observed.get("ROIObservationLabel") or item.get("ROIName")), solid):
        yield f"the ROI of {name} is observed under the name of another"
    told = item.get("ROIVolume")
    true = solid.volume_mm3 / 1000
    if told is not None and not abs(float(told) - true) <= max(_VOLUME_SHARE * true, _SMALLEST_CM3):
        yield f"the ROI of {name} is told to have {float(told):.3f} cm3, and was found with {true:.3f}"
    if str(observed.get("RTROIInterpretedType") or "") != sought.roi_type:
        yield f"the ROI of {name} is said to be {observed.get('RTROIInterpretedType') or 'of no type'}"
    if term_of(observed, "RTROIIdentificationCodeSequence") not in (None, meant(sought.finding)):
        yield f"the ROI of {name} is coded as another finding"


def _contours(item: Dataset, truth: Truth) -> tuple[list[Contour], list[str]]:
    found, faults = [], []
    for number, contour in enumerate(item.get("ContourSequence") or [], start=1):
        kind, points = str(contour.get("ContourGeometricType")), _points(contour)
        if kind not in _CLOSED or len(points) < 3:
            faults.append(f"contour {number} is {kind} with {len(points)} points and encloses nothing")
            continue
        if len(points) != int(contour.get("NumberOfContourPoints") or 0):
            faults.append(f"contour {number} has another number of points than it says")
        k, misplaced = _slice(number, contour, points, truth)
        faults += misplaced
        if k is not None:
            found.append(Contour(number, k, plane_at(k, truth).to_pixels(points), kind == _XOR))
    return found, few(faults)


def _points(contour: Dataset) -> Array:
    """(n, 3) LPS mm. Thousands of numbers are read faster from the bytes than one by one."""
    element = contour.get_item("ContourData")
    if isinstance(element, RawDataElement) and isinstance(element.value, bytes):
        values = np.array(element.value.rstrip(b"\0 ").split(b"\\"), float)
    else:
        values = np.array([float(v) for v in contour.get("ContourData") or []])
    return np.asarray(values[: len(values) // 3 * 3].reshape(-1, 3))


def _slice(number: int, contour: Dataset, points: Array, truth: Truth) -> tuple[int | None, list[str]]:
    """On which slice it lies, and what is wrong with that."""
    names = [n for image in contour.get("ContourImageSequence") or [] for n in names_of(image)]
    axes = truth.lattice.axes
    above = (points - points[0]) @ np.cross(axes[:, 2], axes[:, 1])
    faults = off_named(f"contour {number}", names, points[0], truth)
    if np.abs(above).max() > ON_PLANE_MM:
        faults.append(
            f"contour {number} is not flat: its points lie up to {np.ptp(above):.2f} mm apart across the images"
        )
    there = on_plane(names, points[0], truth)
    k = there[0] if there else round(float(truth.lattice.to_index(points).mean(axis=0)[0]))
    if 0 <= k < truth.shape[0]:
        return k, faults
    return None, [*faults, f"contour {number} lies beyond the images"]
