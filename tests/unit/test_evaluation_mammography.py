"""Figures of mammography, against figures from elsewhere and against cases that can be counted by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pipeline.datasets.mammo import Drawn, Finding, Pathology
from pipeline.datasets.mammo.case import box, circle
from pipeline.evaluation.calibration import reliability
from pipeline.evaluation.froc import curve, threshold_at
from pipeline.evaluation.mammography import roc
from pipeline.evaluation.mammography.lesions import Lesion, lesions_of, size_of
from pipeline.evaluation.mammography.marks import at_rates, at_threshold, froc, lowest
from pipeline.evaluation.mammography.overlays import worst
from pipeline.evaluation.mammography.published import PUBLISHED, section
from pipeline.evaluation.mammography.scoring import ImageRow, LesionRow, MarkRow
from pipeline.evaluation.mammography.studies import any_true, is_abnormal, is_malignant, numbered
from pipeline.evaluation.mammography.summary import summarise
from pipeline.marks import Kind

NEVER = float("-inf")


# ROC ---------------------------------------------------------------------------------------------------------------


def hanley() -> tuple[Any, Any]:
    """Ratings 1…5 of 109 CT images (Hanley and McNeil, Radiology 143:29, 1982, table I): abnormal, normal."""
    ratings = np.arange(1.0, 6.0)
    return np.repeat(ratings, [3, 2, 2, 11, 33]), np.repeat(ratings, [33, 6, 6, 11, 2])


def test_delong_is_that_of_a_published_example() -> None:
    """Stata's manual gives 0.8932, standard error 0.0307, 0.83295 to 0.95339 for them ([R] roctab)."""
    abnormal, normal = hanley()
    assert roc.area(abnormal, normal) == pytest.approx(0.8932, abs=5e-5)
    assert np.sqrt(roc.delong_variance(abnormal, normal)) == pytest.approx(0.0307, abs=5e-5)
    assert roc.delong_interval(abnormal, normal) == pytest.approx((0.83295, 0.95339), abs=5e-6)


def test_delong_is_that_of_two_and_two_by_hand() -> None:
    """1 and 3 against 0 and 2: placements (1/2, 1) and (1, 1/2), each of variance 1/8, over two of a kind."""
    positive, negative = np.array([1.0, 3.0]), np.array([0.0, 2.0])
    assert roc.area(positive, negative) == 0.75
    assert roc.delong_variance(positive, negative) == pytest.approx(1 / 8)


def test_the_area_is_that_of_scikit_learn_with_ties() -> None:
    rng = np.random.default_rng(4)
    scores, truths = rng.integers(0, 6, 80).astype(float), rng.random(80) > 0.6
    assert roc.area(scores[truths], scores[~truths]) == pytest.approx(roc_auc_score(truths, scores))
    x, y = np.array(roc.points(list(scores), list(truths))).T
    assert np.trapezoid(y, x) == pytest.approx(roc_auc_score(truths, scores))


def test_delong_agrees_with_the_bootstrap_where_every_image_is_another_woman() -> None:
    rng = np.random.default_rng(8)
    truths = np.arange(160) % 2 == 0
    scores = rng.normal(truths * 1.0, 1.0)
    found = roc.auc(list(scores), list(truths), [f"{k:03d}" for k in range(160)], seed=1)
    assert (found["estimate"].low, found["estimate"].high) == pytest.approx(found["delong"], abs=0.02)


def test_women_with_many_alike_images_widen_the_bootstrap_and_not_delong() -> None:
    rng = np.random.default_rng(8)
    truths = np.arange(40) % 2 == 0
    scores = rng.normal(truths * 1.0, 1.0)
    women = [f"{k:03d}" for k in range(40)]
    once = roc.auc(list(scores), list(truths), women, seed=1)
    four = roc.auc([*scores] * 4, [*truths] * 4, women * 4, seed=1)
    assert four["estimate"].high - four["estimate"].low == pytest.approx(
        once["estimate"].high - once["estimate"].low, abs=0.03
    )
    assert four["delong"][1] - four["delong"][0] < 0.6 * (once["delong"][1] - once["delong"][0])


def test_without_both_kinds_there_is_no_area() -> None:
    found = roc.auc([0.2, 0.8], [True, True], ["a", "b"], seed=0)
    assert (found["estimate"].value, found["delong"], found["positive"], found["negative"]) == (None, None, 2, 0)
    assert roc.points([0.2, 0.8], [True, True]) == []


# Lesions -----------------------------------------------------------------------------------------------------------


def millimetres(points: Any) -> Any:
    """Pixels of 0.2 mm."""
    return np.asarray(points, float).reshape(-1, 2) * 0.2


