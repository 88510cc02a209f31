"""Segmentation and Label Map Segmentation (PS3.3 A.51) -> places, volumes and voxels of each segment again.

highdicom unpacks the pixels; where they lie is read here, frame by frame, so that no frame is trusted for another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from pipeline.proof.agreement import Drawn, differences
from pipeline.proof.fault import few
from pipeline.proof.images import Plane, group_value, plane_of_frame
from pipeline.proof.lattice import Array
from pipeline.proof.named import named_images, off_named, on_plane
from pipeline.proof.told import Place, coded, is_named, meant, misdescribed, misplaced, term_of
from pipeline.proof.truth import Solid, Truth
from pipeline.templates.items import Term

HALF_FULL = 0.5
"""A voxel of a fractional segment counts from this share on."""

_LABEL_LENGTH, _ANY_LENGTH = 64, 1 << 30
_NO_LESION = Term("111102", "DCM")
"""Non-lesion: what rejected candidates are coded as, so that nobody takes them for findings."""

_OFF_NAMED = 0.1
"""Of a pixel: so far a frame of the size of its image may lie off it in the plane."""


@dataclass(slots=True, eq=False)
class Segment:
    """All frames of one segment together. indices: of the voxels, on the lattice of the findings."""

    points_mm: list[Array] = field(default_factory=list)
    volume_mm3: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame. values: (rows, columns) as stored. segment: its number; 0 in a label map, whose values are numbers."""

    number: int
    plane: Plane
    values: NDArray[np.integer]
    segment: int


def check_segmentation(ds: Dataset, truth: Truth) -> Iterator[str]:
    """What is wrong with it."""
    numbers = _numbers(ds)
    solids, faults = _matched(numbers, ds, truth)
    yield from faults
    segments, misplaced = _read(ds, truth)
    yield from misplaced
    for number in sorted(segments.keys() - numbers.keys()):
        yield f"frames hold a segment {number} that is not described"
    for number, solid in solids.items():
        drawn = drawn_segment(segments.get(number), solid)
        if drawn is None:
            yield f"segment {number}, which is to be {solid.name}, is empty"
            continue
        yield from differences(drawn, truth)
        if ds.get("SegmentationType") != "FRACTIONAL":
            yield from _voxels(number, segments[number], solid, truth)


def segments_of(ds: Dataset, truth: Truth) -> list[Drawn]:
    """What it draws of each lesion."""
    solids, _ = _matched(_numbers(ds), ds, truth)
    segments, _ = _read(ds, truth)
    made = (drawn_segment(segments.get(number), solid) for number, solid in solids.items())
    return [drawn for drawn in made if drawn is not None]


def lesions_in(ds: Dataset, truth: Truth) -> set[str]:
    """Tracking UIDs of the lesions and rejected candidates that it has a segment of."""
    return {str(item.get("TrackingUID") or "") for item in ds.get("SegmentSequence") or []} & truth.all.keys()


def drawn_segment(segment: Segment | None, solid: Solid) -> Drawn | None:
    """Its centroid and volume; None when it is empty."""
    if segment is None or not segment.points_mm:
        return None
    points = np.concatenate(segment.points_mm)
    return Drawn(solid, points.mean(axis=0), segment.volume_mm3)


def _numbers(ds: Dataset) -> dict[int, Dataset]:
    """Segment Number -> its description. In a label map 0 is what belongs to no segment."""
    described = {int(item.SegmentNumber): item for item in ds.SegmentSequence}
    return {n: item for n, item in described.items() if n or not _is_labelmap(ds)}


def _is_labelmap(ds: Dataset) -> bool:
    return bool(ds.get("SegmentationType") == "LABELMAP")


def _matched(numbers: dict[int, Dataset], ds: Dataset, truth: Truth) -> tuple[dict[int, Solid], list[str]]:
    """Segment number -> the lesion with its tracking UID; and what is wrong with numbers, names and how many."""
    found: dict[int, Solid] = {}
    faults = []
    for number, item in numbers.items():
        solid = truth.all.get(str(item.get("TrackingUID") or ""))
        if solid is None:
            faults.append(f"segment {number} has a tracking UID that no lesion of the findings has")
            continue
        found[number] = solid
        if len(numbers) > 1 and number != solid.number:
            faults.append(f"segment {number} has the tracking UID of {solid.name}: segment numbers are exchanged")
        faults += _described(number, item, solid, truth)
    return found, [*faults, *_complete(list(found.values()), len(numbers), truth)]


def _described(number: int, item: Dataset, solid: Solid, truth: Truth) -> Iterator[str]:
    """Name, kind and place of a segment, in its codes and in its text."""
    lesion, sought = solid.lesion, truth.findings.sought
    label, again = str(item.get("SegmentLabel") or ""), str(item.get("TrackingID") or lesion.label)
    if not (is_named(label, lesion.label, _LABEL_LENGTH) and is_named(again, lesion.label, _ANY_LENGTH)):
        yield f"segment {number} is not named as {solid.name} is"
    wanted = _NO_LESION if lesion.tracking_uid in truth.rejected else meant(sought.finding)
    if term_of(item, "SegmentedPropertyTypeCodeSequence") != wanted:
        yield f"segment {number} is coded as another finding than {solid.name} is"
    places = {_region(region) for region in item.get("AnatomicRegionSequence") or []}
    yield from misplaced(places, lesion, sought, solid.name)
    yield from misdescribed(str(item.get("SegmentDescription") or ""), lesion, solid.name)


