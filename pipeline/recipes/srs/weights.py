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
    import torch  # noqa: PLC0415  (only a process that computes pays for the import)
    from safetensors.torch import load  # noqa: PLC0415

    from pipeline.recipes.srs.network import ALIAS, build  # noqa: PLC0415

    network = build()
    content = load(checked_bytes(folder))
    expected = {name for name in network.state_dict() if not name.startswith(ALIAS)}
    if content.keys() != expected:
        raise WeightsCorrupt("the weights are not of the network that the recipe builds")
    network.load_state_dict(content, strict=False)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.eval()


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
