"""What is no head is declined with a sentence; what is one is read."""

from __future__ import annotations

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pytest

from pipeline.phantom.phantom import t1c_phantom
from pipeline.recipes.srs.anatomy import anatomy_of
from pipeline.recipes.srs.params import PARAMS
from pipeline.recipes.srs.suitability import why_not, why_not_brain

SHAPE, SPACING_MM = (80, 110, 110), 2.2


def a_volume(array: npt.NDArray[np.floating]) -> hd.Volume:
    axes = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]]) * SPACING_MM
    affine = np.eye(4)
    affine[:3, :3] = axes
    affine[:3, 3] = -axes @ (np.array(array.shape) / 2)
    noisy = np.hypot(array + 8 * np.random.default_rng(1).standard_normal(array.shape), 8)
    return hd.Volume(noisy.astype(np.float32), affine, "PATIENT")


def ellipsoid(centre: tuple[float, float, float], axes: tuple[float, float, float]) -> npt.NDArray[np.bool_]:
    grid = np.indices(SHAPE) - np.array(SHAPE).reshape(3, 1, 1, 1) / 2
    scaled = [(g * SPACING_MM - c) / a for g, c, a in zip(grid, centre, axes, strict=True)]
    return np.asarray(sum(s**2 for s in scaled) < 1)


def a_bottle() -> hd.Volume:
    """A cylinder of head size, filled with one liquid, darker towards the middle as coils see it."""
    grid = np.indices(SHAPE) - np.array(SHAPE).reshape(3, 1, 1, 1) / 2
    radius = np.hypot(grid[1], grid[2]) * SPACING_MM
    inside = (radius < 85) & (np.abs(grid[0]) * SPACING_MM < 80)
    return a_volume(np.where(inside, 700 + 2 * radius, 0))


def a_ball() -> hd.Volume:
    return a_volume(np.where(ellipsoid((0, 0, 0), (80, 85, 80)), 800.0, 0.0))


def a_chest() -> hd.Volume:
    """An ellipse with two dark lungs, a bright heart and a spine, the same on every slice but for the lungs' ends."""
    body = ellipsoid((0, 0, 0), (400, 90, 115))
    image = np.where(body, 500.0, 0.0)
    for x in (-50.0, 50.0):
        image[ellipsoid((10, 0, x), (80, 60, 38))] = 40
    image[ellipsoid((0, -20, 12), (45, 38, 36))] = 900
    image[ellipsoid((0, 60, 0), (400, 16, 18))] = 700
    image[ellipsoid((0, 60, 0), (400, 6, 6))] = 250
    return a_volume(image)


def a_quality_phantom() -> hd.Volume:
    """A cylinder with dark bars and blocks in it, as those for checking a scanner."""
    grid = (np.indices(SHAPE) - np.array(SHAPE).reshape(3, 1, 1, 1) / 2) * SPACING_MM
    body = (np.hypot(grid[1], grid[2]) < 95) & (np.abs(grid[0]) < 74)
    image = np.where(body, 800.0, 0.0)
    for across, along, width, height in ((0, 0, 60, -55), (20, -30, 25, -30), (-40, 20, 30, 0), (30, 40, 20, 30)):
        block = (np.abs(grid[2] - across) < width) & (np.abs(grid[1] - along) < width / 2)
        image[block & (np.abs(grid[0] - height) < 8) & body] = 150
    return a_volume(image)


def noise() -> hd.Volume:
    return a_volume(np.zeros(SHAPE))


@pytest.mark.parametrize("make", [a_bottle, a_ball, a_quality_phantom, a_chest, noise])
def test_what_is_no_head_is_declined(make: object) -> None:
    assert callable(make)
    volume = make()
    reason = why_not(volume, PARAMS) or why_not_brain(anatomy_of(volume, threads=1), volume, PARAMS)
    assert reason
    assert reason[0].islower()


def test_hounsfield_units_are_named_as_the_reason() -> None:
    head = t1c_phantom(3, shape=(60, 80, 80), spacing_mm=(3.0, 3.0, 3.0)).image
    ct = head.with_array(head.array.astype(np.float32) - 1000)
    assert "Hounsfield" in why_not(ct, PARAMS)


def test_pixels_too_wide_and_values_that_are_no_numbers_are_named_as_the_reason() -> None:
    head = t1c_phantom(3, shape=(60, 60, 60), spacing_mm=(3.0, 4.0, 4.0)).image
    assert why_not(head, PARAMS) == "the pixels are 4.0 mm wide; the model was made for up to 3 mm"
    head = t1c_phantom(3, shape=(60, 80, 80), spacing_mm=(3.0, 3.0, 3.0)).image
    broken = head.array.astype(np.float32)
    broken[5, 6, 7] = np.nan
    assert "no numbers" in why_not(head.with_array(broken), PARAMS)


@pytest.mark.parametrize("seed", [11, 12])
@pytest.mark.parametrize("skull", [True, False])
@pytest.mark.parametrize("spacing_mm", [(1.8, 2.0, 2.0), (6.0, 1.9, 1.9)])
def test_heads_are_read_with_and_without_skull_thick_and_thin(
    seed: int, skull: bool, spacing_mm: tuple[float, float, float]
) -> None:
    shape = (round(180 / spacing_mm[0]), 120, 120)
    image = t1c_phantom(seed, shape=shape, spacing_mm=spacing_mm, skull=skull).image
    assert why_not(image, PARAMS) == ""
    assert why_not_brain(anatomy_of(image, threads=1), image, PARAMS) == ""


def test_a_slab_of_60_mm_through_a_head_is_read() -> None:
    image = t1c_phantom(13, shape=(90, 116, 116), spacing_mm=(2.0, 2.0, 2.0)).image
    slab = image[50:81]
    assert why_not(slab, PARAMS) == ""
    assert why_not_brain(anatomy_of(slab, threads=1), slab, PARAMS) == ""
