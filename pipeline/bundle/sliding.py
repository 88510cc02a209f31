"""A volume onto the grid a 3D network wants, the network over it (or an image) tile by tile, and the answer back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import highdicom as hd
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

FloatArray = npt.NDArray[np.float32]

TILES = 4
"""Tiles given to the network at once, before `tile_scale`."""

_HIGHDICOM = str.maketrans("SI", "HF")
"""DICOM calls superior head and inferior foot (PS3.3 C.7.6.1.1.1)."""


def on_grid(volume: hd.Volume, orientation: str, spacing_mm: tuple[float, float, float]) -> FloatArray:
    """The volume turned so that its axes lead where `orientation` says ("RAS"), with voxels of about `spacing_mm`.

    Axes are swapped and mirrored, never rotated: an oblique volume stays oblique. Voxels keep their outer edges, so
    that the true spacing differs from `spacing_mm` by less than one voxel in the length of an axis.
    """
    turned = volume.to_patient_orientation(orientation.translate(_HIGHDICOM))
    image = np.ascontiguousarray(turned.array, np.float32)
    size = (max(1, round(n * s / to)) for n, s, to in zip(image.shape, turned.spacing, spacing_mm, strict=True))
    return resampled(image, tuple(size))


def back_on(volume: hd.Volume, array: FloatArray, orientation: str) -> FloatArray:
    """What `on_grid(volume, orientation, …)` did, undone for an array on that grid: the shape is that of `volume`."""
    turned = volume.to_patient_orientation(orientation.translate(_HIGHDICOM))
    fitted = turned.with_array(resampled(array, tuple(turned.spatial_shape)))
    back = fitted.to_patient_orientation(volume.get_closest_patient_orientation())
    return np.ascontiguousarray(back.array, np.float32)


def resampled(image: FloatArray, size: tuple[int, ...]) -> FloatArray:
    """Linear interpolation of three axes to `size`; where that is coarser, averaging, so that nothing is skipped."""
    import torch  # noqa: PLC0415
    from torch.nn.functional import interpolate  # noqa: PLC0415

    if image.shape == size:
        return image
    # Averaging while interpolating exists for two axes at a time: first the last two, then the first.
    plane = torch.from_numpy(np.ascontiguousarray(image))[:, None]
    if image.shape[1:] != size[1:]:
        plane = interpolate(plane, size[1:], mode="bilinear", antialias=True)
    if len(plane) != size[0]:
        flat = plane.reshape(1, 1, len(plane), -1)
        plane = interpolate(flat, (size[0], flat.shape[-1]), mode="bilinear", antialias=True)
    return np.asarray(plane.reshape(size).numpy(), np.float32)


def over_tiles(
    network: Callable[[torch.Tensor], torch.Tensor],
    image: FloatArray,
    patch: tuple[int, ...],
    overlap: float,
    device: str,
    tile_scale: float = 1.0,
) -> FloatArray:
    """The network's answer for the whole of an image, tiles blended with Gaussian weights.

    network:    (n, channels, *patch) on `device` -> (n, channels out, *patch).
    image:      (channels, …) three axes, or two; padded with 0 where it is smaller than a patch.
    tile_scale: below 1 fewer tiles go at once, and the answer is put together in main memory.
    returns:    (channels out, …) float32 in main memory.
    """
    import torch  # noqa: PLC0415
    from monai.inferers import sliding_window_inference  # noqa: PLC0415

    with torch.inference_mode():
        said: Any = sliding_window_inference(
            torch.from_numpy(np.ascontiguousarray(image, np.float32))[None],
            roi_size=patch,
            sw_batch_size=max(1, int(TILES * tile_scale)),
            predictor=network,
            overlap=overlap,
            mode="gaussian",
            sw_device=device,
            device=device if tile_scale >= 1 else "cpu",
        )
    return np.asarray(said[0].float().cpu().numpy(), np.float32)
