"""What the detectors and their fusion reach on women whom neither has seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from pipeline.recipes.mammography.fuse import Fusion, Peak
from pipeline.training.mammography.fuse import RATES, Seen

RESAMPLES = 500
SEED = 20261123


def figures(seen: Sequence[Seen], fusions: Mapping[str, Fusion]) -> dict[str, Any]:
    """JSON-ready. fusions: by patient, learnt without her. Intervals: 95 %, women drawn with replacement."""
    by_name = {s.name: s for s in seen}
    raw = {s.name: fusions[s.patient].raw(s.maps) for s in seen}
    scores = [fusions[s.patient].score(raw[s.name], raw[s.other] if s.other in by_name else None) for s in seen]
    alone = [fusions[s.patient].score(raw[s.name], None) for s in seen]
    truth = {"abnormal": [s.abnormal for s in seen], "malignant": [s.malignant for s in seen]}
    patients = np.array([s.patient for s in seen])
    found: dict[str, Any] = {"images": len(seen), "women": len(set(patients))}
    for name, is_true in truth.items():
        for words, rows in (("", scores), (", alone", alone)):
            values = np.array([row[name] for row in rows])
            found[f"{name}{words}"] = _auc(np.array(is_true), values, patients)
    return found | {"sensitivity": _sensitivities([s for s in seen if s.placed], fusions)}


def _auc(truth: NDArray[np.bool_], values: NDArray[np.float64], groups: NDArray[np.str_]) -> dict[str, Any]:
    rows = {g: np.flatnonzero(groups == g) for g in np.unique(groups)}
    names, random, drawn = sorted(rows), np.random.default_rng(SEED), []
    for _ in range(RESAMPLES):
        at = np.concatenate([rows[g] for g in random.choice(names, len(names))])
        if 0 < truth[at].sum() < len(at):
            drawn.append(roc_auc_score(truth[at], values[at]))
    low, high = np.percentile(drawn, [2.5, 97.5]).tolist()
    return {"auc": float(roc_auc_score(truth, values)), "ci95": [low, high]}


def _sensitivities(known: Sequence[Seen], fusions: Mapping[str, Fusion]) -> dict[str, Any]:
    marks = [_scored(s, fusions[s.patient]) for s in known]
    groups = np.array([s.patient for s in known])
    rows = {g: np.flatnonzero(groups == g) for g in np.unique(groups)}
    names, random = sorted(rows), np.random.default_rng(SEED)
    drawn = [_at_rates([marks[i] for g in random.choice(names, len(names)) for i in rows[g]]) for _ in range(RESAMPLES)]
    low, high = np.percentile(np.array(drawn), [2.5, 97.5], axis=0)
    count = sum(len(s.targets) for s in known)
    value = _at_rates(marks)
    return {
        rate: {"value": value[k], "ci95": [float(low[k]), float(high[k])], "lesions": count}
        for k, rate in enumerate(RATES)
    }


Scored = tuple[list[float], list[float]]
"""Of one image: the best score on each lesion, and the scores of false marks."""


def _scored(image: Seen, fusion: Fusion) -> Scored:
    found: list[tuple[Peak, float]] = [(m, float(fusion.mark.of(m.score))) for m in fusion.marks(image.maps)]
    best = [max((s for m, s in found if t.is_hit(m)), default=-1.0) for t in image.targets]
    return best, [s for m, s in found if not any(t.is_hit(m) for t in image.targets)]


def _at_rates(marks: Sequence[Scored]) -> list[float]:
    best = np.array([b for own, _ in marks for b in own])
    wrong = np.sort(np.array([w for _, own in marks for w in own]))[::-1]
    at = [min(int(float(rate) * len(marks)), len(wrong) - 1) for rate in RATES]
    return [float((best > wrong[k]).mean()) if len(best) else 0.0 for k in at]
