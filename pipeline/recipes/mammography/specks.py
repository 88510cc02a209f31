"""A network that looks for clusters of calcifications in one look, down to specks of a tenth of a millimetre."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn

from pipeline.core.errors import WeightsCorrupt
from pipeline.recipes.mammography.looks import Floats, Look, Mask

STRIDE = 8
"""Level pixels in a cell of the heat: 1.6 mm."""
AROUND, SPREAD = 5.0, 10.0
"""Standard deviations: of what specks stand out from, in level pixels; of its spread, in pixels of 0.8 mm."""
RIM = 6
"""Level pixels below the skin in which nothing is looked for."""
LEAST_BREAST = 0.3
"""Of a cell; with less it has no heat."""
LOW, HIGH = -6.0, 15.0
"""Spreads that the network sees."""


def background(look: Look) -> tuple[Floats, Floats]:
    """What specks stand out from, and the spread that they are measured by; both on the grid of `level`."""
    inside = look.breast.astype(np.float32)
    mean = _smooth(look.level * inside, AROUND) / (_smooth(inside, AROUND) + 1e-3)
    off = (look.level - mean) * inside
    near = _smooth((off * off)[::4, ::4], SPREAD) / (_smooth(inside[::4, ::4], SPREAD) + 1e-2)
    spread = np.sqrt(near).repeat(4, axis=0).repeat(4, axis=1)
    overall = np.sqrt((off * off).sum() / max(float(inside.sum()), 1.0))
    return mean, np.asarray(0.5 * spread + 0.5 * overall + 1e-4, np.float32)


def _smooth(values: Floats, sigma: float) -> Floats:
    return np.asarray(ndimage.gaussian_filter(values, sigma, truncate=2.5), np.float32)


def searched(look: Look) -> Mask:
    """Level pixels in which specks are looked for: the breast with the muscle, without its rim."""
    return np.asarray(ndimage.binary_erosion(look.breast, iterations=RIM, border_value=1))


def folded(fine: Floats) -> Floats:
    """(2, rows / 2, columns / 2): mean and largest of 2 x 2 pixels. Film of 0.2 mm has the same in both, nearly."""
    one, two, three, four = (fine[r::2, c::2] for r in (0, 1) for c in (0, 1))
    largest = np.maximum(np.maximum(one, two), np.maximum(three, four))
    return np.stack([(one + two + three + four) / 4, largest])


def relief(look: Look) -> Floats:
    """(2, rows, columns) of `level`: what the network sees; 0 where nothing is looked for."""
    mean, spread = background(look)
    stands_out = (folded(look.fine) - mean) / spread * searched(look)
    return np.asarray(stands_out.clip(LOW, HIGH), np.float32)


def _layer(before: int, after: int, wide: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=wide, dilation=wide, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


class SpeckNet(nn.Module):
    """Convolutions to a map of one logit per cell; 0.15 million weights."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _layer(2, 16),
            _layer(16, 24),
            nn.MaxPool2d(2),
            _layer(24, 40),
            nn.MaxPool2d(2),
            _layer(40, 64),
            nn.MaxPool2d(2),
            _layer(64, 64),
            _layer(64, 64, 2),
            _layer(64, 64, 3),
            nn.Dropout2d(0.1),
        )
        self.last = nn.Conv2d(64, 1, 1)
        nn.init.constant_(self.last.bias, -3.5)  # type: ignore[arg-type]  # clusters are rare

    def forward(self, x: Tensor) -> Tensor:
        """(n, rows / 8, columns / 8) logits of x (n, 2, rows, columns), `relief`; sides are multiples of STRIDE."""
        return torch.as_tensor(self.last(self.layers(x))[:, 0].float())

    def heat(self, look: Look, device: str = "cpu") -> Floats:
        """(2 rows, 2 columns) logits on cells of 1.6 mm, the mean over four mirrored readings; -inf without breast."""
        self.eval().to(device)
        x = torch.from_numpy(relief(look))[None].to(device, memory_format=torch.channels_last)
        with torch.inference_mode():
            read = [self(x.flip(axes)).flip([a - 1 for a in axes]) for axes in ([], [2], [3], [2, 3])]
        logits: NDArray[np.float32] = torch.stack(read).mean(0)[0].float().cpu().numpy()
        return np.where(_share(searched(look)) >= LEAST_BREAST, logits, -np.inf).astype(np.float32)


def _share(mask: Mask) -> Floats:
    rows, columns = (n // STRIDE for n in mask.shape)
    return np.asarray(mask.reshape(rows, STRIDE, columns, STRIDE).mean(axis=(1, 3), dtype=np.float32))


def load_specks(content: bytes) -> SpeckNet:
    """From safetensors. Raises WeightsCorrupt."""
    network = SpeckNet()
    fill(network, content, "the network for calcifications")
    return network.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def fill(network: nn.Module, content: bytes, what: str) -> None:
    """Give a network its weights, whatever precision they were kept in. what: for people. Raises WeightsCorrupt."""
    from safetensors import SafetensorError  # noqa: PLC0415
    from safetensors.torch import load  # noqa: PLC0415

    try:
        state: Mapping[str, Tensor] = load(content)
        network.load_state_dict({n: t.float() if t.is_floating_point() else t for n, t in state.items()})
    except (SafetensorError, RuntimeError) as error:
        raise WeightsCorrupt(f"the weights are not those of {what}") from error
