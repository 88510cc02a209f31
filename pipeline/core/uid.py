"""UIDs made from what they name, so that the same work always makes the same objects."""

from __future__ import annotations

import hashlib
import re
from uuid import UUID

_UID = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+")


def derive_uid(*parts: str) -> str:
    """A UID under 2.25 (PS3.5 B.2, UUID form) that depends on `parts` and their order alone."""
    digest = bytearray(hashlib.sha256("\x1f".join(parts).encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80  # RFC 9562 version 8: made from a digest of the maker's choice
    digest[8] = digest[8] & 0x3F | 0x80
    return f"2.25.{UUID(bytes=bytes(digest)).int}"


def instance_uid(series_instance_uid: str, number: int = 0) -> str:
    """The SOP Instance UID of object `number` of a series that is made here."""
    return derive_uid(series_instance_uid, "instance", *([str(number)] if number else []))


MOST_INSTANCES = 512
"""Of one series that is made here."""


def is_ours(sop_instance_uid: str, series_instance_uid: str) -> bool:
    """Whether an object was made here, on this machine or another, or says so.

    Whoever changes an object is to give it a new SOP Instance UID (PS3.3 C.12.1.1), which no longer follows from its
    series. Some editors do not: a node compares what comes to it with what it made (`node.receive.edited`), a program
    on files cannot.
    """
    made = (instance_uid(series_instance_uid, n) for n in range(MOST_INSTANCES))
    return series_instance_uid.startswith("2.25.") and sop_instance_uid in made


def is_uid(text: str) -> bool:
    """True for a UID as PS3.5 9.1 has it: at most 64 characters, numeric components, no leading zeros."""
    return len(text) <= 64 and _UID.fullmatch(text) is not None
