"""Lesions of two dates, matched one to one; what grew together, and what fell apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import highdicom as hd
import numpy as np
import numpy.typing as npt
from scipy.ndimage import find_objects
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from pipeline.followup.register import Registration

Points = npt.NDArray[np.float64]

SLACK_MM = 2.0
"""How far apart two outlines may lie that are one lesion's, beside half a slice of each date: what a registration of
heads, and swelling beside a lesion, may move it by."""

REACH = 0.5
"""And not further than this share of the smaller lesion's diameter: of two tiny ones side by side, one is new."""

PART = 0.3
"""From this share of its volume on, what lies in a lesion of the other date is a part of that."""

_BESIDE = 0.01
"""What a pair without overlap weighs at most: any overlap weighs more."""


@dataclass(frozen=True, slots=True)
class Relation:
    """An earlier and a later lesion that may be one.

    earlier, later: their labels.
    dice:           0…1, overlap after registration; 0 for outlines that lie beside each other, `gap_mm` apart.
    of_earlier:     share of the earlier one's volume that lies in the later; of_later: the other way round.
    """

    earlier: int
    later: int
    dice: float
    of_earlier: float
    of_later: float
    gap_mm: float = 0.0

    @property
    def weight(self) -> float:
        """How well they go together, above 0."""
        return self.dice + _BESIDE / (1 + self.gap_mm)


@dataclass(frozen=True, slots=True)
class Matched:
    """Which is which, by label.

    pairs:  later -> earlier, one to one.
    merged: earlier -> the later one that it went up in, beside that one's own earlier lesion.
    split:  later -> the earlier one that it fell off, which has another later lesion of its own.
    gone:   earlier lesions that nothing is left of; new: later ones that nothing was of.
    """

    pairs: Mapping[int, int]
    merged: Mapping[int, int]
    split: Mapping[int, int]
    gone: tuple[int, ...]
    new: tuple[int, ...]


def relate(earlier: hd.Volume, later: hd.Volume, registration: Registration) -> tuple[Relation, ...]:
    """All pairs of lesions that may be one: they overlap after registration, or lie next to each other.

    earlier, later: labels 1…n (slices, rows, columns), each on the grid of its own date.

    Points of each are looked up in the other, and both counts averaged: neither grid is better. A pair without overlap
    may be one up to SLACK_MM and half a slice of each date apart, but no further than REACH of the smaller's diameter.
    """
    then, now = _clouds(earlier), _clouds(later)
    slack_mm = SLACK_MM + (max(earlier.spacing) + max(later.spacing)) / 2
    touching_mm = min(max(earlier.spacing), max(later.spacing))  # between centres, on the finer of both grids
    found = []
    for e, cloud in then.items():
        placed = registration.to_later(cloud.points)
        low, high = placed.min(axis=0) - slack_mm, placed.max(axis=0) + slack_mm
        for k, other in now.items():
            if (other.points.max(axis=0) < low).any() or (other.points.min(axis=0) > high).any():
                continue
            inside = _share(placed, later, k) * cloud.volume_mm3
            inside += _share(registration.to_earlier(other.points), earlier, e) * other.volume_mm3
            gap_mm = 0.0 if inside else float(cKDTree(other.points).query(placed)[0].min())
            reach_mm = REACH * min(cloud.diameter_mm, other.diameter_mm)
            if inside or gap_mm <= max(min(slack_mm, reach_mm), touching_mm):
                found.append(_relation(e, cloud, k, other, inside / 2, gap_mm))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Cloud:
    """A lesion as the centres of its voxels, LPS mm."""

    points: Points
    volume_mm3: float

    @property
    def diameter_mm(self) -> float:
        """Of a sphere of its volume."""
        return float((6 / np.pi * self.volume_mm3) ** (1 / 3))


def _relation(e: int, earlier: _Cloud, k: int, later: _Cloud, both_mm3: float, gap_mm: float) -> Relation:
    # Each share is of its own grid; where grids differ much the mean of both may exceed the smaller lesion.
    both_mm3 = min(both_mm3, earlier.volume_mm3, later.volume_mm3)
    dice = 2 * both_mm3 / (earlier.volume_mm3 + later.volume_mm3)
    return Relation(e, k, dice, both_mm3 / earlier.volume_mm3, both_mm3 / later.volume_mm3, gap_mm)


def match(relations: Sequence[Relation], earlier: Sequence[int], later: Sequence[int]) -> Matched:
    """The one-to-one assignment with the most overlap in all (Hungarian method), then parts that merged or split.

    A lesion that is nobody's own, and of which a share of PART or more lies in a lesion of the other date, merged with
    it or split from it; of several, where most of it lies.
    """
    rows = {e: i for i, e in enumerate(earlier)}
    columns = {k: j for j, k in enumerate(later)}
    weights = np.zeros((len(rows), len(columns)))
    for r in relations:
        weights[rows[r.earlier], columns[r.later]] = r.weight
    chosen = zip(*linear_sum_assignment(weights, maximize=True), strict=True)
    pairs = {later[j]: earlier[i] for i, j in chosen if weights[i, j] > 0}
    taken = set(pairs.values())
    merged = _parts({r.earlier: [] for r in relations if r.earlier not in taken}, relations, of_earlier=True)
    split = _parts({r.later: [] for r in relations if r.later not in pairs}, relations, of_earlier=False)
    return Matched(
        pairs=dict(sorted(pairs.items())),
        merged=merged,
        split=split,
        gone=tuple(e for e in sorted(earlier) if e not in taken and e not in merged),
        new=tuple(k for k in sorted(later) if k not in pairs and k not in split),
    )


def _parts(
    left: dict[int, list[tuple[float, int]]], relations: Sequence[Relation], *, of_earlier: bool
) -> dict[int, int]:
    for r in relations:
        part, whole, share = (r.earlier, r.later, r.of_earlier) if of_earlier else (r.later, r.earlier, r.of_later)
        if part in left and share >= PART:
            left[part].append((share, whole))
    return {part: max(wholes)[1] for part, wholes in sorted(left.items()) if wholes}


def _clouds(labels: hd.Volume) -> dict[int, _Cloud]:
    array = np.asarray(labels.array)
    voxel_mm3 = float(np.prod(labels.spacing))
    clouds = {}
    for number, box in enumerate(find_objects(array.astype(np.int32, copy=False)), start=1):
        if box is not None:
            index = np.argwhere(array[box] == number) + [s.start for s in box]
            points = np.asarray(index @ labels.affine[:3, :3].T + labels.affine[:3, 3], np.float64)
            clouds[number] = _Cloud(points, len(points) * voxel_mm3)
    return clouds


def _share(points: Points, labels: hd.Volume, number: int) -> float:
    """Share of the points that lie in label `number`."""
    to_index = np.linalg.inv(labels.affine)
    index = np.rint(points @ to_index[:3, :3].T + to_index[:3, 3]).astype(np.int64)
    inside = ((index >= 0) & (index < labels.spatial_shape)).all(axis=1)
    return float((np.asarray(labels.array)[tuple(index[inside].T)] == number).sum() / len(points))
