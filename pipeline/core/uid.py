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


def is_uid(text: str) -> bool:
    """True for a UID as PS3.5 9.1 has it: at most 64 characters, numeric components, no leading zeros."""
    return len(text) <= 64 and _UID.fullmatch(text) is not None
