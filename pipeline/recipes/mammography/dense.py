"""How suspicious each cell of a breast is: linear in what `cells` describes it by, and in how it differs from the same
place of the other breast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.core.errors import WeightsCorrupt
from pipeline.recipes.mammography.cells import TAPS, TEXTURE, described, width
from pipeline.recipes.mammography.looks import CELL, Floats, Look
from pipeline.recipes.mammography.partner import Partner, warp
from pipeline.recipes.mammography.trunk import State, Trunk, load_trunk

AROUND = 3
"""Cells along the square whose mean is compared with the other breast: no registration is more exact."""
FARTHEST = 6.0
"""Standard deviations that a feature counts for at most."""
SMOOTH = 0.7
"""Standard deviation in cells."""
NEAR, INSIDE = 0.1, 0.3
"""Shares of tissue: from the one on a cell's value is used, from the other on it is answered for."""

Heat = NDArray[np.float32]
"""(2, rows, columns): logits of a lesion, and of a malignant one, in each cell; -inf where there is little tissue."""


@dataclass(frozen=True, slots=True)
class Linear:
    """Two linear models of the same standardised features.

    groups:    of `cells`; each feature once as it is and, behind all of those, once as a difference.
    mean, deviation: (features,) of the training cells.
    weights:   (2, features), bias: (2,): lesion, malignant lesion.
    """

    groups: tuple[str, ...]
    mean: Floats
    deviation: Floats
    weights: Floats
    bias: Floats

    def logits(self, features: NDArray[np.floating]) -> Floats:
        """(features, …) -> (2, …). A feature that is not a number counts as the mean."""
        shape = (-1,) + (1,) * (features.ndim - 1)
        standard = (features - self.mean.reshape(shape)) / self.deviation.reshape(shape)
        standard = np.nan_to_num(standard, nan=0.0).clip(-FARTHEST, FARTHEST).astype(np.float32)
        return np.asarray(np.tensordot(self.weights, standard, 1) + self.bias.reshape(shape), np.float32)

    def to_bytes(self) -> bytes:
        """dense.safetensors."""
        from safetensors.numpy import save  # noqa: PLC0415

        groups = np.frombuffer(",".join(self.groups).encode(), np.uint8)
        arrays = {"mean": self.mean, "deviation": self.deviation, "weights": self.weights, "bias": self.bias}
        return bytes(save({"groups": groups, **{k: np.ascontiguousarray(v, np.float32) for k, v in arrays.items()}}))

    @classmethod
    def from_bytes(cls, content: bytes) -> Linear:
        """Raises WeightsCorrupt when it is not what `to_bytes` gives, or was made for other features."""
        from safetensors import SafetensorError  # noqa: PLC0415
        from safetensors.numpy import load  # noqa: PLC0415

        try:
            arrays = load(content)
            groups = tuple(bytes(arrays.pop("groups")).decode("ascii").split(","))
            made = cls(groups, **arrays)
        except (SafetensorError, KeyError, TypeError, UnicodeDecodeError) as error:
            raise WeightsCorrupt(f"the weights of the dense model cannot be read: {error}") from error
        if fault := made._fault():
            raise WeightsCorrupt(f"the weights of the dense model {fault}")
        return made

    def _fault(self) -> str:
        if unknown := [g for g in self.groups if g not in TAPS and g != TEXTURE]:
            return f"are for features that there are not: {', '.join(unknown)}"
        wanted = 2 * sum(width(g) for g in self.groups)
        shapes: Mapping[str, tuple[int, ...]] = {"mean": (wanted,), "deviation": (wanted,), "weights": (2, wanted)}
        wrong = [n for n, s in {**shapes, "bias": (2,)}.items() if getattr(self, n).shape != s]
        return f"have a {wrong[0]} of the wrong shape" if wrong else ""


@dataclass(frozen=True, slots=True)
class Described:
    """A look as the dense model sees it: (features, rows, columns), and the tissue of its cells."""

    features: Floats
    tissue: Floats


@dataclass(frozen=True, slots=True)
class DenseHeads:
    """The dense model, ready to be asked."""

    trunk: Trunk
    linear: Linear

    @classmethod
    def load(cls, content: bytes, trunk: State, device: str = "cpu") -> DenseHeads:
        """From dense.safetensors and the weights of the trunk. Raises WeightsCorrupt."""
        linear = Linear.from_bytes(content)
        deepest = max((TAPS[g].block for g in linear.groups if g != TEXTURE), default=0)
        return cls(load_trunk(trunk, deepest + 1).to(device), linear)

    def describe(self, look: Look) -> Described:
        """The slow part: once for each view."""
        return Described(described(look, self.trunk, self.linear.groups), look.tissue)

    def heat(self, look: Look, other: Look | None = None, partner: Partner | None = None) -> Heat:
        """Of a look; other, partner: the same view of the other breast and where its places are, if it was taken."""
        return self.heat_of(self.describe(look), None if other is None else self.describe(other), partner)

    def heat_of(self, one: Described, other: Described | None = None, partner: Partner | None = None) -> Heat:
        """The same of looks that were described already."""
        features = compared(one.features, None if other is None else other.features, partner)
        return smoothed(self.linear.logits(features), one.tissue)


def compared(features: NDArray[np.floating], other: NDArray[np.floating] | None, partner: Partner | None) -> Floats:
    """(2 features, rows, columns): the features, and their differences; not a number where there is no other breast."""
    here = np.asarray(features, np.float32)
    if other is None or partner is None:
        return np.concatenate([here, np.full_like(here, np.nan)])
    there = warp(_around(other), partner, here.shape[1:], CELL)
    return np.concatenate([here, _around(here) - there])


def _around(features: NDArray[np.floating]) -> Floats:
    return np.asarray(ndimage.uniform_filter(np.asarray(features, np.float32), (0, AROUND, AROUND)), np.float32)


def smoothed(logits: Floats, tissue: Floats) -> Heat:
    """Without the noise between neighbours; -inf outside."""
    near = tissue > NEAR
    filled = [np.where(near, one, np.median(one)) for one in logits]
    smooth = np.stack([ndimage.gaussian_filter(one, SMOOTH) for one in filled])
    return np.asarray(np.where(tissue > INSIDE, smooth, -np.inf), np.float32)
