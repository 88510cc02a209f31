"""One way for every breast to lie: chest wall left, head or lateral side up; and the way back to the image as sent."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

Floats = NDArray[np.float32]
Points = NDArray[np.float64]
Matrix = tuple[tuple[float, float, float], tuple[float, float, float]]


class Edge(StrEnum):
    """Of an image."""

    LEFT = "left"
    RIGHT = "right"
    TOP = "top"
    BOTTOM = "bottom"


@dataclass(frozen=True, slots=True)
class Turn:
    """How an image is laid before cropping: rows and columns exchanged first, then either or both reversed."""

    transpose: bool = False
    flip_columns: bool = False
    flip_rows: bool = False

    def array(self, image: NDArray[Any]) -> NDArray[Any]:
        """The image, laid so; a view of the same memory."""
        laid = image.T if self.transpose else image
        return laid[:: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1]

    def matrix(self, shape: tuple[int, int]) -> NDArray[np.float64]:
        """3 x 3, from (column, row, 1) of an image of `shape` (rows, columns) to that of the laid one."""
        rows, columns = shape[::-1] if self.transpose else shape
        swap = np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]]) if self.transpose else np.eye(3)
        x = [-1.0, 0, columns] if self.flip_columns else [1.0, 0, 0]
        y = [0.0, -1, rows] if self.flip_rows else [0.0, 1, 0]
        return np.asarray(np.array([x, y, [0, 0, 1]]) @ swap)


@dataclass(frozen=True, slots=True)
class Canonical:
    """From the pixels of an image as it was sent to those of the canonical picture, and back, exactly.

    Points are (column, row) with (0, 0) at the top left corner of the top left pixel, as in `pipeline.marks` and
    PS3.3 C.10.5.1.2, of the image as of the picture.

    matrix:      2 x 3, image to picture.
    shape:       (rows, columns) of the picture.
    image_shape: (rows, columns) of the image as sent.
    spacing_um:  of the picture, both ways alike; of the breast as far as known (`spacing.Spacing.working`).
    """

    matrix: Matrix
    shape: tuple[int, int]
    image_shape: tuple[int, int]
    spacing_um: float

    def from_image(self, points: ArrayLike) -> Points:
        """(n, 2) points of the image -> the same places in the picture."""
        return _moved(np.vstack([self.matrix, [0, 0, 1]]), points)

    def to_image(self, points: ArrayLike) -> Points:
        """(n, 2) points of the picture -> the same places in the image as sent."""
        return _moved(np.linalg.inv(np.vstack([self.matrix, [0, 0, 1]])), points)

    def on_image(self, picture: NDArray[Any], shape: tuple[int, int] | None = None) -> NDArray[Any]:
        """A mask or heat map of the picture on the image as sent; False or 0 where the picture does not reach.

        shape: (rows, columns) of a coarser grid that covers the whole image; that of the image itself by default. Each
        cell takes the value at its centre.
        """
        rows, columns = shape or self.image_shape
        steps = [n / m for n, m in zip(self.image_shape, (rows, columns), strict=True)]
        transpose = self.matrix[0][0] == 0
        across, down = (np.arange(n) + 0.5 for n in (columns, rows))
        along = [a * s for a, s in zip((across, down), steps[::-1], strict=True)]
        x = self.matrix[0][1 if transpose else 0] * along[transpose] + self.matrix[0][2]
        y = self.matrix[1][0 if transpose else 1] * along[not transpose] + self.matrix[1][2]
        wide = np.pad(picture, 1)
        at = [np.clip(np.floor(v).astype(int) + 1, 0, n - 1) for v, n in zip((y, x), wide.shape, strict=True)]
        found = wide[np.ix_(*at)]
        return np.ascontiguousarray(found.T if transpose else found)


def _moved(matrix: NDArray[np.float64], points: ArrayLike) -> Points:
    given = np.asarray(points, float).reshape(-1, 2)
    return np.asarray(given @ matrix[:2, :2].T + matrix[:2, 2])


def canonical(
    image_shape: tuple[int, int],
    spacing_mm: tuple[float, float],
    turn: Turn,
    box: tuple[int, int, int, int],
    spacing_um: float,
) -> Canonical:
    """The transform that lays an image by `turn`, cuts a box out, and brings it to one spacing.

    spacing_mm: (down, across) of the image as sent.
    box:        (left, top, right, bottom) in pixels of the laid image; may reach over its edges.
    """
    down, across = spacing_mm[::-1] if turn.transpose else spacing_mm
    scale_x, scale_y = across * 1000 / spacing_um, down * 1000 / spacing_um
    left, top, right, bottom = box
    scale = np.array([[scale_x, 0, -left * scale_x], [0, scale_y, -top * scale_y], [0, 0, 1]])
    matrix = scale @ turn.matrix(image_shape)
    shape = max(1, int(np.ceil((bottom - top) * scale_y))), max(1, int(np.ceil((right - left) * scale_x)))
    return Canonical(_rows(matrix), shape, image_shape, spacing_um)


def _rows(matrix: NDArray[np.float64]) -> Matrix:
    (a, b, c), (d, e, f) = (tuple(float(v) for v in row) for row in matrix[:2])
    return (a, b, c), (d, e, f)


def resample(image: NDArray[Any], transform: Canonical) -> Floats:
    """The canonical picture of an image as sent, float32; averaged when made smaller; 0 beyond the image.

    An image with the same matrix and other pixels (a mask, a heat map of the whole image) is laid alike.
    """
    matrix = np.asarray(transform.matrix)
    transpose = bool(matrix[0, 0] == 0)
    x_scale, y_scale = (matrix[0, 1], matrix[1, 0]) if transpose else (matrix[0, 0], matrix[1, 1])
    turn = Turn(transpose, bool(x_scale < 0), bool(y_scale < 0))
    laid = np.ascontiguousarray(turn.array(image), np.float32)
    corner = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]) @ np.linalg.inv(turn.matrix(transform.image_shape)))
    (top, bottom), (left, right) = (
        sorted((corner[axis, 2], corner[axis, 2] + n / abs(s)))
        for axis, n, s in ((1, transform.shape[0], y_scale), (0, transform.shape[1], x_scale))
    )
    return cut(laid, (float(left), float(top), float(right), float(bottom)), transform.shape)


def cut(image: Floats, box: tuple[float, float, float, float], shape: tuple[int, int]) -> Floats:
    """A box (left, top, right, bottom) in pixels of the image, which may reach over its edges, in `shape` pixels."""
    left, top, right, bottom = box
    before = max(0, int(np.ceil(-top))), max(0, int(np.ceil(-left)))
    after = max(0, int(np.ceil(bottom)) - image.shape[0]), max(0, int(np.ceil(right)) - image.shape[1])
    if any((*before, *after)):
        image = np.pad(image, tuple(zip(before, after, strict=True)))
    low, high = (left + before[1], top + before[0]), (right + before[1], bottom + before[0])
    high = min(high[0], image.shape[1]), min(high[1], image.shape[0])  # rounding of the last digit
    made = Image.fromarray(image).resize(shape[::-1], Image.Resampling.BILINEAR, box=(*low, *high))
    return np.asarray(made, np.float32)


def coarse(image: NDArray[Any], spacing_mm: tuple[float, float], step_mm: float) -> Floats:
    """A smaller copy with pixels of about `step_mm`, corner on corner with the image, for looking at shapes."""
    shape = tuple(max(8, round(n * mm / step_mm)) for n, mm in zip(image.shape, spacing_mm, strict=True))
    made = Image.fromarray(np.ascontiguousarray(image, np.float32)).resize(shape[::-1], Image.Resampling.BOX)
    return np.asarray(made, np.float32)
