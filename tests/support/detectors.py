"""Small stand-ins for the detectors of the recipe `mammography`: they mark what is bright."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.recipes.mammography.fuse import JOINED, LESION_MAPS, SPECKS, Curve, Fusion, Platt, Scale
from pipeline.recipes.mammography.looks import CELL, Look
from pipeline.recipes.mammography.models import Models

Heat = NDArray[np.float32]
PLAIN = Scale(0.0, 1.0)


def brightest(look: Look) -> Heat:
    """-10 to 14: how bright each cell is, seen with 2.4 mm blur; -inf where there is no tissue."""
    rows, columns = look.cells
    deep = ndimage.binary_erosion(look.breast & ~look.muscle, iterations=30)  # the edge of the muscle is bright too
    smooth = ndimage.gaussian_filter(look.level * deep, 12)
    cells = 20 * smooth.reshape(rows, CELL, columns, CELL).mean(axis=(1, 3)) - 10
    return np.where(look.tissue >= 0.3, cells, -np.inf).astype(np.float32)


class Bright:
    """Dense and Pairs: mark what is bright."""

    def describe(self, look: Look) -> Look:
        return look

    def heat(self, look: Look, other: Look | None, partner: object, device: str = "cpu") -> Heat:
        return np.stack([brightest(look)] * 2)

    heat_of = heat


class Nothing:
    """Specks: none anywhere."""

    def heat(self, look: Look, device: str = "cpu") -> Heat:
        inside = look.tissue.repeat(2, 0).repeat(2, 1) >= 0.3
        return np.where(inside, -20.0, -np.inf).astype(np.float32)


def fusion() -> Fusion:
    """Everything on its own scale; a mark of value v has the probability 1 / (1 + exp(24 - 3 v))."""
    curve = Curve((16.0, -40.0), (-16.0, 40.0), -1.0)
    cells = dict.fromkeys((*LESION_MAPS, SPECKS, JOINED), PLAIN)
    tops = {name: Scale(-20.0, 1.0) if name == SPECKS else PLAIN for name in (*LESION_MAPS, SPECKS)}
    images = {f"{name}{way}": Platt(0.3, 0.0) for name in ("abnormal", "malignant") for way in ("", " alone")}
    rates = {"0.25": 0.9, "0.5": 0.8, "1": 0.5, "2": 0.2, "4": 0.1}
    return Fusion(
        cells, tops, dict.fromkeys(("abnormal", "malignant"), PLAIN), curve, curve, Platt(3, -24), images, rates
    )


def bright_models() -> Models:
    return Models(Bright(), Bright(), Nothing(), fusion(), None, lambda look, other: (look, other))
