"""Where a place of one breast lies in the other, in the same view: an affine map; and maps laid over each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from pipeline.recipes.mammography.looks import Floats, Look

STEP = 8
"""Level pixels in a pixel of the grid that breasts are compared on: 1.6 mm."""
BLUR = 6.0
"""Standard deviation in level pixels before that."""
LEAST, MOST = 0.4, 2.5
"""Of the area of one breast to that of the other; beyond, the search is not believed."""

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Partner:
    """From a look to the same view of the other breast: other = matrix @ here + offset.

    Points are (column, row) in level pixels of the looks, with (0, 0) at the top left corner of the top left pixel.
    """

    matrix: tuple[tuple[float, float], tuple[float, float]]
    offset: tuple[float, float]

    def there(self, points: ArrayLike) -> Points:
        """(n, 2) points of the look in the other one."""
        return np.asarray(np.asarray(points, float).reshape(-1, 2) @ np.asarray(self.matrix).T + self.offset)

    @property
    def inverse(self) -> Partner:
        """From the other look back to this one."""
        back = np.linalg.inv(np.asarray(self.matrix))
        return _partner(back, -back @ np.asarray(self.offset))


def _partner(matrix: NDArray[np.float64], offset: NDArray[np.float64]) -> Partner:
    (a, b), (c, d) = matrix.tolist()
    return Partner(((a, b), (c, d)), (float(offset[0]), float(offset[1])))


def register(look: Look, other: Look) -> Partner:
    """By the correlation of both breasts, blurred; where that fails, by their centres and extents."""
    here, there = _picture(look), _picture(other)
    moments = sitk.CenteredTransformInitializer(
        here, there, sitk.AffineTransform(2), sitk.CenteredTransformInitializerFilter.MOMENTS
    )
    try:
        found = _read(_search(moments).Execute(here, there))
    except RuntimeError:  # the breasts do not overlap, or the like
        return _read(moments)
    area = abs(float(np.linalg.det(np.asarray(found.matrix))))
    return found if LEAST < area < MOST else _read(moments)


def _search(initial: sitk.Transform) -> sitk.ImageRegistrationMethod:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-3, 60)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(sitk.AffineTransform(initial), False)
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([1, 0])
    method.SetNumberOfThreads(1)  # the same answer on every machine
    return method


def _picture(look: Look) -> sitk.Image:
    """The breast raised above the air, so that its shape counts too; pixels of STEP."""
    raised = np.where(look.breast, look.level.clip(0, 1) + 1, 0)
    smooth = ndimage.gaussian_filter(raised.astype(np.float32), BLUR)
    rows, columns = (n // STEP for n in smooth.shape)
    return sitk.GetImageFromArray(smooth.reshape(rows, STEP, columns, STEP).mean(axis=(1, 3), dtype=np.float32))


def _read(transform: sitk.Transform) -> Partner:
    """In level pixels; SimpleITK counts in pixels of the grid, from the centre of the first."""
    at = np.array([transform.TransformPoint(p) for p in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))])
    matrix = np.stack([at[1] - at[0], at[2] - at[0]], axis=1)
    middle = STEP / 2
    return _partner(matrix, at[0] * STEP + middle - matrix @ np.array([middle, middle]))


def warp(other: NDArray[np.floating], partner: Partner, shape: tuple[int, int], step: int) -> Floats:
    """Maps of the other breast (…, rows, columns) on this one's grid of `shape`; beyond their edges the value there.

    step: level pixels in a cell, of both.
    """
    row, column = (np.arange(n) * step + step / 2 for n in shape)
    x, y = np.broadcast_arrays(column[None, :], row[:, None])
    there = partner.there(np.stack([x.ravel(), y.ravel()], axis=1)) / step - 0.5
    across, down = there.T.reshape(2, *shape)
    return _sampled(np.asarray(other, np.float32), down, across)


def _sampled(maps: Floats, down: Points, across: Points) -> Floats:
    """Between the four nearest cells, for all maps at once."""
    rows, columns = maps.shape[-2:]
    y, x = down.clip(0, rows - 1), across.clip(0, columns - 1)
    top, left = np.minimum(y.astype(int), rows - 2 if rows > 1 else 0), np.minimum(x.astype(int), max(columns - 2, 0))
    bottom, right = np.minimum(top + 1, rows - 1), np.minimum(left + 1, columns - 1)
    v, u = (y - top).astype(np.float32), (x - left).astype(np.float32)
    upper = maps[..., top, left] * (1 - u) + maps[..., top, right] * u
    lower = maps[..., bottom, left] * (1 - u) + maps[..., bottom, right] * u
    return np.asarray(upper * (1 - v) + lower * v, np.float32)
