"""What is wrong with an object, for a person to read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.core.errors import Permanent


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with one object.

    sop_instance_uid: of the object; "" where its bytes do not even say that.
    words:            a sentence without patient data.
    """

    sop_instance_uid: str
    words: str


def fault(sop_instance_uid: str, words: str) -> Fault:
    """Of words that the checks tell one after the other, as a sentence."""
    return Fault(sop_instance_uid, f"{words[:1].upper()}{words[1:].rstrip('.')}.")


def few(words: Iterable[str], most: int = 2) -> list[str]:
    """The first of many alike, and how many there are more."""
    each = list(dict.fromkeys(words))
    more = len(each) - most
    return each if more <= 0 else [*each[:most], f"and {more} more like that"]


class Unprovable(Permanent):
    """The truth itself cannot be had: findings that contradict themselves or their images, or an image is gone."""
