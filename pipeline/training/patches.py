"""Cubes for the network that reads volumes: bare heads with lesions, vessels and a scanner's habits drawn in anew.

Batch i of a run depends on the seed and i alone, so a resumed run goes on as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch.nn import functional

from pipeline.phantom.lesions import Recipe, draw_lesions
from pipeline.phantom.noise import FloatArray, smooth_noise
from pipeline.phantom.tissue import INTRACRANIAL, PARENCHYMA, Tissue, is_any
from pipeline.training.bare_heads import BareHead
from pipeline.training.mining import Spots
from pipeline.training.samples import Batch
from pipeline.training.vessels import draw_vessels
from pipeline.training.volumes import GREY_PER_UNIT, ONE_MM

T = Tissue

TRAPS = (T.SINUS, T.DURA, T.CHOROID, T.PITUITARY, T.ARTERY, T.MUCOSA, T.MARROW, T.EYE)
"""What is bright and no metastasis."""

SMALLEST_WEIGHT, LARGEST_WEIGHT = 1.5, 6.0
FULL_WEIGHT_VOXELS = 300
"""Voxels of lesions count more than others, those of small lesions most, so that these are not drowned."""


@dataclass(frozen=True, slots=True)
class PatchSource:
    """Cubes of `side` mm at 1 mm, `cubes` at a time.

    scans:       real heads without lesions, from which `share_scans` of the cubes are taken.
    spots:       places by name of head where an earlier network was wrong; `share_spots` of the cubes are there.
    """

    heads: list[BareHead]
    side: int
    cubes: int
    seed: int
    scans: tuple[BareHead, ...] = ()
    share_scans: float = 0.0
    spots: Mapping[str, Spots] = field(default_factory=dict)
    share_spots: float = 0.0

    def batch(self, index: int, *, salt: int = 0) -> Batch:
        """The batch of that number: image (n, 1, side, side, side), mask and weight alike."""
        rng = np.random.default_rng((self.seed, salt, index))
        made = [self._cube(rng) for _ in range(self.cubes)]
        image, mask, weight = (torch.from_numpy(np.stack(part)[:, None]) for part in zip(*made, strict=True))
        return Batch(image, mask, weight)

    def _cube(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray, FloatArray]:
        heads = self.scans if self.scans and rng.random() < self.share_scans else self.heads
        head = heads[int(rng.integers(len(heads)))]
        image, tissues = _cut(head, self._focus(rng, head), self.side)
        image, tissues = _turned(rng, image, tissues)
        if rng.random() < 0.7:
            draw_vessels(rng, image, tissues)
        labels = _lesions(rng, image, tissues)
        image = _tone(rng, _sampled(rng, image))
        return image, (labels > 0).astype(np.float32), _weights(labels)

    def _focus(self, rng: np.random.Generator, head: BareHead) -> npt.NDArray[np.intp]:
        spots = self.spots.get(head.name)
        if spots is None or not len(spots) or rng.random() >= self.share_spots:
            return _focus(rng, head)
        aside = rng.integers(-self.side // 4, self.side // 4 + 1, 3)
        return np.clip(spots[rng.integers(len(spots))] + aside, 0, np.array(head.tissues.shape) - 1).astype(np.intp)


def _focus(rng: np.random.Generator, head: BareHead) -> npt.NDArray[np.intp]:
    """Where to look: into the brain mostly, at traps, or anywhere. Found by trial, for heads are large."""
    draw = rng.random()
    wanted = PARENCHYMA if draw < 0.65 else TRAPS if draw < 0.85 else tuple(T)[1:]
    for tissues in (wanted, wanted, wanted, PARENCHYMA):
        tried = rng.integers(0, head.tissues.shape, (400, 3))
        hits = tried[is_any(head.tissues[tuple(tried.T)], tissues)]
        if len(hits):
            return np.asarray(hits[0])
    return np.array(head.tissues.shape) // 2


def _cut(head: BareHead, centre: npt.NDArray[np.intp], side: int) -> tuple[FloatArray, npt.NDArray[np.uint8]]:
    """Signal from 0 (air) and tissues of a cube around `centre`, shifted so that it holds as much head as it can."""
    corner = [int(np.clip(c - side // 2, 0, max(0, n - side))) for c, n in zip(centre, head.tissues.shape, strict=True)]
    box = tuple(slice(c, c + side) for c in corner)
    image = np.zeros((side, side, side), np.float32)
    tissues = np.zeros((side, side, side), np.uint8)
    part = head.tissues[box]
    inside = tuple(slice(0, n) for n in part.shape)
    tissues[inside] = part
    image[inside] = head.image[box] / np.float32(GREY_PER_UNIT)
    return image, tissues


def _turned(
    rng: np.random.Generator, image: FloatArray, tissues: npt.NDArray[np.uint8]
) -> tuple[FloatArray, npt.NDArray[np.uint8]]:
    """Mirrored along any axis, and now and then with its axes exchanged."""
    flips = tuple(int(a) for a in np.flatnonzero(rng.random(3) < 0.5))
    axes = rng.permutation(3) if rng.random() < 0.4 else np.arange(3)
    turned = (np.transpose(np.flip(a, flips), axes) for a in (image, tissues))
    first, second = (np.ascontiguousarray(a) for a in turned)
    return first, second


def _lesions(rng: np.random.Generator, image: FloatArray, tissues: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint16]:
    """Metastases in the brain; in one cube of eight also where schwannomas and meningiomas grow, beside it."""
    parenchyma = is_any(tissues, PARENCHYMA)
    within = ndimage.binary_closing(is_any(tissues, INTRACRANIAL), iterations=2) | parenchyma
    allowed = within if rng.random() < 0.12 else parenchyma
    count = 0 if rng.random() < 0.25 else 2 + int(rng.poisson(2.5))
    small = rng.random(count) < 0.7
    low, high = np.where(small, np.log(2.2), np.log(7.0)), np.where(small, np.log(7.0), np.log(38.0))
    sizes = [float(d) for d in np.exp(rng.uniform(low, high))]
    recipe = Recipe(
        contrast=(0.2, 1.4),
        rim_fraction=0.4,
        rough=float(rng.uniform(0.05, 0.35)),
        halo_fraction=float(rng.uniform(0, 0.7)),
        # Little: the network shall not know a lesion by its grain.
        grain=float(rng.uniform(0, 0.04)),
    )
    return draw_lesions(rng, image, allowed, within, ONE_MM, sizes, recipe)[0]


def _sampled(rng: np.random.Generator, image: FloatArray) -> FloatArray:
    """Point spread, and in a third of the cubes slices of 2 or 3 mm, interpolated as the reader does."""
    if rng.random() < 0.75:
        image = ndimage.gaussian_filter(image, rng.uniform(0.25, 0.85, 3), truncate=2.5)
    if rng.random() < 0.35:
        axis, k = int(rng.integers(3)), int(rng.integers(2, 4))
        side = image.shape[axis]
        front = np.moveaxis(image, axis, 0)[: side // k * k]
        thick = torch.from_numpy(front.reshape(side // k, k, side * side).mean(1))
        thin = functional.interpolate(thick.T[None], side, mode="linear")[0].T.reshape(side, side, side)
        image = np.moveaxis(thin.numpy(), 0, axis)
    return np.ascontiguousarray(image, np.float32)


def _tone(rng: np.random.Generator, signal: FloatArray) -> FloatArray:
    """What scanners and protocols change: scale, gamma, coil sensitivity, noise; returns it normalised, air at -1."""
    signal = signal * float(np.exp(rng.uniform(np.log(0.75), np.log(1.35))))
    if rng.random() < 0.5:
        signal = signal ** float(np.exp(rng.uniform(np.log(0.75), np.log(1.35))))
    if rng.random() < 0.5:
        signal = signal * np.exp(0.2 * np.clip(smooth_noise(rng, signal.shape, 60.0), -2, 2))
    if rng.random() < 0.6:
        signal = signal + float(rng.uniform(0, 0.09)) * rng.standard_normal(signal.shape, dtype=np.float32)
    return np.clip(np.abs(signal) - 1, -1, 4).astype(np.float32)


def _weights(labels: npt.NDArray[np.uint16]) -> FloatArray:
    voxels = np.bincount(labels.ravel())
    weight = np.clip(FULL_WEIGHT_VOXELS / np.maximum(voxels, 1), SMALLEST_WEIGHT, LARGEST_WEIGHT).astype(np.float32)
    weight[0] = 1
    return weight[labels]
