"""The weights beside a recipe: what its weights.toml says of them, and whether they are those very bytes."""

from __future__ import annotations

import hashlib
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.core.errors import WeightsCorrupt


@cache
def manifest(folder: Path) -> dict[str, Any]:
    """What weights.toml in the recipe's folder says. Raises WeightsCorrupt when it is missing or is no TOML."""
    try:
        return tomllib.loads((folder / "weights.toml").read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise WeightsCorrupt(f"weights.toml of the pipeline {folder.name} cannot be read: {error}") from error


def checked_bytes(folder: Path) -> bytes:
    """The weights file, after its SHA-256 was compared with the one in weights.toml. Raises WeightsCorrupt."""
    name, expected = manifest(folder)["file"], manifest(folder)["sha256"]
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise WeightsCorrupt(f"the weights {name} cannot be read: {error}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise WeightsCorrupt(f"the weights {name} have SHA-256 {found[:12]}…, weights.toml names {expected[:12]}…")
    return content
