"""Figures of a false-positive step, from out-of-fold probabilities: threshold, rates, calibration, by size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from pipeline.evaluation.intervals import wilson
from pipeline.radiomics.patch import Floats, Mask
from pipeline.training.rejection.candidates import Samples
from pipeline.training.rejection.svm import SEED

WANTED = 0.97
AT_MOST_LOST = 0.02
BINS_MM = ((0.0, 3.0), (3.0, 5.0), (5.0, 10.0), (10.0, np.inf))
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Threshold:
    """From which probability on candidates are kept, and by which rule that was chosen."""

    value: float
    rule: str


def _wilson(hits: int, count: int) -> tuple[float, float]:
    return wilson(hits, count) or (0.0, 1.0)


def _one_sided(hits: int, count: int) -> float:
    """Wilson's lower 95 % bound: that of its two-sided 90 % interval."""
    return float(binomtest(hits, count).proportion_ci(0.90, "wilson").low)


def choose_threshold(samples: Samples, probability: Floats) -> Threshold:
    """The largest threshold whose one-sided lower 95 % bound of the lesions kept is at least 0.97.

    A lesion is kept when any of its candidates is. The bound is the lower of Wilson's and of a bootstrap over groups:
    lesions of one patient are not independent, and a bootstrap alone thinks too well of losses that are rare. Where no
    threshold has such a bound, it is the largest that loses at most 2 % of the lesions, which below 50 lesions means
    none. Both are out of fold, and a candidate at the threshold is kept.
    """
    likeliest, group = _by_lesion(samples, probability)
    order = np.argsort(likeliest, kind="stable")
    lesions, groups = likeliest[order], group[order]
    count, names = len(lesions), np.unique(groups)
    total = np.array([(groups == g).sum() for g in names], float)
    picks = np.random.default_rng(SEED).integers(0, len(names), (_RESAMPLES, len(names)))
    most = 0
    for lost in range(1, count // 10 + 1):
        kept = total - np.array([(groups[:lost] == g).sum() for g in names])
        share = kept[picks].sum(1) / total[picks].sum(1)
        if min(np.quantile(share, 0.05), _one_sided(count - lost, count)) < WANTED:
            break
        most = lost
    if most:
        rule = f"lower one-sided 95 % bound of lesion sensitivity out of fold >= {WANTED} (Wilson's and over patients)"
        return Threshold(_at(lesions, most), f"{rule} ({most} of {count} lesions lost)")
    allowed = int(AT_MOST_LOST * count)
    rule = f"at most {AT_MOST_LOST:.0%} of lesions lost out of fold: {count} are too few for a 95 % bound at {WANTED}"
    return Threshold(_at(lesions, allowed), f"{rule} ({allowed} of {count} lesions lost)")


def _by_lesion(samples: Samples, probability: Floats) -> tuple[Floats, NDArray[np.str_]]:
    """The probability of the likeliest candidate of each lesion, and the lesion's group."""
    names, first, of = np.unique(samples.lesion[samples.is_lesion], return_index=True, return_inverse=True)
    likeliest = np.full(len(names), -np.inf)
    np.maximum.at(likeliest, of, probability[samples.is_lesion])
    return likeliest, samples.group[samples.is_lesion][first]


def _at(lesions: Floats, lost: int) -> float:
    """Between the last lesion lost and the first kept, where the false positives just below it go too."""
    return float(np.nextafter(lesions[lost], 0.0)) if lost < len(lesions) else 0.0


def figures(samples: Samples, probability: Floats, threshold: float) -> dict[str, Any]:
    """Everything that is reported of one method; keys are those of the JSON of figures."""
    kept = probability >= threshold
    return {
        "threshold": threshold,
        **_rates(samples, kept, np.ones(len(kept), bool)),
        "auc": _with_interval(samples, probability, _auc),
        "brier": float(brier_score_loss(samples.is_lesion, np.clip(probability, 0, 1))),
        "calibration_slope": _slope(samples.is_lesion, probability),
        "by_size": {
            bin_name(low, high): _rates(samples, kept, (samples.diameter_mm >= low) & (samples.diameter_mm < high))
            for low, high in BINS_MM
        },
    }


def _rates(samples: Samples, kept: Mask, where: Mask) -> dict[str, Any]:
    lesions, false = samples.is_lesion & where, ~samples.is_lesion & where
    before, after, volumes = int(false.sum()), int((false & kept).sum()), len(samples.volumes)
    count, hits = len(set(samples.lesion[lesions])), len(set(samples.lesion[lesions & kept]))
    return {
        "lesions": count,
        "lesions_kept": hits,
        "sensitivity_kept": hits / count if count else None,
        "sensitivity_kept_ci95": _wilson(hits, count),
        "false_positives": before,
        "false_positives_removed": 1 - after / before if before else None,
        "false_positives_removed_ci95": _wilson(before - after, before),
        "false_positives_per_volume": [before / volumes, after / volumes],
    }


def _with_interval(samples: Samples, probability: Floats, of: Callable[[Mask, Floats], float]) -> dict[str, Any]:
    """A figure and its 95 % percentile interval over patients drawn with replacement."""
    random = np.random.default_rng(SEED)
    members: Mapping[str, NDArray[np.intp]] = {g: np.flatnonzero(samples.group == g) for g in np.unique(samples.group)}
    names, drawn = sorted(members), []
    for _ in range(_RESAMPLES):
        rows = np.concatenate([members[g] for g in random.choice(names, len(names))])
        if 0 < samples.is_lesion[rows].sum() < len(rows):
            drawn.append(of(samples.is_lesion[rows], probability[rows]))
    low, high = np.percentile(drawn, [2.5, 97.5]).tolist() if drawn else (None, None)
    return {"value": of(samples.is_lesion, probability), "ci95": [low, high], "groups": len(names)}


def _auc(is_lesion: Mask, probability: Floats) -> float:
    """Mann and Whitney's U over its largest value; scikit-learn's is the same and twenty times slower."""
    lesions = int(is_lesion.sum())
    ranks = rankdata(probability)[is_lesion].sum() - lesions * (lesions + 1) / 2
    return float(ranks / (lesions * (len(is_lesion) - lesions)))


def _slope(is_lesion: Mask, probability: Floats) -> float:
    """Of a logistic regression of the truth on the logit: 1 is calibrated, below is too sure."""
    p = np.clip(probability, 1e-6, 1 - 1e-6)
    fitted = LogisticRegression(C=1e10, max_iter=1000).fit(np.log(p / (1 - p))[:, None], is_lesion)
    return float(fitted.coef_[0, 0])


def bin_name(low: float, high: float) -> str:
    """What a bin of diameters is called."""
    return f"< {high:g} mm" if low == 0 else f">= {low:g} mm" if high == np.inf else f"{low:g}-{high:g} mm"
