"""A patient's head laid over the atlas: an affine map from patient to MNI millimetres, and how well it fits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from pipeline.recipes.srs.anatomy.atlas import ENCODED, STEP_MM, Atlas
from pipeline.recipes.srs.anatomy.network import BRAIN, Structure
from pipeline.recipes.srs.anatomy.parcels import Parcels

FloatArray = npt.NDArray[np.float64]

ENOUGH_VOXELS = 25
"""A structure smaller than this on the patient's grid does not help to find the start."""

WHOLE = 0.85
"""With less than this share of the atlas' brain in the field of view, twelve free numbers would be too many."""

SLAB_MM = 120.0
"""A field of view thinner than this along any axis does not tell how large the head is."""

USUAL_SCALE = 1.07
"""From a usual head to the MNI average, which is larger; kept as it is for slabs."""

SEED = 1


@dataclass(frozen=True, slots=True)
class Placement:
    """matrix (3, 3) and offset (3,): patient LPS mm to MNI mm (LPS axes) is p @ matrix.T + offset.

    fit: 0…1, the overlap (Dice) of the patient's structures with those of the atlas, sides told apart; what lies
    beyond the field of view does not count.
    """

    matrix: FloatArray
    offset: FloatArray
    fit: float

    def to_atlas(self, points_mm: npt.NDArray[np.floating]) -> FloatArray:
        """Patient LPS points (n, 3) in MNI millimetres, LPS axes."""
        return np.asarray(points_mm @ self.matrix.T + self.offset)

    def to_patient(self, points_mm: npt.NDArray[np.floating]) -> FloatArray:
        """The way back."""
        return np.asarray((points_mm - self.offset) @ np.linalg.inv(self.matrix).T)


def place(parcels: Parcels, atlas: Atlas) -> Placement:
    """Register structures with structures, so that contrast, skull and tumours matter little. Same input, same map.

    A similarity is refined from two starts and the better one kept; an affine map follows where the images show
    enough of the brain to hold it.
    """
    fixed, moving = _patient_image(parcels), _atlas_image(atlas)
    tries = [_similar(parcels, start) for start in _starts(parcels, atlas)]
    for similar in tries:
        if _is_slab(parcels):
            similar.SetScale(USUAL_SCALE)
        _refine(fixed, moving, similar, steps=40, weights=(1, 1, 1, 1, 1, 1, 0) if _is_slab(parcels) else ())
    best = max(((_placed(parcels, atlas, t), t) for t in tries), key=lambda pair: pair[0].fit)
    if _covered(parcels, atlas, best[0]) < WHOLE:
        return best[0]
    affine = sitk.AffineTransform(3)
    affine.SetCenter(best[1].GetCenter())
    affine.SetMatrix(best[1].GetMatrix())
    affine.SetTranslation(best[1].GetTranslation())
    _refine(fixed, moving, affine, steps=60)
    return max(best[0], _placed(parcels, atlas, affine), key=lambda placement: placement.fit)


def _is_slab(parcels: Parcels) -> bool:
    steps = np.linalg.norm(parcels.affine[:3, :3], axis=0)
    return bool((steps * parcels.image.shape).min() < SLAB_MM)


def _similar(parcels: Parcels, start: tuple[FloatArray, FloatArray]) -> sitk.Similarity3DTransform:
    """The start as turn, scale and shift about the middle of the field of view."""
    matrix, offset = start
    centre = parcels.affine[:3, :3] @ ((np.array(parcels.image.shape) - 1) / 2) + parcels.affine[:3, 3]
    similar = sitk.Similarity3DTransform()
    similar.SetCenter(centre.tolist())
    similar.SetMatrix(matrix.ravel().tolist(), 1e-4)
    similar.SetTranslation((matrix @ centre + offset - centre).tolist())
    return similar


def _starts(parcels: Parcels, atlas: Atlas) -> list[tuple[FloatArray, FloatArray]]:
    """Matrix and offset of rough maps: by the centres of structures (Umeyama 1991), and by the top of the brain."""
    there, here, weights = [], [], []
    structures = parcels.structures
    inner = np.zeros(structures.shape, bool)
    inner[1:-1, 1:-1, 1:-1] = True
    for s in BRAIN:
        mask, target = structures == s, np.argwhere(atlas.structures == s)
        n = int(mask.sum())
        # What runs into the edge of the field of view has its centre elsewhere than the whole structure has.
        if n >= ENOUGH_VOXELS and (mask & ~inner).sum() < 0.01 * n:
            here.append(np.argwhere(mask).mean(0) @ parcels.affine[:3, :3].T + parcels.affine[:3, 3])
            there.append((target.mean(0) * STEP_MM + atlas.first_mm)[::-1])
            weights.append(n ** (1 / 3))
    crude = _by_the_top(parcels, atlas)
    if len(here) < 4:
        return [crude]
    return [_umeyama(np.array(here), np.array(there), np.array(weights) / np.sum(weights)), crude]


