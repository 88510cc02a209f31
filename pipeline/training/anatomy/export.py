"""From a checkpoint to the file that ships."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors.torch import save

from pipeline.recipes.srs.anatomy.atlas import NETWORK_FILE
from pipeline.recipes.srs.anatomy.network import ALIAS, build


def export_network(checkpoint: Path, folder: Path) -> tuple[torch.nn.Module, str]:
    """Write the averaged weights in half precision into the folder; returns the network and the file's SHA-256."""
    kept = torch.load(checkpoint, weights_only=True)
    halved = {k: v.half().contiguous() for k, v in kept["averaged"].items() if not k.startswith(ALIAS)}
    content = save(halved)
    (folder / NETWORK_FILE).write_bytes(content)
    network = build()
    network.load_state_dict({k: v.float() for k, v in halved.items()}, strict=False)
    return network.eval(), hashlib.sha256(content).hexdigest()
