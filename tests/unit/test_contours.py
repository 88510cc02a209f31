import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from pipeline.encode.contours import area, area_3d, outlines, rings
from tests.support.polygons import winding

MASKS = arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.booleans())


def drawn(text: str) -> np.ndarray:
    return np.array([[c == "#" for c in line.strip()] for line in text.split()])


def turns(polygons: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    return sum((winding(p - 0.5, shape) for p in polygons), np.zeros(shape, int))


@settings(max_examples=400, deadline=None)
@given(MASKS)
def test_polygons_run_exactly_once_around_every_voxel_of_the_mask_and_around_no_other(mask: np.ndarray) -> None:
    assert np.array_equal(turns(outlines(mask), mask.shape), mask.astype(int))


@settings(max_examples=400, deadline=None)
@given(MASKS)
def test_the_area_of_each_polygon_is_the_count_of_its_regions_voxels(mask: np.ndarray) -> None:
    regions, count = ndimage.label(mask)
    sizes = [int((regions == n).sum()) for n in range(1, count + 1)]
    assert [area(p) for p in outlines(mask)] == sizes


@settings(max_examples=200, deadline=None)
@given(MASKS)
def test_an_odd_number_of_rings_runs_around_every_voxel_of_the_mask_and_an_even_one_around_others(
    mask: np.ndarray,
) -> None:
    parity = sum((np.abs(winding(p - 0.5, mask.shape)) for p in rings(mask)), np.zeros(mask.shape, int)) % 2
    assert np.array_equal(parity, mask)
    assert sum(area(p) for p in rings(mask)) == mask.sum()


@settings(max_examples=200, deadline=None)
@given(MASKS)
def test_a_mask_without_holes_has_the_same_rings_as_outlines(mask: np.ndarray) -> None:
    has_holes = any(area(p) < 0 for p in rings(mask))
    same = [p.tolist() for p in rings(mask)] == [p.tolist() for p in outlines(mask)]
    assert has_holes != same or not mask.any()


@settings(max_examples=200, deadline=None)
@given(MASKS)
def test_no_point_lies_on_the_straight_line_between_its_neighbours(mask: np.ndarray) -> None:
    for polygon in outlines(mask):
        step = np.sign(np.roll(polygon, -1, axis=0) - polygon)
        assert (np.abs(step).sum(axis=1) == 1).all()
        assert (step != np.roll(step, 1, axis=0)).any(axis=1).all()


def test_a_single_voxel_is_a_square_around_its_centre() -> None:
    (polygon,) = outlines(drawn("... .#. ..."))
    assert polygon.tolist() == [[1, 2], [2, 2], [2, 1], [1, 1]]


@settings(max_examples=200, deadline=None)
@given(MASKS)
def test_the_edge_that_closes_a_polygon_runs_along_a_row(mask: np.ndarray) -> None:
    assert all(p[0, 0] == p[-1, 0] for p in outlines(mask))


def test_an_empty_slice_has_no_outline() -> None:
    assert outlines(np.zeros((5, 5), bool)) == []


def test_voxels_that_touch_in_a_corner_are_two_regions() -> None:
    assert sorted(area(p) for p in outlines(drawn("##.. ##.. ..## ..##"))) == [4, 4]


def test_a_ring_is_one_polygon_with_its_hole_cut_out_by_a_keyhole() -> None:
    mask = drawn("##### #...# #...# #...# #####")
    (polygon,) = outlines(mask)
    assert area(polygon) == 16
    assert np.array_equal(turns([polygon], mask.shape), mask)


def test_holes_below_one_another_are_all_cut_out() -> None:
    mask = drawn("##### #.#.# ##### #.#.# ##### ##.## #####")
    (polygon,) = outlines(mask)
    assert area(polygon) == 35 - 5


def test_an_island_in_a_hole_is_a_polygon_of_its_own() -> None:
    mask = drawn("##### #...# #.#.# #...# #####")
    assert sorted(area(p) for p in outlines(mask)) == [1, 16]


def length(polygon: np.ndarray) -> int:
    return int(np.abs(np.roll(polygon, -1, axis=0) - polygon).sum())


def cracks(mask: np.ndarray) -> int:
    padded = np.pad(mask, 1).astype(int)
    return int(np.abs(np.diff(padded, axis=0)).sum() + np.abs(np.diff(padded, axis=1)).sum())


def test_a_ring_with_a_gap_one_corner_wide_is_open_and_needs_no_keyhole() -> None:
    mask = drawn(".### #.## ##.# ####")
    (polygon,) = outlines(mask)
    assert area(polygon) == mask.sum()
    assert length(polygon) == cracks(mask)


def test_a_keyhole_is_walked_once_there_and_once_back() -> None:
    mask = drawn("##### #...# #...# #...# #####")
    (polygon,) = outlines(mask)
    assert length(polygon) == cracks(mask) + 2


def test_a_random_large_mask_is_traced_exactly() -> None:
    mask = ndimage.gaussian_filter(np.random.default_rng(7).normal(size=(120, 150)), 1.2) > 0
    assert np.array_equal(turns(outlines(mask), mask.shape), mask)


def test_area_in_space_does_not_depend_on_where_the_polygon_lies() -> None:
    square = np.array([[0.0, 0, 0], [3, 0, 0], [3, 0, 2], [0, 0, 2]])
    assert np.isclose(area_3d(square + np.array([1500.0, -2200.0, 900.0])), 6.0)
