"""The evaluation of what a training ships: every case read by networks and a model 2 that never saw its patient."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from itertools import chain
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
from pipeline.recipes.srs.params import PARAMS
from pipeline.recipes.srs.segmentation import Networks
from pipeline.training.false_positives import as_classifier
from pipeline.training.rejection.candidates import Samples
from pipeline.training.rejection.figures import Threshold
from pipeline.training.rejection.svm import Relevance, tune

TIERS: tuple[Tier, ...] = ("T0", "T1", "T2")

MOST_PICTURES = 3
"""Of misses, and of false positives."""

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
    return Subject(about.name, about.version, read, PARAMS.candidate, SEEN)


def report(subject: Subject, data: Path, out: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """All tiers, into `out`: what `python -m pipeline.evaluation` writes, but cross-validated."""
    return evaluate(find_cases(data, TIERS), subject, out, 0, say)


def tables(made: Mapping[str, Any]) -> str:
    """The tiers' sections for the model card."""
    return "\n".join(markdown(made, tier) for tier in made["tiers"]).strip()


def evidence_tier(made: Mapping[str, Any]) -> str:
    """What every result says of how far the models were tried, from the figures after model 2.

    The lower tier comes first: where a text is cut, no more may be claimed than holds for every series.
    """
    thick, thin = made["tiers"]["T2"], made["tiers"]["T1"]
    apart = ", ".join(f"{_each(made, group):.1f} in {words}" for group, words in HEADS.items())
    sizes = {name: thin["after"]["by_size"][name]["sensitivity"] for name in (">= 5 mm", "3-5 mm")}
    found = ", ".join(f"{name} {v['found']} of {v['of']}" for name, v in sizes.items())
    every = thick["after"]["sensitivity"]
    return (
        f"T1, thick slices T2, limited: synthetic lesions in real scans of {thin['groups']} heads, both of which had a "
        f"part in setting thresholds (found {found}; false positives a scan: {apart}); thick slices "
        f"cross-validated on {thick['cases']} real scans of glioblastoma, not metastases ({every['found']} of "
        f"{every['of']} found, {_rate(thick)} false positives a scan)"
    )


HEADS = {"t1c": "the contrast-enhanced head", "trio": "the head without contrast agent"}
"""The real heads of tier T1, whose means would flatter: vessels without contrast agent are dark."""


def _each(made: Mapping[str, Any], group: str) -> float:
    """False positives a scan of one head after model 2."""
    wrong = [c["after"]["false_positives"] for c in made["cases"] if c["tier"] == "T1" and c["group"] == group]
    return float(sum(wrong)) / len(wrong)


def _rate(tier: Mapping[str, Any]) -> str:
    return f"{tier['after']['false_positives_per_scan']['value']:.1f}"


def failures(made: Mapping[str, Any], folder: Path, card: Path) -> str:
    """Markdown with pictures of misses and false positives, copied beside the card; phantoms' alone, which may ship."""
    pictures = card / "pictures"
    for old in pictures.glob("failure-*.png"):
        old.unlink()
    lines = ["### Known failures on phantoms", "", "Truth green, prediction red, rejected candidate orange.", ""]
    own = [folder / name for name in made["overlays"] if Path(name).name.startswith("phantom-")]
    shown = [sorted(p for p in own if kind in p.name)[:MOST_PICTURES] for kind in ("missed", "false")]
    for number, picture in enumerate(chain(*shown), start=1):
        shutil.copyfile(picture, pictures / f"failure-{number}.png")
        lines.append(f"![{picture.stem}](pictures/failure-{number}.png)")
    return "\n".join(lines) if own else ""
