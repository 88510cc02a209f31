"""All models on the views of a study, whatever files they came from: what recipe, training and evaluation share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pipeline.core.breast import Laterality
from pipeline.core.clock import Stopwatch
from pipeline.findings import Verdict
from pipeline.imaging.mammogram.read import MammogramPixels
from pipeline.marks import Kind
from pipeline.radiomics.features import Table
from pipeline.recipes.mammography.candidates import features_of
from pipeline.recipes.mammography.fuse import CELL_MM, Fusion, Maps, Peak
from pipeline.recipes.mammography.looks import Floats, Look, look_of
from pipeline.recipes.mammography.models import Models
from pipeline.recipes.mammography.outlines import Points, long_axis, outline_mm

KINDS = {False: Kind.MASS, True: Kind.CALCIFICATIONS}
"""By what the peak is of. Masses, distortions and asymmetries are not told apart: see the model card."""
COARSE_MM = 0.25
"""Calcifications are not looked for in larger pixels: most are smaller."""
LEAST_TISSUE = 20
"""Cells, 2 cm2: with less there is no breast to look at."""

NO_TISSUE = "it shows hardly any tissue outside of the muscle"

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Found:
    """One mark, in pixels of the canonical picture. score: 0…1, that it lies on a lesion."""

    center: Point
    outline: tuple[Point, ...]
    long_axis_mm: float
    kind: Kind
    score: float
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen on one view.

    abnormal, malignant: 0…1, of the whole image, lower where the other breast is as suspicious; malignant None where
                         the model has no such score.
    found:               marks down to the least suspicious, the most suspicious first.
    heat:                0…1 on a grid over the whole canonical picture and a little more; cells of `heat_mm`.
    compared:            with the like view of the other breast.
    """

    abnormal: float
    malignant: float | None
    found: tuple[Found, ...]
    heat: Floats
    heat_mm: float
    compared: bool


@dataclass(frozen=True, slots=True)
class Examined:
    """views: by role; failed: why a view that was read could not be looked at, by role."""

    views: Mapping[str, Sight]
    failed: Mapping[str, str] = field(default_factory=dict)
    laps: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gathered:
    """One view before the false-positive step.

    own, other: raw scores of the whole image, and of the like view of the other breast, None without one.
    """

    look: Look
    maps: Maps
    peaks: tuple[Peak, ...]
    outlines: tuple[Points, ...]
    own: Mapping[str, float]
    other: Mapping[str, float] | None

    def features(self, fusion: Fusion) -> Table:
        """What the false-positive step judges by, a row for each peak."""
        columns = {f"image_{name}": value for name, value in self.own.items()}
        columns |= {f"other_{name}": np.nan if self.other is None else self.other[name] for name in self.own}
        return features_of(self.look, self.peaks, self.outlines, self.maps, fusion, columns)


def examine(views: Mapping[str, MammogramPixels], models: Models, device: str = "cpu") -> Examined:
    """All models on the views of one woman at one time, by role ("R-MLO", "R-MLO-2").

    The pixels must have been read at `looks.FINE_UM`. Equal pixels give equal answers.
    """
    clock = Stopwatch()
    looks = {role: look_of(pixels) for role, pixels in views.items()}
    usable = {role: look for role, look in looks.items() if (look.tissue >= 0.3).sum() >= LEAST_TISSUE}
    others = {role: other_of(role, usable) for role in usable}
    clock.lap("look")
    maps = {
        role: one.without_specks() if is_coarse(views[role]) else one
        for role, one in models.maps(usable, others, device).items()
    }
    clock.lap("detect")
    gathered = {
        role: gather(look, maps[role], maps.get(others[role] or ""), models.fusion) for role, look in usable.items()
    }
    clock.lap("outline")
    seen = {role: _sight(views[role], one, models) for role, one in gathered.items()}
    clock.lap("judge")
    failed = dict.fromkeys(looks.keys() - usable.keys(), NO_TISSUE)
    return Examined(seen, failed, clock.laps)


def is_coarse(pixels: MammogramPixels) -> bool:
    """Whether the image as sent has pixels of more than COARSE_MM, as far as its size is known or taken."""
    scales = np.abs(np.asarray(pixels.canonical.matrix)[:, :2]).max(axis=1)
    return bool(scales.max() * pixels.canonical.spacing_um / 1000 > COARSE_MM + 1e-6)


def other_of(role: str, among: Mapping[str, object]) -> str | None:
    """The role of the like view of the other breast; of several the first."""
    side, view = role.split("-")[:2]
    like = f"{Laterality(side).other.value}-{view}"
    return like if like in among else None


def gather(look: Look, maps: Maps, other: Maps | None, fusion: Fusion) -> Gathered:
    """Marks of one view down to the least suspicious, outlined. other: of the like view of the other breast."""
    peaks = fusion.marks(maps)
    heats = {False: fusion.joined(maps), True: fusion.speck_map(maps)}
    outlines = tuple(outline_mm(p, heats[p.of_specks], look) for p in peaks)
    return Gathered(look, maps, peaks, outlines, fusion.raw(maps), None if other is None else fusion.raw(other))


def _sight(pixels: MammogramPixels, one: Gathered, models: Models) -> Sight:
    fusion, judge = models.fusion, models.classifier
    nobody = (None,) * len(one.peaks)
    verdicts = judge.verdicts(one.features(fusion)) if judge is not None and one.peaks else nobody
    found = [
        _found(pixels, peak, corners, KINDS[peak.of_specks], float(fusion.mark.of(peak.score)), verdict)
        for peak, corners, verdict in zip(one.peaks, one.outlines, verdicts, strict=True)
    ]
    scores, heat = fusion.score(one.own, one.other), fusion.heat(one.maps)
    return Sight(scores["abnormal"], scores["malignant"], tuple(found), heat, CELL_MM / 2, one.other is not None)


def _found(
    pixels: MammogramPixels, peak: Peak, corners: Points, kind: Kind, score: float, verdict: Verdict | None
) -> Found:
    per_mm = 1000 / pixels.canonical.spacing_um
    outline = tuple((float(x), float(y)) for x, y in corners * per_mm)
    return Found((peak.x_mm * per_mm, peak.y_mm * per_mm), outline, long_axis(corners), kind, score, verdict)


__all__ = ["Examined", "Found", "Gathered", "Sight", "examine", "gather", "is_coarse", "other_of"]
