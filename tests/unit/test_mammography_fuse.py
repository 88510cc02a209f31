"""Fusion of heat maps: peaks, prices, scores; and what the training learns of them, on made-up maps."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.errors import WeightsCorrupt
from pipeline.recipes.mammography.fuse import APART_MM, CELL_MM, Curve, Fusion, Maps, Peak, of_breast, peaks, suppressed
from pipeline.training.mammography.figures import figures
from pipeline.training.mammography.fuse import RATES, Seen, Target, learn

ROWS, COLUMNS = 30, 20


def blob(row: float, column: float, height: float, shape: tuple[int, int] = (ROWS, COLUMNS)) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return height * np.exp(-0.5 * ((y - row) ** 2 + (x - column) ** 2) / 1.5**2)


def maps(seed: int, lesion: tuple[float, float] | None, malignant: bool = False, specks: bool = False) -> Maps:
    """Noise, and a bump where the lesion is."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(4, ROWS, COLUMNS))
    fine = rng.normal(size=(2 * ROWS, 2 * COLUMNS))
    if lesion is not None and specks:
        fine += blob(2 * lesion[0] + 0.5, 2 * lesion[1] + 0.5, 8.0, fine.shape)
    elif lesion is not None:
        noise += blob(*lesion, 6.0) * np.array([1, malignant, 1, malignant])[:, None, None]
    noise[:, :2] = -np.inf
    fine[:4] = -np.inf
    return Maps(*(a.astype(np.float32) for a in (noise[:2], noise[2:], fine)))


def women(count: int = 60) -> list[Seen]:
    """Two breasts each; every other woman has a lesion in the right one, half of these malignant, some of specks."""
    made = []
    for woman in range(count):
        sick = woman % 2 == 0
        at = (5.0 + woman % 20, 4.0 + woman % 12) if sick else None
        for side in "RL":
            here = at if side == "R" else None
            target = () if here is None else (Target((here[1] + 0.5) * CELL_MM, (here[0] + 0.5) * CELL_MM, 5.0),)
            found = maps(2 * woman + (side == "L"), here, woman % 4 == 0, woman % 6 == 0)
            other = f"{woman}{'L' if side == 'R' else 'R'}"
            ill = here is not None
            made.append(Seen(f"{woman}{side}", str(woman), ill, ill and woman % 4 == 0, target, True, found, other))
    return made


@pytest.fixture(scope="module")
def fusion() -> Fusion:
    return learn(women())


def test_a_peak_is_placed_between_cells_by_its_neighbours():
    (found,) = peaks(blob(10.3, 7.8, 5.0).astype(np.float32), CELL_MM, most=1)
    assert found.y_mm / CELL_MM - 0.5 == pytest.approx(10.3, abs=0.2)
    assert found.x_mm / CELL_MM - 0.5 == pytest.approx(7.8, abs=0.2)


def test_peaks_keep_apart_and_fall():
    found = peaks(np.random.default_rng(1).normal(size=(ROWS, COLUMNS)).astype(np.float32), CELL_MM)
    assert [p.score for p in found] == sorted((p.score for p in found), reverse=True)
    away = [np.hypot(a.x_mm - b.x_mm, a.y_mm - b.y_mm) for a in found for b in found if a is not b]
    assert min(away) > APART_MM - 2 * CELL_MM


def test_a_map_without_tissue_has_no_peak_and_one_without_cells_neither():
    assert peaks(np.full((5, 5), -np.inf, np.float32), CELL_MM) == ()
    assert peaks(np.zeros((0, 4), np.float32), CELL_MM) == ()


def test_of_marks_too_near_each_other_the_better_stays():
    marks = [Peak(0, 0, 1.0), Peak(APART_MM - 1, 0, 2.0), Peak(2 * APART_MM + 2, 0, 0.5, of_specks=True)]
    assert suppressed(marks) == (marks[1], marks[2])


