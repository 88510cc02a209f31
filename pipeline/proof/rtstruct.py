"""RT Structure Set (PS3.3 A.19) -> places, volumes and masks of each ROI again, from the digits of its contours."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydicom import Dataset
from pydicom.dataelem import RawDataElement

from pipeline.proof.agreement import Drawn, differences, displaced
from pipeline.proof.fault import few
from pipeline.proof.images import Plane
from pipeline.proof.lattice import Array
from pipeline.proof.named import ON_PLANE_MM, names_of, off_named, on_plane
from pipeline.proof.polygon import Mask, Window, area_and_centre, inside, window_of
from pipeline.proof.truth import Solid, Truth

_XOR = "CLOSEDPLANAR_XOR"
_CLOSED = ("CLOSED_PLANAR", _XOR)
_TRACKING = re.compile(r"Tracking UID ([0-9.]+)")


@dataclass(frozen=True, slots=True, eq=False)
class Contour:
    """One contour. number: from 1, its place. k: the slice that it lies on. corners: (n, 2) pixels of that slice."""

    number: int
    k: int
    corners: Array
    xor: bool


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
        yield from differences(_drawn(contours, solid, truth), truth)
        yield from (f"ROI {number}: {words}" for words in _masks(contours, solid))


def _somewhere(item: Dataset, solid: Solid, truth: Truth) -> Iterator[str]:
    """Where contours are that lie on no image: it tells what happened to them."""
    points = [_points(contour) for contour in item.get("ContourSequence") or []]
    if sum(map(len, points)):
        yield from displaced(np.concatenate(points).mean(axis=0), solid, truth)


def rois_of(ds: Dataset, truth: Truth) -> list[Drawn]:
    """What it draws of each lesion."""
    rois, _ = _matched(ds, truth)
    read = ((_contours(item, truth)[0], solid) for item, solid in rois.values())
    return [_drawn(contours, solid, truth) for contours, solid in read if contours]


def lesions_in(ds: Dataset, truth: Truth) -> set[str]:
    """Tracking UIDs of the lesions that it has an ROI of."""
    return {solid.lesion.tracking_uid for _, solid in _matched(ds, truth)[0].values()}


def _matched(ds: Dataset, truth: Truth) -> tuple[dict[int, tuple[Dataset, Solid]], list[str]]:
    """ROI Number -> its contours and the lesion it is; and what is wrong with numbers, names and how many."""
    described = {int(item.ROINumber): item for item in ds.StructureSetROISequence}
    drawn = {int(item.ReferencedROINumber): item for item in ds.ROIContourSequence}
    observed = {int(item.ReferencedROINumber) for item in ds.RTROIObservationsSequence}
    faults = [] if described.keys() == drawn.keys() == observed else ["ROIs, contours and observations do not match"]
    found: dict[int, tuple[Dataset, Solid]] = {}
    for number in described.keys() & drawn.keys():
        solid = _solid(number, described[number], len(described), truth)
        if solid is None:
            faults.append(f"ROI {number} is no lesion of the findings")
            continue
        found[number] = drawn[number], solid
        faults += _named(number, described[number], solid, truth)
    names = [str(item.get("ROIName")) for item in described.values()]
    if len(set(names)) < len(names):
        faults.append("two ROIs have the same name")
    here = {solid.name for _, solid in found.values()}
    if len(described) > 1:
        faults += [f"{solid.name} has no ROI" for solid in truth.solids.values() if solid.name not in here]
    return dict(sorted(found.items())), faults


def _solid(number: int, item: Dataset, count: int, truth: Truth) -> Solid | None:
    """By its tracking UID, where it says one, which a structure set has no attribute for; else by its number."""
    said = _TRACKING.search(str(item.get("ROIDescription") or ""))
    if said:
        return truth.solids.get(said.group(1))
    return next((s for s in truth.solids.values() if s.number == number or count == len(truth.solids) == 1), None)


def _named(number: int, item: Dataset, solid: Solid, truth: Truth) -> Iterator[str]:
    if len(truth.solids) > 1 and number != solid.number and item.get("ROINumber") != 1:
        yield f"ROI {number} says that it is {solid.name}: ROI numbers are exchanged"
    short, name = solid.lesion.short_label, str(item.get("ROIName") or "")
    if short.isascii() and name != short[:16].strip() and not name.endswith(f"_{solid.number}"):
        yield f"ROI {number} is not named as {solid.name} is"
    if item.get("ReferencedFrameOfReferenceUID") != truth.images.identity.frame_of_reference_uid:
        yield f"ROI {number} is drawn in another frame of reference than the images"


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
            found.append(Contour(number, k, _plane(k, truth).to_pixels(points), kind == _XOR))
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


def _plane(k: int, truth: Truth) -> Plane:
    """Of slice k; one that was made up between its neighbours lies where the labels have it."""
    image = truth.plane(k)
    if image is not None:
        return image
    lattice = truth.lattice
    down_mm, across_mm = lattice.spacing_mm[1:]
    return Plane(
        lattice.to_mm(np.array([[k, 0, 0]]))[0],
        lattice.axes[:, 2],
        lattice.axes[:, 1],
        (float(down_mm), float(across_mm)),
        (truth.shape[1], truth.shape[2]),
    )


def _by_slice(contours: list[Contour]) -> dict[int, list[Contour]]:
    found: dict[int, list[Contour]] = defaultdict(list)
    for contour in contours:
        found[contour.k].append(contour)
    return found


def _drawn(contours: list[Contour], solid: Solid, truth: Truth) -> Drawn:
    """Areas times the distance of the slices; what lies within an odd number of contours counts as a hole."""
    depth_mm = float(truth.lattice.spacing_mm[0])
    volume, moment = 0.0, np.zeros(3)
    for k, here in _by_slice(contours).items():
        plane = _plane(k, truth)
        for contour, depth in zip(here, _depths(here), strict=True):
            pixels, centre = area_and_centre(contour.corners)
            part = pixels * float(np.prod(plane.spacing_mm)) * depth_mm * (-1) ** depth
            volume += part
            moment += part * plane.to_mm(centre[None])[0]
    return Drawn(solid, moment / volume if volume else moment, volume)


def _depths(contours: list[Contour]) -> list[int]:
    """In how many others each lies; keyholes make that 0."""
    if len(contours) == 1:
        return [0]
    window = window_of([c.corners for c in contours])
    masks = [inside(c.corners, window) for c in contours]
    return [
        sum(bool(other.sum() > mask.sum() > 0 and not (mask & ~other).any()) for other in masks if other is not mask)
        for mask in masks
    ]


def _masks(contours: list[Contour], solid: Solid) -> Iterator[str]:
    """What is filled against the mask, pixel for pixel; slices without contours are empty."""
    slices = _by_slice(contours)
    lost = sum(int(solid.inside[k - solid.box[0].start].sum()) for k in solid.slices if k not in slices)
    extra = 0
    for k, here in slices.items():
        if not all(c.xor for c in here) and any(_depths(here)):
            yield f"contours of {solid.name} lie within each other: some systems read a hole, others do not"
        window = _around([c.corners for c in here], solid)
        filled: Mask = np.bitwise_xor.reduce([inside(c.corners, window) for c in here])
        wanted = solid.on(k, window)
        lost, extra = lost + int((wanted & ~filled).sum()), extra + int((filled & ~wanted).sum())
    if lost or extra:
        yield f"filled, it is not the mask of {solid.name}: {lost} of its voxels are missing and {extra} are filled in"


def _around(corners: list[Array], solid: Solid) -> Window:
    """The window that holds the contours and the lesion."""
    rows, columns = window_of(corners)
    _, down, across = solid.box
    return (
        slice(min(rows.start, down.start), max(rows.stop, down.stop)),
        slice(min(columns.start, across.start), max(columns.stop, across.stop)),
    )
