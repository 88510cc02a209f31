"""A user's model, loaded: a contrast-enhanced T1 volume or one breast in, how likely a lesion is out, everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import highdicom as hd
import numpy as np

from pipeline.bundle.card import MAMMOGRAM, T1C, Card, Input, Output, PlaneInput, describe
from pipeline.bundle.keys import MANIFEST
from pipeline.bundle.networks import load_network
from pipeline.bundle.plane import back_on_picture, filled_up, on_plane
from pipeline.bundle.sliding import FloatArray, back_on, on_grid, over_tiles
from pipeline.core.errors import ConfigInvalid, PipelineFailed
from pipeline.marks import Kind

if TYPE_CHECKING:
    import torch

_ROUNDING = 1e-3
_TRIED_ON = 256
"""Pixels along each edge of the empty image that a network of whole images is tried on, at least."""


@dataclass(frozen=True, slots=True, eq=False)
class Heat:
    """What a model says of one breast, all (rows, columns) float32, 0…1, on the picture that it was asked about.

    lesion: how likely each pixel is to belong to a lesion of any kind.
    kinds:  the same for each kind, where the owner says which channel means which.
    """

    lesion: FloatArray
    kinds: dict[Kind, FloatArray]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A user's model and what its owner says of it."""

    card: Card
    network: torch.nn.Module

    def probability(self, t1c: hd.Volume, device: str = "cpu", tile_scale: float = 1.0) -> FloatArray:
        """How likely each voxel is to belong to a lesion.

        t1c:     (slices, rows, columns) float32, any orientation and spacing, LPS mm.
        returns: the same shape, float32, 0…1.

        Raises PipelineFailed when the model does not take what the manifest says, or answers with something else.
        """
        given, said = self.card.input, self.card.output
        if not isinstance(given, Input):
            raise self._of_another(T1C)
        image = normalised(on_grid(t1c, given.orientation, given.spacing_mm), given)
        whole = over_tiles(self._checked(), image[None], given.patch, given.overlap, device, tile_scale)
        return np.clip(back_on(t1c, self._lesion(whole, said), given.orientation), 0, 1)

    def heat(self, picture: FloatArray, spacing_mm: float, device: str = "cpu", tile_scale: float = 1.0) -> Heat:
        """Of one breast as `imaging.mammogram.read` lays it: chest wall left, head or lateral side up.

        picture:    (rows, columns) float32, as displayed, 0…1, dense is bright, 0 beyond the breast.
        spacing_mm: of the picture, both ways alike.

        Raises PipelineFailed as `probability` does.
        """
        given, said = self.card.input, self.card.output
        if not isinstance(given, PlaneInput):
            raise self._of_another(MAMMOGRAM)
        laid = normalised(on_plane(picture, spacing_mm, given), given)
        image = filled_up(laid, given)
        seen = np.repeat(image[None], len(given.channels), axis=0)
        patch = given.patch or (image.shape[0], image.shape[1])
        answer = over_tiles(self._checked(), seen, patch, given.overlap, device, tile_scale)
        answer = answer[:, : laid.shape[0], : laid.shape[1]]
        lesion = self._lesion(answer, said)
        channels: dict[Kind, FloatArray] = {}
        for kind, channel in zip(said.kinds, said.lesion, strict=False):
            channels[kind] = np.maximum(channels[kind], answer[channel]) if kind in channels else answer[channel]
        back = {kind: back_on_picture(one, picture.shape, given) for kind, one in channels.items()}
        return Heat(back_on_picture(lesion, picture.shape, given), back)

    def try_out(self) -> None:
        """Give the network one empty patch on the CPU. Raises PipelineFailed as `probability` does."""
        import torch  # noqa: PLC0415

        given = self.card.input
        whole = (-(-_TRIED_ON // given.multiple_of) * given.multiple_of,) * 2 if isinstance(given, PlaneInput) else ()
        with torch.inference_mode():
            answer = self._checked()(torch.zeros(1, len(given.channels), *(given.patch or whole)))
        self._lesion(answer[0].numpy(), self.card.output)

    def _of_another(self, given: str) -> ConfigInvalid:
        return ConfigInvalid(
            f"the model {self.card.name!r} reads {self.card.reads!r}, not {given!r}",
            "name another bundle, or give this one to the pipeline that it was made for",
        )

    def _lesion(self, probability: FloatArray, said: Output) -> FloatArray:
        """Channels of the answer -> one probability."""
        chosen = probability[list(said.lesion)]
        low, high = float(chosen.min()), float(chosen.max())
        if low < -_ROUNDING or high > 1 + _ROUNDING:
            raise self._failed(
                f"answers from {low:.3g} to {high:.3g}, which are no probabilities",
                'set activation under [output] to "sigmoid" or "softmax"',
            )
        return chosen.sum(0) if said.activation == "softmax" else chosen.max(0)

    def _checked(self) -> Callable[[torch.Tensor], torch.Tensor]:
        """The network with its activation, its answer looked at tile by tile."""

        def call(tile: torch.Tensor) -> torch.Tensor:
            answer = self._first(self._ask(tile), tile)
            match self.card.output.activation:
                case "sigmoid":
                    return answer.float().sigmoid()
                case "softmax":
                    return answer.float().softmax(1)
            return answer.float()

        return call

    def _ask(self, tile: torch.Tensor) -> Any:
        import torch  # noqa: PLC0415

        try:
            return self.network(tile)
        except RuntimeError as error:
            # Memory that ran out and devices that failed are the caller's business.
            if isinstance(error, torch.OutOfMemoryError | torch.AcceleratorError) or "memory" in str(error).lower():
                raise
            shape, unit = "x".join(map(str, tile.shape[2:])), "voxels" if tile.ndim == 5 else "pixels"
            raise self._failed(
                f"does not take {tile.shape[1]} channel(s) of {shape} {unit}: {_last_line(error)}",
                f"compare channels and patch under [input] of {MANIFEST} with the network",
            ) from error

    def _first(self, answer: Any, tile: torch.Tensor) -> torch.Tensor:
        import torch  # noqa: PLC0415

        expected = (len(tile), self.card.output.channels, *tile.shape[2:])
        if not isinstance(answer, torch.Tensor):
            raise self._failed(f"answers with a {type(answer).__name__}", "it must answer with one tensor in eval mode")
        if tuple(answer.shape) != expected:
            raise self._failed(
                f"answers with the shape {tuple(answer.shape)}, not {expected}",
                f"correct channels under [output] of {MANIFEST}; the answer must have the size of the patch",
            )
        if not bool(torch.isfinite(answer).all()):
            raise self._failed(
                "answers with values that are no finite numbers", "try it on this series where it was made"
            )
        return answer

    def _failed(self, what: str, hint: str) -> PipelineFailed:
        return PipelineFailed(f"the model {self.card.name!r} {what}", hint)


def load_bundle(path: Path, device: str = "cpu", reads: str = "") -> Bundle:
    """The user's model in the folder `path`, its weights checked, on `device`; kept until its manifest changes.

    reads: what it will be given (see `card.describe`).

    Raises ConfigInvalid (the manifest, or a bundle that asks for code), WeightsCorrupt (missing or other bytes).
    """
    return _loaded(describe(path, reads), device)


@lru_cache(maxsize=2)
def _loaded(card: Card, device: str) -> Bundle:
    return Bundle(card, load_network(card, device))


def normalised(image: FloatArray, wanted: Input | PlaneInput) -> FloatArray:
    """Signal of any scale -> what the network was trained on; see `Input.normalisation` in README.md."""
    match wanted.normalisation:
        case "zscore":
            return _scaled(image, float(image.mean()), float(image.std()))
        case "zscore-nonzero":
            inside = image != 0
            values = image[inside] if inside.any() else image
            return np.where(inside, _scaled(image, float(values.mean()), float(values.std())), 0).astype(np.float32)
        case "percentile":
            low, high = (float(v) for v in np.percentile(image, wanted.percentiles))
            return np.clip(_scaled(image, low, high - low), 0, 1)
        case "minmax":
            return _scaled(image, float(image.min()), float(np.ptp(image)))
    return image


def _scaled(image: FloatArray, zero: float, one: float) -> FloatArray:
    return ((image - zero) / (one or 1.0)).astype(np.float32)


def _last_line(error: Exception) -> str:
    # TorchScript puts a trace of the model's own code before the reason.
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
