"""The models of a fold: what a woman is read by that none of them has seen, nor any constant beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

from pipeline.core.errors import NotFound
from pipeline.radiomics.classifier import Classifier
from pipeline.recipes.mammography.fuse import Fusion
from pipeline.recipes.mammography.models import Models
from pipeline.recipes.mammography.weights import built, checked_trunk
from pipeline.training.mammography.material import examples, folds

ALL = "all"
STAGES = ("dense", "pairs", "specks")


def fold_names(which: dict[str, int]) -> tuple[str, ...]:
    """ "fold0" …, of a dealing out of women."""
    return tuple(f"fold{k}" for k in sorted(set(which.values())))


def trained_file(runs: Path, stage: str, name: str) -> Path:
    """What a stage has made for a fold. Raises NotFound before it has."""
    folder = runs / "mammography" / stage
    places = [folder / f"{name}.safetensors", folder / name / f"{stage}.safetensors", folder / f"{name}.json"]
    found = [place for place in places if place.is_file()]
    if not found:
        raise NotFound(f"the stage {stage} has not made {name} in {runs}", f"run it first: --stage {stage}")
    return found[0]


def made_by(runs: Path, stages: Iterable[str], name: str) -> str:
    """Eight letters that change when what these stages made for a fold does. Raises NotFound before they have."""
    content = b"".join(trained_file(runs, stage, name).read_bytes() for stage in stages)
    return hashlib.sha256(content).hexdigest()[:8]


def models_of(runs: Path, name: str, device: str, *, fusion: Fusion, classifier: Classifier | None) -> Models:
    """The detectors of a fold ("fold0", "all"), with these constants. Raises NotFound, WeightsCorrupt."""
    content = {stage: trained_file(runs, stage, name).read_bytes() for stage in STAGES}
    return built(checked_trunk(), content, fusion, classifier, device)


def complete(runs: Path, name: str, device: str) -> Models:
    """The same with the fold's own constants and false-positive step. Raises NotFound before these are made."""
    fusion = Fusion.from_json(trained_file(runs, "fuse", name).read_bytes())
    classifier = Classifier.from_json(trained_file(runs, "judge", name).read_bytes())
    return models_of(runs, name, device, fusion=fusion, classifier=classifier)


def models_by_woman(runs: Path, device: str = "cpu") -> Callable[[str], Models]:
    """Of a woman (the data set's word for her, with or without the data set in front) the models that never saw her;
    for a stranger those that were trained on all."""
    which = folds(examples(runs))
    named = which | {patient.partition("-")[2]: fold for patient, fold in which.items()}
    ready: dict[str, Models] = {}

    def models(woman: str) -> Models:
        name = f"fold{named[woman]}" if woman in named else ALL
        if name not in ready:
            ready.clear()  # one fold in memory is enough: women come fold by fold, or seldom
            ready[name] = complete(runs, name, device)
        return ready[name]

    return models
