"""What an object draws of a lesion against the lesion itself: how far off, how much larger, as if what had happened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.proof.lattice import HALF, VOLUME, Array, Lattice, way
from pipeline.proof.truth import Solid, Truth

_ALMOST = 0.1
"""Of a voxel."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """What an object draws of one lesion. centroid_mm: (3,) LPS."""

    solid: Solid
    centroid_mm: Array
    volume_mm3: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well an object agrees with one lesion.

    off_voxels: from centroid to centroid, with each edge of a voxel as 1. volume_ratio: of the object's to the true.
    """

    sop_instance_uid: str
    name: str
    off_voxels: float
    volume_ratio: float


def agreement(uid: str, drawn: Drawn, lattice: Lattice) -> Agreement:
    """In numbers."""
    off = lattice.in_voxels(drawn.centroid_mm - drawn.solid.centroid_mm)
    return Agreement(uid, drawn.solid.name, off, drawn.volume_mm3 / drawn.solid.volume_mm3)


def differences(drawn: Drawn, truth: Truth) -> Iterator[str]:
    """In words, where it is more than half a voxel or 2 % of the volume."""
    yield from displaced(drawn.centroid_mm, drawn.solid, truth)
    true = drawn.solid.volume_mm3
    if not abs(drawn.volume_mm3 - true) <= VOLUME * true:
        share = 100 * (drawn.volume_mm3 / true - 1)
        found = f"was found with {true:.1f} ({share:+.0f} %)"
        yield f"{drawn.solid.name} is drawn with {drawn.volume_mm3:.1f} mm3 and {found}"


def displaced(centroid_mm: Array, solid: Solid, truth: Truth) -> Iterator[str]:
    """A centre more than half a voxel off, with what could have done it."""
    off = centroid_mm - solid.centroid_mm
    voxels = truth.lattice.in_voxels(off)
    if not voxels <= HALF:
        why = _why(centroid_mm, solid, truth)
        yield f"{solid.name} is drawn {voxels:.1f} voxels from where it was found, {way(off)}{why}"


def _why(centroid_mm: Array, solid: Solid, truth: Truth) -> str:
    """Where one of the classic mistakes would explain it."""
    lattice, shape = truth.lattice, np.array(truth.shape)
    index = lattice.to_index(np.stack([centroid_mm, solid.centroid_mm]))
    for other in truth.all.values():
        if other is not solid and lattice.in_voxels(centroid_mm - other.centroid_mm) <= HALF:
            return f": that is where {other.name} was found"
    if lattice.in_voxels(centroid_mm * (-1, -1, 1) - solid.centroid_mm) <= HALF:
        return ": left and right, front and back are exchanged, as if RAS were taken for LPS"
    for axis, word in enumerate(("the order of the slices is reversed", "rows are mirrored", "columns are mirrored")):
        mirrored = index[0].copy()
        mirrored[axis] = shape[axis] - 1 - mirrored[axis]
        if np.linalg.norm(mirrored - index[1]) <= HALF:
            return f", as if {word}"
    if np.linalg.norm(index[0][[0, 2, 1]] - index[1]) <= HALF:
        return ", as if rows and columns were exchanged"
    slices, *in_plane = index[0] - index[1]
    return f", by {abs(slices):.0f} slice(s)" if np.linalg.norm([slices - round(slices), *in_plane]) < _ALMOST else ""
