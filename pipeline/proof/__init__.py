"""The geometry of results, decoded from their bytes and compared with what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.contract import Found


@dataclass(frozen=True, slots=True)
class Fault:
    """An object that is wrong. words: one sentence."""

    sop_instance_uid: str
    words: str


def prove(files: Sequence[bytes], found: Found) -> tuple[Fault, ...]:
    """The faults of objects that were made from what was found."""
    return ()
