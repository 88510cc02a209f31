"""Four views of one woman, and what is to be found in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.core.breast import Laterality
from pipeline.marks import Density, Kind
from pipeline.phantom.mammogram.anatomy import Outline, Woman, a_woman, her_other, outline, size_mm
from pipeline.phantom.mammogram.exposure import Manner, exposed
from pipeline.phantom.mammogram.fields import Floats
from pipeline.phantom.mammogram.stamps import Shape, pressed, stamp
from pipeline.phantom.mammogram.tissue import Sources, absorbed, density_of, glands

Mask = NDArray[np.bool_]
Points = tuple[tuple[float, float], ...]

VIEWS = ("CC", "MLO")
CONTRASTS = {
    Shape.CIRCUMSCRIBED: 0.2,
    Shape.SPICULATED: 0.22,
    Shape.ILL_DEFINED: 0.2,
    Shape.CLUSTER: 0.4,
    Shape.DISTORTION: 0.14,
    Shape.ASYMMETRY: 0.2,
}
"""Attenuation that a clear finding adds."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One finding that is wanted, in both views of one breast.

    contrast:    1 is clear, 0.4 subtle.
    distance_mm: from the nipple, the same in both views; None has it drawn.
    lateral, upper: -1…1, towards which side of the breast; None has them drawn.
    """

    shape: Shape
    laterality: Laterality
    diameter_mm: float = 14.0
    contrast: float = 1.0
    distance_mm: float | None = None
    lateral: float | None = None
    upper: float | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What one view shows of a plan. number: 1…n, the same in both views; pixels as in `marks.Mark`, of `picture`."""

    number: int
    shape: Shape
    center_px: tuple[float, float]
    radius_px: float
    outline_px: Points

    @property
    def kind(self) -> Kind:
        """In the words of marks."""
        return self.shape.kind


@dataclass(frozen=True, slots=True)
class MammogramView:
    """One picture (rows, columns) uint16 of 12 bits, bright is dense, and its truth in the same pixels.

    It lies with the chest wall left and the head or lateral side up; `hung` is how mammograms hang.
    """

    laterality: Laterality
    view: str
    spacing_mm: float
    picture: NDArray[np.uint16]
    breast: Mask
    muscle: Mask
    nipple_px: tuple[float, float]
    findings: tuple[Finding, ...]
    dense_share: float

    @property
    def role(self) -> str:
        """ "R-MLO"."""
        return f"{self.laterality.value}-{self.view}"

    def hung(self) -> NDArray[np.uint16]:
        """A right breast mirrored: its chest wall at the right."""
        turned = self.picture[:, ::-1] if self.laterality is Laterality.RIGHT else self.picture
        return np.ascontiguousarray(turned)

    def hung_px(self, point: tuple[float, float]) -> tuple[float, float]:
        """A point of `picture` in `hung`."""
        column, row = point
        return (self.picture.shape[1] - column if self.laterality is Laterality.RIGHT else column), row


@dataclass(frozen=True, slots=True)
class MammogramStudy:
    """Right and left, from above and oblique."""

    density: Density
    manner: Manner
    views: tuple[MammogramView, ...]

    def view(self, role: str) -> MammogramView:
        """By role. Raises KeyError."""
        return {v.role: v for v in self.views}[role]


def mammogram_study(
    seed: int,
    plans: Sequence[Plan] = (),
    *,
    density: Density = Density.B,
    manner: Manner = Manner.DIGITAL,
    spacing_mm: float = 0.1,
    roles: Sequence[str] = ("R-CC", "L-CC", "R-MLO", "L-MLO"),
) -> MammogramStudy:
    """Mammograms of a made-up woman; the same arguments give the same pictures.

    Both breasts are alike in what is large. A view is the same whichever others are asked for. About 2 s a view.
    """
    right = a_woman(np.random.default_rng((seed, 1)))
    women = {Laterality.RIGHT: right, Laterality.LEFT: her_other(right, np.random.default_rng((seed, 2)))}
    set_out = [
        _drawn(plan, women[plan.laterality], np.random.default_rng((seed, 3, n))) for n, plan in enumerate(plans)
    ]
    views = []
    for role in roles:
        side, view = role.split("-")
        one = Laterality(side)
        film = tuple(max(values) for values in zip(*(size_mm(w, view) for w in women.values()), strict=True))
        lay = outline(women[one], one, view, (film[0], film[1]), spacing_mm)
        views.append(_view(seed, lay, density, manner, set_out))
    return MammogramStudy(density, manner, tuple(views))


