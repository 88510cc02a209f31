"""Does a score of 0.8 mean four in five?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from pipeline.evaluation.scoring import CandidateRow

BINS = 10
_EDGE = 1e-6


def calibration(candidates: Sequence[CandidateRow]) -> dict[str, Any]:
    """`reliability` of the scores of candidates, all either on a lesion or false; `candidates` is how many."""
    said = reliability([c.score for c in candidates], [bool(c.lesions) for c in candidates])
    return {"candidates": len(candidates), **said}


def reliability(scores: Sequence[float], truths: Sequence[bool]) -> dict[str, Any]:
    """Brier score, expected calibration error, slope and intercept (logistic regression on the logit; 1 and 0 are
    ideal), and bins of a tenth: mean score, share that is true (`lesions`), number.

    Brier and error are None without scores, slope and intercept when all are of one kind.
    """
    score, right = np.array(scores, float), np.array(truths, float)
    slope, intercept = _line(score, right)
    bins = _bins(score, right)
    off = sum(b["n"] * abs(b["mean_score"] - b["lesions"]) for b in bins)
    return {
        "brier": float(((score - right) ** 2).mean()) if len(score) else None,
        "expected_error": off / len(score) if len(score) else None,
        "slope": slope,
        "intercept": intercept,
        "bins": bins,
    }


def _line(score: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> tuple[float | None, float | None]:
    logit = np.log(np.clip(score, _EDGE, 1 - _EDGE) / np.clip(1 - score, _EDGE, 1 - _EDGE))
    if len(set(right.tolist())) < 2 or np.ptp(logit) == 0:
        return None, None
    # A little ridge, for candidates that the score parts perfectly.
    fitted = LogisticRegression(C=100.0, max_iter=1000).fit(logit[:, None], right)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def _bins(score: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> list[dict[str, float]]:
    place = np.minimum((score * BINS).astype(int), BINS - 1)
    return [
        {"mean_score": float(score[place == k].mean()), "lesions": float(right[place == k].mean()), "n": int(n)}
        for k in range(BINS)
        if (n := int((place == k).sum()))
    ]
