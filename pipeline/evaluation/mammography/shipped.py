"""The pipeline as a subject: its shipped weights, or those of a cross-validation, each woman read by her own fold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from pipeline.core.errors import NotFound
from pipeline.evaluation.mammography.subject import Reader, SaidView, Subject, Views
from pipeline.execute.device import choose, free_gpu_memory
from pipeline.marks import Kind
from pipeline.recipes.mammography.examine import Sight, examine
from pipeline.recipes.mammography.models import Models
from pipeline.recipes.mammography.options import OPTIONS
from pipeline.recipes.mammography.recipe import Mammography
from pipeline.recipes.mammography.weights import FOLDER, load_models, seen_women

FOLDS = "pipeline.training.mammography.by_woman"
"""Gives `models_by_woman(runs, device) -> Callable[[str], Models]`: those of the fold that a woman was left out of."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A mark as people are shown it: by the detectors' score, unless the false-positive step turned it down."""

    kind: Kind
    center: tuple[float, float]
    score: float
    kept: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """One view as the recipe saw it."""

    abnormal: float
    malignant: float | None
    found: tuple[Judged, ...]


def subject(runs: Path | None, device: str = "cpu") -> Subject:
    """The shipped weights, or with `runs` (the folder of the training) the models of all folds.

    Raises NotFound where there are none, ConfigInvalid for a device that is not there, WeightsCorrupt.
    """
    chosen = choose(device, () if device == "cpu" else free_gpu_memory())
    return _shipped(chosen) if runs is None else _of_folds(runs, chosen)


def _shipped(device: str) -> Subject:
    about, models = Mammography().algorithm, load_models(device)
    point = models.fusion.threshold(f"{OPTIONS['operating_point']:g}")
    return Subject(about.name, about.version, lambda _: reader(models, device), point, seen=seen_women(FOLDER))


def _of_folds(runs: Path, device: str) -> Subject:
    if find_spec(FOLDS) is None:
        raise NotFound("the models of a cross-validation cannot be read in this version", "leave --runs away")
    models_for: Callable[[str], Models] = import_module(FOLDS).models_by_woman(runs, device)
    name = "Lantern mammography, models of the folds"
    return Subject(name, "cross-validated", lambda woman: reader(models_for(woman), device), cross_validated=True)


def reader(models: Models, device: str = "cpu") -> Reader:
    """`examine` with these models."""

    def read(views: Views) -> Mapping[str, SaidView]:
        return {role: _seen(sight) for role, sight in examine(views, models, device).views.items()}

    return read


def _seen(sight: Sight) -> Seen:
    found = (Judged(f.kind, f.center, f.score, f.verdict is None or f.verdict.kept) for f in sight.found)
    return Seen(sight.abnormal, sight.malignant, tuple(found))
