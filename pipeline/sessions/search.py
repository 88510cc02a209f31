"""Local search: many random starts at once, each moved and swapped to where nothing gets better.

On random cases it finds the proven optimum nearly always (bench); how far it can be from it `bound.py` says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.sessions.problem import FloatArray, IntArray, Problem

STARTS = 300
POLISHED = 8
"""So many of the best starts are also improved by swaps, which cost more."""

_PENALTY = 10.0
"""A broken limit weighs this many times all weights together."""


@dataclass(slots=True, eq=False)
class _State:
    """S starts side by side: sessions (S, n); shared (S, n, K) weight with those already in each session."""

    sessions: IntArray
    shared: FloatArray


def search(problem: Problem, seed: int = 0, starts: int = STARTS, given: IntArray | None = None) -> IntArray:
    """(n,) the best grouping found; it may exceed limits when none that keeps them was found.

    given: a grouping to start from too: what is returned is never worse.
    """
    n, k = problem.parts, problem.sessions
    if n == 0 or k == 1:
        return np.zeros(n, np.intp)
    rng = np.random.default_rng(seed)
    sessions = np.concatenate([_balanced(rng, problem, starts // 2), _greedy(rng, problem, starts - starts // 2)])
    if given is not None:
        sessions = np.concatenate([sessions, given[None]])
    sessions = np.where(problem.locked >= 0, problem.locked, sessions)
    sessions = _moved(problem, sessions)
    best = np.argsort([_value(problem, s) for s in sessions], kind="stable")[:POLISHED]
    polished = _swapped(problem, sessions[best])
    return min((*polished, *sessions[best[:1]]), key=lambda s: _value(problem, s))


def _value(problem: Problem, sessions: IntArray) -> float:
    return problem.cost(sessions) + _price(problem) * problem.excess(sessions)


def _price(problem: Problem) -> float:
    return _PENALTY * (float(np.triu(problem.weights, 1).sum()) + 1e-9)


def _balanced(rng: np.random.Generator, problem: Problem, starts: int) -> IntArray:
    """Random groupings into sessions of equal size."""
    even = np.arange(problem.parts) % problem.sessions
    return np.array([rng.permutation(even) for _ in range(starts)], np.intp).reshape(starts, problem.parts)


def _greedy(rng: np.random.Generator, problem: Problem, starts: int) -> IntArray:
    """Parts one after the other in random order, each where it adds least."""
    weights = problem.weights + _price(problem) * problem.apart
    made = np.zeros((starts, problem.parts), np.intp)
    for sessions in made:
        shared = np.zeros((problem.parts, problem.sessions))
        for i in rng.permutation(problem.parts):
            sessions[i] = int((shared[i] + 1e-12 * rng.random(problem.sessions)).argmin())
            shared[:, sessions[i]] += weights[i]
    return made


def _moved(problem: Problem, sessions: IntArray) -> IntArray:
    """Each start with its best single move, again and again, until none helps."""
    state = _State(sessions.copy(), _shared(problem, sessions))
    rows = np.arange(len(sessions))
    weights = _weights(problem)
    active = np.ones(len(sessions), bool)
    while active.any():
        gain = _move_gains(problem, state, rows[active])
        flat = gain.reshape(len(gain), -1)
        best = flat.argmin(axis=1)
        better = flat[np.arange(len(flat)), best] < -1e-9
        which = rows[active]
        active[which[~better]] = False
        part, to = np.divmod(best[better], problem.sessions)
        start = which[better]
        _move(state, weights, start, part, to)
    return state.sessions


def _move(state: _State, weights: FloatArray, start: IntArray, part: IntArray, to: IntArray) -> None:
    out = state.sessions[start, part]
    state.shared[start, :, out] -= weights[part]
    state.shared[start, :, to] += weights[part]
    state.sessions[start, part] = to


def _weights(problem: Problem) -> FloatArray:
    weights = problem.weights + _price(problem) * problem.apart
    np.fill_diagonal(weights, 0.0)
    return np.asarray(weights)


def _shared(problem: Problem, sessions: IntArray) -> FloatArray:
    z = np.eye(problem.sessions)[sessions]
    return np.asarray(np.einsum("ij,sjk->sik", _weights(problem), z))


def _move_gains(problem: Problem, state: _State, rows: IntArray) -> FloatArray:
    """(rows, n, K): by how much the value changes when a part goes into another session; inf for locked ones."""
    sessions, shared = state.sessions[rows], state.shared[rows]
    here = np.take_along_axis(shared, sessions[..., None], axis=2)
    gain = shared - here
    for amount, limit in _limits(problem):
        gain += _price(problem) * _limit_gains(amount / limit, sessions, problem.sessions)
    gain[:, problem.locked >= 0] = np.inf
    np.put_along_axis(gain, sessions[..., None], np.inf, axis=2)
    return np.asarray(gain)


def _limits(problem: Problem) -> list[tuple[FloatArray, float]]:
    """Each linear limit that can be exceeded: how much each part adds, and the most there may be."""
    rows = [
        (problem.minutes, problem.most_minutes),
        (np.ones(problem.parts), float(problem.most)),
        *((problem.organ_gy[:, p], float(limit)) for p, limit in enumerate(problem.organ_limit_gy)),
    ]
    return [(amount, limit) for amount, limit in rows if amount.sum() > limit]


def _limit_gains(amount: FloatArray, sessions: IntArray, k: int) -> FloatArray:
    """The same for one limit of 1: (rows, n, K)."""
    load = np.einsum("i,sik->sk", amount, np.eye(k)[sessions])
    over = np.maximum(load - 1, 0)
    with_it = np.maximum(load[:, None, :] + amount[None, :, None] - 1, 0) - over[:, None, :]
    at_home = np.take_along_axis(load, sessions, axis=1)
    without = np.maximum(at_home - amount - 1, 0) - np.maximum(at_home - 1, 0)
    return np.asarray(with_it + without[..., None])


def _swapped(problem: Problem, sessions: IntArray) -> list[IntArray]:
    """Each start with its best exchange of two parts, then moves again, until neither helps."""
    done = []
    weights = _weights(problem)
    free = problem.locked < 0
    for start in sessions:
        now, value = start, _value(problem, start)
        while True:
            shared = _shared(problem, now[None])[0]
            here = shared[np.arange(problem.parts), now]
            gain = shared[:, now] - here[:, None]
            gain = gain + gain.T - 2 * weights
            gain[(now[:, None] == now) | ~free[:, None] | ~free] = np.inf
            swapped = _best_swap(problem, now, value, gain)
            if swapped is None:
                break
            now = _moved(problem, swapped[None])[0]
            value = _value(problem, now)
        done.append(now)
    return done


def _best_swap(problem: Problem, now: IntArray, value: float, gain: FloatArray) -> IntArray | None:
    """The first of the promising exchanges that is better, limits and all."""
    order = np.argsort(gain, axis=None)[: 4 * problem.parts]
    for i, j in zip(*np.unravel_index(order, gain.shape), strict=True):
        if gain[i, j] >= -1e-9 and not _limits(problem):
            return None
        if not np.isfinite(gain[i, j]):
            return None
        other = now.copy()
        other[i], other[j] = now[j], now[i]
        if _value(problem, other) < value - 1e-9:
            return other
    return None
