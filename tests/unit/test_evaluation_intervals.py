"""Intervals and curves, against figures from elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pipeline.evaluation.intervals import bootstrap, difference, median, ratio, reduction, wilson


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662), (9, 10, 0.5958, 0.9821)],
)
def test_wilson_is_that_of_the_textbooks(hits: int, n: int, low: float, high: float) -> None:
    """81 of 263 is Newcombe's (1998) first example; the others are by scipy."""
    assert wilson(hits, n) == pytest.approx((low, high), abs=5e-5)
    theirs = stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson(hits, n) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_without_trials_there_is_no_interval() -> None:
    assert wilson(0, 0) is None


def test_the_bootstrap_agrees_with_scipy_when_every_item_is_its_own_cluster() -> None:
    values = np.random.default_rng(3).gamma(2.0, 1.0, 40)
    ours = bootstrap(values[:, None], [f"{k:02d}" for k in range(40)], lambda a: float(a.mean()), seed=1)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20000, method="BCa", rng=np.random.default_rng(2))
    assert ours.value == pytest.approx(values.mean())
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.06)


def test_equal_seeds_give_equal_intervals_and_others_do_not() -> None:
    values, groups = list(np.random.default_rng(5).normal(size=30)), [str(k % 10) for k in range(30)]
    assert median(values, groups, 7) == median(values, groups, 7)
    assert ratio(values, [1.0] * 30, groups, 7) != ratio(values, [1.0] * 30, groups, 8)


def test_whole_patients_are_resampled() -> None:
    """Ten patients with ten equal lesions each know no more than ten lesions do."""
    hits = [1.0] * 60 + [0.0] * 40
    patients = [str(k // 10) for k in range(100)]
    clustered, alone = (ratio(hits, [1.0] * 100, g, 0) for g in (patients, [str(k) for k in range(100)]))
    assert clustered.high - clustered.low > 2 * (alone.high - alone.low)


def test_too_few_patients_give_no_interval() -> None:
    found = ratio([1.0, 0.0, 1.0, 1.0], [1.0] * 4, ["a", "a", "b", "c"], 0)
    assert (found.value, found.low, found.high) == (0.75, None, None)


def test_a_paired_difference_is_narrower_than_two_intervals() -> None:
    rng = np.random.default_rng(11)
    before = rng.normal(0.7, 0.2, 40)
    after, patients = before - 0.05 + rng.normal(0, 0.01, 40), [str(k) for k in range(40)]
    change = difference(list(after), list(before), patients, 0)
    assert change.low < (after - before).mean() < change.high < 0
    assert reduction([1.0, 1.0, 0.0], [4.0, 2.0, 2.0], ["a", "b", "c"], 0).value == pytest.approx(0.75)


def test_statistics_of_nothing_are_nothing() -> None:
    assert median([], [], 0).value is None
    assert ratio([0.0], [0.0], ["a"], 0).value is None
    assert difference([], [], [], 0).value is None
