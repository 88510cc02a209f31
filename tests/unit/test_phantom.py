"""The phantom: the same head for the same seed, in any orientation, with its truth where it says."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.phantom import t1c_phantom
from pipeline.phantom.noise import smooth_noise

SMALL = {"shape": (40, 96, 96), "spacing_mm": (4.0, 2.5, 2.5)}


def test_the_same_seed_makes_the_same_head_and_another_seed_another():
    first, again, other = (t1c_phantom(seed, **SMALL) for seed in (3, 3, 4))
    assert np.array_equal(first.image.array, again.image.array)
    assert np.array_equal(first.truth.array, again.truth.array)
    assert first.lesions == again.lesions
    assert not np.array_equal(first.image.array, other.image.array)


@pytest.mark.parametrize("orientation", ["axial", "sagittal", "coronal", "oblique"])
def test_each_lesion_lies_where_the_phantom_says_in_every_orientation(orientation: str):
    made = t1c_phantom(7, lesions=3, orientation=orientation, **SMALL)
    assert len(made.lesions) == 3
    for lesion in made.lesions:
        voxels = np.argwhere(made.truth.array == lesion.number)
        centre = (made.truth.affine @ [*voxels.mean(axis=0), 1])[:3]
        assert np.linalg.norm(centre - lesion.centre_mm) < max(4.0, 0.35 * lesion.diameter_mm)


def test_a_lesion_has_about_the_volume_of_its_sphere():
    made = t1c_phantom(11, lesions=3, diameters_mm=(14.0, 20.0), shape=(80, 110, 110), spacing_mm=(2.0, 2.0, 2.0))
    for lesion in made.lesions:
        volume = (made.truth.array == lesion.number).sum() * 8.0
        assert 0.3 < volume / (np.pi / 6 * lesion.diameter_mm**3) < 2.2


def test_the_patients_nose_points_to_the_front_and_the_top_of_the_head_up():
    head = t1c_phantom(5, lesions=0, **SMALL)
    bright = np.argwhere(head.image.array > 150) @ head.image.affine[:3, :3].T + head.image.affine[:3, 3]
    x, _, z = bright.T
    low, high = bright[z < -55], bright[z > 45]
    assert abs(x.mean()) < 6  # as much left as right
    assert low[:, 1].min() < high[:, 1].min()  # the face reaches further to the front than the top of the head


def test_a_phantom_without_lesions_has_an_empty_truth():
    made = t1c_phantom(2, lesions=0, **SMALL)
    assert made.lesions == ()
    assert not made.truth.array.any()


def test_without_skull_nothing_is_left_outside_the_brain():
    with_skull, without = (t1c_phantom(2, lesions=0, skull=s, **SMALL) for s in (True, False))
    assert (without.image.array > 0).mean() < 0.6 * (with_skull.image.array > 150).mean()


def test_thick_slices_are_averages_and_keep_the_label_of_the_larger_half():
    made = t1c_phantom(9, lesions=4, shape=(26, 128, 128), spacing_mm=(6.0, 1.9, 1.9), diameters_mm=(12.0, 20.0))
    assert made.image.spatial_shape == made.truth.spatial_shape == (26, 128, 128)
    assert made.truth.array.dtype == np.uint16
    assert set(np.unique(made.truth.array)) == set(range(len(made.lesions) + 1))


def test_a_whole_head_is_made():
    made = t1c_phantom(1)
    assert made.image.array.dtype == np.int16


def test_smooth_noise_is_smooth_and_has_unit_variance():
    field = smooth_noise(np.random.default_rng(0), (60, 60, 60), 8.0)
    assert field.mean() == pytest.approx(0, abs=1e-3)
    assert field.std() == pytest.approx(1, abs=1e-3)
    assert np.abs(np.diff(field, axis=1)).mean() < 0.2
