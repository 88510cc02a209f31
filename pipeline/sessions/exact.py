"""Proven optima: a mixed-integer program (HiGHS) for up to some 20 parts, with every limit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, lil_array

from pipeline.sessions.problem import IntArray, Problem

LARGEST = 20
"""Parts up to which a proof comes in seconds."""

PATIENCE_S = 20.0

_OPTIMAL, _STOPPED, _INFEASIBLE = 0, 1, 2


@dataclass(frozen=True, slots=True, eq=False)
class Proof:
    """What the solver says.

    sessions: (n,) the best grouping, None when it found none.
    bound:    no grouping that keeps all limits has a smaller cost.
    proven:   `sessions` is optimal; or, with None, nothing keeps all limits.
    """

    sessions: IntArray | None
    bound: float
    proven: bool


def solve(problem: Problem, patience_s: float = PATIENCE_S) -> Proof:
    """Minimise the weight of pairs in one session: z_is part i in session s, y_ij >= z_is + z_js - 1."""
    n, k = problem.parts, problem.sessions
    pairs = np.array(np.triu_indices(n, 1)).T
    count = n * k
    scale = float(problem.weights.max(initial=0)) or 1.0  # HiGHS' tolerances are absolute
    cost = np.concatenate([np.zeros(count), problem.weights[pairs[:, 0], pairs[:, 1]] / scale])
    answer = milp(
        cost,
        integrality=np.concatenate([np.ones(count), np.zeros(len(pairs))]),
        bounds=_bounds(problem, pairs),
        constraints=[*_once(n, k, len(pairs)), _together(n, k, pairs), *_limits(problem, len(pairs))],
        options={"time_limit": patience_s, "mip_rel_gap": 1e-6},
    )
    if answer.status == _INFEASIBLE:
        return Proof(None, np.inf, proven=True)
    bound = float(answer.mip_dual_bound) * scale if answer.mip_dual_bound is not None else 0.0
    if answer.x is None:
        return Proof(None, bound, proven=False)
    sessions = np.asarray(answer.x[:count].reshape(n, k).argmax(axis=1), np.intp)
    return Proof(sessions, bound, proven=answer.status == _OPTIMAL)


def _bounds(problem: Problem, pairs: IntArray) -> Bounds:
    n, k = problem.parts, problem.sessions
    most = np.ones((n, k))
    least = np.zeros((n, k))
    fixed = problem.locked >= 0
    if fixed.any():
        most[fixed] = 0
        most[fixed, problem.locked[fixed]] = least[fixed, problem.locked[fixed]] = 1
    else:  # sessions have no names of their own: the first part is in the first, the second in the first two, ...
        most[np.arange(k) > np.arange(n)[:, None]] = 0
    shared = np.where(problem.apart[pairs[:, 0], pairs[:, 1]], 0.0, 1.0)
    return Bounds(np.concatenate([least.ravel(), np.zeros(len(pairs))]), np.concatenate([most.ravel(), shared]))


def _once(n: int, k: int, pairs: int) -> list[LinearConstraint]:
    rows = csr_array(np.hstack([np.kron(np.eye(n), np.ones(k)), np.zeros((n, pairs))]))
    return [LinearConstraint(rows, 1, 1)]


def _together(n: int, k: int, pairs: IntArray) -> LinearConstraint:
    rows = lil_array((len(pairs) * k, n * k + len(pairs)))
    for p, (i, j) in enumerate(pairs):
        for s in range(k):
            rows[p * k + s, i * k + s] = rows[p * k + s, j * k + s] = 1
            rows[p * k + s, n * k + p] = -1
    return LinearConstraint(csr_array(rows), -np.inf, 1)


def _limits(problem: Problem, pairs: int) -> list[LinearConstraint]:
    amounts = [
        (problem.minutes, problem.most_minutes),
        (np.ones(problem.parts), problem.most),
        *((problem.organ_gy[:, p], limit) for p, limit in enumerate(problem.organ_limit_gy)),
    ]
    rows = [
        np.concatenate([np.kron(amount, np.eye(problem.sessions)[s]), np.zeros(pairs)])
        for amount, limit in amounts
        if amount.sum() > limit
        for s in range(problem.sessions)
    ]
    most = [limit for amount, limit in amounts if amount.sum() > limit for _ in range(problem.sessions)]
    return [LinearConstraint(csr_array(np.array(rows)), -np.inf, most)] if rows else []
