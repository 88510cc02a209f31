"""Findings drawn into looks, and made-up women as a data set for training."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pipeline.imaging.mammogram.read import MammogramPixels, prepare
from pipeline.marks import Density, Laterality
from pipeline.phantom.mammogram import Manner, Shape, mammogram_study
from pipeline.recipes.mammography.looks import Look, look_of
from pipeline.recipes.mammography.specks import folded
from pipeline.training.mammography.lesions import coarsened, plant
from pipeline.training.mammography.made import _wish, made_up


@pytest.fixture(scope="module")
def look() -> Look:
    view = mammogram_study(31, density=Density.B, manner=Manner.FILM, spacing_mm=0.2, roles=["L-MLO"]).views[0]
    pixels = prepare(view.picture, (0.2, 0.2), Laterality.LEFT, "MLO")
    assert isinstance(pixels, MammogramPixels)
    return look_of(pixels)


def around(look: Look, x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[0 : look.level.shape[0], 0 : look.level.shape[1]] + 0.5
    return np.hypot(columns - x, rows - y) < radius


@pytest.mark.parametrize("shape", [Shape.CIRCUMSCRIBED, Shape.ILL_DEFINED, Shape.ASYMMETRY, Shape.CLUSTER])
def test_what_is_drawn_is_bright_where_it_is_said_to_be(look: Look, shape: Shape) -> None:
    for seed in range(4):
        given = plant(np.random.default_rng(seed), look, 0.2, shape)
        assert given is not None
        changed, planted = given
        more = (changed.level - look.level) * look.breast
        near = around(look, planted.x, planted.y, planted.radius)
        far = ~around(look, planted.x, planted.y, 2.5 * planted.radius + 10)
        assert more[near & look.breast].mean() > 0.001
        assert np.abs(more[far]).max() < 0.02
        assert (more[near] ** 2).sum() > 0.6 * (more**2).sum()
        middle = int(planted.y), int(planted.x)
        assert look.breast[middle]
        assert not look.muscle[middle]


def test_the_air_and_the_masks_stay_and_the_same_seed_draws_the_same(look: Look) -> None:
    one, same = (plant(np.random.default_rng(9), look, 0.1, Shape.SPICULATED) for _ in range(2))
    assert one is not None
    assert same is not None
    air = ~look.breast.repeat(2, 0).repeat(2, 1)
    assert np.array_equal(one[0].fine[air], look.fine[air])
    assert np.array_equal(one[0].fine, same[0].fine)
    assert one[1] == same[1]
    assert np.array_equal(one[0].tissue, look.tissue)


def test_a_distortion_pulls_the_tissue_and_hardly_brightens_it(look: Look) -> None:
    given = plant(np.random.default_rng(3), look, 0.2, Shape.DISTORTION)
    assert given is not None
    near = around(look, given[1].x, given[1].y, given[1].radius) & look.breast
    more = (given[0].level - look.level)[near]
    assert np.abs(more).mean() > 0.01
    assert more.mean() < 0.1


def test_there_is_no_place_in_a_breast_that_is_all_muscle(look: Look) -> None:
    none = Look(look.fine, look.level, look.breast, look.breast, np.zeros_like(look.tissue))
    assert plant(np.random.default_rng(0), none) is None


def test_a_film_of_two_tenths_gets_no_finer_specks_than_it_shows(look: Look) -> None:
    def finest(detail_mm: float) -> float:
        given = plant(np.random.default_rng(5), look, detail_mm, Shape.CLUSTER)
        assert given is not None
        mean, largest = folded(given[0].fine - look.fine)
        specks = mean > 0.3 * mean.max()
        return float(((largest - mean)[specks] / mean[specks]).mean())

    assert finest(0.1) > 1.2 * finest(0.2)


def test_coarsened_is_what_the_reader_makes_of_pixels_twice_as_wide() -> None:
    picture = np.random.default_rng(0).random((20, 30), np.float32)
    small = picture.reshape(10, 2, 15, 2).mean(axis=(1, 3))
    read = Image.fromarray(small).resize((30, 20), Image.Resampling.BILINEAR)
    assert np.allclose(coarsened(picture), np.asarray(read), atol=1e-5)
    assert coarsened(picture[:19, :29]).shape == (19, 29)


def test_made_up_women_have_their_findings_where_the_pictures_show_them() -> None:
    found = {case.name: case for case in made_up(6)}
    assert len(found) == 24
    with_plans = [n for n in range(6) if any(p.laterality is Laterality.RIGHT for p in _wish(n).plans)]
    case = found[f"made{with_plans[0]:03d}.R-CC"]
    finding, picture = case.findings()[0], case.picture()
    center = finding.center_px
    assert center is not None
    assert picture[int(center[1]), int(center[0])] > 0
    # A right breast hangs mirrored: its chest wall, and so most of it, is at the right.
    assert (picture[:, picture.shape[1] // 2 :] > 400).mean() > (picture[:, : picture.shape[1] // 2] > 400).mean()
