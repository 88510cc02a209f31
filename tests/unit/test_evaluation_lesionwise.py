"""The BraTS-METS metric, against cases worked out by hand and against other people's code."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from monai.metrics import compute_surface_dice
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.distance import cdist

from pipeline.evaluation.lesionwise import lesionwise, merged_components
from pipeline.evaluation.surface import surfaces

ONE_MM = (1.0, 1.0, 1.0)
THICK = (6.0, 1.0, 1.0)


def empty(*shape: int) -> NDArray[np.bool_]:
    return np.zeros(shape or (20, 20, 20), bool)


def cube(mask: NDArray[np.bool_], corner: tuple[int, int, int], side: int = 3) -> NDArray[np.bool_]:
    z, y, x = corner
    mask[z : z + side, y : y + side, x : x + side] = True
    return mask


def ball(centre: tuple[float, ...], radius: float, shape: tuple[int, ...] = (24, 24, 24)) -> NDArray[np.bool_]:
    grids = np.indices(shape)
    return np.asarray(sum((g - c) ** 2 for g, c in zip(grids, centre, strict=True)) <= radius**2)


def test_a_perfect_outline_scores_one() -> None:
    truth = cube(cube(empty(), (2, 2, 2)), (12, 12, 12), 4)
    scored = lesionwise(truth, truth, ONE_MM)
    assert (scored.lw_dice, scored.lw_hd95_mm, scored.lw_nsd) == (1.0, 0.0, (1.0, 1.0))
    assert [round(v.volume_mm3) for v in scored.lesions] == [27, 64]
    assert scored.false_positives == 0


def test_a_miss_and_a_false_positive_count_nothing_but_are_counted() -> None:
    truth = cube(cube(empty(), (2, 2, 2)), (2, 12, 12))
    prediction = cube(cube(empty(), (2, 2, 2)), (14, 2, 14))
    scored = lesionwise(truth, prediction, ONE_MM)
    # One perfect lesion, one miss, one false positive: 1 / (2 + 1); the two failures stand at the image's diagonal.
    assert scored.lw_dice == pytest.approx(1 / 3)
    assert scored.lw_nsd == pytest.approx((1 / 3, 1 / 3))
    assert scored.lw_hd95_mm == pytest.approx(2 * math.sqrt(3 * 20**2) / 3)
    assert (scored.found, scored.false_positives) == (1, 1)


def test_nothing_found_where_nothing_is_is_perfect() -> None:
    scored = lesionwise(empty(), empty(), ONE_MM)
    assert (scored.lw_dice, scored.lw_hd95_mm, scored.lw_nsd) == (1.0, 0.0, (1.0, 1.0))


def test_a_false_positive_in_a_scan_without_lesion_scores_zero() -> None:
    scored = lesionwise(empty(), cube(empty(), (5, 5, 5)), ONE_MM)
    assert (scored.lw_dice, scored.false_positives) == (0.0, 1)


def test_predictions_of_two_voxels_are_dropped_and_of_three_are_not() -> None:
    two, three = empty(), empty()
    two[5, 5, 5:7] = True
    three[5, 5, 5:8] = True
    assert lesionwise(empty(), two, ONE_MM).false_positives == 0
    assert lesionwise(empty(), three, ONE_MM).false_positives == 1


def test_lesions_of_two_mm3_are_ignored_and_what_matches_them_is_not_false() -> None:
    truth = empty()
    truth[5, 5, 5:7] = True
    prediction = cube(empty(), (4, 4, 4))
    scored = lesionwise(truth, prediction, ONE_MM)
    assert (len(scored.lesions), scored.false_positives, scored.lw_dice) == (0, 0, 1.0)
    # The same voxels of a thick-slice scan have 12 mm3 and count.
    assert len(lesionwise(truth, prediction, THICK).lesions) == 1


@pytest.mark.parametrize(("gap", "lesions"), [(1, 1), (2, 1), (3, 2)])
def test_parts_that_one_dilation_links_are_one_lesion(gap: int, lesions: int) -> None:
    """Both parts grow by one voxel; grown parts that touch (26-connected) are one: up to two free voxels between."""
    truth = empty()
    truth[5, 5:8, 2:5] = True
    truth[5, 5:8, 5 + gap : 8 + gap] = True
    assert merged_components(truth)[1] == lesions
    assert len(lesionwise(truth, truth, ONE_MM).lesions) == lesions


def test_the_dilation_reaches_edges_and_not_corners() -> None:
    """generate_binary_structure(3, 2) grows to the 18 neighbours: a prediction that touches in a corner is no match."""
    truth, edge, corner = cube(empty(), (5, 5, 5)), cube(empty(), (5, 8, 8)), cube(empty(), (8, 8, 8))
    matched, missed = lesionwise(truth, edge, ONE_MM), lesionwise(truth, corner, ONE_MM)
    assert (matched.found, matched.false_positives, matched.lw_dice) == (1, 0, 0.0)
    assert (missed.found, missed.false_positives) == (0, 1)


def test_all_predictions_on_a_lesion_are_taken_together() -> None:
    truth, prediction = empty(), empty()
    truth[5, 5:9, 2:18] = True
    prediction[5, 5:9, 2:8] = prediction[5, 5:9, 13:18] = True  # five free voxels between: two predictions
    scored = lesionwise(truth, prediction, ONE_MM)
    assert merged_components(prediction)[1] == 2
    assert len(scored.lesions[0].matches) == 2
    assert scored.lw_dice == pytest.approx(2 * 44 / (64 + 44))
    assert scored.false_positives == 0


def test_one_prediction_over_two_lesions_finds_both_and_outlines_neither() -> None:
    truth = empty()
    truth[5, 5:9, 2:6] = truth[5, 5:9, 12:16] = True
    prediction = empty()
    prediction[5, 5:9, 2:16] = True
    scored = lesionwise(truth, prediction, ONE_MM)
    assert scored.found == 2
    assert scored.lw_dice == pytest.approx(2 * 16 / (16 + 56))


def test_on_thick_slices_a_prediction_one_slice_off_matches() -> None:
    truth, prediction = empty(8, 20, 20), empty(8, 20, 20)
    truth[3, 5:9, 5:9] = prediction[4, 5:9, 5:9] = True
    scored = lesionwise(truth, prediction, THICK)
    assert scored.found == 1
    assert scored.lw_dice == 0.0
    assert scored.lesions[0].hd95_mm == pytest.approx(6.0)


def test_hd95_of_a_shifted_slab_is_its_shift() -> None:
    truth, prediction = empty(12, 40, 40), empty(12, 40, 40)
    truth[3:5, 2:38, 2:38] = prediction[5:7, 2:38, 2:38] = True
    assert lesionwise(truth, prediction, (2.0, 1.0, 1.0)).lesions[0].hd95_mm == pytest.approx(4.0)


@pytest.mark.parametrize("spacing", [ONE_MM, (3.0, 0.9, 0.9), (1.0, 1.2, 0.8)])
@pytest.mark.parametrize("seed", range(4))
def test_surface_dice_is_that_of_monai_with_subvoxels(spacing: tuple[float, float, float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = ball(rng.uniform(9, 14, 3), 6.0), ball(rng.uniform(9, 14, 3), 5.0)
    for tolerance in (0.5, 1.0, 2.0):
        tensors = [torch.from_numpy(m[None, None].astype(np.float32)) for m in (b, a)]
        theirs = compute_surface_dice(
            *tensors, class_thresholds=[tolerance], include_background=True, spacing=spacing, use_subvoxels=True
        )
        assert surfaces(a, b, spacing).within(tolerance) == pytest.approx(float(theirs), abs=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_distances_are_those_of_all_pairs_of_surface_points(seed: int) -> None:
    """Brute force: every corner of the voxel lattice with different voxels around it, against every other."""
    rng = np.random.default_rng(100 + seed)
    spacing = (2.0, 0.8, 1.1)
    a, b = ball(rng.uniform(9, 14, 3), 4.0), ball(rng.uniform(9, 14, 3), 5.0)

    def points(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        inside = ndimage.uniform_filter(np.pad(mask, 2).astype(float), 2)  # mean of the 8 voxels around a corner
        return np.argwhere((inside > 1e-6) & (inside < 1 - 1e-6)) * spacing

    apart = cdist(points(a), points(b))
    ours = surfaces(a, b, spacing)
    assert np.sort(ours.a_to_b_mm) == pytest.approx(np.sort(apart.min(axis=1)))
    assert np.sort(ours.b_to_a_mm) == pytest.approx(np.sort(apart.min(axis=0)))
    assert ours.percentile_mm(100) == pytest.approx(max(apart.min(axis=1).max(), apart.min(axis=0).max()))


def test_the_area_of_a_balls_surface_is_near_that_of_the_sphere() -> None:
    a = ball((20, 20, 20), 12.0, (41, 41, 41))
    area = surfaces(a, a, ONE_MM).a_mm2.sum()
    assert area == pytest.approx(4 * math.pi * 12**2, rel=0.1)


def test_an_empty_mask_is_infinitely_far() -> None:
    apart = surfaces(cube(empty(), (2, 2, 2)), empty(), ONE_MM)
    assert np.isinf(apart.a_to_b_mm).all()
    assert apart.within(1.0) == 0.0
