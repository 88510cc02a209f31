"""The models of a fold: what a woman is read by that none of them has seen, nor any constant beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from pipeline.core.errors import NotFound
from pipeline.radiomics.classifier import Classifier
from pipeline.recipes.mammography.fuse import Fusion
from pipeline.recipes.mammography.models import Models
from pipeline.recipes.mammography.weights import built, trunk_bytes

ALL = "all"
STAGES = ("dense", "pairs", "specks")


def fold_names(which: dict[str, int]) -> tuple[str, ...]:
    """ "fold0" …, of a dealing out of women."""
    return tuple(f"fold{k}" for k in sorted(set(which.values())))


def has_made(runs: Path, stage: str, name: str) -> bool:
    """Whether a stage has made its weights or constants for a fold, or for "all"."""
    return bool(_places(runs, stage, name))


def trained_file(runs: Path, stage: str, name: str) -> Path:
    """What a stage has made for a fold. Raises NotFound before it has."""
    found = _places(runs, stage, name)
    if not found:
        raise NotFound(f"the stage {stage} has not made {name} in {runs}", f"run it first: --stage {stage}")
    return found[0]


def _places(runs: Path, stage: str, name: str) -> list[Path]:
    folder = runs / "mammography" / stage
    places = [folder / f"{name}.safetensors", folder / name / f"{stage}.safetensors", folder / f"{name}.json"]
    return [place for place in places if place.is_file()]


def made_by(runs: Path, stages: Iterable[str], name: str) -> str:
    """Eight letters that change when what these stages made for a fold does. Raises NotFound before they have."""
    content = b"".join(trained_file(runs, stage, name).read_bytes() for stage in stages)
    return hashlib.sha256(content).hexdigest()[:8]


def models_of(runs: Path, name: str, device: str, *, fusion: Fusion, classifier: Classifier | None) -> Models:
    """The detectors of a fold ("fold0", "all"), with these constants. Raises NotFound, WeightsCorrupt."""
    content = {stage: trained_file(runs, stage, name).read_bytes() for stage in STAGES}
    return built(trunk_bytes(), content, fusion, classifier, device)


def complete(runs: Path, name: str, device: str) -> Models:
    """The same with the fold's own constants and false-positive step. Raises NotFound before these are made."""
    fusion = Fusion.from_json(trained_file(runs, "fuse", name).read_bytes())
    classifier = Classifier.from_json(trained_file(runs, "judge", name).read_bytes())
    return models_of(runs, name, device, fusion=fusion, classifier=classifier)
