"""What a cell of a look is described by: maps of the frozen trunk at several scales, and texture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.recipes.mammography.channels import local_contrast
from pipeline.recipes.mammography.looks import CELL, Floats, Look
from pipeline.recipes.mammography.texture import texture, texture_names
from pipeline.recipes.mammography.trunk import Trunk

WHOLE = 128
"""Level pixels: pictures are filled up to multiples of it, so that every scale has whole strides."""
BRIGHTEST = 1.1


@dataclass(frozen=True, slots=True)
class Tap:
    """One block of the trunk that looks at one picture.

    picture: "level" or "contrast"; shrunk: how many times the level's pixels are halved first.
    most:    the largest value of a cell counts, not the mean.
    """

    picture: str
    shrunk: int
    block: int
    most: bool = False


CHANNELS = {2: 24, 4: 40, 10: 112, 15: 320}
"""Of the blocks."""

TAPS = {
    "f8": Tap("level", 0, 4),
    "f8m": Tap("level", 0, 4, most=True),
    "f16": Tap("level", 0, 10),
    "f32": Tap("level", 0, 15),
    "c4": Tap("level", 1, 2),
    "c8": Tap("level", 1, 4),
    "c16": Tap("level", 1, 10),
    "c32": Tap("level", 1, 15),
    "q8": Tap("level", 2, 4),
    "q16": Tap("level", 2, 10),
    "l8": Tap("contrast", 1, 4),
    "l16": Tap("contrast", 1, 10),
    "l32": Tap("contrast", 1, 15),
}
TEXTURE = "texture"


def width(group: str) -> int:
    """How many features a group has."""
    return len(texture_names()) if group == TEXTURE else CHANNELS[TAPS[group].block]


def described(look: Look, trunk: Trunk, groups: tuple[str, ...]) -> Floats:
    """(features of all groups in their order, rows, columns) of cells, float32."""
    taps = {g: TAPS[g] for g in groups if g != TEXTURE}
    maps = _maps(look, trunk, tuple(taps.values()))
    found = {g: maps[t] for g, t in taps.items()}
    if TEXTURE in groups:
        found[TEXTURE] = texture(look)
    return np.concatenate([found[g] for g in groups])


def _maps(look: Look, trunk: Trunk, taps: tuple[Tap, ...]) -> dict[Tap, Floats]:
    found: dict[Tap, Floats] = {}
    rows, columns = look.cells
    device = next(trunk.parameters()).device
    for picture, shrunk in sorted({(t.picture, t.shrunk) for t in taps}):
        mine = [t for t in taps if (t.picture, t.shrunk) == (picture, shrunk)]
        blocks = sorted({t.block for t in mine})
        with torch.inference_mode():
            given = dict(zip(blocks, trunk(_picture(look, picture, shrunk).to(device), blocks), strict=True))
            for tap in mine:
                cells = _on_cells(given[tap.block], look, tap.most)
                found[tap] = cells[0, :, :rows, :columns].float().cpu().numpy()
    return found


def _picture(look: Look, picture: str, shrunk: int) -> Tensor:
    """(1, 1, rows, columns), filled up with zeros below and to the right."""
    made = look.level.clip(0, BRIGHTEST) * look.breast if picture == "level" else local_contrast(look)
    down, across = (-n % WHOLE for n in look.level.shape)
    already = 0 if picture == "level" else 1
    tensor = torch.from_numpy(np.ascontiguousarray(made, np.float32))[None, None]
    tensor = functional.pad(tensor, (0, across >> already, 0, down >> already))
    by = 2 ** (shrunk - already)
    return functional.avg_pool2d(tensor, by) if by > 1 else tensor


def _on_cells(given: Tensor, look: Look, most: bool) -> Tensor:
    """A map on the grid of cells: pooled where it is finer, bilinear where it is coarser."""
    cells = tuple((n + -n % WHOLE) // CELL for n in look.level.shape)
    by = given.shape[-1] // cells[1]
    pool: Callable[[Tensor, int], Tensor] = functional.max_pool2d if most else functional.avg_pool2d
    if by > 1:
        return pool(given, by)
    if given.shape[-2:] == cells:
        return given
    return functional.interpolate(given, size=cells, mode="bilinear", align_corners=False)
