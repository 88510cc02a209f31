"""Reports and overlays of marks on single images (mammograms): pixels against pixels."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from pydicom import Dataset

from pipeline.core.breast import Laterality
from pipeline.marks import Mark, MarkedStudy, View
from pipeline.proof.images import WHOSE, Identity, identity_of, read_header
from pipeline.proof.lattice import Array
from pipeline.proof.named import names_of
from pipeline.proof.statements import (
    CENTER,
    FINDING_SITE,
    LATERALITY,
    OUTLINE,
    Statement,
    graphic,
    image_of,
    positions,
    statements,
)
from pipeline.templates.items import Item, Term, tree

OFF_PX = 1.0
"""Of a pixel of the image as sent: so far a corner of an outline may lie off that of the mark."""

_SINGLE_FINDING = Term("111059", "DCM")
_IMAGE_SIDE = Term("111027", "DCM")
_LEFT = {Term("7771000", "SCT"), Term("80248007", "SCT")}
_RIGHT = {Term("24028007", "SCT"), Term("73056007", "SCT")}
_TRACKED = re.compile(r"tracking_uid=([0-9.]+)")
_HEADER = (*WHOSE, "FrameOfReferenceUID", "Rows", "Columns", "ImageLaterality")


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """The images that were looked at, and what was marked on them.

    views: by role. sides: by SOP Instance UID, what the image says of itself, or the view where it says nothing.
    marks, rejected: by tracking UID.
    """

    study: MarkedStudy
    identity: Identity
    views: dict[str, View]
    sides: dict[str, Laterality]
    marks: dict[str, Mark]
    rejected: dict[str, Mark]

    @property
    def all(self) -> dict[str, Mark]:
        """Marks and rejected ones."""
        return self.marks | self.rejected


def read_seen(study: MarkedStudy) -> Seen:
    """From the marks and the headers of their images. Raises Unprovable where an image is gone."""
    headers = [read_header(view.path, view.sop_instance_uid, _HEADER) for view in study.views]
    told = {"L": Laterality.LEFT, "R": Laterality.RIGHT}
    return Seen(
        study,
        identity_of(headers),
        {view.role: view for view in study.views},
        {
            view.sop_instance_uid: told.get(str(ds.get("ImageLaterality") or ""), view.laterality)
            for view, ds in zip(study.views, headers, strict=True)
        },
        {mark.tracking_uid: mark for mark in study.marks},
        {mark.tracking_uid: mark for mark in study.rejected},
    )


def check_marked_report(ds: Dataset, seen: Seen) -> Iterator[str]:
    """TID 1500: one group for each mark with its outline; rejected ones in none."""
    root = tree(ds)
    found, where = statements(root), positions(root)
    groups = Counter(s.tracking_uid for s in found if s.is_group)
    for mark in seen.marks.values():
        if groups[mark.tracking_uid] != 1:
            yield f"mark {mark.number} has {groups[mark.tracking_uid]} measurement groups in the report, not one"
    yield from (
        f"rejected {_name(m, seen)} is reported as a finding" for m in seen.rejected.values() if groups[m.tracking_uid]
    )
    for one in found:
        known = seen.all.get(one.tracking_uid)
        if known is not None:
            yield from _drawn(one.of("SCOORD"), known, where, seen)
            yield from _site(one, known, seen)
        elif one.of("SCOORD"):
            yield "the report outlines something that is no mark of the findings"
    yield from _library(root, seen)


def check_cad(ds: Dataset, seen: Seen) -> Iterator[str]:
    """Mammography CAD SR: each mark and each rejected one is one Single Image Finding."""
    root = tree(ds)
    where = positions(root)
    count: Counter[str] = Counter()
    for item in (i for i in root.walk() if i.name == _SINGLE_FINDING):
        uid = _tracked(item)
        count[uid] += 1
        if uid not in seen.all:
            yield "the report has a finding that is no mark of the findings"
            continue
        yield from _drawn([c for c in item.children if c.value_type == "SCOORD"], seen.all[uid], where, seen)
    for uid, mark in seen.all.items():
        if count[uid] != 1:
            yield f"{_name(mark, seen)} is {count[uid]} times in the report, not once"
    yield from _library(root, seen)


def check_overlay(ds: Dataset, seen: Seen) -> Iterator[str]:
    """Presentation state (PS3.3 C.10.5): outlines in pixels of one image, and that image is displayed as a whole."""
    by_uid = {view.sop_instance_uid: view for view in seen.study.views}
    shown: set[str] = set()
    for annotation in ds.get("GraphicAnnotationSequence") or []:
        names = [n for image in annotation.get("ReferencedImageSequence") or [] for n in names_of(image)]
        for graphics in annotation.get("GraphicObjectSequence") or []:
            mark = seen.marks.get(str(graphics.get("TrackingUID") or ""))
            if mark is None:
                yield "it outlines something that is no mark of the findings"
                continue
            shown.add(mark.tracking_uid)
            yield from _on_its_image([uid for uid, _ in names], mark, seen)
            if graphics.get("GraphicAnnotationUnits") != "PIXEL":
                yield f"the outline of {_name(mark, seen)} is not in pixels"
            yield from _off(np.array([float(v) for v in graphics.GraphicData]).reshape(-1, 2), mark, seen)
    referenced = _referenced(ds)
    yield from _lost_marks(shown, referenced, seen)
    yield from _displayed(ds, [by_uid[uid] for uid in referenced if uid in by_uid])


def _tracked(item: Item) -> str:
    said = (_TRACKED.search(str(c.dataset.get("TextValue") or "")) for c in item.children if c.value_type == "TEXT")
    return next((match.group(1) for match in said if match), "")


def _drawn(items: Sequence[Item], mark: Mark, where: dict[tuple[int, ...], Item], seen: Seen) -> Iterator[str]:
    """Outline and centre of a mark in a report."""
    if not items:
        yield f"{_name(mark, seen)} has no place in the report"
    for item in items:
        yield from _on_its_image([uid for uid, _ in image_of(item, where)], mark, seen)
        points = graphic(item, 2)
        if item.graphic[0] == "POINT":
            yield from _off_centre(points, mark, seen)
        elif item.name != CENTER:
            yield from _off(points, mark, seen)
        else:
            yield f"the centre of {_name(mark, seen)} is not a point"
        if item.name == OUTLINE and item.graphic[0] != "POLYLINE":
            yield f"the outline of {_name(mark, seen)} is no polyline"


def _on_its_image(uids: Sequence[str], mark: Mark, seen: Seen) -> Iterator[str]:
    view = seen.views[mark.role]
    if list(uids) != [view.sop_instance_uid]:
        other = next((v.role for v in seen.study.views if v.sop_instance_uid in uids), "no image of the study")
        yield f"{_name(mark, seen)} was found on {mark.role} and is drawn on {other}"


def _off_centre(points: Array, mark: Mark, seen: Seen) -> Iterator[str]:
    away = points[0] - np.array(mark.center_px)
    if not np.abs(away).max() <= OFF_PX:
        yield f"the centre of {_name(mark, seen)} is {_by(away)} off{_mirrored(points, mark, seen)}"


def _off(points: Array, mark: Mark, seen: Seen) -> Iterator[str]:
    """Corner by corner, both ways, so that the order and a repeated first corner do not matter."""
    view = seen.views[mark.role]
    if (points < 0).any() or (points > (view.columns, view.rows)).any():
        yield f"the outline of {_name(mark, seen)} reaches beyond its image"
    wanted = np.clip(np.array(mark.outline_px, float), 0, (view.columns, view.rows))
    apart = np.abs(points[:, None] - wanted[None]).max(axis=2)
    if len(points) < 3 or not max(apart.min(axis=0).max(), apart.min(axis=1).max()) <= OFF_PX:
        away = (points.min(axis=0) + points.max(axis=0) - wanted.min(axis=0) - wanted.max(axis=0)) / 2
        yield f"the outline of {_name(mark, seen)} is {_by(away)} off{_mirrored(points, mark, seen)}"


def _mirrored(points: Array, mark: Mark, seen: Seen) -> str:
    """Whether the other way round it would lie on the mark."""
    view, middle = seen.views[mark.role], (points.min(axis=0) + points.max(axis=0)) / 2
    for axis, (size, word) in enumerate(((view.columns, "left and right"), (view.rows, "top and bottom"))):
        turned = middle.copy()
        turned[axis] = size - turned[axis]
        if np.abs(turned - mark.center_px).max() <= 2 * OFF_PX:
            return f", as if {word} of the image were exchanged"
    return ""


def _by(away: Array) -> str:
    return f"{away[0]:+.1f} pixels across and {away[1]:+.1f} down"


def _site(one: Statement, mark: Mark, seen: Seen) -> Iterator[str]:
    """The side of the breast that a group tells."""
    for site in (c for c in one.item.children if c.name == FINDING_SITE):
        told = [c.code for c in site.children if c.name == LATERALITY and c.code is not None]
        yield from (
            f"{_name(mark, seen)} is told to be in the other breast" for code in told if _is_other(code, mark, seen)
        )


def _is_other(code: Term, mark: Mark, seen: Seen) -> bool:
    return code in (_RIGHT if seen.views[mark.role].laterality is Laterality.LEFT else _LEFT)


def _library(root: Item, seen: Seen) -> Iterator[str]:
    """The side that the image library tells of each image."""
    for item in (i for i in root.walk() if i.value_type == "IMAGE" and i.target is None):
        side = seen.sides.get(item.image[1])
        told = [c.code for c in item.children if c.name == _IMAGE_SIDE]
        wrong = _RIGHT if side is Laterality.LEFT else _LEFT
        if side is not None and any(code in wrong for code in told):
            yield f"an image of the {side.word} breast is listed as one of the other"


def _referenced(ds: Dataset) -> list[str]:
    return [
        uid
        for series in ds.get("ReferencedSeriesSequence") or []
        for image in series.get("ReferencedImageSequence") or []
        for uid, _ in names_of(image)
    ]


def _lost_marks(shown: set[str], referenced: Sequence[str], seen: Seen) -> Iterator[str]:
    for uid, mark in seen.marks.items():
        if seen.views[mark.role].sop_instance_uid in referenced and uid not in shown:
            yield f"{_name(mark, seen)} is not drawn on its image"


def _displayed(ds: Dataset, views: Sequence[View]) -> Iterator[str]:
    """From the first pixel to the last (PS3.3 C.10.4: counted from 1)."""
    for area in ds.get("DisplayedAreaSelectionSequence") or []:
        corner = [int(v) for v in area.DisplayedAreaTopLeftHandCorner]
        far = [int(v) for v in area.DisplayedAreaBottomRightHandCorner]
        for view in views:
            if corner != [1, 1] or far != [view.columns, view.rows]:
                yield f"it does not display the whole of {view.role}"


def _name(mark: Mark, seen: Seen) -> str:
    return f"{'mark' if mark.tracking_uid in seen.marks else 'rejected mark'} {mark.number}"
