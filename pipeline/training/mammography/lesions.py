"""Findings drawn into the looks of real and of made-up breasts, in the places where findings are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from pipeline.phantom.mammogram import Shape, Stamp, pressed, stamp
from pipeline.recipes.mammography.looks import FINE_UM, LEVEL_MM, Floats, Look, look_from
from pipeline.training.mammography.material import LEAST_RADIUS_MM, Example, Lesion

SHARES = {
    Shape.CIRCUMSCRIBED: 0.22,
    Shape.SPICULATED: 0.22,
    Shape.DISTORTION: 0.16,
    Shape.CLUSTER: 0.2,
    Shape.ASYMMETRY: 0.1,
    Shape.ILL_DEFINED: 0.1,
}
"""How often each is drawn."""
DIAMETERS_MM = {Shape.CLUSTER: (3.2, 16.0), Shape.ASYMMETRY: (12.0, 40.0)}
"""From, to; MASSES_MM for the others. Masses are drawn log-uniformly, as small ones are more."""
MASSES_MM = (6.8, 36.0)
CONTRASTS = {Shape.CLUSTER: (0.2, 0.65), Shape.DISTORTION: (0.06, 0.18)}
"""Of the range of the breast's brightness; BODY for the others."""
BODY = (0.1, 0.38)
STEP = 8
"""Level pixels between the places that are looked at."""
FINE_MM = FINE_UM / 1000
FILM_MM = {"mias": 0.2}
"""Pixels of sets that are larger than those of a look: what is drawn into them must not be finer."""


@dataclass(frozen=True, slots=True)
class Planted:
    """What was drawn. x, y, radius: level pixels of the look."""

    x: float
    y: float
    radius: float
    shape: Shape

    @property
    def lesion(self) -> Lesion:
        """As the truth of an example; whether it would be malignant nobody knows."""
        return Lesion(self.x, self.y, max(self.radius, LEAST_RADIUS_MM / LEVEL_MM), self.shape.kind, False, True)


def detail_mm(example: Example) -> float:
    """What the pixels of an image show at best."""
    return FILM_MM.get(example.collection, FINE_MM)


def plant(
    rng: np.random.Generator, look: Look, detail_mm: float = FINE_MM, shape: Shape | None = None
) -> tuple[Look, Planted] | None:
    """The look with one finding more; None where no place is wide enough.

    detail_mm: the pixels that the picture was taken with: the finding shows nothing finer than that.
    shape:     None draws one.
    """
    what = shape or list(SHARES)[rng.choice(len(SHARES), p=list(SHARES.values()))]
    diameter, contrast = _size_and_contrast(rng, what)
    place = _place(rng, look, diameter / 2 / LEVEL_MM)
    if place is None:
        return None
    made = as_taken(stamp(rng, what, diameter, FINE_MM), detail_mm)
    fine = pressed(look.fine, made, (2 * place[0], 2 * place[1]), contrast)
    inside = look.breast.repeat(2, axis=0).repeat(2, axis=1)
    whole = look_from(np.where(inside, fine, look.fine), look.breast, look.muscle)
    return whole, Planted(place[0] + 0.25, place[1] + 0.25, diameter / 2 / LEVEL_MM, what)


def _size_and_contrast(rng: np.random.Generator, shape: Shape) -> tuple[float, float]:
    """Diameter in mm; a large mass is fainter."""
    contrast = rng.uniform(*CONTRASTS.get(shape, BODY))
    if shape in DIAMETERS_MM:
        return rng.uniform(*DIAMETERS_MM[shape]), contrast
    low, high = np.log(MASSES_MM)
    diameter = float(np.exp(rng.uniform(low, high)))
    return diameter, contrast * (1 if diameter < 20 else 0.8)


def _place(rng: np.random.Generator, look: Look, radius: float) -> tuple[int, int] | None:
    """(column, row) in level pixels, more often where it is dense; far enough from the skin, not in the muscle."""
    tissue = (look.breast & ~look.muscle)[::STEP, ::STEP]
    below = ndimage.distance_transform_edt(np.pad(look.breast[::STEP, ::STEP], ((1, 1), (0, 1)))) * STEP
    places = np.argwhere(tissue & (below[1:-1, :-1] > min(radius / 2, 60)))
    if len(places) < 5:
        return None
    level = ndimage.gaussian_filter(look.level[::STEP, ::STEP], 1.5)
    weight = level[places[:, 0], places[:, 1]].clip(0.05, 1)
    row, column = places[rng.choice(len(places), p=weight / weight.sum())] * STEP
    return int(column), int(row)


def as_taken(made: Stamp, detail_mm: float) -> Stamp:
    """The stamp as pixels of `detail_mm` show it, on the same grid."""
    return made if detail_mm <= FINE_MM else Stamp(made.shape, coarsened(made.added), made.drawn_in, made.outline_px)


def coarsened(picture: Floats) -> Floats:
    """Means of 2 x 2 pixels, and between them straight lines: a film of 0.2 mm on a grid of 0.1 mm."""
    rows, columns = picture.shape
    wide = np.pad(picture, ((0, rows % 2), (0, columns % 2)), mode="edge")
    small = wide.reshape(wide.shape[0] // 2, 2, wide.shape[1] // 2, 2).mean(axis=(1, 3))
    near = np.pad(small, 1, mode="edge")
    for axis in (0, 1):  # each half pixel is three quarters of its own and a quarter of its neighbour
        one, before, after = (np.take(near, range(1 + d, near.shape[axis] - 1 + d), axis) for d in (0, -1, 1))
        halves = np.stack([0.75 * one + 0.25 * before, 0.75 * one + 0.25 * after], axis=axis + 1)
        shape = list(one.shape)
        shape[axis] *= 2
        near = halves.reshape(shape)
    return np.asarray(near[:rows, :columns], np.float32)
