"""Scenes of lesions and predictions, for comparing metrics; numpy alone, for other interpreters to import."""

from __future__ import annotations

import numpy as np

SHAPE = (60, 60, 60)


def scene(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Truth and prediction (bool, 60^3): found lesions, misses and false positives on a grid, far from each other."""
    rng = np.random.default_rng(seed)
    truth, prediction = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    for cell in np.ndindex(3, 3, 3):
        middle = 10.0 + 20.0 * np.array(cell)
        kind = rng.choice(["nothing", "found", "missed", "false"], p=[0.4, 0.35, 0.12, 0.13])
        radius = float(rng.uniform(2.0, 5.0))
        if kind in ("found", "missed"):
            truth |= _ball(middle, radius)
        if kind == "found":
            prediction |= _ball(middle + rng.uniform(-1.2, 1.2, 3), radius * float(rng.uniform(0.8, 1.2)))
        if kind == "false":
            prediction |= _ball(middle, radius)
    return truth, prediction


def _ball(centre: np.ndarray, radius: float) -> np.ndarray:
    return sum((g - c) ** 2 for g, c in zip(np.indices(SHAPE), centre, strict=True)) <= radius**2
