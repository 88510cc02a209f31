"""Connected regions and their measures, against values worked out by hand or by brute force."""

from __future__ import annotations

import highdicom as hd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import pdist

from pipeline.imaging.regions import measure, separate
from tests.support.mr import make_volume


def labelled(array: np.ndarray, spacing_mm=(1.0, 1.0, 1.0), **geometry) -> hd.Volume:
    return hd.Volume(array, make_volume(array.shape, spacing_mm, **geometry).affine, "PATIENT")


def block(shape, *, at=(2, 3, 4), space=(12, 14, 16)) -> np.ndarray:
    array = np.zeros(space, np.uint8)
    array[tuple(slice(a, a + n) for a, n in zip(at, shape, strict=True))] = 1
    return array


def test_a_block_measures_what_a_ruler_says() -> None:
    (region,) = measure(labelled(block((3, 4, 5)), (2.0, 1.0, 0.5), origin_mm=(0, 0, 0)))
    assert region.voxels == 60
    assert region.volume_mm3 == pytest.approx(60.0)
    assert region.long_axis_mm == pytest.approx(np.hypot(4, 2.5))
    assert region.max_diameter_3d_mm == pytest.approx(np.sqrt(6**2 + 4**2 + 2.5**2))
    assert region.centroid_mm == pytest.approx(((4 + 2) * 0.5, (3 + 1.5) * 1.0, (2 + 1) * 2.0))
    assert (region.number, region.long_axis_slice) == (1, 2)


def test_the_short_axis_is_the_longest_chord_across_the_long_one() -> None:
    (square,) = measure(labelled(block((1, 6, 6))))
    assert square.short_axis_mm == pytest.approx(6 * np.sqrt(2))
    (strip,) = measure(labelled(block((1, 1, 12))))
    assert strip.long_axis_mm == pytest.approx(np.hypot(12, 1))
    # Perpendicular to the diagonal, between the long sides: 1 / cos(angle of the diagonal).
    assert strip.short_axis_mm == pytest.approx(np.hypot(12, 1) / 12)


def test_one_voxel_is_its_own_diagonal() -> None:
    (region,) = measure(labelled(block((1, 1, 1))))
    assert region.long_axis_mm == pytest.approx(np.sqrt(2))
    assert region.max_diameter_3d_mm == pytest.approx(np.sqrt(3))


def test_a_ball_has_the_diameter_and_volume_of_a_ball() -> None:
    z, y, x = np.ogrid[:41, :41, :41]
    ball = ((z - 20) ** 2 + (y - 20) ** 2 + (x - 20) ** 2 <= 15**2).astype(np.uint8)
    (region,) = measure(labelled(ball))
    assert region.volume_mm3 == pytest.approx(4 / 3 * np.pi * 15**3, rel=0.01)
    assert region.long_axis_mm == pytest.approx(31, abs=1)
    assert region.short_axis_mm == pytest.approx(31, abs=1)
    assert region.max_diameter_3d_mm == pytest.approx(31, abs=1)


def test_measures_do_not_depend_on_how_the_volume_is_turned() -> None:
    array = (np.random.default_rng(1).random((6, 7, 8)) > 0.5).astype(np.uint8)
    (plain,) = measure(labelled(array))
    (turned,) = measure(labelled(array, plane="coronal", turned_deg=(20, -35, 10)))
    assert turned.long_axis_mm == pytest.approx(plain.long_axis_mm)
    assert turned.max_diameter_3d_mm == pytest.approx(plain.max_diameter_3d_mm)


@settings(max_examples=60, deadline=None)
@given(array=arrays(np.uint8, (3, 5, 6), elements=st.integers(0, 1)), spacing=st.tuples(*[st.floats(0.3, 4)] * 3))
def test_diameters_equal_the_brute_force_ones(array: np.ndarray, spacing: tuple[float, float, float]) -> None:
    found = measure(labelled(array, spacing))
    if not array.any():
        assert found == ()
        return
    halves = np.array(np.meshgrid(*[[-0.5, 0.5]] * 3)).reshape(3, -1).T
    corners = ((np.argwhere(array)[:, None] + halves).reshape(-1, 3)) * spacing
    in_plane = []
    for plane in array:
        if plane.any():
            flat = (np.argwhere(plane)[:, None] + halves[:, 1:]).reshape(-1, 2) * spacing[1:]
            in_plane.append(pdist(flat).max())
    assert found[0].max_diameter_3d_mm == pytest.approx(pdist(corners).max())
    assert found[0].long_axis_mm == pytest.approx(max(in_plane))
    assert 0 < found[0].short_axis_mm <= found[0].long_axis_mm + 1e-9


def test_components_touch_at_corners_and_come_largest_first() -> None:
    mask = np.zeros((8, 8, 8), np.uint8)
    mask[1, 1, 1:4] = 1
    mask[2, 2, 4] = 1  # touches the row above at a corner: one component of 4
    mask[5:7, 5:7, 5:7] = 1  # 8 voxels
    mask[7, 0, 0:2] = 1  # 2 voxels: dropped
    labels, regions = separate(labelled(mask))
    assert [(r.number, r.voxels) for r in regions] == [(1, 8), (2, 4)]
    assert labels.array.dtype == np.uint16
    assert [int((labels.array == n).sum()) for n in (1, 2)] == [8, 4]
    assert labels.array[7, 0, 0] == 0
    assert regions == measure(labels)


def test_an_empty_mask_has_no_regions() -> None:
    labels, regions = separate(labelled(np.zeros((4, 4, 4), bool)))
    assert regions == ()
    assert not labels.array.any()


def test_fifty_lesions_are_told_apart_and_measured() -> None:
    rng = np.random.default_rng(3)
    mask = np.zeros((200, 256, 256), np.uint8)
    ball = np.sum((np.indices((17, 17, 17)) - 8) ** 2, axis=0)
    for n in range(50):
        corner = np.array([n % 10 * 19 + 2, (n // 10) * 45 + 5, rng.integers(0, 230)])
        mask[tuple(slice(c, c + 17) for c in corner)] |= ball <= rng.integers(4, 64)
    volume = labelled(mask)
    labels, regions = separate(volume)
    assert len(regions) == 50
    assert sum(r.volume_mm3 for r in regions) == pytest.approx(mask.sum() * np.prod(volume.spacing))
    assert measure(labels) == regions
