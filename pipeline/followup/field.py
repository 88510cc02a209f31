"""Which lesions of one date lie where the images of the other date show nothing: they are neither gone nor new."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import highdicom as hd
import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]

WHOLE = 0.9
"""From this share of its volume on, a lesion counts as shown: the rest is what a registration is unsure of."""


@dataclass(frozen=True, slots=True)
class Field:
    """What the images of one date show: their grid, (slices, rows, columns), without the slices that are not shown."""

    volume: hd.Volume
    not_shown: frozenset[int] = frozenset()

    def share(self, points_mm: Points) -> float:
        """Of points (n, 3), LPS mm, how many lie where there are images: 0…1."""
        back = np.linalg.inv(self.volume.affine)
        index = np.rint(points_mm @ back[:3, :3].T + back[:3, 3]).astype(np.int64)
        inside = ((index >= 0) & (index < self.volume.spatial_shape)).all(axis=1)
        return float((inside & ~np.isin(index[:, 0], list(self.not_shown))).mean())


def field_of(image: hd.Volume, filled: Iterable[int] = ()) -> Field:
    """The field of a series. filled: slices that were missing; they, and slices without any contrast, show nothing."""
    array = np.asarray(image.array)
    empty = np.flatnonzero(array.max(axis=(1, 2)) <= array.min(axis=(1, 2)))
    return Field(image, frozenset((*(int(k) for k in empty), *filled)))


def cut_by(
    other: Field, labels: hd.Volume, numbers: Iterable[int], to_other: Callable[[Points], Points]
) -> frozenset[int]:
    """Which of these lesions the images of the other date do not show whole.

    labels: 1…n on the grid of their own date; to_other: LPS mm of that date -> LPS mm of the other.
    """
    array = np.asarray(labels.array)

    def points(number: int) -> Points:
        index = np.argwhere(array == number)
        return np.asarray(index @ labels.affine[:3, :3].T + labels.affine[:3, 3], np.float64)

    return frozenset(k for k in numbers if other.share(to_other(points(k))) < WHOLE)
