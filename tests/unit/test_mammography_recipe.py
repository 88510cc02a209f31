"""The recipe `mammography` on made-up studies, with small stand-ins for its detectors."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.bundle import describe
from pipeline.contract import Declined, Inputs, Runtime
from pipeline.core.breast import Guess, Laterality
from pipeline.core.errors import ConfigInvalid
from pipeline.core.study import Instance, Study, group
from pipeline.datasets.mg_writer import MgHabit
from pipeline.findings import Algorithm, Verdict
from pipeline.imaging.mammogram.canonical import Turn
from pipeline.marks import Analysis, Kind, MarkedStudy, Outcome, Shortcoming, Shown
from pipeline.radiomics.features import Table
from pipeline.recipes.mammography import results
from pipeline.recipes.mammography.options import check_options
from pipeline.recipes.mammography.recipe import MOST_OF_A_VIEW, Mammography
from tests.support import breasts
from tests.support.bundles import Level, planar, torchscript
from tests.support.detectors import bright_models
from tests.support.marked import DISC, ROLES, SPOT, four_views

ALGORITHM = Algorithm("Lantern mammography", "0.1.0+abc", "0" * 64, "T0", "made up")


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bright spots are marked; nothing is read from weights.toml."""
    monkeypatch.setattr(results, "load_models", lambda device: bright_models())
    monkeypatch.setattr(Mammography, "algorithm", ALGORITHM)


def sent(folder: Path, role: str, dots: Any = DISC, **more: Any) -> Instance:
    side, view = role.split("-")
    picture = breasts.drawn(view, dots=dots)
    return breasts.sent(folder, picture, Laterality(side), view, study="one", **more)


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
    return four_views(tmp_path_factory.mktemp("four"))


def test_four_views_give_scores_marks_density_and_attempts(four: Study):
    found = run(four)
    assert [v.role for v in found.views] == list(ROLES)
    assert [b.laterality for b in found.breasts] == [Laterality.RIGHT, Laterality.LEFT]
    assert found.score == max(b.score for b in found.breasts)
    assert all(b.density is not None and b.dense_share is not None for b in found.breasts)
    assert {m.role for m in found.marks} == {"R-CC", "R-MLO"}
    assert all(m.kind is Kind.MASS and m.score >= found.threshold for m in found.marks)
    assert all(v.nipple_px is not None and v.malignant is not None for v in found.views)
    done = {a.what for a in found.attempts if a.outcome is Outcome.SUCCEEDED and set(a.roles) == set(ROLES)}
    assert done == {Kind.MASS, Kind.CALCIFICATIONS, *Analysis}
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
    blank = breasts.sent(tmp_path, np.zeros((800, 560), np.uint16), Laterality.RIGHT, "MLO", study="one")
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
    assert (Kind.CALCIFICATIONS, ("L-MLO",)) in [(a.what, a.roles) for a in left]
    assert any("coarse" in a.why for a in left)
    assert all(m.kind is not Kind.CALCIFICATIONS for m in (*found.marks, *found.rejected))


def test_what_is_not_told_apart_from_masses_is_no_detection_of_its_own(four: Study):
    left = {a.what: a.why for a in run(four).attempts if a.outcome is Outcome.NOT_ATTEMPTED}
    assert left.keys() == {Kind.DISTORTION, Kind.ASYMMETRY}
    assert all("not told apart" in why for why in left.values())


def test_a_guessed_side_view_and_size_of_a_film_are_doubted_in_the_results(tmp_path: Path):
    said = " ".join(f"{g} (1)." for g in Guess)
    found = run(study_of(sent(tmp_path, "L-MLO", comments=said)))
    doubts = {n.shortcoming for n in found.quality if "guessed" in n.words}
    assert doubts == {Shortcoming.SIDE_IN_DOUBT, Shortcoming.VIEW_IN_DOUBT}
    assert found.views[0].spacing_mm is None
    assert all(m.long_axis_mm is None for m in (*found.marks, *found.rejected))
    assert any("guessed" in words for words in found.remarks)


