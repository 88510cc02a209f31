"""The structure network: a small 3D U-Net at 4 mm that names every voxel of a head; shared with its training."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

FloatArray = npt.NDArray[np.float32]

GRID_MM = 4.0
"""Voxel size that the network reads; axes (slices to the head, rows to the back, columns to the left)."""

DIVISOR = 16
"""Each side of its input is a multiple of this."""

FILTERS = (8, 16, 32, 64, 80)

ALIAS = "skip_layers."
"""DynUNet registers each of its blocks a second time under this name; the shipped file holds them once."""


class Structure(IntEnum):
    """What the network tells apart; the values are its output channels. L and R are the patient's."""

    AIR = 0
    HEAD = 1
    CSF = 2
    L_CEREBRUM = 3
    R_CEREBRUM = 4
    L_DEEP_GREY = 5
    R_DEEP_GREY = 6
    VENTRICLE = 7
    L_CEREBELLUM = 8
    R_CEREBELLUM = 9
    BRAINSTEM = 10


BRAIN = tuple(s for s in Structure if s > Structure.CSF)
"""Brain in the sense of a brain volume: ventricles in, cerebrospinal fluid around the brain out."""


def build() -> torch.nn.Module:
    """MONAI DynUNet in 3D: (n, 1, slices, rows, columns) in, one logit per `Structure` out."""
    from monai.networks.nets import DynUNet  # noqa: PLC0415  (seconds; only a process that computes pays them)

    levels = len(FILTERS)
    return DynUNet(
        spatial_dims=3,
        in_channels=1,
        out_channels=len(Structure),
        kernel_size=[3] * levels,
        strides=[1] + [2] * (levels - 1),
        upsample_kernel_size=[2] * (levels - 1),
        filters=list(FILTERS),
        norm_name="instance",
    )


def normalise(image: FloatArray) -> FloatArray:
    """Signal over its median in what is brighter than air, clipped to 0…4: brain is near 1, air at 0; any shape."""
    bright = float(np.percentile(image, 99.5))
    head = image[image > 0.12 * bright]
    unit = float(np.median(head)) if head.size else 1.0
    return np.clip(image / max(unit, 1e-6), 0.0, 4.0).astype(np.float32)
