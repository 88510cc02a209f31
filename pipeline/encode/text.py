"""Text of our own, as every character set and every length allows it."""

from __future__ import annotations

import unicodedata

_ASCII = str.maketrans(
    {"×": "x", "µ": "u", "μ": "u", "±": "+/-", "–": "-", "—": "-", "’": "'", "“": '"', "”": '"', "°": " deg"}
    | {"≤": "<=", "≥": ">=", "→": "->", "\\": "/"}
)


def plain(text: str) -> str:
    """`text` on one line in ASCII without backslash, which every SpecificCharacterSet can carry (PS3.5 6.1)."""
    folded = unicodedata.normalize("NFKD", " ".join(text.split()).translate(_ASCII))
    folded = "".join(c for c in folded if not unicodedata.combining(c) and c.isprintable())
    return folded.encode("ascii", "replace").decode()


def short(text: str, length: int) -> str:
    """`plain(text)` cut to the length of its value representation: 16 for SH and CS, 64 for LO, 1024 for ST."""
    return plain(text)[:length].rstrip()
