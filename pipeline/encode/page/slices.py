"""Images to look at: single ones of the series that findings are drawn on, each with its plane in LPS mm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

import highdicom as hd
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipeline.encode.contours import rings
from pipeline.encode.page.model import RGB, Marks, Outline, Zoom
from pipeline.encode.source import Source
from pipeline.findings import Findings
from pipeline.imaging.read import read_frame
from pipeline.sessions.dosemap import Grid

Array = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.float32]
MOST_NAMED = 4
"""Of more lesions on one slice only the outlines are shown."""

Boxes = Sequence[tuple[slice, slice, slice]]


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """One image and its plane.

    position: (3,) LPS mm of the first voxel; down, right: (3,) mm to the next row, to the next column.
    pixels:   reads the image (rows, columns).
    """

    position: Array
    down: Array
    right: Array
    pixels: Callable[[], Pixels]
    seen: bool = True

    @property
    def aspect(self) -> float:
        """A pixel's height divided by its width."""
        return float(np.linalg.norm(self.down) / np.linalg.norm(self.right))

    @property
    def marks(self) -> Marks:
        """What of the patient lies at the left, right, top and bottom edge."""
        return _letter(-self.right), _letter(self.right), _letter(-self.down), _letter(self.down)

    def distances_mm(self, points: Array) -> Array:
        """(n,) of points (n, 3) from the plane."""
        normal = np.cross(self.right, self.down)
        return np.asarray(np.abs((points - self.position) @ normal) / np.linalg.norm(normal))

    def sampled(self, values: Pixels, grid: Grid, shape: tuple[int, ...]) -> Pixels:
        """(rows, columns): values on a grid, linearly between its points, at the pixels of this image."""
        to_index = np.linalg.inv(grid.affine)
        step = [to_index[:3, :3] @ v for v in (self.down, self.right)]
        first = to_index[:3, :3] @ self.position + to_index[:3, 3]
        rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])[None, :]
        at = [first[k] + step[0][k] * rows + step[1][k] * columns for k in range(3)]
        return np.asarray(ndimage.map_coordinates(values, at, order=1, mode="constant"), np.float32)

    def around(self, mask: npt.NDArray[np.bool_], margin_mm: float) -> Zoom | None:
        """The part of the image with what `mask` (rows, columns) holds, and so much more on each side."""
        if not mask.any():
            return None
        ends = []
        for axis, step in ((1, self.right), (0, self.down)):
            there = np.flatnonzero(mask.any(axis=1 - axis))
            margin = margin_mm / float(np.linalg.norm(step))
            ends += [max(there[0] - margin, -0.5), min(there[-1] + margin, mask.shape[axis] - 0.5)]
        return float(ends[0]), float(ends[1]), float(ends[2]), float(ends[3])


def _letter(direction: Array) -> str:
    axis = int(np.abs(direction).argmax())
    return ("RL", "AP", "FH")[axis][int(direction[axis] > 0)]


def slices_of(findings: Findings, source: Source) -> tuple[Slice, ...]:
    """Those of `findings.frames`; pixels are read when first asked for. seen: False where one was interpolated."""
    return tuple(
        Slice(
            frame.position,
            frame.cosines[3:] * frame.spacing_mm[0],
            frame.cosines[:3] * frame.spacing_mm[1],
            cache(partial(read_frame, ref)),
            not frame.filled,
        )
        for ref, frame in zip(findings.frames, source.frames, strict=True)
    )


def slices_in(volume: hd.Volume) -> tuple[Slice, ...]:
    """Those of a series that was read."""
    affine = np.asarray(volume.affine, float)
    return tuple(
        Slice(affine[:3] @ (k, 0, 0, 1), affine[:3, 1], affine[:3, 2], partial(np.take, volume.array, k, 0))
        for k in range(volume.spatial_shape[0])
    )


def drawn(labels: npt.NDArray[np.integer], at: int, boxes: Boxes, rgb: Sequence[RGB], names: Sequence[str],
          unsure: Sequence[bool], main: int) -> tuple[Outline, ...]:  # fmt: skip
    """Outlines of all lesions on slice `at`; the one whose panel it is, `main`, last. Few others bear their names."""
    there = [n for n, b in enumerate(boxes, 1) if b[0].start <= at < b[0].stop and (labels[at][b[1:]] == n).any()]
    made = []
    for n in sorted(there, key=lambda n: n == main):
        box = boxes[n - 1]
        for k, points in enumerate(rings(labels[at][box[1:]] == n)):
            name = names[n - 1].partition("_")[0] if n != main and not k and len(there) <= MOST_NAMED else ""
            first = (box[2].start - 0.5, box[1].start - 0.5)
            made.append(Outline(points[:, ::-1] + first, rgb[n - 1], name, n == main, unsure[n - 1]))
    return tuple(made)


def zoom_on(box: tuple[slice, slice, slice], of: Slice, shape: tuple[int, ...]) -> Zoom | None:
    """A square in mm of three times the lesion; None where the whole image is hardly more than that."""
    pixel = np.array([np.linalg.norm(of.down), np.linalg.norm(of.right)])
    middle = np.array([(b.start + b.stop - 1) / 2 for b in box[1:]])
    half_mm = max(8.0, 1.5 * float((np.array([b.stop - b.start for b in box[1:]]) * pixel).max()))
    if 2 * half_mm > 0.5 * float((np.array(shape) * pixel).min()):
        return None
    (top, left), (bottom, right) = middle - half_mm / pixel, middle + half_mm / pixel
    return float(left), float(right), float(top), float(bottom)
