"""What a training run is told."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pipeline.core.errors import ConfigInvalid


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
class Config(Schedule):
    """One training run of the network that reads slices."""

    name: str
    batch: int
    crop: int
    labelmap_heads: int
    procedural_heads: int
    real_heads: int
    validation_heads: int
    training_anatomies: tuple[int, ...]
    validation_anatomies: tuple[int, ...]
    random_contrast: float
    share_slices: float
    share_real: float
    share_procedural: float
    thick: float


def read_config(path: Path) -> Config:
    """The configuration in a TOML file. Raises ConfigInvalid, naming what is missing or unknown."""
    given = tomllib.loads(path.read_text())
    wanted = {f.name for f in fields(Config)}
    wrong = [f"missing: {n}" for n in sorted(wanted - given.keys())] + [
        f"unknown: {n}" for n in sorted(given.keys() - wanted)
    ]
    if wrong:
        raise ConfigInvalid(f"{path.name}: {'; '.join(wrong)}", "pipeline/training/srs.toml has every key")
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
    return Config(**values)
