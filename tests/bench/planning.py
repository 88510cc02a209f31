"""Model 3: a hundred lesions into sessions, dose maps and all; and twenty with the proof."""

from __future__ import annotations

import time

import numpy as np

from pipeline.sessions import exact
from pipeline.sessions.case import Case, Lesion, Wishes
from pipeline.sessions.choose import plan
from pipeline.sessions.dosemap import sphere
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
    for lesions, sessions, most in ((20, 3, 8), (100, 10, 12), (100, 10, 20)):
        case = made_up(lesions, lesions)
        wishes = Wishes(sessions=sessions, most_sessions=sessions, most_lesions=most, most_minutes=1e4)
        began = time.perf_counter()
        found = plan(case, wishes, patience_s=exact.PATIENCE_S)
        seconds, option = time.perf_counter() - began, found.option
        known = "proven" if option.proven else f"at most {option.gap:.1%} from the best"
        print(
            f"{lesions} lesions, {len(found.curve)} number(s) of sessions up to {sessions}, "
            f"{len(case.brain_mm)} points: {seconds:.1f} s, {known}"
        )
