"""Measurement reports of findings in space (PS3.16 TID 1500): every number, segment and coordinate of each lesion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
from pydicom import Dataset

from pipeline.findings import Lesion
from pipeline.proof.agreement import displaced
from pipeline.proof.filled import Contour
from pipeline.proof.lattice import HALF, Array, way
from pipeline.proof.outlines import check_outlines, in_space, on_images
from pipeline.proof.proposed import check_proposal, check_sessions
from pipeline.proof.rows import OWN, check_codes, check_distances, check_rows
from pipeline.proof.statements import (
    FINDING,
    SHIFT_PX,
    Statement,
    graphic,
    image_of,
    positions,
    statements,
)
from pipeline.proof.truth import Solid, Truth
from pipeline.templates.items import Item, Term, tree

_REJECTED = Term("REJECTED_ONE", OWN)
_SOURCE_SERIES = Term("121232", "DCM")


def check_report(ds: Dataset, files: Mapping[str, Dataset], truth: Truth) -> Iterator[str]:
    """What is wrong with it. files: the other objects of the set by SOP Instance UID."""
    root = tree(ds)
    found = statements(root)
    yield from _counted(found, truth)
    where = positions(root)
    lesions = {n.tracking_uid: n for n in (*truth.findings.lesions, *truth.findings.rejected)}
    for one in (s for s in found if s.tracking_uid in lesions):
        yield from _segments(one, files, truth)
        yield from _coordinates(one, where, truth)
        yield from _said(one, lesions[one.tracking_uid], truth)
    yield from check_sessions(root, files, truth)


def _said(one: Statement, lesion: Lesion, truth: Truth) -> Iterator[str]:
    """Of a measurement group or a rejected candidate all that was found; elsewhere (sessions) what there is."""
    name, solid = _name(one, truth), truth.all.get(one.tracking_uid)
    complete = one.is_group or one.item.name == _REJECTED
    yield from check_rows(one, lesion, solid.volume_mm3 if solid else lesion.volume_mm3, name, complete=complete)
    if one.is_group:
        yield from check_distances(one, lesion, name)
        yield from check_proposal(one, lesion, truth.findings.planned, name)
    if complete:
        yield from check_codes(one, lesion, truth.findings, name)
    series = {place[1] for place in truth.images.identity.instances.values()}
    for child in one.item.children:
        if child.name == _SOURCE_SERIES and str(child.dataset.get("UID") or "") not in series:
            yield f"{name} is said to be drawn on another series than that of the images"


def _counted(found: list[Statement], truth: Truth) -> Iterator[str]:
    """Each lesion has one group, and nothing else that is found has any."""
    groups = Counter(s.tracking_uid for s in found if s.is_group)
    for lesion in truth.findings.lesions:
        count = groups.pop(lesion.tracking_uid, 0)
        if count != 1:
            yield f"lesion {lesion.number} has {count} measurement groups in the report, not one"
    listed = {s.tracking_uid for s in found if s.item.name == _REJECTED}
    for lesion in truth.findings.rejected:
        if lesion.tracking_uid not in listed:
            yield f"rejected candidate {lesion.number} is not in the report"
        if groups.pop(lesion.tracking_uid, 0):
            yield f"rejected candidate {lesion.number} is reported as a finding"
    for one in (s for s in found if s.is_group and s.tracking_uid in groups):
        if _finds(one):
            yield "a measurement group has a tracking UID that no lesion of the findings has"


def _finds(one: Statement) -> bool:
    """Whether it says that something is there: one that says "not detected" has no finding and no place."""
    named = any(child.name == FINDING for child in one.item.children)
    return named or bool(one.segments() or one.of("SCOORD") or one.of("SCOORD3D"))


def _segments(one: Statement, files: Mapping[str, Dataset], truth: Truth) -> Iterator[str]:
    """The segment that is pointed at is the lesion's own. An object that is not there is told of elsewhere."""
    for uid, number in one.segments():
        if uid not in files:
            continue
        tracked = {
            int(i.SegmentNumber): str(i.get("TrackingUID") or "") for i in files[uid].get("SegmentSequence") or []
        }
        if number not in tracked:
            yield f"{_name(one, truth)} points at segment {number}, which the segmentation does not have"
        elif tracked[number] != one.tracking_uid:
            other = truth.all.get(tracked[number])
            yield f"{_name(one, truth)} points at segment {number}, which is {other.name if other else 'another thing'}"


