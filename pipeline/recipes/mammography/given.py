"""A user's own model in the place of the detectors: its heat map -> marks. No false-positive step: that of the recipe
judges by what its own detectors say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.bundle import MAMMOGRAM, Heat, describe, load_bundle
from pipeline.core.clock import Stopwatch
from pipeline.imaging.mammogram.read import MammogramPixels
from pipeline.marks import Kind
from pipeline.recipes.mammography.examine import LEAST_TISSUE, NO_TISSUE, Examined, Found, Sight
from pipeline.recipes.mammography.fuse import CELL_MM, Peak, peaks
from pipeline.recipes.mammography.looks import Floats, Look, look_of
from pipeline.recipes.mammography.outlines import long_axis, outline_mm

STEP_MM = CELL_MM / 2
"""Marks are the peaks of the model's answer on cells of 1.6 mm, of which the highest pixel counts."""


def examine_given(views: Mapping[str, MammogramPixels], bundle: str, device: str, tile_scale: float) -> Examined:
    """As `examine.examine`, with the model in the folder `bundle`.

    Raises what `bundle.load_bundle` and `Bundle.heat` do.
    """
    clock, model = Stopwatch(), load_bundle(Path(bundle), device, MAMMOGRAM)
    seen, failed = {}, {}
    for role, pixels in views.items():
        look = look_of(pixels)
        if (look.tissue >= 0.3).sum() < LEAST_TISSUE:
            failed[role] = NO_TISSUE
            continue
        heat = model.heat(pixels.picture, pixels.canonical.spacing_um / 1000, device, tile_scale)
        seen[role] = _sight(pixels, look, heat, model.card.output.threshold)
        clock.lap("detect")
    return Examined(seen, failed, clock.laps)


def threshold_of(bundle: str) -> float:
    """From which score on its owner wants marks. Raises ConfigInvalid."""
    return describe(Path(bundle), MAMMOGRAM).output.threshold


def kinds_of(bundle: str) -> tuple[Kind, ...]:
    """What its owner says that it finds; empty where that is not said. Raises ConfigInvalid."""
    return tuple(dict.fromkeys(describe(Path(bundle), MAMMOGRAM).output.kinds))


def _sight(pixels: MammogramPixels, look: Look, heat: Heat, threshold: float) -> Sight:
    cells = _highest(heat.lesion, pixels, look)
    kinds = {kind: _highest(one, pixels, look) for kind, one in heat.kinds.items()}
    likely = [p for p in peaks(cells, STEP_MM) if p.score >= min(threshold, 0.5 * float(cells.max()))]
    found = tuple(_found(pixels, look, peak, cells, kinds) for peak in likely if peak.score > 0)
    score = max((f.score for f in found), default=float(np.clip(cells.max(), 0, 1)))
    return Sight(score, None, found, cells, STEP_MM, compared=False)


def _found(pixels: MammogramPixels, look: Look, peak: Peak, cells: Floats, kinds: Mapping[Kind, Floats]) -> Found:
    corners, per_mm = outline_mm(peak, cells, look), 1000 / pixels.canonical.spacing_um
    at = int(peak.y_mm / STEP_MM), int(peak.x_mm / STEP_MM)
    kind = max(kinds, key=lambda k: float(kinds[k][at])) if kinds else Kind.MASS
    outline = tuple((float(x), float(y)) for x, y in corners * per_mm)
    center = (peak.x_mm * per_mm, peak.y_mm * per_mm)
    return Found(center, outline, long_axis(corners), kind, float(min(peak.score, 1.0)))


def _highest(picture: NDArray[np.float32], pixels: MammogramPixels, look: Look) -> Floats:
    """Of each cell of the look's grid, inside the breast."""
    step = round(STEP_MM * 1000 / pixels.canonical.spacing_um)
    rows, columns = 2 * look.cells[0], 2 * look.cells[1]
    inside = picture * pixels.breast
    room = [(0, n * step - m) for n, m in zip((rows, columns), inside.shape, strict=True)]
    blocks = np.pad(inside, room).reshape(rows, step, columns, step)
    return np.asarray(blocks.max(axis=(1, 3)), np.float32)
