"""Features of all cells of all looks, kept on disk: the frozen trunk is the slow part of training a linear model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.recipes.mammography.cells import described
from pipeline.recipes.mammography.trunk import BLOCKS, Trunk, load_trunk, trunk_state
from pipeline.training.mammography.material import Example, Tell, in_processes

Halves = NDArray[np.float16]


def keep_features(
    given: Sequence[Example], groups: tuple[str, ...], trunk: Path, folder: Path, tell: Tell, workers: int = 1
) -> None:
    """Those that are not there yet. trunk: trunk.safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    with in_processes(workers) as each:
        for done, _ in enumerate(each(partial(_keep, groups, trunk, folder), given), 1):
            tell("features", done, len(given))


def features(example: Example, folder: Path) -> Halves:
    """(features, rows, columns) of the example's cells."""
    return np.asarray(np.load(_file(example, folder), allow_pickle=False))


def _file(example: Example, folder: Path) -> Path:
    return folder / f"{example.name}.{example.reading.value}.npy"


def _keep(groups: tuple[str, ...], trunk: Path, folder: Path, example: Example) -> None:
    path = _file(example, folder)
    if not path.exists():
        made = described(example.look(), _trunk(trunk), groups).clip(-6e4, 6e4).astype(np.float16)
        part = path.with_suffix(".part.npy")
        np.save(part, made)
        part.replace(path)


@cache
def _trunk(path: Path) -> Trunk:
    return load_trunk(trunk_state(path.read_bytes()), BLOCKS)
