"""Two T1c volumes of one head, on two dates: the rigid motion from the earlier to the later, and how well it fits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import highdicom as hd
import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from pipeline.core.errors import GeometryUnusable

FloatArray = npt.NDArray[np.float64]

COARSE_MM, FINE_MM = 6.0, 2.5
"""Cubes that images are brought to: to find the place, and to find it well. Slices may be thick, turned or few."""

SEED = 1
SHARE = 0.3
"""Of the cubes, so many are looked at in each step, drawn at random from SEED."""

LEAST_FIT = 0.62
"""Below this correlation nothing is said: heads of two people that lie as well as they can stay below it, as a rule."""

LEAST_OVERLAP = 0.35
"""Share of the smaller head that must lie in what both images show."""

SHIFTS_MM = (-40.0, -20.0, 20.0, 40.0)
"""Along the head, from where the middles of both meet: a slab's middle is not the head's."""

TURNS_DEG = (15.0, -15.0)
"""Nods that a start is also tried with."""

KEPT_STARTS = 3


@dataclass(frozen=True, slots=True)
class Registration:
    """matrix (3, 3, a rotation) and offset_mm (3,): earlier LPS mm to later LPS mm is p @ matrix.T + offset_mm.

    fit:     -1…1, correlation of both images wherever either shows head and both show something.
    overlap: 0…1, share of the smaller head that both show.
    """

    matrix: FloatArray
    offset_mm: FloatArray
    fit: float
    overlap: float

    def to_later(self, points_mm: npt.NDArray[np.floating]) -> FloatArray:
        """Points (n, 3) of the earlier date, LPS mm, where they lie on the later."""
        return np.asarray(points_mm @ self.matrix.T + self.offset_mm, np.float64)

    def to_earlier(self, points_mm: npt.NDArray[np.floating]) -> FloatArray:
        """The way back."""
        return np.asarray((points_mm - self.offset_mm) @ self.matrix, np.float64)

    @property
    def turn_deg(self) -> float:
        """By how much the head is turned."""
        return float(np.degrees(np.arccos(np.clip((np.trace(self.matrix) - 1) / 2, -1.0, 1.0))))


IDENTITY = Registration(np.eye(3), np.zeros(3), 1.0, 1.0)
"""For two label volumes on one grid."""


def register(earlier: hd.Volume, later: hd.Volume) -> Registration:
    """The rigid motion (Euler angles, shift) that lays `earlier` over `later`, by mutual information (Mattes 2003).

    earlier, later: T1c, (slices, rows, columns), float32, LPS mm, any spacing, orientation and field of view.

    Several starts are refined on coarse cubes, the best of them on fine ones; a common Frame of Reference UID puts
    the head where it is among the starts, and before the others if it is as good. Equal volumes give equal motions.

    Raises GeometryUnusable when the images do not fit: other heads, too little in common, or nothing to see.
    """
    if min(float(np.ptp(v.array)) for v in (earlier, later)) == 0:
        raise GeometryUnusable("an image without any contrast cannot be laid on another", "look at both series")
    with _one_thread():
        return _registered(earlier, later)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums of floats in another order would be another result, by a billionth; and the metric heeds this alone."""
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def _registered(earlier: hd.Volume, later: hd.Volume) -> Registration:
    fixed, moving = _grey(later), _grey(earlier)
    coarse = _Pair(_cubes(fixed, COARSE_MM), _cubes(moving, COARSE_MM))
    same_frame = bool(later.frame_of_reference_uid) and later.frame_of_reference_uid == earlier.frame_of_reference_uid
    tried = [_refined(coarse, start, steps=40) for start in _starts(coarse)]
    ranked = sorted(range(len(tried)), key=lambda k: -coarse.judge(tried[k])[0])
    # In one frame of reference the scanner has said how the heads lie: nothing but a better fit outweighs that.
    first = [0] if same_frame else []
    fine = _Pair(_cubes(fixed, FINE_MM), _cubes(moving, FINE_MM))
    kept = list(dict.fromkeys([*first, *ranked]))[:KEPT_STARTS]
    best = max((_refined(fine, tried[k], steps=60) for k in _distinct(kept, tried)), key=lambda t: fine.judge(t)[0])
    fit, overlap = fine.judge(best)
    if overlap < LEAST_OVERLAP or fit < LEAST_FIT:
        raise GeometryUnusable(
            f"the earlier images do not lie on the later (correlation {fit:.2f}, {overlap:.0%} of the head shared)",
            "compare by eye, and check that both studies are of this patient and show the same part of the head",
        )
    return _inverted(best, fit, overlap)