def test_a_price_falls_with_the_score_also_beyond_the_knots():
    curve = Curve((3.0, 1.0, -2.0), (-4.0, -1.0, 2.0), -1.5)
    values = [curve.value(s) for s in (-5.0, -2.0, 0.0, 1.0, 3.0, 5.0)]
    assert values == sorted(values)
    assert curve.value(3.0) == pytest.approx(4.0)
    assert curve.value(5.0) == pytest.approx(4.0 + 1.5 * 2)


def test_what_is_learnt_finds_lesions_of_both_kinds_on_other_women(fusion: Fusion):
    lesion, clear = maps(900, (12.0, 8.0)), maps(901, None)
    best = fusion.marks(lesion)[0]
    assert Target(8.5 * CELL_MM, 12.5 * CELL_MM, 5.0).is_hit(best)
    assert fusion.mark.of(best.score) > 0.5 > fusion.mark.of(fusion.marks(clear)[0].score)
    specks = fusion.marks(maps(902, (12.0, 8.0), specks=True))[0]
    assert specks.of_specks
    assert Target(8.5 * CELL_MM, 12.5 * CELL_MM, 5.0).is_hit(specks)


def test_operating_points_give_about_the_false_marks_that_they_promise(fusion: Fusion):
    clear = [maps(2000 + k, None) for k in range(60)]
    for rate in ("0.5", "1", "2"):
        count = sum(float(fusion.mark.of(p.score)) >= fusion.threshold(rate) for m in clear for p in fusion.marks(m))
        assert count / len(clear) == pytest.approx(float(rate), rel=0.5)
    assert [fusion.threshold(r) for r in RATES] == sorted((fusion.threshold(r) for r in RATES), reverse=True)


def test_the_other_breast_makes_an_image_more_or_less_suspicious(fusion: Fusion):
    ill, clear = fusion.raw(maps(900, (12.0, 8.0))), fusion.raw(maps(901, None))
    for name in ("abnormal", "malignant"):
        assert fusion.score(ill, clear)[name] > fusion.score(ill, ill)[name] > fusion.score(clear, ill)[name]
        assert fusion.score(ill, None)[name] > fusion.score(clear, None)[name]


def test_heat_is_what_a_mark_at_the_place_would_score(fusion: Fusion):
    found = maps(900, (12.0, 8.0))
    heat, best = fusion.heat(found), fusion.marks(found)[0]
    assert heat.shape == (2 * ROWS, 2 * COLUMNS)
    assert heat.max() == pytest.approx(float(fusion.mark.of(best.score)), abs=1e-5)
    assert heat[:4].max() == 0.0


def test_constants_are_kept_exactly(fusion: Fusion):
    assert Fusion.from_json(fusion.to_json()) == fusion


@pytest.mark.parametrize("content", [b"{}", b"[]", b"no", b'{"format": 2}', b'{"format": 1, "cells": {}}'])
def test_other_files_are_no_constants(content: bytes):
    with pytest.raises(WeightsCorrupt, match="fusion"):
        Fusion.from_json(content)


def test_a_breast_is_between_its_views():
    assert of_breast([0.3]) == pytest.approx(0.3)
    assert 0.2 < of_breast([0.2, 0.8]) == pytest.approx(0.5)


def test_figures_are_high_where_lesions_stand_out_and_in_the_middle_where_truth_is_shuffled():
    seen = women()
    half = {s.patient: int(s.patient) % 3 for s in seen}
    learnt = [learn([s for s in seen if half[s.patient] != k]) for k in range(3)]
    found = figures(seen, {s.patient: learnt[half[s.patient]] for s in seen})
    assert found["abnormal"]["auc"] > 0.95
    low, high = found["sensitivity"]["1"]["ci95"]
    assert low <= found["sensitivity"]["1"]["value"] <= high
    assert found["sensitivity"]["1"]["value"] > 0.9
    assert found["sensitivity"]["1"]["lesions"] == 30
