"""The models that ship with the recipe, ready to use; each was compared with the SHA-256 in weights.toml."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.errors import WeightsCorrupt
from pipeline.weights import checked_bytes

if TYPE_CHECKING:
    import torch

    from pipeline.radiomics.classifier import Classifier
    from pipeline.recipes.srs.segmentation import Networks

FOLDER = Path(__file__).parent

SLICES, VOLUME, FALSE_POSITIVES = "slices", "volume", "false_positives"
"""Names of models in weights.toml: those of model 1, and model 2."""


@lru_cache(maxsize=2)
def load_networks(device: str, folder: Path = FOLDER) -> Networks:
    """The two networks of model 1 on `device`; kept for the life of the process. Raises WeightsCorrupt."""
    from pipeline.recipes.srs.network import build, build_volume  # noqa: PLC0415
    from pipeline.recipes.srs.segmentation import Networks  # noqa: PLC0415

    return Networks(
        slices=_filled(build, checked_bytes(folder, SLICES), device),
        volume=_filled(build_volume, checked_bytes(folder, VOLUME), device),
    )


@lru_cache(maxsize=2)
def load_classifier(folder: Path = FOLDER) -> Classifier:
    """Model 2. Raises WeightsCorrupt."""
    from pipeline.radiomics.classifier import Classifier  # noqa: PLC0415

    return Classifier.from_json(checked_bytes(folder, FALSE_POSITIVES))


def _filled(build: Callable[[], torch.nn.Module], content: bytes, device: str) -> torch.nn.Module:
    # Only a process that computes pays for the import.
    from safetensors.torch import load  # noqa: PLC0415

    from pipeline.recipes.srs.network import without_aliases  # noqa: PLC0415

    network = build()
    tensors = load(content)
    if tensors.keys() != without_aliases(network.state_dict()).keys():
        raise WeightsCorrupt("the weights are not of the network that the recipe builds")
    network.load_state_dict(tensors, strict=False)
    return network.to(device).eval()
