"""Slices -> a regular grid, or the reason why they are none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.errors import GeometryUnusable
from pipeline.imaging.frames import Frame, Vector
from pipeline.imaging.overlaps import SamePixels, count_places, one_per_place

MIN_SLICES = 3
"""With two slices there is one distance and nothing to tell whether a slice is missing in it."""

SAME_DIRECTION = 2e-3
"""Direction cosines may differ this much (0.1 degrees) between the images of one stack."""

SAME_SPACING = 1e-3
"""Pixel spacings may differ by this fraction between the images of one stack."""

OFF_GRID = 0.05
"""Each slice may lie this fraction of the slice spacing off its place on the regular grid."""

SIDEWAYS = 0.25
"""Each slice may be displaced in its plane by this fraction of a pixel; more is a gantry tilt."""

_HINT_REGULAR = "send all slices of one regular stack, or a reformatted series"


@dataclass(frozen=True, slots=True)
class Stack:
    """One frame a slice, ascending along the normal (along_rows x along_columns).

    slices: slices[k] is the slice index of frames[k]; 0, 1, 2, ... unless slices are missing.
    affine: 4 x 4, (slice, row, column) index -> LPS mm of the voxel centre. The axes in that order are
            left-handed; in DICOM's order (column, row, slice) they are right-handed.
    """

    frames: tuple[Frame, ...]
    slices: tuple[int, ...]
    affine: Vector
    remarks: tuple[str, ...]


def stack(frames: list[Frame], same_pixels: SamePixels, allow_missing: int = 0) -> Stack:
    """Arrange frames by their position along the normal; Slice Location and Instance Number are not asked.

    allow_missing: this many slices may be missing, never two in a row.

    Raises GeometryUnusable: mixed orientations, sizes, spacings or frames of reference, fewer than MIN_SLICES
    places, images that overlap, missing slices, unequal spacing, gantry tilt.
    """
    if not frames:
        raise GeometryUnusable("the series has no images", _HINT_REGULAR)
    _check_alike(frames)
    _check_count(count_places(frames), len(frames))
    kept = one_per_place(frames, same_pixels)
    ordered = kept.frames
    first = ordered[0]
    offsets = np.array([f.position_mm for f in ordered]) - np.array(first.position_mm)
    along = offsets @ first.normal
    slices = _slice_numbers(along, allow_missing)
    spacing = _spacing(along, slices)
    _check_sideways(offsets - np.outer(along, first.normal), first, along)
    return Stack(tuple(ordered), tuple(map(int, slices)), _affine(first, spacing), kept.remarks)


def _check_alike(frames: list[Frame]) -> None:
    first = frames[0]
    orientations = _distinct(frames)
    if len(orientations) > 1:
        scout = "a localizer, " if any("LOCALIZER" in str(f.get("ImageType")) for f in frames) else ""
        raise GeometryUnusable(f"{scout}images in {len(orientations)} different orientations", _HINT_REGULAR)
    sizes = sorted({f.shape for f in frames})
    if len(sizes) > 1:
        shown = ", ".join(f"{rows} x {columns}" for rows, columns in sizes)
        raise GeometryUnusable(f"images of different sizes: {shown} pixels", _HINT_REGULAR)
    spacings = np.array([f.spacing_mm for f in frames])
    if np.any(np.abs(spacings / np.array(first.spacing_mm) - 1) > SAME_SPACING):
        raise GeometryUnusable("images with different Pixel Spacing", _HINT_REGULAR)
    references = {f.get("FrameOfReferenceUID") for f in frames}
    if len(references) > 1:
        raise GeometryUnusable(f"images in {len(references)} frames of reference", _HINT_REGULAR)


def _distinct(frames: list[Frame]) -> list[Vector]:
    found: list[Vector] = []
    for frame in frames:
        cosines = np.array(frame.along_rows + frame.along_columns)
        if not any(np.abs(cosines - f).max() <= SAME_DIRECTION for f in found):
            found.append(cosines)
    return found


def _check_count(places: int, images: int) -> None:
    if places >= MIN_SLICES:
        return
    if images > places:
        raise GeometryUnusable(f"not a volume: {images} images at {places} place(s)", _HINT_REGULAR)
    count = "a single slice" if images == 1 else f"only {images} slices"
    raise GeometryUnusable(f"{count}; a volume needs at least {MIN_SLICES}", _HINT_REGULAR)


def _slice_numbers(along: Vector, allow_missing: int) -> Vector:
    """The slice index of each position; raises when positions are on no regular grid, or too many are missing."""
    steps = np.diff(along)
    base = float(np.median(steps))
    counts = np.rint(steps / base)
    if np.any(np.abs(steps - counts * base) > OFF_GRID * base) or np.any(counts < 1):
        raise GeometryUnusable(
            f"unequal distances between slices: {steps.min():.3f} to {steps.max():.3f} mm", _HINT_REGULAR
        )
    missing = int(counts.sum()) - len(steps)
    if missing > allow_missing or (missing and counts.max() > 2):
        allowed = f"; {allow_missing} may be filled, never two in a row" if allow_missing else ""
        said = f"{_plural(missing)} missing: {_gaps(along, counts)}{allowed}"
        raise GeometryUnusable(said, "send the missing images again")
    return np.concatenate([[0.0], np.cumsum(counts)])


def _spacing(along: Vector, slices: Vector) -> float:
    """The mean slice spacing in mm; raises when a slice is too far off the grid that it makes."""
    spacing = float(along[-1] / slices[-1])
    if np.any(np.abs(along - spacing * slices) > OFF_GRID * spacing):
        steps = np.diff(along)
        raise GeometryUnusable(
            f"the distance between slices drifts: {steps.min():.3f} to {steps.max():.3f} mm", _HINT_REGULAR
        )
    return spacing


def _plural(count: int) -> str:
    return "1 slice is" if count == 1 else f"{count} slices are"


def _gaps(along: Vector, counts: Vector) -> str:
    where = [
        f"{int(counts[i]) - 1} between slice {i + 1} and slice {i + 2} (a gap of {along[i + 1] - along[i]:.2f} mm)"
        for i in np.flatnonzero(counts > 1)
    ]
    return "; ".join(where[:5]) + (f"; and {len(where) - 5} more gaps" if len(where) > 5 else "")


def _check_sideways(sideways: Vector, first: Frame, along: Vector) -> None:
    shifts = np.linalg.norm(sideways, axis=1)
    if shifts.max() <= SIDEWAYS * min(first.spacing_mm):
        return
    degrees = float(np.degrees(np.arctan2(shifts[-1], along[-1])))
    if degrees < 0.1:
        raise GeometryUnusable(f"slices are displaced sideways by up to {shifts.max():.2f} mm", _HINT_REGULAR)
    raise GeometryUnusable(f"gantry tilt: the slices are stacked {degrees:.1f} degrees off their normal", _HINT_REGULAR)


def _affine(first: Frame, spacing_mm: float) -> Vector:
    affine = np.eye(4)
    affine[:3, 0] = first.normal * spacing_mm
    affine[:3, 1] = np.array(first.along_columns) * first.spacing_mm[0]
    affine[:3, 2] = np.array(first.along_rows) * first.spacing_mm[1]
    affine[:3, 3] = first.position_mm
    return affine