def _region(region: Dataset) -> Place:
    """Anatomic Region with the side as its modifier (PS3.3 10.5)."""
    return coded(region), term_of(region, "AnatomicRegionModifierSequence")


def _complete(found: list[Solid], count: int, truth: Truth) -> Iterator[str]:
    """An object for each lesion has one segment; any other has all lesions, or all rejected candidates."""
    uids = [s.lesion.tracking_uid for s in found]
    if len(set(uids)) < len(uids):
        yield "two segments have the same tracking UID"
    for all_of in (truth.solids, truth.rejected):
        if count > 1 and set(uids) & all_of.keys():
            yield from (f"{all_of[uid].name} has no segment" for uid in all_of.keys() - set(uids))
    if set(uids) & truth.solids.keys() and set(uids) & truth.rejected.keys():
        yield "lesions and rejected candidates are in one object"


def _read(ds: Dataset, truth: Truth) -> tuple[dict[int, Segment], list[str]]:
    segments: dict[int, Segment] = defaultdict(Segment)
    faults: list[str] = []
    depth = _depth_mm(ds, truth)
    taken: set[tuple[int, ...]] = set()
    for frame in _frames(ds):
        faults += _off_image(frame, ds, truth)
        place = (frame.segment, *_nearest_voxel(frame.plane, truth))
        if place in taken:
            faults.append(f"frame {frame.number + 1} lies where another of its segment does: viewers show one of them")
        taken.add(place)
        for number in _in_frame(frame):
            shown = np.argwhere(frame.values == number if not frame.segment else frame.values)
            segment = segments[number]
            segment.points_mm.append(frame.plane.to_mm(shown.astype(float)))
            segment.volume_mm3 += len(shown) * float(np.prod(frame.plane.spacing_mm)) * depth
    return segments, few(faults)


def _nearest_voxel(plane: Plane, truth: Truth) -> tuple[int, ...]:
    """Frames of the slices of one stack never share it."""
    return tuple(int(v) for v in np.rint(truth.lattice.to_index(plane.position[None])[0]))


def _in_frame(frame: Frame) -> list[int]:
    if frame.segment:
        return [frame.segment] if frame.values.any() else []
    return [int(n) for n in np.unique(frame.values) if n]


def _frames(ds: Dataset) -> Iterator[Frame]:
    """Frame by frame, so that only one is unpacked at a time."""
    seg = hd.seg.Segmentation.from_dataset(ds, copy=False)
    fractional = ds.get("SegmentationType") == "FRACTIONAL"
    full = int(ds.get("MaximumFractionalValue") or 1)
    for i in range(int(ds.NumberOfFrames)):
        values = seg.get_stored_frame(i + 1)
        if fractional:
            values = (values >= HALF_FULL * full).astype(np.uint8)
        segment = 0
        if not _is_labelmap(ds):
            segment = int(group_value(ds, i, "SegmentIdentificationSequence", "ReferencedSegmentNumber"))
        yield Frame(i, plane_of_frame(ds, i), values, segment)


def _depth_mm(ds: Dataset, truth: Truth) -> float:
    """Of a voxel across the slices, as a reader of the object alone takes it."""
    between = group_value(ds, 0, "PixelMeasuresSequence", "SpacingBetweenSlices")
    if between:
        return float(between)
    return float(truth.lattice.spacing_mm[0])


def _off_image(frame: Frame, ds: Dataset, truth: Truth) -> list[str]:
    """Whether a frame lies on the image that it names; where it names none, there must be none."""
    names = named_images(ds.PerFrameFunctionalGroupsSequence[frame.number], "DerivationImageSequence")
    where = f"frame {frame.number + 1}"
    faults = off_named(where, names, frame.plane.position, truth)
    for k in on_plane(names, frame.plane.position, truth):
        image = truth.plane(k)
        if image is not None and image.shape == frame.plane.shape:
            off = image.to_pixels(frame.plane.position[None])[0]
            if np.abs(off).max() > _OFF_NAMED:
                faults.append(f"{where} is shifted against the image that it names by {np.abs(off).max():.1f} pixels")
    return faults


def _voxels(number: int, segment: Segment, solid: Solid, truth: Truth) -> Iterator[str]:
    """The mask itself, voxel for voxel, by millimetres."""
    index = np.rint(truth.lattice.to_index(np.concatenate(segment.points_mm))).astype(np.intp)
    index -= [b.start for b in solid.box]
    shape = np.array(solid.inside.shape)
    within = index[((index >= 0) & (index < shape)).all(axis=1)]
    again = np.zeros(shape, bool)
    again[tuple(within.T)] = True
    lost = int(np.count_nonzero(solid.inside & ~again))
    extra = len(index) - int(np.count_nonzero(again & solid.inside))
    if lost or extra:
        yield (
            f"segment {number} is not the mask of {solid.name}: {lost} of its voxels are missing and {extra} are "
            "drawn where it is not"
        )
