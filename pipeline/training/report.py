"""The evaluation of what a training ships: every case read by networks and a model 2 that never saw its patient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import highdicom as hd

from pipeline.contract import Runtime
from pipeline.evaluation.cases.case import Tier
from pipeline.evaluation.cases.find import find_cases
from pipeline.evaluation.reading import Read, Subject
from pipeline.evaluation.report import markdown
from pipeline.evaluation.run import evaluate
from pipeline.evaluation.shipped import as_read
from pipeline.radiomics.classifier import Classifier
from pipeline.recipes.srs import PIPELINE
from pipeline.recipes.srs.examine import examine
from pipeline.recipes.srs.segmentation import Networks
from pipeline.training.false_positives import as_classifier
from pipeline.training.rejection.candidates import Samples
from pipeline.training.rejection.figures import Threshold
from pipeline.training.rejection.svm import Relevance, tune

TIERS: tuple[Tier, ...] = ("T0", "T1", "T2")

SEEN = frozenset({"icbm"})
"""Groups that no network was kept from."""


def cross_validated(
    networks: Mapping[str, Networks], shipped: Networks, samples: Samples, classifier: Classifier
) -> Subject:
    """A reader that takes, by group, networks that were not trained on it, and model 2 fitted without its candidates.

    networks: by group; a group that is not in it is read by `shipped`. The threshold is that of the shipped model 2.
    """
    threshold = Threshold(classifier.threshold, "that of the shipped model 2")
    ready: dict[str, Classifier] = {}

    def judge(group: str) -> Classifier:
        if group not in samples.group:
            return classifier
        if group not in ready:
            others = samples.where(samples.group != group)
            tuned = tune(others.rows, others.is_lesion, others.group, Relevance())
            ready[group] = as_classifier(others, tuned, threshold)
        return ready[group]

    def read(image: hd.Volume, group: str) -> Read:
        found = examine(image, Runtime(), networks=networks.get(group, shipped), classifier=judge(group))
        return as_read(image, found)

    about = PIPELINE.algorithm
    return Subject(about.name, about.version, read, seen=SEEN)


def report(subject: Subject, data: Path, out: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """All tiers, into `out`: what `python -m pipeline.evaluation` writes, but cross-validated."""
    return evaluate(find_cases(data, TIERS), subject, out, 0, say)


def tables(made: Mapping[str, Any]) -> str:
    """The tiers' sections for the model card."""
    return "\n".join(markdown(made, tier) for tier in made["tiers"]).strip()
