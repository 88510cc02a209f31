"""Marks as candidates of the false-positive step: the region of each, measured by `pipeline.radiomics` in two
dimensions, and what the detectors say of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pipeline.radiomics.features import Table, measure
from pipeline.radiomics.params import RadiomicsParams
from pipeline.recipes.mammography.fuse import CELL_MM, Fusion, Maps, Peak
from pipeline.recipes.mammography.looks import LEVEL_MM, Look
from pipeline.recipes.mammography.outlines import Points

GRID_MM = 2 * LEVEL_MM
"""Everything is measured at: 0.4 mm. At 0.2 mm a region of 40 mm has 31 000 pixels, and takes a second."""
RADIOMICS = RadiomicsParams(dimensions=2, spacing_mm=GRID_MM, mirror=False)

_AFFINE = np.array([[0, 0, GRID_MM, 0], [0, GRID_MM, 0, 0], [1.0, 0, 0, 0], [0, 0, 0, 1]])
"""One plane, 1 mm thick by convention: volumes are areas."""


def features_of(
    look: Look,
    found: Sequence[Peak],
    outlines: Sequence[Points],
    maps: Maps,
    fusion: Fusion,
    beside: Mapping[str, float],
) -> Table:
    """One row for each mark, in their order. beside: columns that all marks of a view share, by name."""
    rows, columns = (n // 2 for n in look.level.shape)
    labels = hd.Volume(_labels(found, outlines, (rows, columns))[None], _AFFINE, "PATIENT")
    image = labels.with_array(_halved(look.level)[None])
    heat = fusion.heat(maps)
    likely = heat.repeat(rows // heat.shape[0], 0).repeat(columns // heat.shape[1], 1)[None]
    inside = (_halved(look.breast.astype(np.float32)) > 0.5)[None]
    table = measure(image, labels, RADIOMICS, likely, inside)
    return table.with_columns(_said_by_detectors(found, maps, fusion, beside))


def _said_by_detectors(
    found: Sequence[Peak], maps: Maps, fusion: Fusion, beside: Mapping[str, float]
) -> dict[str, NDArray[np.float64]]:
    named = {name: fusion.cells[name].of(heat) for name, heat in maps.by_name().items()}
    step = {name: CELL_MM * maps.dense.shape[1] / heat.shape[0] for name, heat in named.items()}
    columns = {
        "mark_value": [p.score for p in found],
        "mark_rank": [float(k) for k in range(len(found))],
        "mark_of_specks": [float(p.of_specks) for p in found],
        **{f"map_{name.replace(' ', '_')}": [_at(heat, p, step[name]) for p in found] for name, heat in named.items()},
        **{name: [value] * len(found) for name, value in beside.items()},
    }
    return {name: np.array(values, np.float64) for name, values in columns.items()}


def _at(heat: NDArray[np.floating], peak: Peak, cell_mm: float) -> float:
    """The highest of the cell and those beside it; NaN without tissue."""
    row, column = int(peak.y_mm / cell_mm), int(peak.x_mm / cell_mm)
    around = heat[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
    known = around[np.isfinite(around)]
    return float(known.max()) if known.size else float("nan")


def _labels(found: Sequence[Peak], outlines: Sequence[Points], shape: tuple[int, int]) -> NDArray[np.uint16]:
    """1…n; where regions overlap, a pixel belongs to the mark that it is nearest to, so that none is lost."""
    y, x = (np.mgrid[: shape[0], : shape[1]] + 0.5) * GRID_MM
    labels, nearest = np.zeros(shape, np.uint16), np.full(shape, np.inf)
    for number, (peak, corners) in enumerate(zip(found, outlines, strict=True), start=1):
        away = np.hypot(x - peak.x_mm, y - peak.y_mm)
        mine = (_painted(corners, shape) | (away < GRID_MM)) & (away < nearest)
        labels[mine], nearest[mine] = number, away[mine]
    return labels


def _painted(corners: Points, shape: tuple[int, int]) -> NDArray[np.bool_]:
    canvas = Image.new("1", shape[::-1])
    ImageDraw.Draw(canvas).polygon([(float(x), float(y)) for x, y in corners / GRID_MM - 0.5], fill=1)
    return np.asarray(canvas, bool)


def _halved(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, columns = (n // 2 for n in picture.shape)
    return np.asarray(picture.reshape(rows, 2, columns, 2).mean(axis=(1, 3)), np.float32)
