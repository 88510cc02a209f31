"""Users' models made here: tiny networks whose answer is known, in the forms that users bring."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import torch

STEEP = 200.0
"""How sharply the probability rises at the level: within 0.05 of it, it is 0 or 1 to four digits."""

INPUT: Mapping[str, Any] = {
    "channels": ["t1c"],
    "orientation": "RAS",
    "spacing_mm": [1.0, 1.0, 1.0],
    "normalisation": "minmax",
    "patch": [32, 32, 32],
    "overlap": 0.25,
}
OUTPUT: Mapping[str, Any] = {"channels": 1, "lesion_channels": [0], "activation": "sigmoid", "threshold": 0.5}
UNET: Mapping[str, Any] = {
    "_target_": "UNet",
    "spatial_dims": "@dims",
    "in_channels": 1,
    "out_channels": 1,
    "channels": [1, 1],
    "strides": [1],
    "norm": None,
}


class Level(torch.nn.Module):
    """One logit a voxel: above 0 where the first channel is above `level`, and nothing that depends on a neighbour."""

    def __init__(self, level: float, channels: int = 1) -> None:
        super().__init__()
        self.level = level
        self.channels = channels

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        above = (image[:, :1] - self.level) * 200.0
        if self.channels == 2:
            return torch.cat([-above, above], 1)
        return above


def torchscript(folder: Path, network: torch.nn.Module, **changed: Any) -> Path:
    """A folder with a TorchScript file and its manifest; `changed` are keys of the manifest, "input.patch" too."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.jit.script(network.eval()).save(str(folder / "net.ts"))
    return with_manifest(folder, "torchscript", "net.ts", **changed)


def monai_bundle(
    folder: Path,
    level: float = 0.5,
    definition: Mapping[str, Any] = UNET,
    config: str = "inference.json",
    **changed: Any,
) -> Path:
    """A MONAI bundle as `python -m monai.bundle init_bundle` lays it out: a UNet whose weights make it a level."""
    from monai.networks.nets import UNet

    (folder / "configs").mkdir(parents=True, exist_ok=True)
    (folder / "models").mkdir(exist_ok=True)
    # Keys beside network_def hold expressions in every real bundle; they are none of Lantern's business.
    whole = {"dims": 3, "network_def": dict(definition), "network": "$@network_def.to('cpu')"}
    (folder / "configs" / config).write_text(json.dumps(whole))  # JSON is YAML, too
    metadata = {
        "network_data_format": {"inputs": {"image": {"num_channels": 1}}, "outputs": {"pred": {"num_channels": 1}}}
    }
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    network = UNet(3, 1, 1, channels=(1, 1), strides=(1,), norm=None)
    state = {name: torch.zeros_like(value) for name, value in network.state_dict().items()}
    first, last = (n for n, v in state.items() if v.ndim == 5 and ("model.0" in n or "model.2" in n))
    state[first][0, 0, 1, 1, 1] = 1.0  # the image itself, through an activation that leaves what is above 0
    state[last][0, 0, 1, 1, 1] = STEEP
    state[last.replace("weight", "bias")][:] = -STEEP * level
    torch.save(state, folder / "models" / "model.pt")
    return with_manifest(folder, "monai-bundle", "models/model.pt", **changed)


def with_manifest(folder: Path, kind: str, file: str, /, **changed: Any) -> Path:
    """Write lantern.toml for what is in the folder."""
    head = {
        "kind": kind,
        "name": "Level of ours",
        "version": "3.1",
        "file": file,
        "sha256": hashlib.sha256((folder / file).read_bytes()).hexdigest(),
        "licence": "CC0",
        "evidence": "T0: made in a test",
    }
    tables: dict[str, dict[str, Any]] = {"": head, "input": dict(INPUT), "output": dict(OUTPUT)}
    for key, value in changed.items():
        table, _, name = key.rpartition("__")
        tables[table][name] = value
    lines = []
    for table, rows in tables.items():
        lines += ([f"[{table}]"] if table else []) + [
            f"{k} = {json.dumps(v)}" for k, v in rows.items() if v is not None
        ]
    (folder / "lantern.toml").write_text("\n".join(lines) + "\n")
    return folder


def ball(
    shape: tuple[int, int, int] = (24, 40, 48), spacing_mm: tuple[float, float, float] = (2.0, 1.0, 1.0), turn: str = ""
) -> tuple[hd.Volume, np.ndarray]:
    """A bright ball of 8 mm radius off the middle of a dim noisy volume, and where it is; turned to `turn`."""
    affine = np.array([[0, 0, 1.0, -20], [0, 1, 0, -30], [1, 0, 0, 5], [0, 0, 0, 1]]) @ np.diag([*spacing_mm, 1])
    where = np.moveaxis(np.indices(shape), 0, -1) * spacing_mm
    inside = np.linalg.norm(where - np.array([20.0, 14.0, 30.0]), axis=-1) < 8
    image = np.random.default_rng(1).uniform(0, 300, shape).astype(np.float32)
    image[inside] = 1000
    volume = hd.Volume(image, affine, "PATIENT")
    truth = volume.with_array(inside.astype(np.uint8))
    if turn:
        volume, truth = volume.to_patient_orientation(turn), truth.to_patient_orientation(turn)
    return volume, truth.array > 0


PLANE: Mapping[str, Any] = {
    "channels": ["mammogram"],
    "chest_wall": "left",
    "spacing_mm": [0.4, 0.4],
    "normalisation": "none",
    "patch": "whole",
    "orientation": None,
    "overlap": None,
}
"""`[input]` of a network of mammograms, for `with_manifest`."""


def planar(**changed: Any) -> dict[str, Any]:
    """Keys of a manifest that make it one of mammograms."""
    return {f"input__{key}": value for key, value in PLANE.items()} | changed


def planar_monai_bundle(folder: Path, level: float = 0.5, **changed: Any) -> Path:
    """A MONAI bundle of a UNet of two dimensions whose weights make it a level."""
    from monai.networks.nets import UNet

    (folder / "configs").mkdir(parents=True, exist_ok=True)
    (folder / "models").mkdir(exist_ok=True)
    (folder / "configs" / "inference.json").write_text(json.dumps({"dims": 2, "network_def": dict(UNET)}))
    network = UNet(2, 1, 1, channels=(1, 1), strides=(1,), norm=None)
    state = {name: torch.zeros_like(value) for name, value in network.state_dict().items()}
    first, last = (n for n, v in state.items() if v.ndim == 4 and ("model.0" in n or "model.2" in n))
    state[first][0, 0, 1, 1] = 1.0
    state[last][0, 0, 1, 1] = STEEP
    state[last.replace("weight", "bias")][:] = -STEEP * level
    torch.save(state, folder / "models" / "model.pt")
    return with_manifest(folder, "monai-bundle", "models/model.pt", **planar(**changed))
