"""The recipe `mammography` on made-up studies, with small stand-ins for its detectors."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.contract import Declined, Inputs, Runtime
from pipeline.core.breast import Laterality
from pipeline.core.errors import ConfigInvalid
from pipeline.core.study import Instance, Study, group
from pipeline.datasets.mg_writer import MgHabit
from pipeline.findings import Algorithm
from pipeline.imaging.mammogram.canonical import Turn
from pipeline.marks import Analysis, Kind, MarkedStudy, Outcome, Shortcoming, Shown
from pipeline.recipes.mammography import results
from pipeline.recipes.mammography.options import check_options
from pipeline.recipes.mammography.recipe import MOST_OF_A_VIEW, Mammography
from tests.support import breasts
from tests.support.detectors import bright_models

ALGORITHM = Algorithm("Lantern mammography", "0.1.0+abc", "0" * 64, "T0", "made up")
DOT = (260.0, 430.0)
"""Of a spot that the stand-ins mark: in the glands of `breasts.drawn`, column and row."""
ROLES = ("R-CC", "L-CC", "R-MLO", "L-MLO")


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bright spots are marked; nothing is read from weights.toml."""
    monkeypatch.setattr(results, "load_models", lambda device: bright_models())
    monkeypatch.setattr(Mammography, "algorithm", ALGORITHM)


def sent(folder: Path, role: str, dots: Any = (DOT,), **more: Any) -> Instance:
    side, view = role.split("-")
    picture = breasts.drawn(view, dots=dots)
    return breasts.sent(folder, picture, Laterality(side), view, study="one", seed=role, **more)


def study_of(*instances: Instance) -> Study:
    return group(list(instances))[0]


def run(study: Study, **options: Any) -> MarkedStudy:
    pipeline = Mammography()
    inputs = pipeline.select(study, options)
    assert isinstance(inputs, Inputs), inputs
    found = pipeline.run(inputs, Runtime())
    assert isinstance(found, MarkedStudy), found
    return found


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("four")
    return study_of(*(sent(folder, role, dots=(DOT,) if role[0] == "R" else ()) for role in ROLES))


def test_four_views_give_scores_marks_density_and_attempts(four: Study):
    found = run(four)
    assert [v.role for v in found.views] == list(ROLES)
    assert [b.laterality for b in found.breasts] == [Laterality.RIGHT, Laterality.LEFT]
    right, left = found.breasts
    assert right.score > left.score
    assert found.score == right.score
    assert all(b.density is not None and b.dense_share is not None for b in found.breasts)
    assert {m.role for m in found.marks} == {"R-CC", "R-MLO"}
    assert all(m.kind is Kind.MASS and m.score >= found.threshold for m in found.marks)
    assert all(v.nipple_px is not None and v.malignant is not None for v in found.views)
    done = {a.what for a in found.attempts if a.outcome is Outcome.SUCCEEDED and set(a.roles) == set(ROLES)}
    assert done == {*Kind, *Analysis}
    assert not found.unread
    assert not [n for n in found.quality if n.shortcoming is Shortcoming.MISSING_VIEW]


def test_marks_as_far_behind_the_nipple_on_two_views_are_one_composite(four: Study):
    found = run(four)
    best = {m.role: m.number for m in reversed(found.marks)}
    assert [set(c.marks) for c in found.composites] == [{best["R-CC"], best["R-MLO"]}]
    assert found.composites[0].laterality is Laterality.RIGHT


def test_a_repeat_gives_the_same_marks_with_the_same_tracking_uids(four: Study):
    first, again = run(four), run(four)
    assert first.marks == again.marks
    assert first.rejected == again.rejected
    assert first.composites == again.composites
    uids = [m.tracking_uid for m in (*first.marks, *first.rejected)]
    assert len(set(uids)) == len(uids) > 0


def test_nothing_is_lost_below_the_threshold(four: Study):
    low, high = run(four, threshold=0.02), run(four, threshold=1.0)
    assert not high.marks
    assert {m.tracking_uid for m in high.rejected} == {m.tracking_uid for m in (*low.marks, *low.rejected)}
    assert [m.number for m in high.rejected] == list(range(1, len(high.rejected) + 1))


