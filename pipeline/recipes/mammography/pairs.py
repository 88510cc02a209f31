"""A network that looks at a whole breast for lesions, and compares it with the same view of the other breast."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pipeline.recipes.mammography.channels import STEP, channels
from pipeline.recipes.mammography.looks import CELL, Floats, Look
from pipeline.recipes.mammography.partner import Partner
from pipeline.recipes.mammography.specks import fill
from pipeline.recipes.mammography.trunk import Trunk

TAPS = (2, 4, 10)
"""Blocks of the trunk whose maps are used: strides 4, 8 and 16 of the channels."""
WIDTH = 48
STRIDE = CELL // STEP
"""Pixels of a channel in a cell."""
WHOLE = 32
"""Sides are made multiples of this: then the trunk's padding is the same on every picture."""
LEAST_TISSUE = 0.3
"""Of a cell; with less it has no heat."""


class PairNet(nn.Module):
    """The trunk's first eleven blocks, a pyramid to cells of 3.2 mm, the difference from the other breast there."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Trunk(max(TAPS) + 1)
        self.at_4 = nn.Conv2d(24, WIDTH // 2, 1)
        self.at_8 = nn.Conv2d(40, WIDTH, 1)
        self.at_16 = nn.Conv2d(112, WIDTH, 1)
        self.mix = nn.Sequential(nn.Conv2d(WIDTH * 3 // 2, WIDTH, 3, padding=1), nn.GroupNorm(6, WIDTH), nn.ReLU())
        self.head = nn.Sequential(
            nn.Conv2d(2 * WIDTH + 1, WIDTH, 3, padding=1), nn.GroupNorm(6, WIDTH), nn.ReLU(), nn.Dropout2d(0.1)
        )
        self.last = nn.Conv2d(WIDTH, 2, 1)
        nn.init.constant_(self.last.bias, -3.5)  # type: ignore[arg-type]  # lesions are rare

    def seen(self, x: Tensor) -> Tensor:
        """(n, WIDTH, rows / 8, columns / 8) of `channels` (n, 3, rows, columns), sides multiples of WHOLE."""
        four, eight, sixteen = self.trunk(x, TAPS)
        wide = functional.interpolate(self.at_16(sixteen), size=eight.shape[-2:], mode="bilinear")
        fine = functional.max_pool2d(self.at_4(four), 2)
        return torch.as_tensor(self.mix(torch.cat([self.at_8(eight) + wide, fine], 1)))

    def judged(self, here: Tensor, there: Tensor, grid: Tensor, use: Tensor) -> Tensor:
        """(n, 2, rows, columns) logits of a lesion and of a malignant one.

        here, there: `seen` of the breasts and of their partners.
        grid:        (n, rows, columns, 2), where in `there` the same place is, as `grid_sample` counts.
        use:         (n, 1, 1, 1), 0 where there is no partner.
        """
        around = functional.avg_pool2d(functional.pad(there.float(), (1, 1, 1, 1), mode="replicate"), 3, 1)
        same = functional.grid_sample(around, grid, align_corners=False)
        known = functional.grid_sample(torch.ones_like(around[:, :1]), grid, align_corners=False) * use
        more = (here - same) * known
        return torch.as_tensor(
            self.last(self.head(torch.cat([here, more.to(here.dtype), known.to(here.dtype)], 1)))
        ).float()

    def forward(self, x: Tensor, grid: Tensor, use: Tensor) -> Tensor:
        """The same for images 2 k and 2 k + 1 that are each other's partners."""
        here = self.seen(x)
        there = here.view(-1, 2, *here.shape[1:]).flip(1).reshape(here.shape)
        return self.judged(here, there, grid, use)

    def heat(self, look: Look, other: Look | None, partner: Partner | None, device: str = "cpu") -> Floats:
        """(2, rows, columns) logits of a lesion and of a malignant one; -inf with hardly any tissue.

        other:   the same view of the other breast, which is only compared with; None where there is none.
        partner: from `look` to `other`.
        """
        self.eval().to(device)
        rows, columns = look.cells
        with torch.inference_mode():
            here = self.seen(_input(look, device))
            there, grid, use = here, torch.zeros(1, *here.shape[-2:], 2, device=device), 0.0
            if other is not None and partner is not None:
                there, use = self.seen(_input(other, device)), 1.0
                at = same_place(partner, (here.shape[-2], here.shape[-1]), (there.shape[-2], there.shape[-1]))
                grid = torch.from_numpy(at)[None].to(device)
            logits = self.judged(here, there, grid, torch.full((1, 1, 1, 1), use, device=device))
        found: NDArray[np.float32] = logits[0, :, :rows, :columns].cpu().numpy()
        return np.where(look.tissue >= LEAST_TISSUE, found, -np.inf).astype(np.float32)


def _input(look: Look, device: str) -> Tensor:
    made = channels(look)
    pad = [(0, 0), *((0, -n % WHOLE) for n in made.shape[1:])]
    return torch.from_numpy(np.pad(made, pad))[None].to(device)


def same_place(partner: Partner, here: tuple[int, int], there: tuple[int, int]) -> Floats:
    """(rows, columns, 2): for each cell `here`, where it lies in a map of `there` cells, -1…1 from edge to edge."""
    row, column = (np.arange(n) * CELL + CELL / 2 for n in here)
    x, y = np.broadcast_arrays(column[None, :], row[:, None])
    at = partner.there(np.stack([x.ravel(), y.ravel()], axis=1)) / (CELL * np.array(there[::-1])) * 2 - 1
    return np.asarray(at.reshape(*here, 2), np.float32)


def load_pairs(content: bytes) -> PairNet:
    """From safetensors, which hold the trunk too, as it was trained on. Raises WeightsCorrupt."""
    network = PairNet()
    fill(network, content, "the network that compares both breasts")
    return network.eval()