def _drawn(plan: Plan, woman: Woman, rng: np.random.Generator) -> Plan:
    """With nothing left open."""
    distance, lateral, upper = rng.uniform(0.3, 0.65) * woman.depth, *rng.uniform(-0.9, 0.9, 2)
    return Plan(
        plan.shape,
        plan.laterality,
        plan.diameter_mm,
        plan.contrast,
        distance if plan.distance_mm is None else plan.distance_mm,
        lateral if plan.lateral is None else plan.lateral,
        upper if plan.upper is None else plan.upper,
    )


def _view(seed: int, lay: Outline, density: Density, manner: Manner, plans: Sequence[Plan]) -> MammogramView:
    which = VIEWS.index(lay.view)
    sources = Sources(seed * 2 + which, int(lay.laterality is Laterality.RIGHT))
    gland = glands(lay, density, sources)
    seen, findings = absorbed(lay, gland, sources), []
    for number, plan in enumerate(plans, 1):
        if plan.laterality is lay.laterality:
            seen, finding = _with(seen, lay, plan, number, np.random.default_rng((seed, 4, number, which)))
            findings.append(finding)
    step = lay.spacing_mm
    return MammogramView(
        laterality=lay.laterality,
        view=lay.view,
        spacing_mm=step,
        picture=exposed(np.asarray(seen * lay.breast, np.float32), lay, manner, sources.own(9)),
        breast=lay.breast,
        muscle=lay.muscle,
        nipple_px=(lay.nipple_mm[0] / step, lay.nipple_mm[1] / step),
        findings=tuple(findings),
        dense_share=density_of(lay, gland),
    )


def _with(seen: Floats, lay: Outline, plan: Plan, number: int, rng: np.random.Generator) -> tuple[Floats, Finding]:
    column, row = place_px(lay, plan)
    made = stamp(rng, plan.shape, plan.diameter_mm, lay.spacing_mm)
    there = (column + 0.5, row + 0.5)
    points = tuple((float(x + there[0]), float(y + there[1])) for x, y in made.outline_px)
    pressed_in = pressed(seen, made, (column, row), plan.contrast * CONTRASTS[plan.shape])
    return pressed_in, Finding(number, plan.shape, there, plan.diameter_mm / 2 / lay.spacing_mm, points)


def place_px(lay: Outline, plan: Plan) -> tuple[int, int]:
    """The pixel (column, row) that a plan lies at: `distance_mm` from the nipple, turned to its side.

    What is lateral lies up in a view from above; an oblique view shows what is upper, and in part what is lateral,
    above. The turn gives way until the finding lies in the breast and not in the muscle.
    """
    distance, lateral, upper = plan.distance_mm or 0.0, plan.lateral or 0.0, plan.upper or 0.0
    turn = np.radians(55) * (lateral if lay.view == "CC" else 0.7 * upper + 0.3 * lateral)
    margin = min(plan.diameter_mm / 2, 12.0) + 4
    x, y = lay.nipple_mm
    for _ in range(20):
        column = int((x - distance * np.cos(turn)) / lay.spacing_mm)
        row = int((y - distance * np.sin(turn)) / lay.spacing_mm)
        if _fits(lay, column, row, margin):
            return column, row
        turn *= 0.85
    return max(column, 0), row


def _fits(lay: Outline, column: int, row: int, margin_mm: float) -> bool:
    pixels = int(margin_mm / lay.spacing_mm)
    if column < pixels // 2 or not 0 <= row < lay.shape[0] or column >= lay.shape[1]:
        return False
    near = lay.muscle[max(0, row - pixels) : row + pixels, max(0, column - pixels) : column + pixels]
    return bool(lay.skin_mm[row, column] > margin_mm and not near.any())