@dataclass(frozen=True, slots=True)
class _Image:
    """Grey values 0…1 in cubes, and which of them are head."""

    image: sitk.Image
    head: sitk.Image
    centre: FloatArray
    head_mm3: float


@dataclass(frozen=True, slots=True)
class _Pair:
    fixed: _Image
    moving: _Image

    def judge(self, transform: sitk.Transform) -> tuple[float, float]:
        """Fit and overlap (see Registration); a fit of -1 where next to nothing is shared."""
        shown = sitk.Image(self.moving.image.GetSize(), sitk.sitkUInt8) + 1
        shown.CopyInformation(self.moving.image)
        there, head, seen = (
            sitk.GetArrayFromImage(sitk.Resample(image, self.fixed.image, transform, how, 0.0))
            for image, how in (
                (self.moving.image, sitk.sitkLinear),
                (self.moving.head, sitk.sitkNearestNeighbor),
                (shown, sitk.sitkNearestNeighbor),
            )
        )
        here, own = sitk.GetArrayViewFromImage(self.fixed.image), sitk.GetArrayViewFromImage(self.fixed.head)
        both = (seen > 0) & ((own > 0) | (head > 0))
        voxel = float(np.prod(self.fixed.image.GetSpacing()))
        shared = min(float(((seen > 0) & (own > 0)).sum()), float((head > 0).sum())) * voxel
        overlap = min(1.0, shared / max(min(self.fixed.head_mm3, self.moving.head_mm3), 1.0))
        if overlap < LEAST_OVERLAP / 2 or both.sum() < 100:
            return -1.0, overlap
        return float(np.nan_to_num(np.corrcoef(here[both], there[both])[0, 1], nan=-1.0)), overlap


