"""Model 1: a contrast-enhanced T1 volume in, the probability of metastasis out, voxel by voxel on the same grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import highdicom as hd
import numpy as np
import numpy.typing as npt

from pipeline.recipes.srs.network import HALO_VOXELS, NEIGHBOURS_MM, PIXEL_MM, normalise
from pipeline.recipes.srs.params import Params

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

FloatArray = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Box = tuple[slice, slice, slice]

BATCH = 8
"""Slices given to the network at once, before `tile_scale`."""

TILE_VOXELS = 96
"""Side of what the volume network answers for at once, before `tile_scale`; it sees HALO_VOXELS more on each side."""

MARGIN_MM = 10.0
"""How far beyond the brain the networks look."""

MIRRORED: tuple[tuple[int, ...], ...] = ((), (2,), (1,), (1, 2))
"""Axes along which a volume is mirrored for each of its readings: what is wrong in one is seldom wrong in all."""

VIEWS = {"H": "HPL", "F": "HPL", "P": "PFL", "A": "PFL", "L": "LFP", "R": "LFP"}
"""How a stack is turned before it is read, by where its slice index leads: as it would hang on a light box."""


@dataclass(frozen=True, slots=True)
class Networks:
    """slices: reads slices with their neighbours; volume: reads cubes of 1 mm voxels."""

    slices: torch.nn.Module
    volume: torch.nn.Module


@dataclass(frozen=True, slots=True)
class Reading:
    """What model 1 says.

    probability: float32 0…1, (slices, rows, columns) of the series: the mean of all readings; outlines are drawn in it.
    certainty:   float32 0…1, what the surer of the two networks says, by which candidates are found: the same grid.
    box:         the part of the grid that was read.
    by_slices:   single readings slice by slice (planes, mirrored), by_volume: as a volume; float16, the grid of `box`.
    """

    probability: FloatArray
    certainty: FloatArray
    box: Box
    by_slices: tuple[npt.NDArray[np.float16], ...] = ()
    by_volume: tuple[npt.NDArray[np.float16], ...] = ()


def read_lesions(
    t1c: hd.Volume, brain: Mask, networks: Networks, params: Params, device: str, tile_scale: float = 1.0
) -> Reading:
    """How likely each voxel is to belong to a metastasis; nothing is said beyond the brain and MARGIN_MM around it.

    t1c:   (slices, rows, columns) float32, any orientation and spacing, LPS mm; brain: the same grid.

    Thick slices are read in their own plane, as they are and mirrored. Thin ones are turned (never interpolated) to
    near-axial, brought to 1 mm, and read as a volume, as it is and mirrored, and as axial, coronal and sagittal slices.
    """
    import torch  # noqa: PLC0415

    box = _brain_box(brain, t1c.spacing)
    thick = t1c.spacing_between_slices > params.thick_mm
    # The signal is brought to scale in the whole head, as in training, before all but the brain is cut away.
    head = t1c.with_array(normalise(np.asarray(t1c.array, np.float32)))[box]
    own = head.get_closest_patient_orientation()
    turned = head.to_patient_orientation(VIEWS[own[0].value] if thick else "HPL")
    singles: dict[str, list[npt.NDArray[np.float16]]] = {"slices": [], "volume": []}
    with torch.inference_mode():
        grid = _resampled(torch.from_numpy(np.ascontiguousarray(turned.array)), _sizes(turned, every_axis=not thick))
        for by, found in _readings(grid, networks, device, tile_scale, thick=thick):
            back = turned.with_array(_resampled(found, turned.spatial_shape).numpy()).to_patient_orientation(own)
            singles[by].append(np.asarray(back.array, np.float16))
    probability, certainty = (np.zeros(t1c.spatial_shape, np.float32) for _ in range(2))
    probability[box], certainty[box] = _together(singles["slices"], singles["volume"], params)
    return Reading(probability, certainty, box, tuple(singles["slices"]), tuple(singles["volume"]))


SHOWN_FROM = 0.05
"""What is less probable than this is not shown on a map of probability."""


def cut_out(probability: hd.Volume) -> hd.Volume | None:
    """The smallest box of a map that holds every voxel from SHOWN_FROM on, float16; None without any.

    With memory of its own, for findings go from process to process.
    """
    there = np.asarray(probability.array) >= SHOWN_FROM
    if not there.any():
        return None
    spans = []
    for axis in range(3):
        hit = np.flatnonzero(there.any(axis=tuple({0, 1, 2} - {axis})))
        spans.append(slice(int(hit[0]), int(hit[-1]) + 1))
    box = probability[spans[0], spans[1], spans[2]]
    return box.with_array(np.array(box.array, np.float16, order="C"))


def _together(
    by_slices: list[npt.NDArray[np.float16]], by_volume: list[npt.NDArray[np.float16]], params: Params
) -> tuple[FloatArray, FloatArray]:
    """Mean of the readings, and the certainty of the surer network.

    The slice network is less sure of the same thing than the volume network: it is given a start, in logits.
    """
    slices = np.asarray(np.mean(by_slices, axis=0, dtype=np.float32))
    if not by_volume:
        return slices, _shifted(slices, params.thick_start)
    volume = np.asarray(np.mean(by_volume, axis=0, dtype=np.float32))
    mean = params.volume_share * volume + (1 - params.volume_share) * slices
    return np.asarray(mean, np.float32), np.maximum(volume, _shifted(slices, params.slices_start))


def _shifted(probability: FloatArray, by: float) -> FloatArray:
    """Probabilities whose logits are larger by `by`."""
    odds = np.exp(np.float32(by)) * probability / np.maximum(1 - probability, np.float32(1e-4))
    return np.asarray(odds / (1 + odds), np.float32)


def _readings(
    grid: torch.Tensor, networks: Networks, device: str, tile_scale: float, *, thick: bool
) -> Iterator[tuple[str, torch.Tensor]]:
    """By what, and probability, of each reading; a grid that is not thick has voxels of 1 mm."""
    batch = max(1, int(BATCH * tile_scale))
    if thick:
        yield "slices", _slices(grid, networks.slices, device, batch, flat=True)
        yield "slices", _slices(grid.flip(2), networks.slices, device, batch, flat=True).flip(2)
        return
    tile = max(32, int(TILE_VOXELS * tile_scale) // 16 * 16)
    for axes in MIRRORED:
        yield "volume", read_cubes(grid.flip(axes), networks.volume, device, tile).flip(axes)
    yield "slices", _slices(grid, networks.slices, device, batch)
    # Rows of coronal and sagittal slices run from the head down, as in training.
    coronal = _slices(grid.permute(1, 0, 2).flip(1), networks.slices, device, batch)
    yield "slices", coronal.flip(1).permute(1, 0, 2)
    sagittal = _slices(grid.permute(2, 0, 1).flip(1), networks.slices, device, batch)
    yield "slices", sagittal.flip(1).permute(1, 2, 0)


def _brain_box(brain: Mask, spacing_mm: tuple[float, ...]) -> Box:
    spans = []
    for axis, mm in enumerate(spacing_mm):
        hit = np.flatnonzero(brain.any(axis=tuple(a for a in range(3) if a != axis)))
        margin = int(np.ceil(MARGIN_MM / mm))
        spans.append(slice(max(0, int(hit[0]) - margin), min(brain.shape[axis], int(hit[-1]) + margin + 1)))
    return spans[0], spans[1], spans[2]


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


def read_cubes(grid: torch.Tensor, network: torch.nn.Module, device: str, tile: int) -> torch.Tensor:
    """The network that reads volumes, a tile at a time, each with a halo that is cut off again."""
    import torch  # noqa: PLC0415
    from torch.nn.functional import pad  # noqa: PLC0415

    padding = [p for n in reversed(grid.shape) for p in (HALO_VOXELS, HALO_VOXELS - n % -16)]
    padded = pad(grid[None], padding, value=-1.0)[0]
    out = torch.empty_like(grid)
    for corner in np.ndindex(*(-(-n // tile) for n in grid.shape)):
        first = [c * tile for c in corner]
        size = [min(tile, n - f) for f, n in zip(first, grid.shape, strict=True)]
        seen = tuple(slice(f, f + s - s % -16 + 2 * HALO_VOXELS) for f, s in zip(first, size, strict=True))
        logit: Any = network(padded[seen][None, None].to(device))
        inside = tuple(slice(HALO_VOXELS, HALO_VOXELS + s) for s in size)
        where = tuple(slice(f, f + s) for f, s in zip(first, size, strict=True))
        out[where] = torch.sigmoid(logit[0, 0].float()[inside]).cpu()
    return out


def _slices(
    grid: torch.Tensor, network: torch.nn.Module, device: str, batch: int, *, flat: bool = False
) -> torch.Tensor:
    """The network that reads slices, on every slice of axis 0, a batch at a time.

    flat: every channel shows the slice itself, as in training with thick slices, whose neighbours say little; else
    the slices are 1 mm apart, and the channels show neighbours.
    """
    import torch  # noqa: PLC0415
    from torch.nn.functional import pad  # noqa: PLC0415

    n, rows, columns = grid.shape
    padded = pad(grid, (0, -columns % 16, 0, -rows % 16), value=-1.0)
    offsets = [0 if flat else round(mm / PIXEL_MM) for mm in NEIGHBOURS_MM]
    out = torch.empty_like(grid)
    for first in range(0, n, batch):
        index = torch.arange(first, min(n, first + batch))
        channels = torch.stack([padded[(index + offset).clamp(0, n - 1)] for offset in offsets], 1)
        logit: Any = network(channels.to(device, memory_format=torch.channels_last))
        out[index] = torch.sigmoid(logit[:, 0, :rows, :columns].float()).cpu()
    return out
