"""Lesions put into a scan lie where they may, are as large and as bright as they say, and are the same every time."""

from __future__ import annotations

import functools

import highdicom as hd
import numpy as np
import pytest
from scipy import ndimage

from pipeline.evaluation.insertion import APART_MM, DIAMETERS_MM, ENHANCEMENT, Inserted, insert_lesions
from pipeline.evaluation.metaballs import metaballs

SHAPE = (90, 100, 100)


@functools.cache
def head(spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> tuple[hd.Volume, np.ndarray]:
    """A noisy brain of signal 100, its mask."""
    grids = np.indices(SHAPE)
    brain = sum(((g - n / 2) / (0.46 * n)) ** 2 for g, n in zip(grids, SHAPE, strict=True)) < 1
    array = np.where(brain, np.random.default_rng(1).normal(100, 3, SHAPE), 0).clip(0).astype(np.float32)
    affine = np.zeros((4, 4))
    affine[[2, 1, 0, 3], [0, 1, 2, 3]] = (*spacing, 1)
    return hd.Volume(array, affine, "PATIENT"), ndimage.binary_erosion(brain, iterations=3)


def make(seed: int = 0, **more: np.ndarray) -> Inserted:
    image, brain = head()
    return insert_lesions(np.random.default_rng(seed), image, brain, 8, **more)


made = functools.cache(make)


@pytest.mark.parametrize("diameter", [3.0, 6.0, 12.0, 20.0])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (3.0, 0.9, 0.9)])
def test_shapes_have_the_volume_of_their_sphere(diameter: float, spacing: tuple[float, float, float]) -> None:
    for seed in range(3):
        shape = metaballs(np.random.default_rng(seed), diameter, spacing)
        volume = float(shape.occupancy.sum() * np.prod(spacing))
        assert volume == pytest.approx(np.pi / 6 * diameter**3, rel=0.12)


def test_shapes_are_no_spheres() -> None:
    """Their longest extent exceeds their diameter by far more than a ball's does, in most draws."""
    extents = []
    for seed in range(10):
        inside = np.argwhere(metaballs(np.random.default_rng(seed), 12.0, (1.0, 1.0, 1.0)).occupancy >= 0.5)
        lengths = np.sqrt(np.linalg.eigvalsh(np.cov(inside.T)))
        extents.append(lengths[-1] / lengths[0])
    assert np.median(extents) > 1.25


def test_the_same_seed_gives_the_same_scan_and_another_does_not() -> None:
    one, again, other = made(3), make(3), made(4)
    assert np.array_equal(one.image.array, again.image.array)
    assert np.array_equal(one.truth, again.truth)
    assert not np.array_equal(one.truth, other.truth)


def test_lesions_lie_in_brain_and_apart() -> None:
    _, brain = head()
    found = made()
    assert len(found.lesions) >= 6
    for lesion in found.lesions:
        own = found.truth == lesion.number
        assert brain[own].mean() >= 0.9
        others = (found.truth > 0) & ~own
        apart = ndimage.distance_transform_edt(~others)[own].min()
        assert apart >= APART_MM


def test_lesions_keep_away_from_what_is_to_be_avoided() -> None:
    tumour = np.zeros(SHAPE, bool)
    tumour[30:60, 30:70, 30:60] = True
    found = make(avoid=tumour)
    assert found.lesions
    assert ndimage.distance_transform_edt(~tumour)[found.truth > 0].min() >= APART_MM


def test_diameter_and_enhancement_are_in_their_ranges_and_true() -> None:
    image, _ = head()
    for lesion in (v for seed in range(3) for v in made(seed).lesions):
        assert DIAMETERS_MM[0] * 0.7 <= lesion.diameter_mm <= DIAMETERS_MM[1] * 1.05
        assert ENHANCEMENT[0] <= lesion.enhancement <= ENHANCEMENT[1]
    found = made(1)
    solid = [v for v in found.lesions if not v.necrotic and v.diameter_mm > 6]
    assert solid
    for lesion in solid:
        deep = ndimage.binary_erosion(found.truth == lesion.number, iterations=2)
        rise = found.image.array[deep].mean() / image.array[deep].mean() - 1
        assert rise == pytest.approx(lesion.enhancement, abs=0.12)


def test_necrotic_lesions_are_dark_inside_a_bright_rim() -> None:
    rims = [(f, v) for f in (made(seed) for seed in range(4)) for v in f.lesions if v.necrotic and v.diameter_mm > 10]
    assert rims
    for found, lesion in rims:
        own = found.truth == lesion.number
        values = found.image.array[own]
        assert np.percentile(values, 5) < 100 < np.percentile(values, 80)


def test_far_from_lesions_nothing_changes() -> None:
    image, _ = head()
    found = made()
    far = ndimage.distance_transform_edt(found.truth == 0) > 16
    assert far.any()
    assert np.array_equal(found.image.array[far], np.asarray(image.array)[far])


def test_without_room_there_is_no_lesion() -> None:
    image, _ = head()
    found = insert_lesions(np.random.default_rng(0), image, np.zeros(SHAPE, bool), 4)
    assert found.lesions == ()
    assert not found.truth.any()
