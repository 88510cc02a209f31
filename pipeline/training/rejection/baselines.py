"""What the SVM must be better than: five features, boosted trees, the network's own probability."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler

from pipeline.radiomics.patch import Floats, Mask
from pipeline.training.rejection.candidates import Samples
from pipeline.training.rejection.svm import SEED, Splits

FIVE = ("volume_mm3", "ring_contrast", "vesselness", "elongation", "probability_mean")
NAMES = ("logistic regression, 5 features", "boosted trees, all features", "probability of the network alone")


def baseline_scores(samples: Samples, splits: Splits) -> dict[str, Floats]:
    """Out-of-fold probabilities, (n,) each, by name; the same folds as the SVM's."""
    five = np.column_stack([samples.column(name) for name in FIVE])
    alone = np.column_stack([samples.column(name) for name in ("probability_max", "probability_mean")])
    given = dict(zip(NAMES, (five, samples.rows, alone), strict=True))
    found = {name: np.empty(len(samples.rows)) for name in NAMES}
    for train, test in splits:
        for name, rows in given.items():
            trees = name == NAMES[1]
            found[name][test] = _fitted(rows[train], samples.is_lesion[train], rows[test], trees)
    return found


def _fitted(rows: Floats, truth: Mask, others: Floats, trees: bool) -> Floats:
    known = ~np.isnan(rows).all(axis=0)  # the trees cannot bin a column without a value
    rows, others = rows[:, known], others[:, known]
    model = (
        HistGradientBoostingClassifier(max_iter=60, learning_rate=0.1, max_leaf_nodes=15, random_state=SEED)
        if trees
        else make_pipeline(
            SimpleImputer(strategy="median", keep_empty_features=True),
            RobustScaler(),
            LogisticRegression(max_iter=2000),
        )
    )
    return np.asarray(model.fit(rows, truth).predict_proba(others)[:, 1])
