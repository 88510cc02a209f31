"""Batches of training slices. Batch i of a run depends on the seed and i alone, so a resumed run goes on as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch.nn import functional

from pipeline.phantom.noise import smooth_noise
from pipeline.recipes.srs.network import NEIGHBOURS_MM
from pipeline.training.config import Config
from pipeline.training.slices import RealSlice
from pipeline.training.volumes import GREY_PER_UNIT, Head

FloatArray = npt.NDArray[np.float32]
WINDOW = 224
"""Side in pixels of what is cut out before turning and scaling."""


@dataclass(frozen=True, slots=True)
class Batch:
    """image: (n, channels, crop, crop) normalised; mask: (n, 1, crop, crop) 0/1; weight: the same shape, 1 or more."""

    image: torch.Tensor
    mask: torch.Tensor
    weight: torch.Tensor


@dataclass(frozen=True, slots=True)
class Source:
    """What training slices are taken from."""

    heads: dict[str, list[Head]]
    slices: list[RealSlice]
    config: Config

    def batch(self, index: int, *, salt: int = 0) -> Batch:
        """The batch of that number."""
        rng = np.random.default_rng((self.config.seed, salt, index))
        stack = torch.from_numpy(np.stack([self._slice(rng) for _ in range(self.config.batch)]))
        warped = _warp(rng, stack, self.config.crop)
        mask = (warped[:, -1:] > 0.5).float()
        image = torch.from_numpy(np.stack([_tone(rng, i) for i in warped[:, :-1].numpy()]))
        weights = [_weights(i, m) for i, m in zip(warped[:, :-1].numpy(), mask[:, 0].numpy(), strict=True)]
        return Batch(image, mask, torch.from_numpy(np.stack(weights))[:, None])

    def _slice(self, rng: np.random.Generator) -> FloatArray:
        kind = self._kind(float(rng.random()))
        if kind == "slices" and self.slices:
            return _from_slice(rng, self.slices[int(rng.integers(len(self.slices)))])
        heads = self.heads.get(kind) or next(iter(self.heads.values()))
        return _from_head(rng, heads[int(rng.integers(len(heads)))], self.config.thick)

    def _kind(self, draw: float) -> str:
        c = self.config
        for kind, share in (("slices", c.share_slices), ("real", c.share_real), ("procedural", c.share_procedural)):
            if draw < share:
                return kind
            draw -= share
        return "labelmap"


def _from_slice(rng: np.random.Generator, source: RealSlice) -> FloatArray:
    where = source.where_lesion if len(source.where_lesion) and rng.random() < 0.6 else source.where_head
    row, column = (int(v) for v in where[int(rng.integers(len(where)))])
    return _cut([source.image] * len(NEIGHBOURS_MM), source.mask, row, column)


def _from_head(rng: np.random.Generator, source: Head, thick: float) -> FloatArray:
    """A slice in one of three planes, thin with its neighbours or thick and alone."""
    axis = int(rng.choice(3, p=(0.6, 0.2, 0.2)))
    centre = _focus(rng, source)
    middle, (row, column) = centre[axis], [c for a, c in enumerate(centre) if a != axis]
    n = source.image.shape[axis]
    apart = [round(v) for v in NEIGHBOURS_MM]
    half = int(rng.integers(1, 4)) if rng.random() < thick else 0
    flat = half > 0 or rng.random() < 0.15
    planes = [int(np.clip(middle + o, 0, n - 1)) for o in (range(-half, half + 1) if flat else apart)]
    image, labels = (np.moveaxis(np.take(a, planes, axis), axis, 0) for a in (source.image, source.labels))
    if axis:  # rows run from the head down in coronal and sagittal views
        image, labels, row = image[:, ::-1], labels[:, ::-1], image.shape[1] - 1 - row
    if not flat:
        return _cut([i / np.float32(GREY_PER_UNIT) for i in image], labels[len(apart) // 2] > 0, row, column)
    mean = image.mean(0, dtype=np.float32) / np.float32(GREY_PER_UNIT)
    return _cut([mean] * len(apart), (labels > 0).mean(0, dtype=np.float32), row, column)


def _focus(rng: np.random.Generator, source: Head) -> list[int]:
    """Where to look: at a lesion, mostly; else anywhere in the head."""
    if source.centres and rng.random() < 0.6:
        centre = source.centres[int(rng.integers(len(source.centres)))]
        shape = source.image.shape
        return [int(np.clip(c + rng.integers(-2, 3), 0, n - 1)) for c, n in zip(centre, shape, strict=True)]
    return [int(rng.integers(int(n * 0.05), int(n * 0.95))) for n in source.image.shape]


_SHIFT = 40
"""How far, in pixels, what was looked at may lie from the middle."""


def _cut(channels: Sequence[FloatArray], mask: npt.NDArray[Any], row: int, column: int) -> FloatArray:
    """WINDOW x WINDOW pixels around (row, column) of every channel and, last, of the mask; 0 beyond the edge.

    Channels are signal from 0 here (normalised plus one), so that 0 is air.
    """
    top, left = row - WINDOW // 2, column - WINDOW // 2
    rows, columns = (slice(max(0, v), v + WINDOW) for v in (top, left))
    out = np.zeros((len(channels) + 1, WINDOW, WINDOW), np.float32)
    for layer, image in zip(out, (*channels, mask), strict=True):
        part = image[rows, columns]
        layer[max(0, -top) :, max(0, -left) :][: part.shape[0], : part.shape[1]] = part
    return out


def _warp(rng: np.random.Generator, stack: torch.Tensor, crop: int) -> torch.Tensor:
    """Turn, scale, mirror, shift and bend every slice, and cut it to `crop`."""
    n = stack.shape[0]
    line = (torch.arange(crop, dtype=torch.float32) - (crop - 1) / 2) * 2 / WINDOW
    rows, columns = torch.meshgrid(line, line, indexing="ij")
    grids = []
    for _ in range(n):
        angle = np.radians(rng.normal(0, 12))
        scale = float(np.exp(rng.uniform(np.log(0.8), np.log(1.25))))
        mirror = float(rng.choice([-1, 1]))
        shift = rng.uniform(-_SHIFT, _SHIFT, 2) * 2 / WINDOW
        x, y = columns * mirror / scale, rows / scale
        cos, sin = float(np.cos(angle)), float(np.sin(angle))
        grids.append(torch.stack([cos * x - sin * y + float(shift[0]), sin * x + cos * y + float(shift[1])], -1))
    knots = torch.from_numpy(rng.standard_normal((n, 2, 6, 6), dtype=np.float32)) * (5 / WINDOW)
    bend = functional.interpolate(knots, (crop, crop), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    return functional.grid_sample(stack, torch.stack(grids) + bend, align_corners=False)


def _tone(rng: np.random.Generator, image: FloatArray) -> FloatArray:
    """What scanners and protocols change: scale, gamma, coil sensitivity, sharpness, noise.

    image: (channels, rows, columns), signal from 0; returns it normalised, air at -1.
    """
    signal = image * float(np.exp(rng.uniform(np.log(0.7), np.log(1.4))))
    if rng.random() < 0.5:
        signal = signal ** float(np.exp(rng.uniform(np.log(0.75), np.log(1.35))))
    if rng.random() < 0.5:
        signal = signal * np.exp(0.2 * np.clip(smooth_noise(rng, image.shape[1:], 70.0), -2, 2))
    if rng.random() < 0.25:
        signal = ndimage.gaussian_filter(signal, (0, *rng.uniform(0.3, 1.0, 2)))
    if rng.random() < 0.4:
        flat = bool((image[0] == image[-1]).all())
        noise = rng.standard_normal(image.shape[1:] if flat else image.shape, dtype=np.float32)
        signal = np.abs(signal + float(rng.uniform(0, 0.08)) * noise)
    return np.clip(signal - 1, -1, 4).astype(np.float32)


SPECK_PX = 20
"""In a slice without neighbours a lesion smaller than this cannot be told from a vessel that crosses it."""


def _weights(image: FloatArray, mask: FloatArray) -> FloatArray:
    """1 outside; inside a lesion more, the smaller its area, so that small ones count; 0 in specks of lone slices.

    image: (channels, rows, columns); mask: (rows, columns).
    """
    labels, n = ndimage.label(mask > 0)
    if not n:
        return np.ones_like(mask)
    area = np.bincount(labels.ravel())
    per_label = np.clip(60.0 / np.maximum(area, 1), 1, 3).astype(np.float32)
    if (image[0] == image[-1]).all():
        per_label[area < SPECK_PX] = 0
    per_label[0] = 1
    return per_label[labels]