def found_in(*findings: Finding) -> tuple[Lesion, ...]:
    return lesions_of(findings, millimetres)[0]


def test_a_mark_hits_inside_the_outline_and_not_outside() -> None:
    (lesion,) = found_in(Finding(Kind.MASS, "CIRC", Drawn.CIRCLE, circle(100, 100, 50)))
    assert lesion.diameter_mm == pytest.approx(20.0, rel=1e-3)
    assert lesion.is_hit((20.0 + 9.9, 20.0))
    assert not lesion.is_hit((20.0 + 10.2, 20.0))


def test_a_tiny_lesion_is_hit_within_two_and_a_half_millimetres() -> None:
    (lesion,) = found_in(Finding(Kind.CALCIFICATIONS, "CALC", Drawn.CIRCLE, circle(100, 100, 3)))
    assert lesion.is_hit((20.0, 22.4))
    assert not lesion.is_hit((20.0, 22.6))


def test_the_middle_of_a_long_box_does_not_reach_beyond_its_sides_by_more() -> None:
    (lesion,) = found_in(Finding(Kind.MASS, "Mass", Drawn.BOX, box(0, 0, 200, 10)))
    assert lesion.is_hit((38.0, 1.0))
    assert lesion.is_hit((20.0, 3.4))
    assert not lesion.is_hit((38.0, 3.4))


def test_single_calcifications_near_each_other_are_one_lesion() -> None:
    places = [(0.0, 0.0), (40.0, 0.0), (0.0, 40.0), (500.0, 500.0)]
    near, far = found_in(*(Finding(Kind.CALCIFICATIONS, "Calcification", Drawn.POINT, (p,)) for p in places))
    assert len(near.middles) == 3
    assert near.is_hit((2.5, 2.5))
    assert not near.is_hit((8.0, 8.0))
    assert far.is_hit((100.0, 102.0))


def test_a_lesion_without_a_place_is_counted_and_cannot_be_hit() -> None:
    lesions, unplaced = lesions_of((Finding(Kind.CALCIFICATIONS, "CALC", Drawn.NOWHERE),), millimetres)
    assert (lesions, unplaced) == ((), 1)


@pytest.mark.parametrize(
    ("diameter", "name"), [(0.0, "< 10 mm"), (10.0, "10-20 mm"), (39.9, "20-40 mm"), (80.0, ">= 40 mm")]
)
def test_the_lower_end_belongs_to_the_size(diameter: float, name: str) -> None:
    assert size_of(diameter) == name


# Truth -------------------------------------------------------------------------------------------------------------


def test_benign_is_abnormal_and_not_malignant_and_what_nobody_knows_stays_unknown() -> None:
    mass = (Finding(Kind.MASS, "Mass", Drawn.NOWHERE),)
    assert is_abnormal(Pathology.BENIGN, ())
    assert is_malignant(Pathology.BENIGN) is False
    assert is_abnormal(Pathology.NORMAL, mass) is False
    assert (is_abnormal(Pathology.UNKNOWN, mass), is_malignant(Pathology.UNKNOWN)) == (True, None)
    assert is_abnormal(Pathology.UNKNOWN, (Finding(None, "lymph node", Drawn.NOWHERE),)) is None


def test_a_breast_is_abnormal_when_one_view_is_and_unknown_only_when_none_is() -> None:
    assert any_true([False, None, True]) is True
    assert any_true([False, None]) is None
    assert any_true([False, False]) is False


def test_a_second_view_of_a_kind_gets_a_number() -> None:
    assert numbered(["R-CC", "L-CC", "R-CC", "R-CC"]) == ["R-CC", "L-CC", "R-CC-2", "R-CC-3"]


# Marks -------------------------------------------------------------------------------------------------------------


def image(name: str, lesions: tuple[float, ...] | None = None, false: tuple[float, ...] = (), **other: Any) -> ImageRow:
    """An image of a woman of its own. lesions: the best score on each, None for a normal image."""
    on = tuple(
        LesionRow(n, "mass", "CIRC", "benign", 12.0, (0.0, 0.0), best, best) for n, best in enumerate(lesions or (), 1)
    )
    hits = [MarkRow(n, "mass", v.best, (0.0, 0.0), (v.number,)) for n, v in enumerate(on, 1) if v.best > NEVER]
    wrong = [MarkRow(n, "mass", s, (9.0, 9.0), ()) for n, s in enumerate(false, len(hits) + 1)]
    scores = [m.score for m in (*hits, *wrong)]
    about: dict[str, Any] = {
        "name": name,
        "study": name,
        "woman": name,
        "tier": "T2",
        "source": "mini-MIAS",
        "role": "R-MLO",
        "laterality": "R",
        "density": "fatty",
        "is_film": True,
        "spacing_mm": (0.2, 0.2),
        "abnormal": lesions is not None,
        "malignant": False,
        "score": max(scores, default=0.0),
        "malignant_score": 0.1,
    }
    return ImageRow(**{**about, **other}, lesions=on, marks=(*hits, *wrong))