def _name(one: Statement, truth: Truth) -> str:
    for word, lesions in (("lesion", truth.findings.lesions), ("rejected candidate", truth.findings.rejected)):
        for lesion in lesions:
            if lesion.tracking_uid == one.tracking_uid:
                return f"{word} {lesion.number}"
    return "something"


def _coordinates(one: Statement, where: dict[tuple[int, ...], Item], truth: Truth) -> Iterator[str]:
    solid = truth.all.get(one.tracking_uid)
    points = [p for item in one.of("SCOORD3D") for p in _centres_3d(item)]
    for point in points:
        yield from _centre(one, point, truth) if solid is None else displaced(point, solid, truth)
    outlines = [item for item in one.of("SCOORD3D") if item.graphic[0] in ("POLYGON", "POLYLINE")]
    in_pixels, faults = _in_pixels(one, where, truth)
    yield from faults
    if solid is None:
        return
    if outlines:
        contours, misplaced = in_space(outlines, solid, truth)
        yield from misplaced
        yield from check_outlines(contours, solid, truth)
    shown = on_images(solid, truth)
    if in_pixels:
        yield from check_outlines(in_pixels, shown, truth)
    if one.is_group and shown.slices and not (outlines or in_pixels or one.segments()):
        yield f"{solid.name} has no place in the report"


def _centres_3d(item: Item) -> list[Array]:
    """Points, and the middle of an ellipsoid's axes."""
    kind, points = item.graphic[0], graphic(item, 3)
    if kind == "POINT":
        return [points[0]]
    return [points.mean(axis=0)] if kind == "ELLIPSOID" else []


def _centre(one: Statement, point: Array, truth: Truth) -> Iterator[str]:
    """Of a candidate that nobody drew: against the centre that the findings tell."""
    told = next(n for n in (*truth.findings.lesions, *truth.findings.rejected) if n.tracking_uid == one.tracking_uid)
    off = point - np.array(told.centroid_mm)
    if not truth.lattice.in_voxels(off) <= HALF:
        yield f"the centre of {_name(one, truth)} is off by {way(off)}"


def _in_pixels(one: Statement, where: dict[tuple[int, ...], Item], truth: Truth) -> tuple[list[Contour], list[str]]:
    """Outlines on single images, and what is wrong with their images and with points."""
    solid = truth.all.get(one.tracking_uid)
    found: list[Contour] = []
    faults: list[str] = []
    for number, item in enumerate(one.of("SCOORD"), start=1):
        slices = [k for name in image_of(item, where) for k in truth.images.slices_of(*name)]
        plane = truth.plane(slices[0]) if slices else None
        if plane is None:
            faults.append(f"an outline of {_name(one, truth)} is on no image that the findings were drawn on")
            continue
        pixels = graphic(item, 2)[:, ::-1] - SHIFT_PX
        if item.graphic[0] == "POINT":
            point = plane.to_mm(pixels[:1])[0]
            faults += _centre(one, point, truth) if solid is None else _within(point, slices[0], solid, truth)
        elif len(pixels) < 3:
            faults.append(f"an outline of {_name(one, truth)} encloses nothing")
        else:
            found.append(Contour(number, slices[0], pixels))
    return found, faults


def _within(point: Array, k: int, solid: Solid, truth: Truth) -> Iterator[str]:
    """A point on one image is in the lesion, or at its centre."""
    _, row, column = np.rint(truth.lattice.to_index(point[None])[0]).astype(int)
    if not solid.on(k, (slice(row, row + 1), slice(column, column + 1))).any():
        yield from displaced(point, solid, truth)
