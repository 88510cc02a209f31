"""The network that the shipped weights make."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.errors import WeightsCorrupt
from pipeline.weights import checked_bytes

if TYPE_CHECKING:
    import torch

FOLDER = Path(__file__).parent


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