ROWS = [
    image("a", (0.9, NEVER), (0.5,)),
    image("b", (0.4,), ()),
    image("c", None, (0.7, 0.2)),
    image("d", None, ()),
]
"""Three lesions; false marks of 0.7, 0.5 and 0.2 on four images; 0.7 and 0.2 on two normal ones."""


def test_the_curve_counts_false_marks_of_all_images_or_of_normal_ones_alone() -> None:
    each = [(p.threshold, p.false_positives_per_scan, p.sensitivity) for p in froc(ROWS, "all")]
    third = pytest.approx(1 / 3)
    assert each[:3] == [(0.9, 0.0, third), (0.7, 0.25, third), (0.5, 0.5, third)]
    assert each[3:] == [(0.4, 0.5, pytest.approx(2 / 3)), (0.2, 0.75, pytest.approx(2 / 3))]
    normal = [(p.threshold, p.false_positives_per_scan) for p in froc(ROWS, "normal")]
    assert normal == [(0.9, 0.0), (0.7, 0.5), (0.4, 0.5), (0.2, 1.0)]


def test_sensitivities_are_read_off_at_the_rates() -> None:
    found = at_rates(ROWS, "all", seed=0)
    assert {rate: v["sensitivity"]["found"] for rate, v in found.items()} == {"0.1": 1, "0.25": 1, "0.5": 2, "1": 2}
    assert found["0.5"]["threshold"] == 0.4
    assert found["0.5"]["sensitivity"]["of"] == 3


def test_the_resampled_threshold_is_that_of_the_curve() -> None:
    rng = np.random.default_rng(2)
    for _ in range(200):
        wrong, best = rng.integers(0, 9, rng.integers(1, 12)) / 10, rng.integers(0, 9, 5) / 10
        best[rng.random(5) < 0.3] = NEVER
        for rate in (0.1, 0.25, 0.5, 1.0):
            assert lowest(wrong, 7, rate, best) == threshold_at(curve(list(wrong), list(best), 7), rate)


def test_without_a_normal_image_nothing_is_said_of_false_marks_on_normal_ones() -> None:
    found = at_rates(ROWS[:2], "normal", seed=0)
    assert {v["sensitivity"]["of"] for v in found.values()} == {0}
    assert at_rates(ROWS[:2], "all", seed=0)["1"]["sensitivity"]["of"] == 3


def test_a_study_is_judged_by_the_more_suspicious_breast() -> None:
    ill = [
        image(f"ill-{side}", (0.9,), role=f"{side}-MLO", laterality=side, study="ill", woman="ill", score=score)
        for side, score in (("R", 0.7), ("L", 0.1))
    ]
    well = [image(f"well{n}", None, (), score=0.5) for n in range(3)]
    assert summarise([*ill, *well], 0, None)["levels"]["study"]["abnormal"]["estimate"].value == 1.0


def test_a_breast_has_the_mean_of_the_log_odds_of_its_images() -> None:
    ill = [image(f"ill-{n}", (), study="ill", woman="ill", abnormal=True, score=s) for n, s in enumerate((0.99, 0.5))]
    well = [image(f"well-{n}", None, study="well", woman="well", score=0.8) for n in range(2)]
    more = [image(f"more-{n}", None, study="more", woman="more", score=0.95) for n in range(2)]
    breasts = summarise([*ill, *well, *more], 0, None)["levels"]["breast"]
    assert breasts["abnormal"]["estimate"].value == 0.5  # 0.91 of the first lies between 0.8 and 0.95


def test_an_image_with_a_lesion_of_unknown_place_counts_no_marks() -> None:
    more = [*ROWS, image("e", (), (0.99,), unplaced=1)]
    assert froc(more, "all") == froc(ROWS, "all")
    assert at_threshold(more, 0.45, 0)["false_positives_per_image"]["all"].value == pytest.approx(2 / 4)