def test_outlines_are_clockwise_within_the_image_and_hold_the_centre(four: Study):
    found = run(four, threshold=0.02)
    views = {v.role: v for v in found.views}
    for mark in found.marks:
        x, y = np.array(mark.outline_px).T
        assert (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() > 0
        assert x.min() >= 0 and y.min() >= 0
        assert x.max() <= views[mark.role].columns and y.max() <= views[mark.role].rows
        assert x.min() < mark.center_px[0] < x.max() and y.min() < mark.center_px[1] < y.max()
        assert mark.long_axis_mm is not None and 2 <= mark.long_axis_mm <= 40.5


def test_heat_covers_the_whole_image_and_is_hottest_at_the_mark(four: Study):
    found = run(four)
    for view in found.views:
        heat = found.heat[view.role]
        assert heat.shape == (round(view.rows * 0.25 / 0.8), round(view.columns * 0.25 / 0.8))
    best = found.marks[0]
    heat = found.heat[best.role]
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    away = np.subtract(((column + 0.5) * 0.8, (row + 0.5) * 0.8), np.multiply(best.center_px, 0.25))
    assert np.hypot(*away) < 5


def test_one_view_of_one_breast_is_read_and_it_is_said(tmp_path: Path):
    found = run(study_of(sent(tmp_path, "L-MLO")))
    assert [v.role for v in found.views] == ["L-MLO"]
    assert len(found.breasts) == 1
    assert {n.role for n in found.quality if n.shortcoming is Shortcoming.MISSING_VIEW} == {"R-CC", "L-CC", "R-MLO"}
    assert any("Only one view" in r for r in found.remarks)
    assert any("No image of the right breast" in r for r in found.remarks)
    assert found.marks


def test_views_without_the_like_of_the_other_breast_are_named(tmp_path: Path):
    found = run(study_of(*(sent(tmp_path, role) for role in ("R-MLO", "L-MLO", "R-CC"))))
    assert any("Not compared" in r and "R-CC" in r and "MLO" not in r for r in found.remarks)


def test_images_that_select_leaves_are_in_the_results_with_their_reasons(tmp_path: Path):
    spot = breasts.changed(sent(tmp_path, "R-CC"), EstimatedRadiographicMagnificationFactor=1.8)
    found = run(study_of(sent(tmp_path, "L-MLO"), spot))
    assert [u.sop_instance_uid for u in found.unread] == [spot.sop_instance_uid]
    assert "magnification" in found.unread[0].why


def test_images_whose_pixels_show_no_breast_are_unread_and_the_others_are_read(tmp_path: Path):
    blank = breasts.sent(tmp_path, np.zeros((800, 560), np.uint16), Laterality.RIGHT, "MLO", study="one", seed="blank")
    found = run(study_of(sent(tmp_path, "L-MLO"), blank))
    assert [v.role for v in found.views] == ["L-MLO"]
    assert [u.sop_instance_uid for u in found.unread] == [blank.sop_instance_uid]
    assert "R-MLO" in {n.role for n in found.quality if n.shortcoming is Shortcoming.MISSING_VIEW}


def test_a_study_of_blank_images_is_declined_with_the_reason(tmp_path: Path):
    blank = breasts.sent(tmp_path, np.zeros((800, 560), np.uint16), Laterality.RIGHT, "MLO")
    inputs = Mammography().select(study_of(blank), {})
    assert isinstance(inputs, Inputs)
    answer = Mammography().run(inputs, Runtime())
    assert isinstance(answer, Declined)
    assert "1 image: " in answer.reason


def test_a_study_without_a_readable_mammogram_is_declined_with_all_reasons(tmp_path: Path):
    ultrasound = dataclasses.replace(sent(tmp_path, "R-CC"), modality="US", sop_class_uid="1.2.840.10008.5.1.4.1.1.6.1")
    spots = [
        breasts.changed(sent(tmp_path, role), EstimatedRadiographicMagnificationFactor=1.8)
        for role in ("R-MLO", "L-MLO")
    ]
    answer = Mammography().select(study_of(ultrasound, *spots), {})
    assert isinstance(answer, Declined)
    assert "2 images: it is a magnification view" in answer.reason
    assert "1 image: it is an ultrasound image" in answer.reason


def test_a_study_without_images_is_declined():
    answer = Mammography().select(Study("1.2", ()), {})
    assert isinstance(answer, Declined)
    assert "no image" in answer.reason


def test_more_repeats_of_a_view_than_are_read_are_named(tmp_path: Path):
    every = [sent(tmp_path, "R-CC", more={"InstanceNumber": n, "AcquisitionTime": f"1200{n:02d}"}) for n in range(6)]
    every = [dataclasses.replace(i, sop_instance_uid=f"{i.sop_instance_uid}.{n}") for n, i in enumerate(every)]
    inputs = Mammography().select(study_of(*every), {})
    assert isinstance(inputs, Inputs)
    assert list(inputs.series) == ["R-CC", *(f"R-CC-{n}" for n in range(2, MOST_OF_A_VIEW + 1))]
    assert len(inputs.unread) == 6 - MOST_OF_A_VIEW
    assert set(inputs.series) <= set(Mammography().roles)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"opperating": 1.0}, "unknown option"),
        ({"operating_point": 0.3}, "operating_point must be one of"),
        ({"threshold": 1.5}, "from 0 to 1"),
        ({"gsps": "yes"}, "true or false"),
        ({"bundle": 3}, "a text"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], said: str):
    with pytest.raises(ConfigInvalid, match=said):
        check_options(options)


def test_objects_that_are_not_wanted_are_said_so(four: Study):
    found = run(four, gsps=False, page=False, heat_map=False)
    assert found.wanted == {Shown.CAD_SR}
    assert not found.heat


def test_pixels_too_coarse_for_calcifications_are_said_so(tmp_path: Path):
    found = run(study_of(sent(tmp_path, "L-MLO", spacing_mm=(0.3, 0.3))))
    left = [a for a in found.attempts if a.outcome is Outcome.NOT_ATTEMPTED]
    assert [(a.what, a.roles) for a in left] == [(Kind.CALCIFICATIONS, ("L-MLO",))]
    assert "coarse" in left[0].why


@pytest.mark.parametrize("turn", [Turn(a, b, c) for a in (False, True) for b in (False, True) for c in (False, True)])
@pytest.mark.parametrize(("side", "habit"), [("L", MgHabit.GE), ("R", MgHabit.HOLOGIC), ("R", MgHabit.FILM)])
def test_a_mark_stays_at_its_place_however_the_image_is_laid_and_whoever_wrote_it(
    tmp_path: Path, turn: Turn, side: str, habit: MgHabit
):
    """Laid back, its centre is where it is in the plainest image, to a pixel; and that is at the planted spot."""
    plain = run(study_of(sent(tmp_path / "a", "L-MLO", turn=Turn())))
    other = run(study_of(sent(tmp_path / "b", f"{side}-MLO", turn=turn, habit=habit)))
    wanted = turn.matrix((800, 560)) @ [*plain.marks[0].center_px, 1]
    assert np.abs(wanted[:2] - other.marks[0].center_px).max() <= 1.0
    assert np.hypot(*np.subtract(plain.marks[0].center_px, DOT)) * 0.25 <= 2.5
