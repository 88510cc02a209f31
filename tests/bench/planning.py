"""Model 3: a hundred lesions into sessions, dose maps and all; twenty with the proof; and what a wrong kernel costs."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from pipeline.sessions.case import Case, FloatArray, Lesion, Wishes
from pipeline.sessions.choose import plan
from pipeline.sessions.dosemap import sphere
from pipeline.sessions.gram import cross_sum, squared_sum
from pipeline.sessions.kernel import Kernel
from pipeline.sessions.parts import parts_of
from pipeline.sessions.tables import prescribe, read_prescriptions

SEMI_AXES_MM = np.array([70.0, 85.0, 60.0])


def made_up(lesions: int, seed: int, step_mm: float = 2.0) -> Case:
    """An ellipsoid brain with lesions of 3 to 15 mm, two in five of them near another."""
    axes = [np.arange(-a, a + 1e-6, step_mm) for a in SEMI_AXES_MM]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    brain = points[((points / SEMI_AXES_MM) ** 2).sum(1) <= 1].astype(np.float32)
    rng, centres = np.random.default_rng(seed), []
    while len(centres) < lesions:
        at = rng.uniform(-1, 1, 3) * SEMI_AXES_MM
        if centres and rng.random() < 0.4:
            at = centres[rng.integers(len(centres))] + rng.normal(0, 12, 3)
        if ((at / (SEMI_AXES_MM - 5)) ** 2).sum() < 1:
            centres.append(at)
    sizes, rows = np.clip(np.exp(rng.normal(np.log(7), 0.5, lesions)), 3, 15), read_prescriptions()
    made = [Lesion(f"BM{k:02d}", sphere(centres[k], d), prescribe(rows, d)) for k, d in enumerate(sizes)]
    return Case(tuple(made), brain, step_mm**3 / 1000)


def planning() -> None:
    """Print seconds and what is certain of the answers."""
    for lesions, sessions, most in ((20, 2, 20), (20, 3, 8), (20, 4, 6), (20, 5, 5), (100, 10, 12), (100, 10, 20)):
        case = made_up(lesions, lesions)
        wishes = Wishes(sessions=sessions, most_sessions=sessions, most_lesions=most, most_minutes=1e4)
        began = time.perf_counter()
        found = plan(case, wishes)
        seconds, option = time.perf_counter() - began, found.option
        known = "proven" if option.proven else f"at most {option.gap:.1%} from the best"
        print(
            f"{lesions} lesions, {len(found.curve)} number(s) of sessions up to {sessions}, "
            f"{len(case.brain_mm)} points: {seconds:.1f} s, {known}"
        )


def against_naive() -> None:
    """Print what simpler splits cost as ratios to the plan: largest V12, and what lesions of a session add together."""
    print("| lesions, sessions | split | largest V12 | squared doses | brain BED |")
    print("|---|---|---|---|---|")
    for lesions, sessions in ((10, 2), (20, 3), (40, 4)):
        wishes = Wishes(sessions=sessions, most_sessions=sessions, most_minutes=1e4, apart_mm=0)
        plans = [plan(made_up(lesions, seed, step_mm=4.0), wishes) for seed in range(5)]
        for way in ("by size", "by place", "one session"):
            rows = []
            for found in plans:
                of = {c.name: c for c in found.compared}
                best, other = of["optimised"], of[way]
                rows.append((other.v12_ml / best.v12_ml, other.squared / best.squared, other.bed_gy / best.bed_gy))
            cells = " | ".join(f"{np.mean(c):.2f} ({min(c):.2f}-{max(c):.2f})" for c in zip(*rows, strict=True))
            print(f"| {lesions}, {sessions} | {way} | {cells} |")


INDICES = (2.5, 3.0, 3.5, 4.0, 5.0, 6.0)
CASES = 20
LESIONS, SESSIONS = 12, 3


def regret() -> None:
    """Print by how much a plan for one gradient index is worse than the best for another: mean and largest, in %.

    `python -m tests.bench.planning` makes the table in pipeline/sessions/README.md.
    """
    both = np.array([_regrets(made_up(LESIONS, seed, step_mm=4.0)) for seed in range(CASES)]) * 100
    found, pairs = both[:, 0], both[:, 1]
    print(f"{CASES} cases of {LESIONS} lesions in {SESSIONS} sessions")
    print("| planned for | " + " | ".join(f"counted with {g:g}" for g in INDICES) + " |")
    print("|---" * (len(INDICES) + 1) + "|")
    for row, g in enumerate(INDICES):
        cells = [f"{found[:, row, k].mean():.2f} ({found[:, row, k].max():.1f})" for k in range(len(INDICES))]
        print(f"| {g:g} | " + " | ".join(cells) + " |")
    other = ~np.eye(len(INDICES), dtype=bool)
    print(f"of what pairs add alone: {pairs[:, other].mean():.1f} ({pairs.max():.1f}) over all other indices")


def _regrets(case: Case) -> FloatArray:
    """(2, planned for, counted with) by what share a plan exceeds the best: of squared doses, and of pairs alone."""
    wishes = Wishes(sessions=SESSIONS, most_sessions=SESSIONS, apart_mm=0)
    cases = [replace(case, kernel=Kernel(g)) for g in INDICES]
    plans = [plan(c, wishes) for c in cases]
    if not all(p.option.proven for p in plans):
        raise RuntimeError("a plan without a proof")  # its regret could be below 0
    made = np.empty((2, len(INDICES), len(INDICES)))
    for k, scored in enumerate(cases):
        parts = parts_of(scored, wishes)
        names = [n.name for n in scored.lesions]
        for row, planned in enumerate(plans):
            table = np.array([[name in s.lesions for s in planned.sessions] for name in names])
            made[:, row, k] = squared_sum(parts.gram, table), cross_sum(parts.gram, table)
    return np.asarray(made / np.diagonal(made, axis1=1, axis2=2)[:, None, :] - 1)


if __name__ == "__main__":
    planning()
    against_naive()
    regret()
