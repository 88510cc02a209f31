"""Points survive turning, cropping, scaling and padding, to the pixel, whatever the image and whoever made it."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.core.breast import Laterality
from pipeline.datasets.mg_writer import MgHabit, Syntax
from pipeline.imaging.mammogram.canonical import Turn, canonical, resample
from pipeline.imaging.mammogram.image import describe
from pipeline.imaging.mammogram.read import MammogramPixels, read_view
from tests.support import breasts

TURNS = [Turn(*flags) for flags in itertools.product((False, True), repeat=3)]
boxes = st.tuples(st.integers(-20, 30), st.integers(-20, 30), st.integers(60, 130), st.integers(60, 130))


@given(
    turn=st.sampled_from(TURNS),
    box=boxes,
    spacing=st.tuples(st.floats(0.04, 0.25), st.floats(0.04, 0.25)),
    spacing_um=st.floats(50, 250),
    points=st.lists(st.tuples(st.floats(0, 100), st.floats(0, 120)), min_size=1, max_size=5),
)
def test_points_go_to_the_picture_and_back(turn, box, spacing, spacing_um, points):
    transform = canonical((120, 100), spacing, turn, box, spacing_um)
    there = transform.from_image(points)
    assert np.allclose(transform.to_image(there), points, atol=1e-6)
    step = transform.from_image([(0, 0), (1, 0), (0, 1)])
    assert np.hypot(*(step[1] - step[0])) * spacing_um == pytest.approx(spacing[1] * 1000)
    assert np.hypot(*(step[2] - step[0])) * spacing_um == pytest.approx(spacing[0] * 1000)


@settings(deadline=None)
@given(
    turn=st.sampled_from(TURNS),
    box=boxes,
    spacing_um=st.floats(60, 260),
    at=st.tuples(st.floats(40, 60), st.floats(40, 80)),
)
def test_a_blob_is_where_its_point_goes(turn, box, spacing_um, at):
    y, x = np.mgrid[0:120, 0:100] + 0.5
    image = np.exp(-0.5 * ((x - at[0]) ** 2 + (y - at[1]) ** 2) / 9.0).astype(np.float32)
    transform = canonical((120, 100), (0.1, 0.1), turn, box, spacing_um)
    picture = resample(image, transform)
    assert picture.shape == transform.shape
    rows, columns = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]] + 0.5
    found = np.array([(columns * picture).sum(), (rows * picture).sum()]) / picture.sum()
    inside = transform.from_image([at])[0]
    margin = 12 * 100 / spacing_um
    if (inside > margin).all() and (inside < np.array(picture.shape[::-1]) - margin).all():
        assert np.abs(transform.to_image([found])[0] - at).max() < 0.5


def test_a_mask_of_the_picture_lies_on_the_same_tissue_in_the_image():
    image = np.zeros((60, 50), np.float32)
    image[20:40, 10:30] = 1
    for turn in TURNS:
        transform = canonical((60, 50), (0.1, 0.1), turn, (0, 0, *turn.array(image).shape[::-1]), 100.0)
        mask = resample(image, transform) > 0.5
        assert (transform.on_image(mask) == (image > 0.5)).all()
        assert (transform.on_image(mask, (12, 10)) == (image > 0.5)[2::5, 2::5]).all()


@pytest.mark.parametrize("turn", TURNS)
def test_what_a_cropped_picture_does_not_cover_is_empty_in_the_image(turn):
    image = np.random.default_rng(1).random((60, 50)) > 0.5
    rows, columns = turn.array(image).shape
    transform = canonical((60, 50), (0.1, 0.1), turn, (5, 7, columns - 9, rows - 11), 100.0)
    covered = transform.on_image(np.ones(transform.shape, bool))
    assert (transform.on_image(resample(image, transform) > 0.5) == (image & covered)).all()
    assert covered.sum() == (rows - 18) * (columns - 14)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    laterality=st.sampled_from(Laterality),
    view=st.sampled_from(["CC", "MLO", "ML"]),
    turn=st.sampled_from(TURNS),
    habit=st.sampled_from(MgHabit),
    raw=st.booleans(),
    syntax=st.sampled_from([Syntax.NATIVE, Syntax.JPEG_LOSSLESS, Syntax.JPEG_2000]),
    spacing_um=st.sampled_from([100.0, 180.0, 250.0]),
    pad=st.tuples(st.integers(0, 40), st.integers(0, 40)),
)
def test_a_mark_is_found_at_its_pixel_in_every_image(
    tmp_path: Path, laterality, view, turn, habit, raw, syntax, spacing_um, pad
):
    """The dot's place in the image as sent comes from writing it; its place in the picture from looking at it."""
    dot = (210.0, 480.0)
    picture = np.pad(breasts.drawn(view, dots=[dot]), ((0, 0), (0, pad[1])))
    image = breasts.sent(tmp_path, picture, laterality, view, turn, habit=habit, for_processing=raw, syntax=syntax)
    made = read_view(described(image), spacing_um)
    assert isinstance(made, MammogramPixels), made
    sent_at = (turn.matrix(picture.shape) @ [*dot, 1])[:2]
    (column, row) = made.canonical.from_image([sent_at])[0]
    half = int(4000 / spacing_um)
    near = made.picture[int(row) - half : int(row) + half + 1, int(column) - half : int(column) + half + 1]
    weights = np.clip(near - 0.5 * (near.max() + np.median(near)), 0, None)
    rows, columns = np.mgrid[0 : near.shape[0], 0 : near.shape[1]] + 0.5
    seen = (columns * weights).sum() / weights.sum() + int(column) - half
    seen_row = (rows * weights).sum() / weights.sum() + int(row) - half
    back = made.canonical.to_image([(seen, seen_row)])[0]
    assert np.abs(back - sent_at).max() <= 1.0
    assert np.allclose(made.canonical.to_image(made.canonical.from_image([sent_at])), [sent_at], atol=1e-6)


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("laterality", Laterality)
@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_the_chest_wall_comes_to_the_left_and_head_or_lateral_side_up(tmp_path: Path, turn, laterality, view):
    dot = (150.0, 250.0)
    image = breasts.sent(tmp_path, breasts.drawn(view, dots=[dot]), laterality, view, turn)
    made = read_view(described(image), 250.0)
    assert isinstance(made, MammogramPixels)
    place = made.canonical.to_image([(0, 0), (1, 0), (0, 1)])
    matrix = turn.matrix((800, 560))[:2, :2]
    assert np.allclose(place[1] - place[0], matrix @ [1, 0], atol=1e-6)
    assert np.allclose(place[2] - place[0], matrix @ [0, 1], atol=1e-6)


def described(image):
    found = describe(image)
    assert not isinstance(found, str | None), found
    return found
