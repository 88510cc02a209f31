"""A scan and what a reader made of it, in figures worked out by hand."""

from __future__ import annotations

import math

import highdicom as hd
import numpy as np
import pytest

from pipeline.core.errors import GeometryUnusable
from pipeline.evaluation.calibration import calibration
from pipeline.evaluation.cases import Case, make_case
from pipeline.evaluation.froc import froc, threshold_at
from pipeline.evaluation.reading import Read, Subject
from pipeline.evaluation.report import markdown
from pipeline.evaluation.run import _report
from pipeline.evaluation.scoring import CaseRow, score_case
from pipeline.evaluation.summary import plain, summarise

SHAPE = (20, 40, 40)


def nobody(image: hd.Volume, group: str) -> Read:
    raise AssertionError("these tests give readings, no reader")


ANYONE = Subject("x", "1", nobody)


def volume(spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> hd.Volume:
    affine = np.diag([0.0, 0.0, 0.0, 1.0])
    affine[[2, 1, 0], [0, 1, 2]] = spacing
    affine[:3, 3] = (-20, -30, 5)
    return hd.Volume(np.random.default_rng(0).uniform(50, 100, SHAPE).astype(np.float32), affine, "PATIENT")


def boxes(*corners: tuple[int, int, int, int]) -> np.ndarray:
    """Cubes (corner, side), labelled 1…n."""
    out = np.zeros(SHAPE, np.uint16)
    for number, (z, y, x, side) in enumerate(corners, start=1):
        out[z : z + side, y : y + side, x : x + side] = number
    return out


def case(truth: np.ndarray, name: str = "a", **more: object) -> Case:
    options = {"drawn": "tumour", **more}
    return make_case(name, name, "T2", volume(), truth, **options)  # type: ignore[arg-type]


def read(labels: np.ndarray, probability: list[float], score: list[float], kept: list[bool], **more: object) -> Read:
    return Read(
        labels,
        np.array(probability),
        np.array(score),
        np.array(kept, bool),
        more.get("enhancing"),  # type: ignore[arg-type]
        str(more.get("declined", "")),
        {},
    )


@pytest.fixture
def row() -> CaseRow:
    """Lesions of 3, 6 and 8 mm sides; the first is found and kept, the second rejected, the third missed; one false."""
    truth = boxes((2, 2, 2, 3), (2, 20, 20, 6), (10, 2, 20, 8))
    found = boxes((2, 2, 3, 3), (2, 20, 20, 6), (14, 30, 4, 4))
    return score_case(case(truth), read(found, [0.9, 0.6, 0.4], [0.95, 0.2, 0.7], [True, False, True]), ANYONE)


def test_lesions_are_found_before_and_after_model_2(row: CaseRow) -> None:
    assert [v.before is not None for v in row.lesions] == [True, True, False]
    assert [v.after is not None for v in row.lesions] == [True, False, False]
    assert [v.probability for v in row.lesions] == [0.9, 0.6, None]
    assert [c.is_false for c in row.candidates] == [False, False, True]


def test_an_outline_is_measured_in_millimetres(row: CaseRow) -> None:
    outline = row.lesions[0].after
    assert outline is not None
    assert outline.dice == pytest.approx(2 * 18 / 54)
    assert outline.centre_shift_mm == pytest.approx(1.0)
    assert outline.volume_error == 0.0
    assert row.lesions[0].diameter_mm == pytest.approx((6 * 27 / math.pi) ** (1 / 3))
    # Index (slice 3, row 3, column 3) in the frame of the patient.
    assert row.lesions[0].centroid_mm == pytest.approx((-17.0, -27.0, 8.0))


def test_the_operating_point_rules_before_model_2_only() -> None:
    truth, found = boxes((2, 2, 2, 3)), boxes((2, 2, 2, 3), (12, 20, 20, 4))
    scored = score_case(
        case(truth), read(found, [0.5, 0.3], [0.9, 0.9], [True, True]), Subject("x", "1", nobody, operating_point=0.4)
    )
    assert scored.scan["before"].tumour.false_positives == 0
    assert scored.scan["after"].tumour.false_positives == 1


def test_what_touches_only_a_speck_is_neither_hit_nor_false() -> None:
    truth = boxes((2, 2, 2, 3), (12, 20, 20, 1))
    scored = score_case(case(truth), read(boxes((12, 20, 20, 3)), [0.5], [0.5], [True]), ANYONE)
    assert len(scored.lesions) == 1
    assert (scored.candidates[0].lesions, scored.candidates[0].is_false) == ((), False)


def test_enhancing_truth_is_compared_with_enhancing_tissue_and_the_tumour_with_all() -> None:
    ring = boxes((4, 4, 4, 8)) > 0
    ring[6:10, 6:10, 6:10] = False
    whole = boxes((4, 4, 4, 8))
    scored = score_case(case(ring, drawn="enhancing"), read(whole, [1.0], [1.0], [True], enhancing=ring), ANYONE)
    assert (scored.scan["after"].dice, scored.scan["after"].dice_drawn) == (1.0, 1.0)
    outline = scored.lesions[0].after
    assert outline is not None
    assert (outline.dice, outline.dice_drawn) == (1.0, 1.0)
    plainly = score_case(case(ring, drawn="enhancing"), read(whole, [1.0], [1.0], [True]), ANYONE)
    assert plainly.scan["after"].dice_drawn == pytest.approx(2 * 448 / (448 + 512))


def test_a_declined_scan_has_missed_its_lesions() -> None:
    scored = score_case(case(boxes((2, 2, 2, 3))), read(boxes(), [], [], [], declined="a phantom head coil"), ANYONE)
    assert scored.declined
    assert scored.scan["after"].tumour.lw_dice == 0.0
    assert scored.lesions[0].after is None


def test_a_read_with_fewer_scores_than_candidates_is_refused() -> None:
    with pytest.raises(ValueError, match="2 candidates"):
        read(boxes((2, 2, 2, 3), (9, 9, 9, 3)), [0.5], [0.5], [True])


def test_a_truth_of_another_shape_is_refused() -> None:
    with pytest.raises(GeometryUnusable):
        case(np.zeros((3, 3, 3), bool))


def test_parts_of_a_thick_slice_tumour_are_one_lesion_and_speckle_is_none() -> None:
    truth = boxes((2, 2, 2, 6), (2, 2, 12, 6), (14, 30, 30, 2))
    made = case(truth, apart_mm=8.0, ignored_mm3=60.0)
    assert int(made.lesions.max()) == 1
    assert (made.lesions > 0).sum() == 2 * 216
    assert made.whole.sum() == 2 * 216 + 8


def test_the_froc_goes_down_the_candidates(row: CaseRow) -> None:
    points = [(p.threshold, p.false_positives_per_scan, p.sensitivity) for p in froc([row], "probability")]
    assert points == [
        (0.9, 0.0, pytest.approx(1 / 3)),
        (0.6, 0.0, pytest.approx(2 / 3)),
        (0.4, 1.0, pytest.approx(2 / 3)),
    ]
    assert threshold_at(froc([row], "probability"), 0.5) == 0.6
    assert [p.sensitivity for p in froc([row], "score")] == pytest.approx([1 / 3, 1 / 3, 2 / 3])
    assert threshold_at(froc([row], "score"), 0.5) == 0.95


def test_no_threshold_has_few_enough_false_positives_when_the_surest_are_false(row: CaseRow) -> None:
    assert threshold_at((), 1.0) == math.inf


def test_the_summary_counts_by_size_and_phase(row: CaseRow) -> None:
    about = plain(summarise([row], seed=0))
    assert about["before"]["sensitivity"]["found"] == 2
    assert about["after"]["sensitivity"]["found"] == 1
    assert about["before"]["by_size"]["3-5 mm"]["sensitivity"]["of"] == 1
    assert about["before"]["by_size"]["5-10 mm"]["sensitivity"]["of"] == 2
    assert about["before"]["false_positives_per_scan"]["value"] == 1.0
    assert about["model_2"]["lesions_lost"] == 1
    assert about["model_2"]["false_positives_removed"]["value"] == 0.0
    assert about["model_2"]["sensitivity_change"]["value"] == pytest.approx(-1 / 3, abs=1e-5)
    assert about["at_false_positives"]["before"]["0.5"]["sensitivity"]["all"]["found"] == 2
    assert about["at_false_positives"]["before"]["0.5"]["threshold"] == 0.6


def test_calibration_knows_a_perfect_and_an_inverted_score(row: CaseRow) -> None:
    good = calibration(row.candidates)
    assert good["candidates"] == 3
    assert good["brier"] == pytest.approx((0.05**2 + 0.8**2 + 0.7**2) / 3)
    assert sum(b["n"] for b in good["bins"]) == 3
    assert calibration([])["brier"] is None
    assert calibration(row.candidates[:1])["slope"] is None


def test_a_case_seen_in_training_stays_out_of_the_headline(row: CaseRow, tmp_path) -> None:  # type: ignore[no-untyped-def]
    trained_on_it = Subject("x", "1", nobody, seen=frozenset({"seen"}))
    seen = score_case(case(boxes((2, 2, 2, 3)), "seen"), read(boxes(), [], [], []), trained_on_it)
    report = _report([row, seen], ANYONE, 0, [], [], tmp_path)
    assert report["tiers"]["T2"]["lesions"] == 3
    assert report["tiers"]["T2"]["apart"] == ["seen"]
    said = markdown(report, "T2")
    assert "| seen (seen in training) | 1 |" in said
    assert "2/3 = 0.67" in said
    assert sorted(p.name for p in (tmp_path / "plots").iterdir()) == [
        "T2-calibration.png",
        "T2-dice-by-size.png",
        "T2-froc.png",
    ]
