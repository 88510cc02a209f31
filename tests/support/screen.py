"""Where a lesion has to be on the screen of a viewer, and whether it is drawn there: pixels compared with pixels."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.findings import Findings

Picture = NDArray[np.int16]
Points = NDArray[np.float64]

NEAR_PX = 4.0
"""How far a drawn outline may lie from where it has to be: it is two or three pixels wide."""
MARGIN_PX = 60
"""Of the canvas, where the viewer writes its own things."""
CHANGED = 60
"""Of 255: what an outline changes at least."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A lesion on the image that shows most of it. corners_mm: (n, 3), LPS, the corners of all its voxels there."""

    label: str
    sop_instance_uid: str
    corners_mm: Points


def slices(findings: Findings) -> list[Slice]:
    """Where each lesion is largest."""
    return [on_slice(findings, n.number, _largest(findings, n.number)) for n in findings.lesions]


def _largest(findings: Findings, number: int) -> int:
    assert findings.labels is not None
    return int((findings.labels.array == number).sum(axis=(1, 2)).argmax())


def on_slice(findings: Findings, number: int, k: int) -> Slice:
    """A lesion on slice `k` of the volume."""
    labels = findings.labels
    assert labels is not None
    rows, columns = np.nonzero(labels.array[k] == number)
    offsets = [(0.0, down, across) for down in (-0.5, 0.5) for across in (-0.5, 0.5)]
    index = np.concatenate([np.stack([np.full(len(rows), k), rows, columns], 1) + o for o in offsets])
    corners_mm = index @ labels.affine[:3, :3].T + labels.affine[:3, 3]
    return Slice(findings.lesions[number - 1].label, findings.frames[k].sop_instance_uid, corners_mm)


def once_drawn(check: Callable[[], None], within_s: float = 20.0) -> None:
    """Returns once `check` holds; what does not hold by then raises as it does. A browser draws when it gets to it."""
    until = time.monotonic() + within_s
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() > until:
                raise
        time.sleep(0.3)


def assert_bright(bare: Picture, points: Points, label: str) -> None:
    """The picture is brighter at the points, (n, 2) as (x, y), than on a ring around them."""
    middle = points.mean(axis=0)
    radius = float(np.hypot(*(points - middle).T).max())
    angles = np.linspace(0, 2 * np.pi, 60)
    ring = middle + (radius + 6) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    inside, around = (float(bare[p[:, 1].astype(int), p[:, 0].astype(int)].mean()) for p in (points, ring))
    assert inside > 1.3 * around, f"{label} is not on a bright spot: {inside:.0f} in {around:.0f}"


def assert_drawn(bare: Picture, drawn: Picture, points: Points, label: str) -> None:
    """What was drawn near the points, (n, 2) as (x, y), has their extent to within NEAR_PX."""
    changed = np.abs(drawn - bare).max(axis=-1) > CHANGED
    left, top, right, bottom = (float(v) for v in (*points.min(axis=0), *points.max(axis=0)))
    changed &= _box(changed, left, top, right, bottom, 20)
    y, x = np.nonzero(changed)
    assert len(y), f"nothing is drawn at {label}"
    seen = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1])
    assert np.abs(seen - (left, top, right, bottom)).max() < NEAR_PX, (label, seen, (left, top, right, bottom))


def assert_outlined(bare: Picture, drawn: Picture, outline: Points, label: str) -> None:
    """At every corner of the outline, (n, 2) as (x, y), something was drawn."""
    y, x = np.nonzero(np.abs(drawn - bare).max(axis=-1) > CHANGED)
    seen = np.stack([x, y], axis=1) + 0.5
    away = np.linalg.norm(seen[:, None] - outline[None], axis=-1)
    assert len(seen), f"nothing is drawn at {label}"
    assert away.min(axis=0).max() < NEAR_PX, f"{label}: {away.min(axis=0).max():.1f} pixels from where it has to be"


def area_mm2(polygon_mm: Points) -> float:
    """Of a flat polygon in space, (n, 3)."""
    across = np.cross(polygon_mm, np.roll(polygon_mm, -1, axis=0)).sum(axis=0)
    return float(np.linalg.norm(across)) / 2


def circle(center: tuple[float, float], radius: float, corners: int = 24) -> Points:
    """(corners, 2) points on a circle."""
    angles = np.linspace(0, 2 * np.pi, corners + 1)[:-1]
    return np.array(center) + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _box(like: NDArray[np.bool_], left: float, top: float, right: float, bottom: float, more: int) -> NDArray[np.bool_]:
    inside = np.zeros_like(like)
    inside[int(top) - more : int(bottom) + more, int(left) - more : int(right) + more] = True
    return inside


def assert_nothing_else(bare: Picture, drawn: Picture, canvas: list[float], places: list[Points]) -> None:
    """Within the canvas (left, top, width, height) nothing but at these places was drawn."""
    changed = np.abs(drawn - bare).max(axis=-1) > CHANGED
    left, top, width, height = canvas
    changed &= _box(changed, left, top, left + width, top + height, -MARGIN_PX)
    for points in places:
        changed &= ~_box(changed, *points.min(axis=0), *points.max(axis=0), int(NEAR_PX) + 1)
    y, x = np.nonzero(changed)
    assert not len(y), f"something is drawn at {x.min()}…{x.max()}, {y.min()}…{y.max()}, where nothing should be"