def test_a_mark_that_was_turned_down_counts_before_and_not_after() -> None:
    down = replace(
        ROWS[1],
        lesions=(replace(ROWS[1].lesions[0], best=NEVER),),
        marks=(replace(ROWS[1].marks[0], kept=False), MarkRow(2, "mass", 0.95, (9.0, 9.0), (), kept=False)),
    )
    rows = [ROWS[0], down, *ROWS[2:]]
    at = summarise(rows, 0, None)["at_false_positives"]
    assert at["all"]["1"]["sensitivity"]["found"] == 1
    assert at["before"]["1"]["sensitivity"]["found"] == 2
    assert at["before"]["0.1"]["sensitivity"]["found"] == 0  # 0.95 is false, and goes before all others
    assert "before" not in summarise(ROWS, 0, None)["at_false_positives"]


def test_the_operating_point_counts_marks_from_its_score_on() -> None:
    found = at_threshold(ROWS, 0.5, seed=0)
    assert (found["sensitivity"]["found"], found["sensitivity"]["of"]) == (1, 3)
    assert found["false_positives_per_image"]["all"].value == pytest.approx(2 / 4)
    assert found["false_positives_per_image"]["normal"].value == pytest.approx(1 / 2)


def test_the_interval_of_a_sensitivity_covers_it_and_is_wider_at_fewer_women() -> None:
    rng = np.random.default_rng(6)
    rows = [
        image(f"{k:03d}", (float(rng.random()),) if k % 2 else None, tuple(rng.random(2) * 0.8)) for k in range(120)
    ]
    few, many = (at_rates(r, "all", seed=0)["0.5"]["sensitivity"]["estimate"] for r in (rows[:30], rows))
    assert many.low <= many.value <= many.high
    assert many.high - many.low < few.high - few.low


def test_misses_come_before_doubtful_marks_and_sure_false_marks_before_others() -> None:
    names = [(w.row.name, w.name.split("-")[0]) for w in worst(ROWS, 0.45)]
    assert names == [("a", "missed"), ("b", "missed"), ("c", "false"), ("a", "false")]


# Together ----------------------------------------------------------------------------------------------------------


def test_images_of_a_breast_and_of_a_study_count_once() -> None:
    rows = [
        image("cc", None, (0.2,), study="s", role="R-CC", abnormal=True),
        image("mlo", (0.8,), (), study="s", role="R-MLO"),
        image("left", None, (0.5,), study="s", role="L-MLO", laterality="L"),
        image("other", None, (0.1,), study="t"),
    ]
    levels = summarise(rows, 0, None)["levels"]
    assert [levels[k]["n"] for k in ("image", "breast", "study")] == [4, 3, 2]
    assert levels["image"]["abnormal"]["estimate"].value == pytest.approx(3 / 4)  # 0.2 and 0.8 against 0.5 and 0.1
    assert levels["breast"]["abnormal"]["estimate"].value == 0.75  # 0.5, of 0.2 and 0.8, against 0.5 and 0.1
    assert (levels["study"]["abnormal"]["positive"], levels["study"]["abnormal"]["negative"]) == (1, 1)


def test_parts_by_kind_are_set_against_the_normal_images_alone() -> None:
    found = summarise(ROWS, 0, 0.5)["by"]
    assert found["kind"]["mass"]["abnormal"]["positive"] == 2
    assert found["kind"]["mass"]["abnormal"]["negative"] == 2
    assert found["size"]["10-20 mm"]["lesions"] == 3
    assert found["size"]["< 10 mm"]["lesions"] == 0
    assert found["density"]["fatty"]["images"] == 4
    assert found["pathology"]["benign"]["at"]["0.5"]["found"] == 2


def test_an_image_of_unknown_truth_takes_part_in_no_area() -> None:
    about = summarise([*ROWS, image("e", None, (0.95,), abnormal=None, malignant=None)], 0, None)
    assert about["unknown"] == {"abnormal": 1, "malignant": 1}
    assert about["levels"]["image"]["abnormal"]["negative"] == 2
    assert about["lesions_counted"] == 3


def test_calibration_of_scores_that_are_off_by_a_known_amount() -> None:
    found = reliability([0.25] * 4 + [0.85] * 2, [True, False, False, False, True, False])
    assert found["brier"] == pytest.approx((0.75**2 + 3 * 0.25**2 + 0.15**2 + 0.85**2) / 6)
    assert found["expected_error"] == pytest.approx((4 * 0.0 + 2 * 0.35) / 6)
    assert [b["n"] for b in found["bins"]] == [4, 2]
    assert reliability([], [])["expected_error"] is None


def test_every_published_figure_says_where_it_stands_and_what_keeps_it_apart() -> None:
    assert all(f.source and f.apart and any(c.isdigit() for c in f.value) for f in PUBLISHED)
    assert section().count("\n| ") == len(PUBLISHED) + 1
