"""Where a network is wrong on heads without lesions: these places are what it learns from next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from pipeline.recipes.srs.segmentation import TILE_VOXELS, read_cubes
from pipeline.training.bare_heads import BareHead
from pipeline.training.volumes import GREY_PER_UNIT

WRONG = 0.3
"""A head without lesions has no voxel that should be likelier than this."""

MOST = 400
"""So many places of one head are kept, the worst first."""

Spots = npt.NDArray[np.int16]


def mine(
    heads: list[BareHead], network: torch.nn.Module, device: str, folder: Path, say: Callable[[str], None]
) -> dict[str, Spots]:
    """(n, 3) voxels by name of head: the likeliest voxel of every region called lesion. Kept in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    spots = {}
    for head in heads:
        path = folder / f"{head.name}.npy"
        if not path.exists():
            found = _wrong(head, network, device)
            with path.with_suffix(".part").open("wb") as file:
                np.save(file, found)
            path.with_suffix(".part").rename(path)
            say(f"{head.name}: {len(found)} places called lesion")
        spots[head.name] = np.load(path)
    return spots


def _wrong(head: BareHead, network: torch.nn.Module, device: str) -> Spots:
    grid = torch.from_numpy(np.clip(head.image / np.float32(GREY_PER_UNIT) - 1, -1, 4).astype(np.float32))
    with torch.inference_mode(), torch.autocast(torch.device(device).type, torch.bfloat16):
        probability = read_cubes(grid, network, device, TILE_VOXELS).numpy()
    regions, count = ndimage.label(probability >= WRONG, np.ones((3, 3, 3)))
    if not count:
        return np.zeros((0, 3), np.int16)
    numbers = np.arange(1, count + 1)
    worst = np.argsort(-np.asarray(ndimage.maximum(probability, regions, numbers)), kind="stable")[:MOST]
    return np.array(ndimage.maximum_position(probability, regions, numbers[worst]), np.int16).reshape(-1, 3)
