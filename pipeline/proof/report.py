"""Measurement reports of findings in space (PS3.16 TID 1500): every number, segment and coordinate of each lesion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from pydicom import Dataset

from pipeline.proof.agreement import Drawn, differences, displaced
from pipeline.proof.lattice import HALF, VOLUME, Array, way
from pipeline.proof.polygon import area_and_centre
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

_VOLUME = Term("118565006", "SCT")
_DIAMETERS = {
    Term("103339001", "SCT"): ("long axis", "long_axis_mm"),
    Term("103340004", "SCT"): ("short axis", "short_axis_mm"),
    Term("L0JK", "IBSI"): ("3D diameter", "max_diameter_3d_mm"),
}
_MM3 = {"mm3": 1.0, "cm3": 1000.0, "ml": 1000.0, "mL": 1000.0}
_MM = {"mm": 1.0, "cm": 10.0}
_SAID_MM = 0.01
"""Numbers are written to a thousandth."""


def check_report(ds: Dataset, files: Mapping[str, Dataset], truth: Truth) -> Iterator[str]:
    """What is wrong with it. files: the other objects of the set by SOP Instance UID."""
    root = tree(ds)
    found = statements(root)
    yield from _counted(found, truth)
    where = positions(root)
    known = {lesion.tracking_uid for lesion in (*truth.findings.lesions, *truth.findings.rejected)}
    for one in (s for s in found if s.tracking_uid in known):
        yield from _segments(one, files, truth)
        yield from _coordinates(one, where, truth)
        if one.tracking_uid in truth.all:
            yield from _numbers(one, truth.all[one.tracking_uid])


def _counted(found: list[Statement], truth: Truth) -> Iterator[str]:
    """Each lesion has one group, and nothing else that is found has any."""
    groups = Counter(s.tracking_uid for s in found if s.is_group)
    for lesion in truth.findings.lesions:
        count = groups.pop(lesion.tracking_uid, 0)
        if count != 1:
            yield f"lesion {lesion.number} has {count} measurement groups in the report, not one"
    for lesion in truth.findings.rejected:
        if groups.pop(lesion.tracking_uid, 0):
            yield f"rejected candidate {lesion.number} is reported as a finding"
    for one in (s for s in found if s.is_group and s.tracking_uid in groups):
        if _finds(one):
            yield "a measurement group has a tracking UID that no lesion of the findings has"


def _finds(one: Statement) -> bool:
    """Whether it says that something is there: one that says "not detected" has no finding and no place."""
    named = any(child.name == FINDING for child in one.item.children)
    return named or bool(one.segments() or one.of("SCOORD") or one.of("SCOORD3D"))


def _numbers(one: Statement, solid: Solid) -> Iterator[str]:
    """Volumes as counted here, diameters as the findings have them."""
    for name, value, unit in one.numbers():
        if name == _VOLUME:
            mm3 = value * _MM3.get(unit, np.nan)
            if not abs(mm3 - solid.volume_mm3) <= max(VOLUME * solid.volume_mm3, _SAID_MM):
                yield f"the report gives {solid.name} {mm3:.1f} mm3, and {solid.volume_mm3:.1f} were found"
        elif name in _DIAMETERS:
            words, attribute = _DIAMETERS[name]
            mm, true = value * _MM.get(unit, np.nan), float(getattr(solid.lesion, attribute))
            if not abs(mm - true) <= _SAID_MM:
                yield f"the report gives {solid.name} a {words} of {mm:.1f} mm, and {true:.1f} were found"


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
    if outlines and solid is not None:
        yield from differences(_from_3d(outlines, solid, truth), truth)
    yield from _in_pixels(one, where, truth)


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


def _from_3d(outlines: list[Item], solid: Solid, truth: Truth) -> Drawn:
    """Polygons in space, each of which stands for one slice."""
    axes, depth_mm = truth.lattice.axes, float(truth.lattice.spacing_mm[0])
    parts = []
    for item in outlines:
        points = graphic(item, 3)
        flat = (points - points[0]) @ axes[:, [1, 2]]
        area, centre = area_and_centre(flat)
        parts.append((area * depth_mm, points[0] + axes[:, [1, 2]] @ centre))
    return _together(parts, solid)


def _together(parts: list[tuple[float, Array]], solid: Solid) -> Drawn:
    volume = sum(v for v, _ in parts)
    moment = sum((v * c for v, c in parts), np.zeros(3))
    return Drawn(solid, moment / volume if volume else moment, volume)


def _in_pixels(one: Statement, where: dict[tuple[int, ...], Item], truth: Truth) -> Iterator[str]:
    """Outlines and points on single images. One outline alone may show one slice of many; several show them all."""
    solid = truth.all.get(one.tracking_uid)
    depth_mm = float(truth.lattice.spacing_mm[0])
    parts: dict[int, list[tuple[float, Array]]] = {}
    for item in one.of("SCOORD"):
        slices = [k for name in image_of(item, where) for k in truth.images.slices_of(*name)]
        plane = truth.plane(slices[0]) if slices else None
        if plane is None:
            yield f"an outline of {_name(one, truth)} is on no image that the findings were drawn on"
            continue
        pixels = graphic(item, 2)[:, ::-1] - SHIFT_PX
        if item.graphic[0] == "POINT":
            point = plane.to_mm(pixels[:1])[0]
            yield from _centre(one, point, truth) if solid is None else _within(point, slices[0], solid, truth)
            continue
        area, centre = area_and_centre(pixels)
        part = area * float(np.prod(plane.spacing_mm)) * depth_mm, plane.to_mm(centre[None])[0]
        parts.setdefault(slices[0], []).append(part)
    if parts and solid is not None:
        yield from _outlined(parts, on_images(solid, truth), truth)


def _within(point: Array, k: int, solid: Solid, truth: Truth) -> Iterator[str]:
    """A point on one image is in the lesion, or at its centre."""
    _, row, column = np.rint(truth.lattice.to_index(point[None])[0]).astype(int)
    if not solid.on(k, (slice(row, row + 1), slice(column, column + 1))).any():
        yield from displaced(point, solid, truth)


def on_images(solid: Solid, truth: Truth) -> Solid:
    """What of a lesion images show: a slice that was made up between two has none that it could be outlined on."""
    made_up = [k for k in solid.slices if truth.plane(k) is None]
    if not made_up:
        return solid
    inside = solid.inside.copy()
    inside[[k - solid.box[0].start for k in made_up]] = False
    index = np.argwhere(inside) + [b.start for b in solid.box]
    volume = len(index) * truth.lattice.voxel_mm3
    centroid = truth.lattice.to_mm(index.mean(axis=0)[None])[0] if len(index) else solid.centroid_mm
    return replace(solid, centroid_mm=centroid, volume_mm3=volume, inside=inside)


def _outlined(parts: dict[int, list[tuple[float, Array]]], solid: Solid, truth: Truth) -> Iterator[str]:
    if len(parts) > 1 or len(solid.slices) == 1:
        yield from differences(_together([p for here in parts.values() for p in here], solid), truth)
        return
    ((k, here),) = parts.items()
    if k not in solid.slices:
        yield f"{solid.name} is outlined on image {k + 1} of the stack, which does not show it"
        return
    shown = np.argwhere(solid.inside[k - solid.box[0].start]) + [b.start for b in solid.box[1:]]
    centre = truth.lattice.to_mm(np.c_[np.full(len(shown), k), shown].mean(axis=0)[None])[0]
    drawn = _together(here, solid)
    off = drawn.centroid_mm - centre
    if not truth.lattice.in_voxels(off) <= HALF:
        yield f"the outline of {solid.name} on image {k + 1} is off by {way(off)}"
    true = len(shown) * truth.lattice.voxel_mm3
    if not abs(drawn.volume_mm3 - true) <= VOLUME * true:
        yield f"the outline of {solid.name} on image {k + 1} has {drawn.volume_mm3 / true:.2f} times its area there"
