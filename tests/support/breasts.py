"""Breasts as a mammograph would show them, drawn: with skin, fat, glands, a muscle and a nipple at known places."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.core.breast import Laterality
from pipeline.core.study import Instance
from pipeline.datasets.mg_writer import Edge as WallEdge
from pipeline.datasets.mg_writer import MgAcquisition, MgHabit, write_mammogram
from pipeline.imaging.header import read_header
from pipeline.imaging.mammogram.canonical import Turn

Picture = NDArray[np.uint16]
SPACING = (0.25, 0.25)
NIPPLE_RISES_MM = 5.0


def drawn(
    view: str = "MLO", size: tuple[int, int] = (800, 560), top: int = 4000, dots: Sequence[tuple[float, float]] = ()
) -> Picture:
    """12 bits, chest wall left, head or lateral side up; air is 0. dots: (column, row) of single white discs."""
    rows, columns = size
    y, x = np.mgrid[0:rows, 0:columns] + 0.5
    middle = 0.55 * rows if view in ("MLO", "ML") else 0.5 * rows
    half = 0.42 * rows
    depth = 1 - ((y - middle) / half) ** 2 - (x / (0.72 * columns)) ** 2
    if view in ("MLO", "ML"):  # the axilla: tissue up to the upper edge
        depth = np.maximum(depth, 0.5 * (1 - x / (0.4 * columns + 0.15 * y)) * (y < middle))
    nipple = np.hypot(x - 0.725 * columns, y - middle) < NIPPLE_RISES_MM / SPACING[0]
    inside = (depth > 0) | nipple
    grain = np.random.default_rng(7).normal(size=size)
    glands = sum(ndimage.gaussian_filter(grain, s) * s for s in (1.5, 5, 15))
    thick = np.sqrt(np.clip(np.where(nipple, 0.25, depth) * 4, 0, 1))
    values = inside * (0.25 + 0.2 * thick + 0.05 * glands)
    if view in ("MLO", "ML"):
        values = np.where((x / (0.38 * columns) + y / (0.6 * rows) < 1) & inside, 0.8 + 0.02 * glands, values)
    for column, row in dots:
        values = np.where(np.hypot(x - column, y - row) < 6, 1.0, values)
    return np.asarray(np.clip(values, 0, 1) * top, np.uint16)


LETTERS = {"A": "P", "P": "A", "H": "F", "F": "H", "L": "R", "R": "L"}


def orientation(laterality: Laterality, view: str, turn: Turn) -> list[str]:
    """Patient Orientation of a picture that lies as `drawn` does, after `turn`."""
    medial = laterality.other.value
    pair = ["A", medial if view == "CC" else "F" if view in ("ML", "LM") else f"F{medial}"]
    if turn.transpose:
        pair = pair[::-1]
    flips = (turn.flip_columns, turn.flip_rows)
    return ["".join(LETTERS[c] for c in p) if f else p for p, f in zip(pair, flips, strict=True)]


def hung(laterality: Laterality) -> Turn:
    """As mammograms hang: a left breast as it is drawn, a right one mirrored."""
    return Turn(flip_columns=laterality is Laterality.RIGHT)


def sent(
    folder: Path,
    picture: NDArray[Any],
    laterality: Laterality = Laterality.LEFT,
    view: str = "MLO",
    turn: Turn | None = None,
    more: dict[str, Any] | None = None,
    **acquisition: Any,
) -> Instance:
    """The picture, laid by `turn` (as it hangs, by default), written as a mammogram; its header."""
    turn = hung(laterality) if turn is None else turn
    acquisition.setdefault("habit", MgHabit.GE)
    acquisition.setdefault("spacing_mm", SPACING)
    tags = {"PatientOrientation": orientation(laterality, view, turn), **(more or {})}
    made = MgAcquisition(laterality, view, chest_wall=WallEdge.LEFT, more=tags, **acquisition)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{len(list(folder.glob('*.dcm')))}.dcm"
    write_mammogram(np.ascontiguousarray(turn.array(picture)), path, made)
    return read_header(path)


def changed(image: Instance, **header: Any) -> Instance:
    """The same with other values in the header."""
    return dataclasses.replace(image, header={**(image.header or {}), **header})
