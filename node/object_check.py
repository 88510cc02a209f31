"""DICOM files on disk against the rules of their attributes: what `lantern check-object` shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from node.dciodvfy import second_opinion
from pipeline.core.errors import NotFound
from pipeline.iod import Breach, check_set


@dataclass(frozen=True, slots=True)
class Checked:
    """One file and what is wrong with it. second: what dciodvfy says."""

    path: Path
    breaches: tuple[Breach, ...]
    second: tuple[Breach, ...]


def checked(files: Sequence[Path], dciodvfy: str = "") -> tuple[Checked, ...]:
    """What is wrong with each, and between those of one study. Raises NotFound for a file that cannot be read."""
    data = [_bytes(path) for path in files]
    return tuple(
        Checked(path, own, second_opinion(one, dciodvfy))
        for path, one, own in zip(files, data, check_set(data), strict=True)
    )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}", "give a file that this user may read") from error
