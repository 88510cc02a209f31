"""Whether what names an image lies on that image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from pydicom import Dataset

from pipeline.proof.lattice import Array
from pipeline.proof.truth import Truth

ON_PLANE_MM = 0.02
"""So far from its plane a point may lie; numbers are written to a millionth of a millimetre."""

Name = tuple[str, int | None]
"""SOP Instance UID, and the frame of a multi-frame object."""


def named_images(group: Dataset, derivation: str) -> list[Name]:
    """The images in Source Image Sequence of a functional group."""
    return [
        name
        for item in group.get(derivation) or []
        for image in item.get("SourceImageSequence") or []
        for name in names_of(image)
    ]


def names_of(reference: Dataset) -> list[Name]:
    """What one reference names: several frames, where it has several numbers."""
    uid, frames = str(reference.get("ReferencedSOPInstanceUID") or ""), reference.get("ReferencedFrameNumber")
    if frames is None:
        return [(uid, None)]
    return [(uid, int(f)) for f in (frames if hasattr(frames, "__iter__") else [frames])]


def on_plane(names: Sequence[Name], point_mm: Array, truth: Truth, within_mm: float = ON_PLANE_MM) -> list[int]:
    """The slices that are named and whose plane the point lies on."""
    return [k for name in names for k in truth.images.slices_of(*name) if abs(_above(k, point_mm, truth)) <= within_mm]


def off_named(
    where: str, names: Sequence[Name], point_mm: Array, truth: Truth, within_mm: float = ON_PLANE_MM
) -> list[str]:
    """In words, when a point is not on a plane of the images named; or names none although there is one."""
    if not names:
        return list(_unnamed(where, point_mm, truth))
    if on_plane(names, point_mm, truth, within_mm):
        return []
    slices = [k for name in names for k in truth.images.slices_of(*name)]
    if not slices:
        return [f"{where} names an image that the findings were not drawn on"]
    nearest = min((abs(_above(k, point_mm, truth)) for k in slices), default=0.0)
    return [f"{where} lies {nearest:.2f} mm from the plane of the image that it names{_instead(point_mm, truth)}"]


def _unnamed(where: str, point_mm: Array, truth: Truth) -> Iterator[str]:
    """Nothing is to be named where the slice was made up between its neighbours."""
    k = _nearest(point_mm, truth)
    if k is None or truth.plane(k) is not None:
        yield f"{where} does not name the image that it lies on"


def _instead(point_mm: Array, truth: Truth) -> str:
    there = [
        k
        for k, plane in enumerate(truth.images.planes)
        if plane is not None and abs(_above(k, point_mm, truth)) <= ON_PLANE_MM
    ]
    return f"; it lies on that of image {there[0] + 1} of the stack" if there else ", and on that of no other image"


def _above(k: int, point_mm: Array, truth: Truth) -> float:
    """How far a point lies from slice k: along the normal of the stack, for that of one image is rounded."""
    plane = truth.plane(k)
    if plane is None:
        return float("inf")
    axes = truth.lattice.axes
    return float(np.cross(axes[:, 2], axes[:, 1]) @ (point_mm - plane.position))


def _nearest(point_mm: Array, truth: Truth) -> int | None:
    k = round(float(truth.lattice.to_index(point_mm[None])[0, 0]))
    return k if 0 <= k < len(truth.images.planes) else None
