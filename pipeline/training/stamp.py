"""What a folder of parts was made by: parts of another make are refused, never mixed in silently."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pipeline.core.errors import ConfigInvalid

MADE_BY = "made_by"


def stamp(folder: Path, *made_by: object) -> None:
    """Write what the parts in `folder` are made by, or compare: files count by their bytes, all else by its repr.

    Raises ConfigInvalid when what is there was made by something else, or by nobody knows what.
    """
    digest = hashlib.sha256()
    for one in made_by:
        digest.update(one.read_bytes() if isinstance(one, Path) else repr(one).encode())
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / MADE_BY
    if not kept.exists() and any(folder.iterdir()):
        raise ConfigInvalid(f"{folder} holds parts, and nothing says what made them", "move that folder away")
    if not kept.exists():
        kept.write_text(digest.hexdigest())
    elif kept.read_text() != digest.hexdigest():
        raise ConfigInvalid(
            f"{folder} holds parts made by another configuration or other networks", "move that folder away"
        )
