"""Small stand-ins for the detectors of the recipe `mammography`: they mark what is bright."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.recipes.mammography.fuse import JOINED, LESION_MAPS, SPECKS, Curve, Fusion, Platt, Scale
from pipeline.recipes.mammography.looks import CELL, Look
from pipeline.recipes.mammography.models import Models

Heat = NDArray[np.float32]
PLAIN = Scale(0.0, 1.0)


def brightest(look: Look, step: int = CELL) -> Heat:
    """-10 to 14: of the brightest pixels of each cell; -inf where there is no tissue."""
    rows, columns = (n // step for n in look.level.shape)
    blocks = look.level.reshape(rows, step, columns, step)
    cells = 20 * np.sort(blocks.transpose(0, 2, 1, 3).reshape(rows, columns, -1), axis=-1)[..., -20:].mean(-1) - 10
    inside = (look.breast & ~look.muscle).reshape(rows, step, columns, step).mean(axis=(1, 3)) >= 0.3
    return np.where(inside, cells, -np.inf).astype(np.float32)


class Bright:
    """Dense and Pairs: mark what is bright, as a mass, or as what `kind` says."""

    def __init__(self, kind: int = 0) -> None:
        self.kind = kind

    def heat(self, look: Look, other: Look | None, partner: object, device: str = "cpu") -> Heat:
        return np.stack([brightest(look)] * 2)

    def kinds(self, look: Look, other: Look | None, partner: object) -> Heat:
        made = np.full((3, *look.cells), 0.1, np.float32)
        made[self.kind] = 0.8
        return made


class Nothing:
    """Specks: none anywhere."""

    def heat(self, look: Look, device: str = "cpu") -> Heat:
        inside = look.tissue.repeat(2, 0).repeat(2, 1) >= 0.3
        return np.where(inside, -20.0, -np.inf).astype(np.float32)


def fusion() -> Fusion:
    """Everything on its own scale; a mark of value v has the probability 1 / (1 + exp(4 - v))."""
    curve = Curve((16.0, -40.0), (-8.0, 20.0), -0.5)
    cells = {name: PLAIN for name in (*LESION_MAPS, SPECKS, JOINED)}
    tops = {name: Scale(-20.0, 1.0) if name == SPECKS else PLAIN for name in (*LESION_MAPS, SPECKS)}
    images = {f"{name}{way}": Platt(0.3, 0.0) for name in ("abnormal", "malignant") for way in ("", " alone")}
    rates = {"0.25": 0.9, "0.5": 0.8, "1": 0.5, "2": 0.2, "4": 0.1}
    return Fusion(cells, tops, {n: PLAIN for n in ("abnormal", "malignant")}, curve, curve, Platt(1, -4), images, rates)


def bright_models(kind: int = 0) -> Models:
    return Models(Bright(kind), Bright(kind), Nothing(), fusion(), None, lambda look, other: (look, other))
