"""Grouping: optima against brute force, bounds that hold, limits that are kept, answers that do not depend on names."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from pipeline.sessions import exact
from pipeline.sessions.bound import water_filling
from pipeline.sessions.gram import gram, squared_sum
from pipeline.sessions.naive import by_place, by_size
from pipeline.sessions.problem import Problem
from pipeline.sessions.search import search

CASES = 1000


def problem(weights: np.ndarray, sessions: int, **limits: object) -> Problem:
    n = len(weights)
    free = {
        "apart": np.zeros((n, n), bool),
        "minutes": np.ones(n),
        "most_minutes": 1e9,
        "most": n,
        "organ_gy": np.zeros((n, 0)),
        "organ_limit_gy": np.zeros(0),
        "locked": np.full(n, -1),
    }
    return Problem(weights, sessions, **(free | limits))  # type: ignore[arg-type]


def doses(rng: np.random.Generator, n: int, voxels: int = 400) -> np.ndarray:
    """Inverse squares about random places in a box of 120 mm."""
    points, centres = rng.uniform(-60, 60, (voxels, 3)), rng.uniform(-55, 55, (n, 3))
    radii = rng.uniform(1.5, 12, n)
    away = np.maximum(np.linalg.norm(points[None] - centres[:, None], axis=2), radii[:, None])
    return (20 * (radii[:, None] / away) ** 2).astype(np.float32)


def groupings(n: int, sessions: int) -> Iterator[np.ndarray]:
    """Each partition into at most so many groups once."""

    def grow(done: list[int]) -> Iterator[list[int]]:
        if len(done) == n:
            yield done
            return
        for s in range(min(max(done, default=-1) + 2, sessions)):
            yield from grow([*done, s])

    return (np.array(g) for g in grow([]))


def brute(case: Problem) -> float:
    return min((case.cost(g) for g in groupings(case.parts, case.sessions) if case.keeps(g)), default=np.inf)


def test_the_search_is_as_good_as_trying_all_groupings_on_a_thousand_small_cases():
    for seed in range(CASES):
        rng = np.random.default_rng(seed)
        n, k = int(rng.integers(2, 8 if seed % 20 else 11)), int(rng.integers(2, 4))
        case = problem(gram(doses(rng, n, 60), 0.1), k, most=-(-n // k) + 1)
        found = search(case, starts=60)
        assert case.keeps(found)
        assert case.cost(found) == pytest.approx(brute(case), rel=1e-9, abs=1e-9), (seed, n, k)


@pytest.mark.parametrize("seed", range(12))
def test_a_proof_agrees_with_trying_all_groupings_limits_and_all(seed: int):
    rng = np.random.default_rng(seed)
    n, k = 7, 3
    apart = np.triu(rng.random((n, n)) < 0.15, 1)
    organ = rng.random((n, 2)) * 5
    locked = np.full(n, -1)
    if seed % 3 == 0:
        locked[3] = 2
    case = problem(
        gram(doses(rng, n), 0.1), k,
        apart=apart | apart.T, minutes=rng.uniform(5, 15, n), most_minutes=40.0, most=4,
        organ_gy=organ, organ_limit_gy=np.array([9.0, 8.0]), locked=locked,
    )  # fmt: skip
    every = [np.array(g) for g in itertools.product(range(k), repeat=n)]
    best = min((case.cost(g) for g in every if case.keeps(g)), default=np.inf)
    proof = exact.solve(case)
    assert proof is not None
    if proof.sessions is None:
        assert best == np.inf
        return
    assert case.keeps(proof.sessions)
    assert case.cost(proof.sessions) == pytest.approx(best, rel=1e-5)
    found = search(case)
    assert case.keeps(found)
    assert case.cost(found) == pytest.approx(best, rel=0.02)


def test_what_cannot_be_is_proven_impossible():
    every = ~np.eye(4, dtype=bool)
    proof = exact.solve(problem(np.ones((4, 4)), 3, apart=every))
    assert proof is not None
    assert proof.sessions is None


@pytest.mark.parametrize("sessions", [1, 2, 3, 4, 5, 6, 7])
def test_a_proof_cuts_sets_rightly_for_any_number_of_sessions(sessions: int):
    rng = np.random.default_rng(sessions)
    n = 8
    apart = np.triu(rng.random((n, n)) < 0.1, 1) if sessions > 2 else np.zeros((n, n), bool)
    case = problem(gram(doses(rng, n), 0.1), sessions, apart=apart | apart.T, most=-(-n // sessions) + 1)
    best = brute(case)
    proof = exact.solve(case)
    assert proof is not None
    assert proof.sessions is not None
    assert case.keeps(proof.sessions)
    assert case.cost(proof.sessions) == pytest.approx(best, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("sessions", [2, 3, 4, 5])
def test_twenty_parts_are_proven_by_counted_cuts_alone_and_twice_the_same(sessions: int):
    case = problem(gram(doses(np.random.default_rng(1), 20), 0.1), sessions, most=-(-20 // sessions) + 1)
    first, again = exact.solve(case), exact.solve(case)
    assert first is not None
    assert again is not None
    assert first.sessions is not None
    assert np.array_equal(first.sessions, again.sessions)
    assert case.keeps(first.sessions)
    assert case.cost(first.sessions) <= case.cost(search(case)) + 1e-9


def test_a_question_of_too_many_cuts_is_left_alone():
    assert exact.solve(problem(np.ones((21, 21)), 3)) is None
    assert exact.solve(problem(np.ones((20, 20)), 5)) is None  # of any size: too many cuts


def test_the_bound_is_never_above_the_best_grouping_and_is_exact_where_voxels_agree():
    for seed in range(60):
        rng = np.random.default_rng(seed)
        d = doses(rng, int(rng.integers(2, 8)))
        k = int(rng.integers(1, 4))
        g = gram(d, 1.0)
        best = min(squared_sum(g, np.eye(k, dtype=bool)[s]) for s in groupings(len(d), k))
        assert water_filling(d, k, 1.0) <= best * (1 + 1e-6)
    one_each = np.eye(3, dtype=np.float32)
    assert water_filling(one_each, 3, 1.0) == pytest.approx(3.0)
    assert water_filling(np.ones((4, 1), np.float32), 2, 1.0) == pytest.approx(8.0)  # two and two
    assert water_filling(np.array([[10.0], [1.0], [1.0]], np.float32), 2, 1.0) == pytest.approx(104.0)


def test_the_plan_is_never_worse_than_a_deal_by_size():
    for seed in range(CASES):
        rng = np.random.default_rng(seed)
        n, k = int(rng.integers(3, 25 if seed % 10 == 0 else 11)), int(rng.integers(2, 6))
        case = problem(gram(doses(rng, n, 80), 0.1), k, most=-(-n // k) + 1)
        dealt = by_size(rng.random(n), k)
        assert case.cost(search(case, starts=8, given=dealt)) <= case.cost(dealt) + 1e-9


def test_names_do_not_matter_and_equal_questions_have_equal_answers():
    rng = np.random.default_rng(5)
    weights = gram(doses(rng, 14), 0.1)
    order = rng.permutation(14)
    first, other = problem(weights, 3, most=6), problem(weights[np.ix_(order, order)], 3, most=6)
    found, same, turned = search(first), search(first), search(other)
    assert np.array_equal(found, same)
    assert first.cost(found) == pytest.approx(other.cost(turned))
    together = found[:, None] == found
    assert np.array_equal(together[np.ix_(order, order)], turned[:, None] == turned)


def test_one_session_more_is_never_worse():
    rng = np.random.default_rng(8)
    weights = gram(doses(rng, 16), 0.1)
    costs = [case.cost(search(case)) for k in range(1, 7) for case in [problem(weights, k)]]
    assert all(b <= a + 1e-9 for a, b in itertools.pairwise(costs))


def test_a_lock_is_kept_and_a_part_that_is_free_goes_elsewhere():
    weights = np.array([[0, 9, 1], [9, 0, 1], [1, 1, 0.0]])
    found = search(problem(weights, 2, locked=np.array([1, -1, -1])))
    assert found[0] == 1
    assert found[1] == 0


def test_parts_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="fit together"):
        problem(np.ones((3, 3)), 2, minutes=np.ones(2))
    with pytest.raises(ValueError, match="locked"):
        problem(np.ones((3, 3)), 2, locked=np.array([5, -1, -1]))


def test_what_a_planner_does_at_first_sight():
    assert by_size(np.array([3.0, 9.0, 5.0, 7.0]), 2).tolist() == [1, 0, 0, 1]
    centres = np.array([[0, 0, 0], [1, 0, 0], [50, 0, 0], [51, 0, 0.0]])
    place = by_place(centres, 2)
    assert place[0] == place[1] != place[2] == place[3]
