"""What a training is told: one table of srs.toml for each stage, and [common] for what they share."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from pipeline.core.errors import ConfigInvalid

C = TypeVar("C")
S = TypeVar("S", bound="Schedule")


@dataclass(frozen=True, slots=True)
class Schedule:
    """How any network is trained; srs.toml says what each value does."""

    seed: int
    threads: int
    device: str
    amp: str
    steps: int
    learning_rate: float
    weight_decay: float
    ema: float
    warmup_steps: int
    validate_every: int
    checkpoint_every: int


@dataclass(frozen=True, slots=True)
class Heads(Schedule):
    """A network that is trained on heads made before: how many of each kind, from which label maps."""

    labelmap_heads: int
    procedural_heads: int
    real_heads: int
    validation_heads: int
    training_anatomies: tuple[int, ...]
    validation_anatomies: tuple[int, ...]
    random_contrast: float


@dataclass(frozen=True, slots=True)
class Config(Heads):
    """Training of the network that reads slices."""

    batch: int
    crop: int
    share_slices: float
    share_real: float
    share_procedural: float
    thick: float


@dataclass(frozen=True, slots=True)
class VolumeConfig(Heads):
    """Training of the network that reads volumes."""

    cubes: int
    side: int
    share_spots: float
    share_scans: float


@dataclass(frozen=True, slots=True)
class JudgeConfig:
    """What model 2 is trained on: heads of both groups of anatomies, and the real thick scans by their folds."""

    seed: int
    labelmap_heads: int
    procedural_heads: int
    real_heads: int
    validation_heads: int
    training_anatomies: tuple[int, ...]
    validation_anatomies: tuple[int, ...]
    random_contrast: float


@dataclass(frozen=True, slots=True)
class Plan:
    """All stages.

    hard, again, scan: how the volume network goes on, where it was wrong, and with a real scan.
    thick:             how the slice network goes on with real thick slices.
    folds:             patients left out, by fold.
    """

    name: str
    slices: Config
    volume: VolumeConfig
    hard: VolumeConfig
    again: VolumeConfig
    scan: VolumeConfig
    thick: Config
    folds: tuple[tuple[str, ...], ...]
    judge: JudgeConfig


def read_plan(path: Path) -> Plan:
    """The plan in a TOML file. Raises ConfigInvalid, naming what is missing or unknown."""
    given = tomllib.loads(path.read_text())
    common = given.get("common", {})
    thick = dict(given.get("thick", {}))
    folds = tuple(tuple(fold) for fold in thick.pop("folds", ()))
    slices = _table(path, "slices", {**common, **given.get("slices", {})}, Config)
    volume = _table(path, "volume", {**common, **given.get("volume", {})}, VolumeConfig)
    return Plan(
        name=given.get("name", "srs"),
        slices=slices,
        volume=volume,
        hard=_changed(path, "hard", volume, given.get("hard", {})),
        again=_changed(path, "again", volume, given.get("again", {})),
        scan=_changed(path, "scan", volume, given.get("scan", {})),
        thick=_changed(path, "thick", slices, thick),
        folds=folds,
        judge=_table(path, "judge", given.get("judge", {}), JudgeConfig),
    )


_HINT = "pipeline/training/srs.toml has every key"


def _changed(path: Path, name: str, base: S, given: Mapping[str, Any]) -> S:
    """`base` with what the table `name` says otherwise."""
    if unknown := sorted(given.keys() - {f.name for f in fields(base)}):
        raise ConfigInvalid(f"{path.name}: [{name}] unknown: {', '.join(unknown)}", _HINT)
    return replace(base, **given)


def _table(path: Path, name: str, given: Mapping[str, Any], kind: type[C]) -> C:
    wanted = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    wrong = [f"missing: {n}" for n in sorted(wanted - given.keys())]
    wrong += [f"unknown: {n}" for n in sorted(given.keys() - wanted)]
    if wrong:
        raise ConfigInvalid(f"{path.name}: [{name}] {'; '.join(wrong)}", _HINT)
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in given.items()})
