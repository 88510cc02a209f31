"""Structures filled on their own planes, whatever images they were drawn on."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pipeline.core.errors import GeometryUnusable
from pipeline.imaging.solids import holds, points_in, solid
from tests.support.drawn import ball, structure

CENTRE = np.array([12.3, -40.7, 88.1])
TILTED = Rotation.from_euler("xyz", (25, -40, 70), degrees=True).as_matrix()


def volume(made) -> float:
    return float((made.array > 0).sum() * np.prod(made.spacing))


@pytest.mark.parametrize("axes", [None, np.eye(3), TILTED], ids=["axial", "sagittal", "tilted"])
@pytest.mark.parametrize(("diameter", "step"), [(9.0, 0.75), (20.0, 1.0), (20.0, 3.0), (80.0, 2.0)])
def test_a_ball_is_found_where_it_was_drawn_with_its_volume(axes: np.ndarray | None, diameter: float, step: float):
    made = solid(structure("ball", ball(CENTRE, diameter, step, axes)))
    assert volume(made) == pytest.approx(np.pi / 6 * diameter**3, rel=0.04)
    assert np.linalg.norm(points_in(made).mean(axis=0) - CENTRE) < 0.3
    asked = CENTRE + np.random.default_rng(1).normal(0, diameter / 2, (2000, 3))
    away = np.linalg.norm(asked - CENTRE, axis=1)
    sure = np.abs(away - diameter / 2) > step
    assert (holds(made, asked) == (away < diameter / 2))[sure].all()


def test_an_inner_contour_is_a_hole():
    made = solid(structure("shell", (*ball(CENTRE, 20.0), *ball(CENTRE, 10.0))))
    assert volume(made) == pytest.approx(np.pi / 6 * (20**3 - 10**3), rel=0.04)
    assert not holds(made, CENTRE[None]).any()


def test_planes_that_were_skipped_are_filled_and_parts_are_not_joined():
    whole = ball(CENTRE, 20.0)
    skipped = whole[:8] + whole[10:]
    assert volume(solid(structure("skipped", skipped))) == pytest.approx(np.pi / 6 * 20**3, rel=0.04)
    two = solid(structure("two", (*ball(CENTRE, 10.0), *ball(CENTRE + np.array([0, 0, 30]), 10.0))))
    assert volume(two) == pytest.approx(2 * np.pi / 6 * 10**3, rel=0.04)
    assert not holds(two, (CENTRE + np.array([0, 0, 15]))[None]).any()


def test_a_structure_of_one_plane_is_one_millimetre_thick():
    disc = ball(CENTRE, 20.0)[10]
    assert volume(solid(structure("disc", (disc,)))) == pytest.approx(np.pi * 100, rel=0.04)


def test_contours_that_are_not_parallel_are_refused_by_number():
    crossed = (*ball(CENTRE, 20.0), *ball(CENTRE, 20.0, axes=np.eye(3)))
    with pytest.raises(GeometryUnusable, match="ROI 1 do not lie in parallel planes"):
        solid(structure("crossed", crossed))