def _grey(volume: hd.Volume) -> sitk.Image:
    """0…1 between the darkest and all but the brightest voxels, as an image of SimpleITK (columns, rows, slices)."""
    array = np.nan_to_num(np.asarray(volume.array, np.float32))
    low, high = np.percentile(array[:: max(1, array.shape[0] // 40), ::2, ::2], (0.5, 99.5))
    image = sitk.GetImageFromArray(np.clip((array - low) / max(float(high - low), 1e-6), 0, 1).astype(np.float32))
    image.SetSpacing([float(v) for v in volume.spacing[::-1]])
    image.SetOrigin([float(v) for v in volume.position])
    image.SetDirection((volume.affine[:3, :3] / np.array(volume.spacing))[:, ::-1].ravel().tolist())
    return image


def _cubes(grey: sitk.Image, side_mm: float) -> _Image:
    """Resampled to cubes along the patient's axes: grids that repeat themselves would draw images onto each other."""
    smooth = sitk.SmoothingRecursiveGaussian(grey, [side_mm / 2 if s < side_mm else 0.3 * s for s in grey.GetSpacing()])
    size = np.array(grey.GetSize(), float)
    corners = np.array([grey.TransformContinuousIndexToPhysicalPoint(c.tolist()) for c in _corners(size)])
    low, high = corners.min(axis=0), corners.max(axis=0)
    count = np.maximum(np.ceil((high - low) / side_mm).astype(int), 2)
    like = sitk.Image(count.tolist(), sitk.sitkFloat32)
    like.SetSpacing([side_mm] * 3)
    like.SetOrigin((low + side_mm / 2).tolist())
    # Between the middle of the outermost slices and their faces there is signal: taken from the nearest.
    image = sitk.Resample(smooth, like, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32, True)
    inside = sitk.Resample(_ones(grey), like, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    image = sitk.Mask(image, inside)
    head = sitk.Mask(sitk.OtsuThreshold(image, 0, 1, 64), inside)
    array = sitk.GetArrayViewFromImage(head)
    voxels = np.argwhere(array > 0)[:, ::-1] if array.any() else np.array([(count - 1) / 2])
    centre = voxels.mean(axis=0) * side_mm + np.array(like.GetOrigin())
    return _Image(image, head, centre, float((array > 0).sum()) * side_mm**3)


def _ones(image: sitk.Image) -> sitk.Image:
    ones = sitk.Image(image.GetSize(), sitk.sitkUInt8) + 1
    ones.CopyInformation(image)
    return ones


def _corners(size: FloatArray) -> FloatArray:
    """Outer corners of an image, as continuous indices."""
    return np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in size], indexing="ij")).reshape(3, -1).T


def _starts(pair: _Pair) -> list[sitk.Euler3DTransform]:
    """As it is; the middles of both heads on each other; the same moved along the head, and nodding."""
    middle = pair.moving.centre - pair.fixed.centre
    shifts = [np.zeros(3), middle]
    shifts += [middle + np.array([0.0, 0.0, mm]) for mm in SHIFTS_MM]
    turned = [(middle, np.radians(deg), 0.0) for deg in TURNS_DEG] + [(middle, 0.0, np.radians(d)) for d in TURNS_DEG]
    return [_euler(pair, shift) for shift in shifts] + [_euler(pair, *turn) for turn in turned]


def _euler(pair: _Pair, shift: FloatArray, about_x: float = 0.0, about_z: float = 0.0) -> sitk.Euler3DTransform:
    """From later to earlier, as resampling wants it."""
    made = sitk.Euler3DTransform()
    made.SetCenter(pair.fixed.centre.tolist())
    made.SetRotation(about_x, 0.0, about_z)
    made.SetTranslation(shift.tolist())
    return made


def _refined(pair: _Pair, start: sitk.Euler3DTransform, steps: int) -> sitk.Euler3DTransform:
    transform = sitk.Euler3DTransform(start)
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(SHARE, SEED)
    method.SetInterpolator(sitk.sitkLinear)
    side_mm = pair.fixed.image.GetSpacing()[0]
    method.SetOptimizerAsRegularStepGradientDescent(side_mm / 2, side_mm / 200, steps, relaxationFactor=0.6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(transform, inPlace=True)
    try:
        method.Execute(pair.fixed.image, pair.moving.image)
    except RuntimeError:  # the start leaves nothing in common: it stays where it was, and is judged so
        return sitk.Euler3DTransform(start)
    return transform


def _distinct(ranked: Sequence[int], tried: Sequence[sitk.Euler3DTransform]) -> list[int]:
    """Starts that ended in one place are one."""
    kept: list[int] = []
    for k in ranked:
        ends = np.array(tried[k].GetParameters())
        if all(np.abs(ends - tried[other].GetParameters())[3:].max() > COARSE_MM / 3 for other in kept):
            kept.append(k)
    return kept


def _inverted(transform: sitk.Euler3DTransform, fit: float, overlap: float) -> Registration:
    """The way from earlier to later, of a transform that leads from later to earlier."""
    turn = np.array(transform.GetMatrix()).reshape(3, 3)
    centre, shift = np.array(transform.GetCenter()), np.array(transform.GetTranslation())
    offset = centre + shift - turn @ centre
    return Registration(turn.T, -turn.T @ offset, fit, overlap)
