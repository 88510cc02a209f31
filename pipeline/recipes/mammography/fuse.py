"""Several heat maps -> one map, its peaks as marks on one scale, and scores of whole images; all constants frozen.

The detectors answer in units of their own. Each map is brought to one scale by the mean and spread over training
breasts; the maps of lesions are averaged. Marks of that map and of the map of calcifications become comparable by their
price: how many false positives per image a mark of this score, or a better one, comes with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import WeightsCorrupt
from pipeline.recipes.mammography.looks import CELL, LEVEL_MM

Floats = NDArray[np.float32]

FORMAT = 1
CELL_MM = CELL * LEVEL_MM
"""Of the maps of lesions; those of calcifications have half of it."""

APART_MM = 16.0
"""Of two marks nearer than this the better stays."""
MOST = 8
"""Peaks of each map that become marks."""
SPECK_PRICE = 6.0
"""A mark of calcifications counts as if it cost so many times the false positives: few lesions are such, and their map
has many peaks."""
TOP_CELLS = 8
"""An image is as suspicious as the mean of so many of its cells: 0.8 cm2."""
SPECK_WEIGHT, OTHER_WEIGHT = 0.4, 0.5
"""Of the highest peak of calcifications in an image's score; and how much of the other breast's score is taken off."""

DENSE, DENSE_MALIGNANT, PAIRS, PAIRS_MALIGNANT = "dense", "dense malignant", "pairs", "pairs malignant"
SPECKS, JOINED = "specks", "joined"
LESION_MAPS = (DENSE, DENSE_MALIGNANT, PAIRS, PAIRS_MALIGNANT)


@dataclass(frozen=True, slots=True)
class Maps:
    """What the detectors say of one view; cells as `looks.Look` has them, -inf where there is no tissue.

    dense, pairs: (2, rows, columns) float32 logits of a lesion, and of a malignant one.
    specks:       (2 rows, 2 columns) float32 logits of a cluster of calcifications.
    """

    dense: Floats
    pairs: Floats
    specks: Floats

    def without_specks(self) -> Maps:
        """The same where calcifications were not looked for: no mark, and no part in the score of the image."""
        return replace(self, specks=np.full_like(self.specks, -np.inf))

    def by_name(self) -> dict[str, Floats]:
        """Each map of (rows, columns) by its name."""
        each = (self.dense[0], self.dense[1], self.pairs[0], self.pairs[1])
        return {**dict(zip(LESION_MAPS, each, strict=True)), SPECKS: self.specks}


@dataclass(frozen=True, slots=True)
class Peak:
    """A place that may be a lesion. x_mm, y_mm: from the top left corner of the map; score: of that map."""

    x_mm: float
    y_mm: float
    score: float
    of_specks: bool = False


@dataclass(frozen=True, slots=True)
class Scale:
    """Mean and standard deviation of something over the training breasts."""

    mean: float
    deviation: float

    def of(self, value: Any) -> Any:
        """A number or an array in deviations from the mean; -inf stays."""
        return (value - self.mean) / self.deviation


@dataclass(frozen=True, slots=True)
class Curve:
    """What a score costs: knots with falling scores, and the logarithm of the false positives per image at each.

    slope: of that logarithm by score, beyond the highest knot.
    """

    scores: tuple[float, ...]
    log_rates: tuple[float, ...]
    slope: float

    def value(self, score: Any) -> Any:
        """Minus the logarithm of the price of a score, number or array: higher is more suspicious."""
        given = np.asarray(score, float)
        inside = np.interp(-given, -np.array(self.scores), self.log_rates)
        return -(inside + self.slope * np.maximum(given - self.scores[0], 0.0))


@dataclass(frozen=True, slots=True)
class Platt:
    """A score as a probability: 1 / (1 + exp(-(slope x score + offset)))."""

    slope: float
    offset: float

    def of(self, score: Any) -> Any:
        """0…1 of a number or an array."""
        return 1.0 / (1.0 + np.exp(-np.clip(self.slope * np.asarray(score, float) + self.offset, -60, 60)))


@dataclass(frozen=True, slots=True)
class Fusion:
    """All constants, learnt on maps of breasts that the detectors had not seen (`training.mammography.fuse`).

    cells:     of each map's cells, by its name; JOINED of the mean of the lesion maps.
    tops:      of each map's score of a whole image, by its name.
    sums:      "abnormal", "malignant": of the sum of the scores of the lesion maps.
    lesions, specks: what peaks of the joined map, and of that of calcifications, cost.
    mark:      value of a mark -> probability that it lies on a lesion.
    images:    score of an image -> probability, by "abnormal", "malignant", and the same with " alone" behind it for a
               view without the like of the other breast.
    operating: by false positives per image ("0.25", "0.5", "1", "2", "4"), the probability from which on marks are
               shown.
    """

    cells: Mapping[str, Scale]
    tops: Mapping[str, Scale]
    sums: Mapping[str, Scale]
    lesions: Curve
    specks: Curve
    mark: Platt
    images: Mapping[str, Platt]
    operating: Mapping[str, float]

    @classmethod
    def from_json(cls, content: bytes) -> Fusion:
        """Read what `to_json` wrote. Raises WeightsCorrupt."""
        try:
            given = json.loads(content)
            if given.pop("format") != FORMAT:
                raise ValueError("another format")
            return cls(
                cells=_scales(given["cells"]),
                tops=_scales(given["tops"]),
                sums=_scales(given["sums"]),
                lesions=_curve(given["lesions"]),
                specks=_curve(given["specks"]),
                mark=Platt(**given["mark"]),
                images={n: Platt(**p) for n, p in given["images"].items()},
                operating={k: float(v) for k, v in given["operating"].items()},
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise WeightsCorrupt(f"the constants of the fusion cannot be read: {error}") from error

    def to_json(self) -> bytes:
        """All of it."""
        return (json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True, allow_nan=False) + "\n").encode()

    def joined(self, maps: Maps) -> Floats:
        """The maps of lesions as one, (rows, columns), in deviations over training breasts."""
        return np.asarray(self.cells[JOINED].of(joined(maps, self.cells)), np.float32)

    def speck_map(self, maps: Maps) -> Floats:
        """That of calcifications, (2 rows, 2 columns), likewise."""
        return np.asarray(self.cells[SPECKS].of(maps.specks), np.float32)

    def marks(self, maps: Maps) -> tuple[Peak, ...]:
        """Peaks of both on one scale, the most suspicious first; `score` is then the value that `mark` is of."""
        both = [
            *(_priced(p, self.lesions, 0.0) for p in peaks(self.joined(maps), CELL_MM)),
            *(_priced(p, self.specks, np.log(SPECK_PRICE), True) for p in peaks(self.speck_map(maps), CELL_MM / 2)),
        ]
        return suppressed(both)[:MOST]

    def heat(self, maps: Maps) -> Floats:
        """(2 rows, 2 columns) 0…1: what a mark at each place would score, of either map; 0 without tissue."""
        wide, fine = self.joined(maps).repeat(2, 0).repeat(2, 1), self.speck_map(maps)
        value = np.maximum(self.lesions.value(wide), self.specks.value(fine) - np.log(SPECK_PRICE))
        return np.where(np.isfinite(wide) | np.isfinite(fine), self.mark.of(value), 0.0).astype(np.float32)

    def raw(self, maps: Maps) -> dict[str, float]:
        """Scores of a whole image before they are compared with the other breast, by "abnormal" and "malignant"."""
        return summed(top_scores(maps, self.cells), self.tops, self.sums)

    def score(self, own: Mapping[str, float], other: Mapping[str, float] | None) -> dict[str, float]:
        """0…1 by "abnormal" and "malignant", from the raw scores of a view and of the like view of the other breast."""
        if other is None:
            return {name: float(self.images[f"{name} alone"].of(own[name])) for name in own}
        return {name: float(self.images[name].of(compared(own[name], other[name]))) for name in own}

    def threshold(self, rate: str) -> float:
        """The probability at an operating point."""
        return self.operating[rate]


def joined(maps: Maps, cells: Mapping[str, Scale]) -> Floats:
    """The mean of the two maps of lesions, each on its scale."""
    named = maps.by_name()
    return np.asarray((cells[DENSE].of(named[DENSE]) + cells[PAIRS].of(named[PAIRS])) / 2, np.float32)


def top_scores(maps: Maps, cells: Mapping[str, Scale]) -> dict[str, float]:
    """What each map says of the whole image: the mean of its top cells; of calcifications the highest."""
    return {n: _top(cells[n].of(m), 1 if n == SPECKS else TOP_CELLS) for n, m in maps.by_name().items()}


def summed(tops: Mapping[str, float], scales: Mapping[str, Scale], sums: Mapping[str, Scale]) -> dict[str, float]:
    """The scores of an image from those of its maps."""
    found = {name: scales[name].of(value) for name, value in tops.items()}
    added, specks = lesion_sums(found), found[SPECKS] if np.isfinite(found[SPECKS]) else 0.0
    return {name: float(sums[name].of(value) + SPECK_WEIGHT * specks) for name, value in added.items()}


def lesion_sums(found: Mapping[str, float]) -> dict[str, float]:
    """Of the maps of lesions alone, each on its scale."""
    lesion = found[DENSE] + found[PAIRS]
    return {"abnormal": lesion, "malignant": lesion + found[DENSE_MALIGNANT] + found[PAIRS_MALIGNANT]}


def compared(own: Any, other: Any) -> Any:
    """Few women have findings in both breasts."""
    return own - OTHER_WEIGHT * other


def of_breast(scores: Sequence[float]) -> float:
    """The score of a breast from those of its views: the mean of their log odds."""
    odds = [np.log(s / (1 - s)) for s in np.clip(scores, 1e-6, 1 - 1e-6)]
    return float(1 / (1 + np.exp(-np.mean(odds))))


def peaks(heat: Floats, cell_mm: float, most: int = MOST, apart_mm: float = APART_MM) -> tuple[Peak, ...]:
    """The highest cells of a map, each at least `apart_mm` from a higher one, placed between the cells around."""
    left = np.where(np.isfinite(heat), heat, -np.inf).astype(np.float64)
    rows, columns = np.mgrid[: heat.shape[0], : heat.shape[1]]
    found = []
    for _ in range(most):
        row, column = np.unravel_index(int(np.argmax(left)), left.shape) if left.size else (0, 0)
        if not left.size or not np.isfinite(left[row, column]):
            break
        x, y = _between(heat, int(row), int(column))
        found.append(Peak((x + 0.5) * cell_mm, (y + 0.5) * cell_mm, float(heat[row, column])))
        left[np.hypot(rows - row, columns - column) * cell_mm <= apart_mm] = -np.inf
    return tuple(found)


def suppressed(found: list[Peak], apart_mm: float = APART_MM) -> tuple[Peak, ...]:
    """The best first, without those that lie too near a better one."""
    kept: list[Peak] = []
    for one in sorted(found, key=lambda p: -p.score):
        if all(np.hypot(one.x_mm - k.x_mm, one.y_mm - k.y_mm) > apart_mm for k in kept):
            kept.append(one)
    return tuple(kept)


def _priced(peak: Peak, curve: Curve, price: float, of_specks: bool = False) -> Peak:
    return replace(peak, score=float(curve.value(peak.score) - price), of_specks=of_specks)


def _between(heat: Floats, row: int, column: int) -> tuple[float, float]:
    """(column, row) of the middle of a peak, by what its neighbours are above the lowest of them."""
    top, left = max(0, row - 1), max(0, column - 1)
    around = heat[top : row + 2, left : column + 2].astype(np.float64)
    known = np.isfinite(around)
    weight = np.where(known, around - around[known].min(), 0.0)
    if weight.sum() <= 0:
        return float(column), float(row)
    y, x = np.mgrid[top : top + around.shape[0], left : left + around.shape[1]]
    return float((x * weight).sum() / weight.sum()), float((y * weight).sum() / weight.sum())


def _top(heat: Floats, count: int) -> float:
    known = heat[np.isfinite(heat)]
    return float(np.sort(known)[-count:].mean()) if known.size else float("-inf")


def _scales(given: Mapping[str, Any]) -> dict[str, Scale]:
    return {name: Scale(**scale) for name, scale in given.items()}


def _curve(given: Mapping[str, Any]) -> Curve:
    made = Curve(tuple(given["scores"]), tuple(given["log_rates"]), float(given["slope"]))
    if len(made.scores) != len(made.log_rates) or len(made.scores) < 2:
        raise ValueError("a curve needs as many scores as rates, and two at least")
    return made
