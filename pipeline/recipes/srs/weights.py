"""The shipped weights: what weights.toml says of them, and the network they make."""

from __future__ import annotations

import hashlib
import tomllib
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import WeightsCorrupt

if TYPE_CHECKING:
    import torch

FOLDER = Path(__file__).parent


@cache
def manifest(folder: Path = FOLDER) -> dict[str, Any]:
    """What weights.toml says. Raises WeightsCorrupt when it is missing or is no TOML."""
    try:
        return tomllib.loads((folder / "weights.toml").read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise WeightsCorrupt(f"weights.toml of the pipeline srs cannot be read: {error}") from error


@lru_cache(maxsize=2)
def load_network(device: str, folder: Path = FOLDER) -> torch.nn.Module:
    """The network with its weights, ready on `device`; kept for the life of the process.

    Raises WeightsCorrupt when the file is not the bytes that weights.toml names.
    """
    from safetensors.torch import load  # noqa: PLC0415  (torch is imported only by a process that computes)

    from pipeline.recipes.srs.network import build  # noqa: PLC0415

    network = build()
    network.load_state_dict(load(checked_bytes(folder)))
    return network.eval().to(device)


def checked_bytes(folder: Path = FOLDER) -> bytes:
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
