"""`python -m pipeline.training.false_positives --candidates FOLDER --out FOLDER`: train the false-positive step.

Out: false_positives.json (the model), false_positives.md (a part of the model card), false_positives_figures.json.
The same candidates give the same three files, byte for byte, with the same library versions.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from pipeline.radiomics.classifier import Classifier
from pipeline.radiomics.patch import Floats
from pipeline.training.rejection.baselines import baseline_scores
from pipeline.training.rejection.candidates import Samples, load_candidates, save_candidates
from pipeline.training.rejection.card import markdown
from pipeline.training.rejection.figures import Threshold, choose_threshold, figures
from pipeline.training.rejection.svm import OUTER, SEED, Relevance, Splits, Tuned, by_group, tune

__all__ = ["Fitted", "fit", "main", "save_candidates", "write"]

SVM = "SVM, radiomics"
_LIBRARIES = ("numpy", "scikit-learn", "scipy", "pyradiomics", "SimpleITK")


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a training gives.

    classifier:  the model, as shipped.
    tuned:       the same in scikit-learn's own objects.
    probability: (n,) out-of-fold probabilities of the nested folds, from which the threshold and all figures are.
    threshold:   and its rule.
    figures:     of the SVM and of each baseline, each at its own threshold by the same rule; JSON-ready.
    """

    classifier: Classifier
    tuned: Tuned
    probability: Floats
    threshold: Threshold
    figures: Mapping[str, Any]


def fit(samples: Samples) -> Fitted:
    """Train on candidates whose truth is known. Raises ConfigInvalid when there are too few patients to split."""
    relevance = Relevance()
    splits = by_group(samples.is_lesion, samples.group, OUTER)
    probability = _out_of_fold(samples, splits, relevance)
    threshold = choose_threshold(samples, probability)
    tuned = tune(samples.rows, samples.is_lesion, samples.group, relevance)
    scores = {SVM: probability, **baseline_scores(samples, splits)}
    table = {name: _figures_at_own_threshold(samples, p) for name, p in scores.items()}
    report = {"counts": _counts(samples, splits), "threshold_rule": threshold.rule, "chosen": _plain(tuned.best)}
    classifier = as_classifier(samples, tuned, threshold)
    return Fitted(classifier, tuned, probability, threshold, {**report, "methods": table})


def as_classifier(samples: Samples, tuned: Tuned, threshold: Threshold) -> Classifier:
    """The numbers of a fitted scikit-learn chain."""
    calibrated = tuned.model.calibrated_classifiers_[0]
    steps = calibrated.estimator.named_steps
    sigmoid, svm = calibrated.calibrators[0], steps["svm"]
    median = np.nan_to_num(np.asarray(steps["impute"].statistics_, float))
    lesions = samples.rows[samples.is_lesion]
    known = ~np.isnan(lesions).all(axis=0)
    typical = median.copy()
    typical[known] = np.nanmedian(lesions[:, known], axis=0)
    return Classifier(
        names=samples.names,
        median=median,
        indicated=tuple(int(i) for i in steps["impute"].indicator_.features_),
        centre=np.asarray(steps["scale"].center_, float),
        scale=np.asarray(steps["scale"].scale_, float),
        limit=float(steps["prune"].limit),
        columns=tuple(int(i) for i in steps["prune"].columns_[steps["select"].get_support()]),
        support=np.asarray(svm.support_vectors_, float),
        dual=np.asarray(svm.dual_coef_[0], float),
        intercept=float(svm.intercept_[0]),
        gamma=float(svm.gamma),
        slope=float(sigmoid.a_),
        offset=float(sigmoid.b_),
        threshold=threshold.value,
        typical=typical,
        settings_sha256=samples.settings_sha256,
        training_sha256=samples.fingerprint,
        libraries={name: version(name) for name in _LIBRARIES},
        about={"threshold_rule": threshold.rule, "seed": SEED, **_plain(tuned.best)},
    )


def write(fitted: Fitted, out: Path) -> None:
    """The three files."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "false_positives.json").write_bytes(fitted.classifier.to_json())
    (out / "false_positives.md").write_text(markdown(fitted.figures))
    (out / "false_positives_figures.json").write_text(json.dumps(fitted.figures, indent=1, sort_keys=True) + "\n")


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and do what it says."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.training.false_positives", description=__doc__)
    parser.add_argument("--candidates", type=Path, required=True, help="folder of .npz that save_candidates wrote")
    parser.add_argument("--out", type=Path, required=True, help="where model, figures and their card are written")
    given = parser.parse_args(arguments)
    console = Console()
    fitted = fit(load_candidates(given.candidates))
    write(fitted, given.out)
    console.print(markdown(fitted.figures), markup=False, soft_wrap=True)
    console.print(f"written: {given.out}")


def _out_of_fold(samples: Samples, splits: Splits, relevance: Relevance) -> Floats:
    """(n,) each candidate's probability by a model that was chosen, fitted and calibrated without its patient."""
    found = np.empty(len(samples.rows))
    for train, test in splits:
        tuned = tune(samples.rows[train], samples.is_lesion[train], samples.group[train], relevance)
        found[test] = tuned.model.predict_proba(samples.rows[test])[:, 1]
    return found


def _figures_at_own_threshold(samples: Samples, probability: Floats) -> dict[str, Any]:
    return figures(samples, probability, choose_threshold(samples, probability).value)


def _counts(samples: Samples, splits: Splits) -> dict[str, int]:
    return {
        "candidates": len(samples.rows),
        "lesions": len(set(samples.lesion[samples.is_lesion])),
        "groups": len(np.unique(samples.group)),
        "volumes": len(samples.volumes),
        "folds": len(splits),
    }


def _plain(place: Mapping[str, float]) -> dict[str, float]:
    return {name.partition("__")[2]: value for name, value in sorted(place.items())}


if __name__ == "__main__":
    main()
