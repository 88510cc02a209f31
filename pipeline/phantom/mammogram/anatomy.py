"""The shape of a compressed breast in a view: skin line, nipple, muscle, thickness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.core.breast import Laterality
from pipeline.phantom.mammogram.fields import Floats

Mask = NDArray[np.bool_]
Point = tuple[float, float]

ABOVE_MM, BESIDE_MM = 12.0, 22.0
"""Air kept above and below a view from above, and in front of the nipple."""
ROUND_MM = 22.0
"""The breast bulges between the paddles over so much below the skin: there it is thinner."""


@dataclass(frozen=True, slots=True)
class Woman:
    """The measures of one breast, in mm: as seen from above, and what an oblique view shows besides.

    fullness: 2 is an ellipse, more is squarer. axilla: how far the arm's tissue reaches at the upper border.
    edge:     see ROUND_MM.
    """

    depth: float
    half: float
    fullness: float
    nipple_radius: float
    muscle_top: float
    muscle_side: float
    axilla: float
    edge: float


def a_woman(rng: np.random.Generator) -> Woman:
    """A breast of common size."""
    depth = rng.uniform(68, 102)
    half = rng.uniform(0.95, 1.15) * min(depth, 92)
    return Woman(
        depth=depth,
        half=half,
        fullness=rng.uniform(2.0, 2.7),
        nipple_radius=rng.uniform(4.0, 5.5),
        muscle_top=rng.uniform(0.4, 0.62) * depth,
        muscle_side=rng.uniform(0.85, 1.3) * half,
        axilla=rng.uniform(0.62, 0.85) * depth,
        edge=rng.uniform(0.9, 1.1) * ROUND_MM,
    )


def her_other(woman: Woman, rng: np.random.Generator) -> Woman:
    """The other breast: a few per cent of each measure differ."""
    values = {name: getattr(woman, name) * (1 + 0.025 * rng.standard_normal()) for name in Woman.__slots__}
    return Woman(**{**values, "nipple_radius": woman.nipple_radius})


@dataclass(frozen=True, slots=True)
class Outline:
    """One view, chest wall left, head or lateral side up; all grids (rows, columns).

    skin_mm:   how deep below the skin; 0 in air.
    thickness: 0…1 of the compressed breast.
    nipple_mm: (across, down) of the nipple's tip.
    """

    spacing_mm: float
    laterality: Laterality
    view: str
    skin_mm: Floats
    thickness: Floats
    muscle: Mask
    nipple_mm: Point

    @property
    def breast(self) -> Mask:
        """All that is not air."""
        return self.skin_mm > 0

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.skin_mm.shape[0], self.skin_mm.shape[1]

    def grid_mm(self) -> tuple[Floats, Floats]:
        """(across, down): of the pixels' centres, each of a shape that broadcasts."""
        rows, columns = self.shape
        at = [(np.arange(n, dtype=np.float32) + 0.5) * np.float32(self.spacing_mm) for n in (columns, rows)]
        return at[0][None, :], at[1][:, None]


def size_mm(woman: Woman, view: str) -> tuple[float, float]:
    """(down, across) of a film that holds the view, whichever breast it is."""
    up = 1.35 * woman.half if view == "MLO" else woman.half + ABOVE_MM
    return up + 1.05 * woman.half + ABOVE_MM, 1.08 * woman.depth + BESIDE_MM


def outline(
    woman: Woman, laterality: Laterality, view: str, film_mm: tuple[float, float], spacing_mm: float
) -> Outline:
    """The breast on a film of that size. view: "CC" or "MLO"."""
    shape = round(film_mm[0] / spacing_mm), round(film_mm[1] / spacing_mm)
    down = (np.arange(shape[0]) + 0.5) * spacing_mm
    across = (np.arange(shape[1]) + 0.5) * spacing_mm
    middle = 1.35 * woman.half if view == "MLO" else film_mm[0] / 2
    skin = _skin(woman, view, down, middle)
    row = int(np.argmax(skin + _sag(woman, view) * down))
    centre = float(skin[row]) - 0.3 * woman.nipple_radius, float(down[row])
    bump = (across[None] - centre[0]) ** 2 + (down[:, None] - centre[1]) ** 2 < woman.nipple_radius**2
    nipple = centre[0] + woman.nipple_radius, centre[1]
    depth = _below_skin((across[None] < skin[:, None]) | bump, spacing_mm)
    muscle = np.zeros(shape, bool)
    if view == "MLO":
        muscle = _muscle(woman, across[None], down[:, None]) & (depth > 0)
    return Outline(spacing_mm, laterality, view, depth, _thickness(depth, woman.edge), muscle, nipple)


def _sag(woman: Woman, view: str) -> float:
    """The nipple points away from the chest wall; in an oblique view halfway between that and away from the muscle."""
    return float(np.tan(0.5 * np.arctan2(woman.muscle_top, woman.muscle_side))) if view == "MLO" else 0.0


def _skin(woman: Woman, view: str, down: NDArray[np.floating], middle: float) -> NDArray[np.floating]:
    """How far the breast reaches from the chest wall in each row."""
    away = np.abs(down - middle) / woman.half
    bow = woman.depth * np.sqrt(np.clip(1 - away**woman.fullness, 0, None))
    if view != "MLO":
        return bow
    # Above, tissue goes on to the axilla; a soft maximum, for the skin has no corner.
    arm = woman.axilla + 0.12 * down - 3 * np.clip(down - middle, 0, None)
    return np.asarray(8 * np.logaddexp(bow / 8, arm / 8))


def _muscle(woman: Woman, across: NDArray[np.floating], down: NDArray[np.floating]) -> Mask:
    """A triangle in the upper corner with a slightly bulging edge."""
    along = down / woman.muscle_side
    return np.asarray(across / woman.muscle_top < 1 - along + 0.25 * along * (1 - along))


def _below_skin(mask: Mask, spacing_mm: float) -> Floats:
    """The borders of the film are no skin."""
    wide = np.pad(mask, ((8, 8), (8, 0)), mode="edge")
    found = ndimage.distance_transform_edt(wide)[8:-8, 8:]
    return np.asarray(found * spacing_mm, np.float32)


def _thickness(depth: Floats, edge: float) -> Floats:
    """A half circle between the paddles: steep at the skin, level further in."""
    missing = 1 - np.clip(depth / edge, 0, 1)
    return np.asarray(np.sqrt(np.clip(1 - missing**2, 0, None)), np.float32)
