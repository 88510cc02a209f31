"""Index and millimetres: the few lines of geometry that everything here is measured with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

HALF = 0.5
"""Of a voxel: a centroid that is farther off is at another place."""

VOLUME = 0.02
"""A volume that differs by a larger share is another volume."""

_SIDES = (("to the patient's left", "to the patient's right"), ("to the back", "to the front"),
          ("towards the head", "towards the feet"))  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Lattice:
    """Voxels in the patient. affine: 4 x 4, (slice, row, column) index of voxel centres -> LPS mm."""

    affine: Array

    @property
    def axes(self) -> Array:
        """(3, 3): columns are unit vectors of the slice, row and column index."""
        return np.asarray(self.affine[:3, :3] / self.spacing_mm)

    @property
    def spacing_mm(self) -> Array:
        """(3,): between slices, rows, columns."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0))

    @property
    def voxel_mm3(self) -> float:
        """The volume of a voxel."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    def to_mm(self, index: Array) -> Array:
        """(n, 3) indices, fractional ones too -> (n, 3) LPS mm."""
        return np.asarray(np.asarray(index, float) @ self.affine[:3, :3].T + self.affine[:3, 3])

    def to_index(self, points_mm: Array) -> Array:
        """(n, 3) LPS mm -> (n, 3) fractional indices."""
        away = np.asarray(points_mm, float) - self.affine[:3, 3]
        return np.asarray(np.linalg.solve(self.affine[:3, :3], away.T).T)

    def in_voxels(self, way_mm: Array) -> float:
        """How long a way in mm is, with each edge of a voxel as 1."""
        return float(np.linalg.norm(np.linalg.solve(self.affine[:3, :3], way_mm)))


def way(way_mm: Array) -> str:
    """A way in words: "3.0 mm to the patient's left, 1.2 mm towards the head"."""
    longest = float(np.abs(way_mm).max())
    parts = [
        f"{abs(v):.1f} mm {plus if v > 0 else minus}"
        for v, (plus, minus) in zip(way_mm, _SIDES, strict=True)
        if abs(v) >= max(0.05, longest / 10)
    ]
    return ", ".join(parts) or f"{float(np.linalg.norm(way_mm)):.2f} mm"