def _by_the_top(parcels: Parcels, atlas: Atlas) -> tuple[FloatArray, FloatArray]:
    """Axes as they are, the top of the brain on the top of the brain: for slabs, which mostly hold the vertex."""
    brain = np.argwhere(parcels.brain())
    if not len(brain):
        return np.eye(3), np.zeros(3)
    middle = brain.mean(0)
    high = np.array([np.percentile(brain[:, 0], 99), middle[1], middle[2]])
    target = np.argwhere(atlas.structures > Structure.CSF)
    goal = np.array([np.percentile(target[:, 0], 99), *target.mean(0)[1:]]) * STEP_MM + atlas.first_mm
    place = parcels.affine[:3, :3] @ high + parcels.affine[:3, 3]
    return np.eye(3), goal[::-1] - place


def _umeyama(here: FloatArray, there: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    a, b = weights @ here, weights @ there
    u, singular, vt = np.linalg.svd((there - b).T @ ((here - a) * weights[:, None]))
    sign = np.diag([1.0, 1.0, float(np.sign(np.linalg.det(u @ vt)))])
    turn = u @ sign @ vt
    spread = float((weights[:, None] * (here - a) ** 2).sum())
    scale = float(np.clip((singular * np.diag(sign)).sum() / spread, 0.8, 1.35))
    return scale * turn, b - scale * turn @ a


def _patient_image(parcels: Parcels) -> sitk.Image:
    encoded = np.tensordot(np.array(ENCODED, np.float32), parcels.share, axes=1)
    image = sitk.GetImageFromArray(np.ascontiguousarray(encoded, np.float32))
    steps = np.linalg.norm(parcels.affine[:3, :3], axis=0)
    image.SetSpacing(steps[::-1].tolist())
    image.SetOrigin(parcels.affine[:3, 3].tolist())
    image.SetDirection((parcels.affine[:3, :3] / steps)[:, ::-1].ravel().tolist())
    return image


def _atlas_image(atlas: Atlas) -> sitk.Image:
    image = sitk.GetImageFromArray((atlas.encoded / np.float32(200)).astype(np.float32))
    image.SetSpacing([STEP_MM] * 3)
    image.SetOrigin([float(v) for v in atlas.first_mm[::-1]])
    return sitk.SmoothingRecursiveGaussian(image, 2.0)


def _refine(
    fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform, steps: int, weights: tuple[float, ...] = ()
) -> None:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMeanSquares()
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(0.2, SEED)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 0.02, steps, relaxationFactor=0.6)
    method.SetOptimizerScalesFromPhysicalShift()
    if weights:
        method.SetOptimizerWeights(list(weights))
    method.SetInitialTransform(transform, inPlace=True)
    # One thread: sums of floats in another order would be another result.
    method.SetNumberOfThreads(1)
    method.Execute(fixed, moving)


def _placed(parcels: Parcels, atlas: Atlas, transform: sitk.Transform) -> Placement:
    matrix = np.array(transform.GetMatrix()).reshape(3, 3)
    centre, shift = np.array(transform.GetCenter()), np.array(transform.GetTranslation())
    placement = Placement(matrix, centre + shift - matrix @ centre, 0.0)
    index = np.indices(parcels.image.shape).reshape(3, -1).T
    points = placement.to_atlas(index @ parcels.affine[:3, :3].T + parcels.affine[:3, 3])
    there = np.where(atlas.holds(points), atlas.structures[atlas.index(points)], 0)
    here = parcels.structures.ravel()
    both = float(((here == there) & (here > Structure.CSF)).sum())
    either = float((here > Structure.CSF).sum() + (there > Structure.CSF).sum())
    return Placement(placement.matrix, placement.offset, 2 * both / max(1.0, either))


def _covered(parcels: Parcels, atlas: Atlas, placement: Placement) -> float:
    """Share of the atlas' brain that lies in the patient's field of view."""
    target = np.argwhere(atlas.structures > Structure.CSF)[::7] * STEP_MM + atlas.first_mm
    points = placement.to_patient(target[:, ::-1])
    index = (points - parcels.affine[:3, 3]) @ np.linalg.inv(parcels.affine[:3, :3]).T
    return float(((index >= -0.5) & (index <= np.array(parcels.image.shape) - 0.5)).all(1).mean())
