"""Configuration files for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from config.load import load
from config.settings import Settings
from pipeline.core.errors import ConfigInvalid


def written(folder: Path, text: str) -> Path:
    """`text`, without its indentation, as lantern.toml in `folder`."""
    file = folder / "lantern.toml"
    file.write_text(dedent(text).lstrip("\n"), "utf-8")
    return file


def loaded(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings that `text` makes."""
    return load(written(folder, text), environ or {})


def problems(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """What is said to be wrong with `text`, one line each."""
    with pytest.raises(ConfigInvalid) as refused:
        loaded(folder, text, environ)
    return refused.value.message.split("\n")
