"""Model 1: a contrast-enhanced T1 volume in, the probability of metastasis out, voxel by voxel on the same grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import highdicom as hd
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipeline.recipes.srs.network import FLAT_ABOVE_MM, NEIGHBOURS_MM, PIXEL_MM, normalise
from pipeline.recipes.srs.params import Params

if TYPE_CHECKING:
    import torch

FloatArray = npt.NDArray[np.float32]

BATCH = 8
"""Slices given to the network at once, before `tile_scale`."""

VIEWS = {"H": "HPL", "F": "HPL", "P": "PFL", "A": "PFL", "L": "LFP", "R": "LFP"}
"""How a stack is turned before it is read, by where its slice index leads: as it would hang on a light box."""


def lesion_probability(
    t1c: hd.Volume, network: torch.nn.Module, params: Params, device: str, tile_scale: float = 1.0
) -> FloatArray:
    """How likely each voxel is to belong to a metastasis.

    t1c:     (slices, rows, columns) float32, any orientation and spacing, LPS mm.
    returns: the same shape, 0…1.

    Thick slices are read in their own plane. Thin ones are turned (never interpolated) to near-axial, brought to
    1 mm, and read as axial, coronal and sagittal slices, whose mean is taken: a vessel looks like a metastasis
    in one plane, seldom in three.
    """
    import torch  # noqa: PLC0415

    thick = t1c.spacing_between_slices > params.thick_mm
    own = t1c.get_closest_patient_orientation()
    turned = t1c.to_patient_orientation(VIEWS[own[0].value] if thick else "HPL")
    image = normalise(np.asarray(turned.array, np.float32))
    with torch.inference_mode():
        grid = _resampled(torch.from_numpy(image), _sizes(turned, every_axis=not thick))
        box = _head_box(grid.numpy())
        found = torch.zeros_like(grid)
        step_mm = turned.spacing[0] if thick else PIXEL_MM
        found[box] = _all_views(grid[box], network, step_mm, device, max(1, int(BATCH * tile_scale)), one=thick)
        probability = _resampled(found, tuple(image.shape)).numpy()
    back = turned.with_array(probability).to_patient_orientation(own)
    return np.ascontiguousarray(back.array, np.float32)


def lesion_mask(probability: FloatArray, voxel_mm3: float, params: Params) -> npt.NDArray[np.bool_]:
    """Voxels of lesions: likely ones, in components that hold a certain one and are large enough, holes filled.

    A hole in a slice of a lesion is its necrotic core, and part of a gross tumour volume.
    """
    mask = probability >= params.threshold
    labels, n = ndimage.label(mask, np.ones((3, 3, 3)))
    if not n:
        return mask
    highest = np.concatenate([[0.0], np.atleast_1d(ndimage.maximum(probability, labels, np.arange(1, n + 1)))])
    voxels = np.bincount(labels.ravel(), minlength=n + 1)
    keep = (highest >= params.certain) & (voxels >= params.min_voxels) & (voxels * voxel_mm3 >= params.min_volume_mm3)
    keep[0] = False
    kept = keep[labels]
    for index in np.flatnonzero(kept.any(axis=(1, 2))):
        kept[index] = ndimage.binary_fill_holes(kept[index])
    return np.asarray(kept, np.bool_)


def _sizes(volume: hd.Volume, *, every_axis: bool) -> tuple[int, ...]:
    """The shape at PIXEL_MM in the plane of the slices, and across it too when `every_axis`."""
    return tuple(
        max(1, round(n * s / PIXEL_MM)) if every_axis or axis else n
        for axis, (n, s) in enumerate(zip(volume.spatial_shape, volume.spacing, strict=True))
    )


def _resampled(image: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    """Linear interpolation to `size`, averaging when it is coarser: first in the slices, then across them."""
    from torch.nn.functional import interpolate  # noqa: PLC0415

    if tuple(image.shape) == size:
        return image
    plane = image
    if image.shape[1:] != size[1:]:
        plane = interpolate(image[:, None], size[1:], mode="bilinear", antialias=True)[:, 0]
    if plane.shape[0] == size[0]:
        return plane
    flat = plane.reshape(1, 1, plane.shape[0], -1)
    return interpolate(flat, (size[0], flat.shape[-1]), mode="bilinear", antialias=True).reshape(size)


def _head_box(grid: FloatArray) -> tuple[slice, slice, slice]:
    """What is brighter than air, with a margin; air needs no network."""
    bright = ndimage.uniform_filter(grid, (1, 5, 5)) > -0.75
    spans = []
    for axis in range(3):
        hit = np.flatnonzero(bright.any(axis=tuple(a for a in range(3) if a != axis)))
        first, last = (int(hit[0]), int(hit[-1])) if len(hit) else (0, grid.shape[axis] - 1)
        spans.append(slice(max(0, first - 4), min(grid.shape[axis], last + 5)))
    return spans[0], spans[1], spans[2]


def _all_views(
    grid: torch.Tensor, network: torch.nn.Module, step_mm: float, device: str, batch: int, *, one: bool
) -> torch.Tensor:
    """Mean probability over the planes a slice can be cut in, each also mirrored when it is the only one."""
    axial = _read(grid, network, step_mm, device, batch)
    if one:
        return (axial + _read(grid.flip(2), network, step_mm, device, batch).flip(2)) / 2
    # Rows of coronal and sagittal slices run from the head down, as in training.
    coronal = _read(grid.permute(1, 0, 2).flip(1), network, step_mm, device, batch).flip(1).permute(1, 0, 2)
    sagittal = _read(grid.permute(2, 0, 1).flip(1), network, step_mm, device, batch).flip(1).permute(1, 2, 0)
    return (axial + coronal + sagittal) / 3


def _read(grid: torch.Tensor, network: torch.nn.Module, step_mm: float, device: str, batch: int) -> torch.Tensor:
    """The network on every slice of axis 0, a batch at a time."""
    import torch  # noqa: PLC0415
    from torch.nn.functional import pad  # noqa: PLC0415

    n, rows, columns = grid.shape
    padded = pad(grid, (0, -columns % 16, 0, -rows % 16), value=-1.0)
    out = torch.empty_like(grid)
    for first in range(0, n, batch):
        index = torch.arange(first, min(n, first + batch))
        channels = torch.stack([_neighbour(padded, index, mm / step_mm, step_mm) for mm in NEIGHBOURS_MM], 1)
        logit: Any = network(channels.to(device, memory_format=torch.channels_last))
        out[index] = torch.sigmoid(logit[:, 0, :rows, :columns].float()).cpu()
    return out


def _neighbour(grid: torch.Tensor, index: torch.Tensor, offset: float, step_mm: float) -> torch.Tensor:
    """The slices `offset` slices away, interpolated; the same slices when the stack is too thick for neighbours."""
    if step_mm > FLAT_ABOVE_MM or offset == 0:
        return grid[index]
    low = int(np.floor(offset))
    part = offset - low
    last = grid.shape[0] - 1
    below = grid[(index + low).clamp(0, last)]
    return below if part < 1e-6 else (1 - part) * below + part * grid[(index + low + 1).clamp(0, last)]
