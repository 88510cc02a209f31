"""The structure network on a patient's series: which voxel of a 4 mm grid is which part of the head."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import highdicom as hd
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipeline.core.errors import WeightsCorrupt
from pipeline.recipes.srs.anatomy.atlas import shipped
from pipeline.recipes.srs.anatomy.network import ALIAS, DIVISOR, GRID_MM, Structure, build, normalise

if TYPE_CHECKING:
    import torch

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
UPRIGHT = "HPL"
"""Slices to the head, rows to the back, columns to the left: as the network was trained."""


@dataclass(frozen=True, slots=True)
class Parcels:
    """What the network said, on a grid near GRID_MM that covers the field of view of the series and no more.

    image:  normalised signal; share: (structures, slices, rows, columns) probability of each `Structure`.
    affine: (4, 4), index (slice, row, column) to LPS mm; the axes run to the head, the back and the left.
    """

    image: FloatArray
    share: FloatArray
    affine: npt.NDArray[np.float64]

    @property
    def structures(self) -> npt.NDArray[np.uint8]:
        """The likeliest `Structure` of each voxel."""
        return self.share.argmax(0).astype(np.uint8)

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel of the grid in millilitres."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000

    def brain(self) -> BoolArray:
        """Brain with its ventricles: the largest piece, gaps of a voxel closed, holes filled."""
        found = self.share[Structure.L_CEREBRUM :].sum(0) >= 0.5
        labels, n = ndimage.label(found)
        if not n:
            return np.asarray(found)
        largest = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
        padded = np.pad(largest, 2, mode="edge")
        closed = ndimage.binary_closing(padded, np.ones((3, 3, 3)))[2:-2, 2:-2, 2:-2]
        return np.asarray(ndimage.binary_fill_holes(closed | largest))


@lru_cache(maxsize=2)
def load_network(device: str) -> torch.nn.Module:
    """The structure network with its weights on `device`. Raises WeightsCorrupt when they are of another network."""
    from safetensors.torch import load  # noqa: PLC0415  (only a process that computes pays for torch)

    network = build()
    content = {k: v.float() for k, v in load(shipped("structures")).items()}
    if content.keys() != {name for name in network.state_dict() if not name.startswith(ALIAS)}:
        raise WeightsCorrupt("the weights of the anatomy are not of the network that the recipe builds")
    network.load_state_dict(content, strict=False)
    return network.to(device).eval()


def parcel(upright: hd.Volume, device: str, threads: int) -> Parcels:
    """Run the network on a volume whose axes are UPRIGHT. threads: of the processor, for this call alone."""
    import torch  # noqa: PLC0415
    from torch.nn import functional  # noqa: PLC0415

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        size = tuple(
            max(2, round(n * s / GRID_MM)) for n, s in zip(upright.spatial_shape, upright.spacing, strict=True)
        )
        with torch.inference_mode():
            grid = resized(torch.from_numpy(np.ascontiguousarray(upright.array, np.float32)), size)
            image = normalise(grid.numpy())
            ends = [side for n in reversed(size) for side in (0, -n % DIVISOR)]
            padded = functional.pad(torch.from_numpy(image)[None, None], ends)
            logit: Any = load_network(device)(padded.to(device))
            share = logit[0].float().softmax(0)[:, : size[0], : size[1], : size[2]].cpu().numpy()
    finally:
        torch.set_num_threads(before)
    return Parcels(image, np.ascontiguousarray(share), _grid_affine(upright, size))


def resized(image: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    """A volume brought to `size`: the mean where the new grid is coarser, linear between where it is finer."""
    from torch.nn import functional  # noqa: PLC0415

    coarse: Any = tuple(min(a, b) for a, b in zip(image.shape, size, strict=True))
    pooled = functional.adaptive_avg_pool3d(image[None, None], coarse)
    if coarse != size:
        pooled = functional.interpolate(pooled, size, mode="trilinear", align_corners=False)
    return pooled[0, 0]


def _grid_affine(volume: hd.Volume, size: tuple[int, ...]) -> npt.NDArray[np.float64]:
    step = np.array(volume.spatial_shape, float) / np.array(size, float)
    inner = np.eye(4)
    inner[:3, :3] = np.diag(step)
    inner[:3, 3] = (step - 1) / 2
    return np.asarray(volume.affine @ inner)