@pytest.fixture(scope="module")
def plainest(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return study_of(sent(tmp_path_factory.mktemp("plainest"), "L-MLO", turn=Turn()))


WRITTEN = itertools.cycle([("L", MgHabit.GE), ("R", MgHabit.HOLOGIC), ("R", MgHabit.FILM), ("L", MgHabit.SIEMENS)])
LAID = [(Turn(*flags), *next(WRITTEN)) for flags in itertools.product((False, True), repeat=3)]


@pytest.mark.parametrize(("turn", "side", "habit"), LAID)
def test_a_mark_stays_at_its_place_however_the_image_is_laid_and_whoever_wrote_it(
    tmp_path: Path, plainest: Study, turn: Turn, side: str, habit: MgHabit
):
    """To a pixel where it is in the plainest image, when that is laid likewise; and there it is at the planted spot."""
    plain, other = run(plainest), run(study_of(sent(tmp_path, f"{side}-MLO", turn=turn, habit=habit)))
    wanted = turn.matrix((800, 560)) @ [*plain.marks[0].center_px, 1]
    assert np.abs(wanted[:2] - other.marks[0].center_px).max() <= 1.0
    assert np.hypot(*np.subtract(plain.marks[0].center_px, SPOT)) * 0.25 <= 2.5


def test_a_model_of_ones_own_takes_the_place_of_the_detectors(tmp_path: Path, four: Study):
    folder = torchscript(tmp_path, Level(0.93), **planar(output__kinds=["calcifications"], output__threshold=0.6))
    found = run(four, bundle=str(folder))
    assert {m.role for m in found.marks} >= {"R-CC", "R-MLO"}  # and where the muscle is as bright
    assert all(m.kind is Kind.CALCIFICATIONS and m.score >= found.threshold == 0.6 for m in found.marks)
    best = next(m for m in found.marks if m.role == "R-CC")
    mirrored = (560 - SPOT[0], SPOT[1])  # as right breasts hang
    assert np.hypot(*np.subtract(best.center_px, mirrored)) * 0.25 < 6
    left = {a.what for a in found.attempts if a.outcome is Outcome.NOT_ATTEMPTED}
    assert left == {Kind.MASS, Kind.DISTORTION, Kind.ASYMMETRY}
    assert all(v.malignant is None for v in found.views)
    assert any("not judged" in r for r in found.remarks)


def test_results_name_the_model_of_ones_own(tmp_path: Path):
    folder = torchscript(tmp_path, Level(0.9), **planar())
    assert Mammography().algorithm_with({"bundle": str(folder)}).name == describe(folder).name
    assert Mammography().algorithm_with({}) == ALGORITHM


def test_marks_are_turned_down_by_the_false_positive_step_and_never_put_up(
    four: Study, monkeypatch: pytest.MonkeyPatch
):
    class Judge:
        """Keeps the first mark of each image alone."""

        def verdicts(self, table: Table) -> tuple[Verdict, ...]:
            return tuple(Verdict(0.9 if rank == 0 else 0.1, 0.5) for rank in table.column("mark_rank"))

    before = run(four, threshold=0.001)
    models = dataclasses.replace(bright_models(), classifier=Judge())
    monkeypatch.setattr(results, "load_models", lambda device: models)
    after = run(four, threshold=0.001)
    firsts = {m.tracking_uid for role in ROLES for m in [m for m in before.marks if m.role == role][:1]}
    assert {m.tracking_uid for m in after.marks} == firsts
    scores = {m.tracking_uid: m.score for m in (*before.marks, *before.rejected)}
    assert scores == {m.tracking_uid: m.score for m in (*after.marks, *after.rejected)}
    assert all(m.verdict is not None and not m.verdict.kept for m in after.rejected if m.score >= 0.001)
