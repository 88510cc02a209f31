"""The network of model 1, and how its input is made; shared by the recipe and its training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

FloatArray = npt.NDArray[np.float32]

PIXEL_MM = 1.0
"""In-plane pixel size that the network was trained at."""

NEIGHBOURS_MM = (-4.0, -2.0, 0.0, 2.0, 4.0)
"""The network sees a slice (the middle channel) and what lies this far before and behind it; of thick slices, which say
little about each other, all channels show the slice itself."""

FILTERS = (16, 32, 64, 128, 192)

ALIAS = "skip_layers."
"""DynUNet registers each of its blocks a second time under this name; the shipped files hold them once."""


def without_aliases(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state dict in which every tensor has one name."""
    return {name: tensor for name, tensor in state.items() if ALIAS not in name}


def build() -> torch.nn.Module:
    """MONAI DynUNet in 2D: 5 channels in, 1 logit out, sides a multiple of 16."""
    from monai.networks.nets import DynUNet  # noqa: PLC0415  (seconds; only a process that computes pays them)

    levels = len(FILTERS)
    return DynUNet(
        spatial_dims=2,
        in_channels=len(NEIGHBOURS_MM),
        out_channels=1,
        kernel_size=[3] * levels,
        strides=[1] + [2] * (levels - 1),
        upsample_kernel_size=[2] * (levels - 1),
        filters=list(FILTERS),
        # Instance norm collapsed to background on slices without a lesion; batch statistics keep absolute signal.
        norm_name="batch",
    )


VOLUME_FILTERS = (32, 64, 96, 128)

HALO_VOXELS = 16
"""A voxel's probability hardly depends on what lies further away than this: tiles overlap by it."""


def build_volume() -> torch.nn.Module:
    """The network that reads volumes of 1 mm voxels: 1 channel in, 1 logit out, sides a multiple of 16.

    Every 2 x 2 x 2 voxels become the 8 channels of one and are put back at the end: nothing is lost, and the layers
    work on an eighth of the voxels, which a CPU can afford.
    """
    import torch  # noqa: PLC0415
    from monai.networks.nets import DynUNet  # noqa: PLC0415
    from monai.networks.utils import pixelshuffle, pixelunshuffle  # noqa: PLC0415

    levels = len(VOLUME_FILTERS)

    class Folded(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.folded = DynUNet(
                spatial_dims=3,
                in_channels=8,
                out_channels=8,
                kernel_size=[3] * levels,
                strides=[1] + [2] * (levels - 1),
                upsample_kernel_size=[2] * (levels - 1),
                filters=list(VOLUME_FILTERS),
                norm_name="batch",
            )

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return pixelshuffle(self.folded(pixelunshuffle(image, 3, 2)), 3, 2)

    return Folded()


def normalise(image: FloatArray) -> FloatArray:
    """Signal over its median in the head, minus one, clipped to -1…4: brain is near 0, air at -1; any shape."""
    bright = float(np.percentile(image, 99.5))
    head = image[image > 0.12 * bright]
    unit = float(np.median(head)) if head.size else 1.0
    return np.clip(image / max(unit, 1e-6) - 1.0, -1.0, 4.0).astype(np.float32)
