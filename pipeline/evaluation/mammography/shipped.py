"""The pipeline as a subject: its shipped weights, or those of a cross-validation, each woman read by her own fold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pipeline.core.errors import NotFound
from pipeline.evaluation.mammography.subject import Reader, SaidView, Subject, Views
from pipeline.execute.device import choose, free_gpu_memory
from pipeline.marks import Kind

RECIPE = "pipeline.recipes.mammography"
TRAINING = "pipeline.training.mammography.folds"

SEEN = frozenset(f"mias{woman:03d}" for woman in range(1, 162))
"""Women of mini-MIAS, whom the shipped weights were trained on: cross-validation tells of them, `--runs`."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A mark with the score that people see: that of the false-positive step where there is one."""

    kind: Kind
    center: tuple[float, float]
    score: float


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
    if find_spec(f"{RECIPE}.examine") is None:
        raise NotFound("the recipe for mammograms is not in this version", "evaluate from a version that has it")
    chosen = choose(device, () if device == "cpu" else free_gpu_memory())
    return _shipped(chosen) if runs is None else _of_folds(runs, chosen)


def _shipped(device: str) -> Subject:
    about = import_module(f"{RECIPE}.recipe").Mammography().algorithm
    models = import_module(f"{RECIPE}.weights").load_models(device)
    return Subject(about.name, about.version, lambda _: reader(models, device), seen=SEEN)


def _of_folds(runs: Path, device: str) -> Subject:
    if find_spec(TRAINING) is None:
        raise NotFound("the training of mammography is not in this version", "leave --runs away")
    models_for: Callable[[str], Any] = import_module(TRAINING).models_by_woman(runs, device)
    name = "Lantern mammography, models of the folds"
    return Subject(name, "cross-validated", lambda woman: reader(models_for(woman), device), cross_validated=True)


def reader(models: Any, device: str) -> Reader:
    """`examine` with these models."""
    examine = import_module(f"{RECIPE}.examine").examine

    def read(views: Views) -> Mapping[str, SaidView]:
        return {role: _seen(sight) for role, sight in examine(views, models, device).views.items()}

    return read


def _seen(sight: Any) -> Seen:
    found = (Judged(f.kind, f.center, f.score if f.verdict is None else f.verdict.score) for f in sight.found)
    return Seen(sight.abnormal, sight.malignant, tuple(found))
