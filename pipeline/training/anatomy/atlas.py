"""The atlas that ships: the SynthSeg label maps brought to MNI coordinates, averaged with their mirror images."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

from pipeline.recipes.srs.anatomy.atlas import ATLAS_FILE, ENCODED, GROUPS, STEP_MM, Atlas
from pipeline.recipes.srs.anatomy.network import Structure
from pipeline.training.anatomies import load_canonical
from pipeline.training.anatomy.heads import MIRRORED, STRUCTURES, label_map_path
from pipeline.training.anatomy.lobes import lobes, optic_path_mm, sphere_mm

S = Structure
Labels = npt.NDArray[np.int16]

FIRST_MM = (-80.0, -92.0, -92.0)
"""MNI coordinates of the first voxel: z up, y to the back (LPS), x to the left (LPS)."""

SHAPE = (87, 110, 93)

SPREAD_MM = 6.0
"""So far from where any of the aligned heads has a structure, a patient may still have it."""

COCHLEA_MM = (24.0, 33.0, -39.0)
"""|x|, y (LPS), z of the cochlea, give or take 4 mm: petrous bone beside the internal auditory canal."""

THALAMUS = (10, 49)
BASAL_GANGLIA = (11, 12, 13, 26, 50, 51, 52, 58)
CHIASM = 85

EYE_MM = (-36.0, -58.0, 32.0)
"""z, y (LPS), |x| of the centre of the globe, give or take 4 mm; the label maps do not mark it reliably."""

PAINT = {1.0: (2, 41, 7, 46, 16, 28, 60), 0.8: (10, 49, 13, 52), 0.3: (24, 25, 57, 4, 5, 14, 15, 43, 44, 72)}
PAINT[0.72] = (3, 42, 8, 47, 11, 12, 17, 18, 26, 50, 51, 53, 54, 58)
"""Signal of T1 without contrast by label number, for the alignment with the MNI average."""


@dataclass(frozen=True, slots=True)
class Aligned:
    """One label map on the atlas grid (nearest), SynthSeg numbers, and how well it fits: correlation with MNI."""

    labels: Labels
    correlation: float


def make_atlas(data: Path, numbers: Iterable[int], say: Callable[[str], None]) -> Atlas:
    """Align the label maps of those numbers with the MNI average and make one atlas of them."""
    target = _mni(data)
    aligned = []
    for number in numbers:
        aligned.append(_align(label_map_path(data, number), target))
        say(f"label map {number:02d}: correlation with the MNI average {aligned[-1].correlation:.3f}")
    return _merge([a.labels for a in aligned], say)


def write_atlas(atlas: Atlas, folder: Path) -> str:
    """Write the atlas file into the folder; returns its SHA-256. The same atlas gives the same bytes."""
    out = io.BytesIO()
    np.savez_compressed(out, allow_pickle=False, **atlas.arrays())
    (folder / ATLAS_FILE).write_bytes(out.getvalue())
    return hashlib.sha256(out.getvalue()).hexdigest()


def _mni(data: Path) -> sitk.Image:
    """The MNI average in LPS millimetres, white matter near 1."""
    path = data / "brain" / "icbm152_2009a" / "mni_icbm152_t1_tal_nlin_sym_09a.nii.gz"
    image = load_canonical(path)[0]
    # Its NIfTI origin is RAS (-98, -134, -72); canonical axes run to the head, the back and the left.
    return _image(image / np.float32(np.percentile(image[image > 0], 95)), (-72.0, -98.0, -98.0))


def _image(
    array: npt.NDArray[np.generic], first_mm: Iterable[float] = (0.0, 0.0, 0.0), step_mm: float = 1.0
) -> sitk.Image:
    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    image.SetOrigin([float(v) for v in tuple(first_mm)[::-1]])
    image.SetSpacing([step_mm] * 3)
    return image


def _align(path: Path, target: sitk.Image) -> Aligned:
    labels = load_canonical(path)[0].astype(np.int16)
    moving = _image(_painted(labels))
    # Registered at 2 mm: the average has no finer detail, and full size takes ten times as long.
    target, moving = (sitk.BinShrink(i, [2, 2, 2]) for i in (target, moving))
    transform = sitk.CenteredTransformInitializer(
        target, moving, sitk.AffineTransform(3), sitk.CenteredTransformInitializerFilter.MOMENTS
    )
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(0.15, 1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 0.01, 80, relaxationFactor=0.6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([4, 2])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(transform, inPlace=True)
    method.SetNumberOfThreads(1)
    method.Execute(target, moving)
    grid = _image(np.zeros(SHAPE, np.float32), FIRST_MM, STEP_MM)
    found = sitk.Resample(_image(labels), grid, transform, sitk.sitkNearestNeighbor, 0)
    return Aligned(sitk.GetArrayFromImage(found), -float(method.GetMetricValue()))


def _painted(labels: Labels) -> npt.NDArray[np.float32]:
    """As T1 without contrast, and with no more around the brain than the MNI average has."""
    table = np.zeros(1024, np.float32)
    for signal, group in PAINT.items():
        table[list(group)] = signal
    brain = np.isin(labels, [n for s, group in STRUCTURES.items() if s != S.CSF for n in group])
    return np.where(ndimage.binary_dilation(brain, iterations=3), table[labels], 0).astype(np.float32)


def _merge(heads: list[Labels], say: Callable[[str], None]) -> Atlas:
    structures = _table({int(s): n for s, n in STRUCTURES.items()}, int(S.HEAD))
    maps = [structures[h] for h in heads]
    maps += [MIRRORED[m][:, :, ::-1] for m in maps]
    share = np.stack([np.mean([m == s for m in maps], axis=0, dtype=np.float32) for s in range(len(S))])
    encoded = np.tensordot(np.array(ENCODED, np.float32), share, axes=1)
    possible = np.zeros(SHAPE, np.uint8)
    for bit, group in enumerate(GROUPS):
        anywhere = share[list(group)].sum(0) > 0
        possible |= (_within(anywhere, SPREAD_MM) << bit).astype(np.uint8)
    deep = _likelier(heads, THALAMUS, BASAL_GANGLIA)
    grids = _grids()
    chiasm = _middle(heads, CHIASM, grids)
    say(f"optic chiasm at z {chiasm[0]:.0f}, y {chiasm[1]:.0f} mm (LPS)")
    z, y, x = COCHLEA_MM[2], COCHLEA_MM[1], COCHLEA_MM[0]
    return Atlas(
        first_mm=np.array(FIRST_MM, np.float32),
        structures=share.argmax(0).astype(np.uint8),
        encoded=np.rint(encoded * 200).astype(np.uint8),
        possible=possible,
        lobes=lobes(*grids),
        deep=deep,
        optic_mm=optic_path_mm(chiasm, EYE_MM),
        left_cochlea_mm=sphere_mm((z, y, x)),
        right_cochlea_mm=sphere_mm((z, y, -x)),
    )


def _table(groups: dict[int, tuple[int, ...]], other: int) -> npt.NDArray[np.uint8]:
    table = np.full(1024, other, np.uint8)
    table[0] = int(S.AIR)
    for value, numbers in groups.items():
        table[list(numbers)] = value
    return table


def _within(mask: npt.NDArray[np.bool_], distance_mm: float) -> npt.NDArray[np.bool_]:
    return np.asarray(ndimage.distance_transform_edt(~mask) * STEP_MM <= distance_mm)


def _likelier(heads: list[Labels], one: tuple[int, ...], other: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """1 where the labels `one` are likelier, or nearer, than `other`; 2 elsewhere. Both sides taken together."""
    spread = []
    for group in (one, other):
        share = np.stack([np.isin(h, group) for h in heads]).mean(0, dtype=np.float32)
        share = (share + share[:, :, ::-1]) / 2
        spread.append(share - 0.05 * ndimage.distance_transform_edt(share < 0.3))
    return np.where(spread[0] > spread[1], 1, 2).astype(np.uint8)


def _grids() -> list[npt.NDArray[np.float32]]:
    lines = [first + STEP_MM * np.arange(n, dtype=np.float32) for first, n in zip(FIRST_MM, SHAPE, strict=True)]
    return list(np.meshgrid(*lines, indexing="ij"))


def _middle(heads: list[Labels], number: int, grids: list[npt.NDArray[np.float32]]) -> tuple[float, float, float]:
    """Median over the heads of the centre (z, y, |x|) of the voxels with that label."""
    centres = []
    for labels in heads:
        mask = labels == number
        if mask.sum() * STEP_MM**3 > 60:
            z, y, x = (g[mask] for g in grids)
            centres.append((float(z.mean()), float(y.mean()), float(np.abs(x).mean())))
    z, y, x = np.median(np.array(centres), axis=0)
    return float(z), float(y), float(x)
