"""Outlines of marks, marks that belong together, and what the false-positive step is given."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.breast import Laterality
from pipeline.marks import Kind
from pipeline.recipes.mammography.candidates import RADIOMICS
from pipeline.recipes.mammography.composites import TOLERANCE_MM, Depth, axis_of, behind_mm, paired
from pipeline.recipes.mammography.examine import gather
from pipeline.recipes.mammography.fuse import CELL_MM, Peak
from pipeline.recipes.mammography.looks import LEVEL_MM, Look, look_from
from pipeline.recipes.mammography.outlines import CORNERS, LEAST_MM, MOST_MM, long_axis, outline_mm
from tests.support.detectors import bright_models, fusion

ROWS, COLUMNS = 40, 25


def look(spots: tuple[tuple[float, float, float], ...] = (), breast_mm: float = 1e3) -> Look:
    """Even tissue with bright discs (x, y, radius, in mm); the breast ends at `breast_mm` from the chest wall."""
    y, x = (np.mgrid[: 32 * ROWS, : 32 * COLUMNS] + 0.5) * LEVEL_MM / 2
    fine = 0.3 + 0.02 * np.random.default_rng(0).normal(size=y.shape)
    for at_x, at_y, radius in spots:
        fine = np.where(np.hypot(x - at_x, y - at_y) < radius, 0.9, fine)
    inside = (x[::2, ::2] < breast_mm).astype(bool)
    return look_from(fine.astype(np.float32), inside, np.zeros_like(inside))


def area(corners: np.ndarray) -> float:
    x, y = corners.T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) / 2


def flat(of: Look) -> np.ndarray:
    return np.zeros(of.cells, np.float32)


@pytest.mark.parametrize("radius", [4.0, 7.0, 12.0])
def test_a_bright_disc_is_outlined_as_large_as_it_is(radius: float):
    seen = look(((40.0, 60.0, radius),))
    corners = outline_mm(Peak(40.0, 60.0, 1.0), flat(seen), seen)
    assert corners.shape == (CORNERS, 2)
    assert area(corners) == pytest.approx(np.pi * radius**2, rel=0.2)
    assert long_axis(corners) == pytest.approx(2 * radius, rel=0.12)


def test_where_nothing_stands_out_the_outline_is_the_smallest():
    seen = look()
    corners = outline_mm(Peak(40.0, 60.0, 1.0, of_specks=True), flat(seen), seen)
    assert np.hypot(*(corners - [40.0, 60.0]).T) == pytest.approx(LEAST_MM)


def test_no_outline_is_too_large_or_leaves_the_breast():
    seen = look(((40.0, 60.0, 30.0),), breast_mm=45.0)
    corners = outline_mm(Peak(40.0, 60.0, 1.0), flat(seen), seen)
    radii = np.hypot(*(corners - [40.0, 60.0]).T)
    assert radii.max() <= MOST_MM + 1e-6
    assert corners[:, 0].max() <= 45.5
    assert area(corners) > 0  # clockwise, where y goes down


def test_features_have_a_row_for_each_mark_also_where_outlines_overlap():
    seen = look(((30.0, 50.0, 9.0), (48.0, 50.0, 9.0)))
    models = bright_models()
    maps = models.maps({"a": seen}, {"a": None}, "cpu")["a"]
    gathered = gather(seen, maps, None, fusion())
    table = gathered.features(fusion())
    assert len(table.rows) == len(gathered.peaks) >= 2
    assert table.numbers == tuple(range(1, len(gathered.peaks) + 1))
    assert np.array_equal(table.column("mark_value"), [p.score for p in gathered.peaks])
    assert np.isnan(table.column("other_abnormal")).all()
    known = ~np.isnan(table.rows[0])
    assert known.sum() > 350  # radiomics in two dimensions, and the own features
    assert table.settings_sha256 != RADIOMICS.settings_sha256


def test_the_step_measures_in_two_dimensions_and_without_a_mirror():
    assert (RADIOMICS.dimensions, RADIOMICS.mirror) == (2, False)
    assert pytest.approx(CELL_MM / 8) == RADIOMICS.spacing_mm


def depth(number: int, above: bool, mm: float, score: float = 0.5, kind: Kind = Kind.MASS, side: str = "R") -> Depth:
    return Depth(number, Laterality(side), above, kind, mm, score)


def test_marks_as_deep_on_both_views_are_paired_the_likeliest_first():
    found = paired([depth(1, True, 30), depth(2, False, 32, 0.9), depth(3, False, 28, 0.2), depth(4, True, 31, 0.1)])
    assert [p.marks for p in found] == [(2, 1), (3, 4)]
    assert found[0].score == pytest.approx(1 - 0.5 * 0.1)


@pytest.mark.parametrize(
    "other",
    [
        depth(2, False, 30 + TOLERANCE_MM + 1),
        depth(2, True, 30),
        depth(2, False, 30, kind=Kind.CALCIFICATIONS),
        depth(2, False, 30, side="L"),
    ],
)
def test_marks_of_other_depths_views_kinds_and_breasts_are_not_paired(other: Depth):
    assert paired([depth(1, True, 30), other]) == ()


def test_the_axis_is_square_to_the_muscle_where_that_is_known():
    assert axis_of(()) == (-1.0, 0.0)
    x, y = axis_of(((0, 0), (300, 0), (0, 600)))
    assert np.hypot(x, y) == pytest.approx(1)
    assert x < 0 and y < 0
    assert np.dot((x, y), (-300, 600)) == pytest.approx(0)
    assert behind_mm((100, 200), (400, 200), (-1.0, 0.0), 0.1) == pytest.approx(30)
