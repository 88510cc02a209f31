"""The constants of the fusion, from maps of breasts that the detectors had not seen, and figures of what they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from pipeline.recipes.mammography.fuse import (
    CELL_MM,
    JOINED,
    Curve,
    Fusion,
    Maps,
    Peak,
    Platt,
    Scale,
    compared,
    joined,
    lesion_sums,
    peaks,
    top_scores,
)

Floats = NDArray[np.float64]

LEAST_RADIUS_MM = 2.5
"""Nobody points more exactly: smaller lesions count as so large."""
RATES = ("0.25", "0.5", "1", "2", "4")
"""False positives per image at the operating points."""
KNOTS = 48


@dataclass(frozen=True, slots=True)
class Target:
    """Where a lesion is, in mm from the top left corner of the maps, and how large."""

    x_mm: float
    y_mm: float
    radius_mm: float
    words: str = ""
    malignant: bool = False

    def is_hit(self, peak: Peak) -> bool:
        """Whether a mark there is on it."""
        away = np.hypot(peak.x_mm - self.x_mm, peak.y_mm - self.y_mm)
        return bool(away <= max(self.radius_mm, LEAST_RADIUS_MM))


@dataclass(frozen=True, slots=True)
class Seen:
    """An image with known truth, and what detectors that had not seen this woman say of it.

    other:    name of the like view of the other breast.
    placed:   all its lesions are placed: only then its marks can be told right from wrong.
    """

    name: str
    patient: str
    abnormal: bool
    malignant: bool
    targets: tuple[Target, ...]
    placed: bool
    maps: Maps
    other: str | None = None


def learn(seen: Sequence[Seen]) -> Fusion:
    """All constants."""
    cells = _cell_scales(seen)
    tops, sums = _image_scales(seen, cells)
    draft = Fusion(cells, tops, sums, _FLAT, _FLAT, Platt(1, 0), {}, {})
    known = [s for s in seen if s.placed]
    lesions = _curve(known, [peaks(draft.joined(s.maps), CELL_MM) for s in known])
    specks = _curve(known, [peaks(draft.speck_map(s.maps), CELL_MM / 2) for s in known])
    draft = Fusion(cells, tops, sums, lesions, specks, Platt(1, 0), {}, {})
    marks = [draft.marks(s.maps) for s in known]
    mark = _platt(
        [m.score for row in marks for m in row], [_hits(s, m) for s, row in zip(known, marks, strict=True) for m in row]
    )
    return Fusion(cells, tops, sums, lesions, specks, mark, _image_platts(seen, draft), _operating(known, marks, mark))


_FLAT = Curve((1.0, 0.0), (0.0, 0.0), 0.0)


def _hits(image: Seen, mark: Peak) -> bool:
    return any(t.is_hit(mark) for t in image.targets)


def _cell_scales(seen: Sequence[Seen]) -> dict[str, Scale]:
    named = [s.maps.by_name() for s in seen]
    cells = {name: _scale(np.concatenate([_known(n[name]) for n in named])) for name in named[0]}
    return {**cells, JOINED: _scale(np.concatenate([_known(joined(s.maps, cells)) for s in seen]))}


def _image_scales(seen: Sequence[Seen], cells: Mapping[str, Scale]) -> tuple[dict[str, Scale], dict[str, Scale]]:
    found = [top_scores(s.maps, cells) for s in seen]
    tops = {name: _scale(np.array([f[name] for f in found])) for name in found[0]}
    sums = [lesion_sums({n: tops[n].of(v) for n, v in f.items()}) for f in found]
    return tops, {name: _scale(np.array([s[name] for s in sums])) for name in sums[0]}


def _image_platts(seen: Sequence[Seen], fusion: Fusion) -> dict[str, Platt]:
    scores = image_scores(seen, fusion)
    truth = {"abnormal": [s.abnormal for s in seen], "malignant": [s.malignant for s in seen]}
    return {name: _platt(list(column), truth[name.removesuffix(" alone")]) for name, column in scores.items()}


def image_scores(seen: Sequence[Seen], fusion: Fusion) -> dict[str, Floats]:
    """Scores of whole images before they become probabilities, with the other breast (where there is one) and alone."""
    raw = {s.name: fusion.raw(s.maps) for s in seen}
    made: dict[str, Floats] = {}
    for name in ("abnormal", "malignant"):
        own = np.array([raw[s.name][name] for s in seen])
        other = np.array([raw[s.other][name] if s.other in raw else np.nan for s in seen])
        both = ~np.isnan(other)
        made[name] = np.where(both, compared(own, np.where(both, other, 0.0)), own)
        made[f"{name} alone"] = own
    return made


def _curve(known: Sequence[Seen], found: Sequence[Sequence[Peak]]) -> Curve:
    """The price of a score: how many false positives per image reach it."""
    wrong = [p.score for s, row in zip(known, found, strict=True) for p in row if not _hits(s, p)]
    scores = np.sort(np.array(wrong))[::-1]
    log_rates = np.log((np.arange(len(scores)) + 0.5) / len(known))
    few = max(5, len(scores) // 20) - 1
    slope = (log_rates[few] - log_rates[0]) / (scores[few] - scores[0] - 1e-6)
    at = np.unique(np.geomspace(1, len(scores), KNOTS).astype(int) - 1)
    return Curve(tuple(scores[at].tolist()), tuple(log_rates[at].tolist()), float(min(slope, -0.2)))


def _operating(known: Sequence[Seen], marks: Sequence[Sequence[Peak]], mark: Platt) -> dict[str, float]:
    wrong = sorted((m.score for s, row in zip(known, marks, strict=True) for m in row if not _hits(s, m)), reverse=True)
    at = {rate: min(int(float(rate) * len(known)), len(wrong) - 1) for rate in RATES}
    return {rate: float(np.nextafter(mark.of(wrong[k]), 1)) for rate, k in at.items()}


def _platt(scores: Sequence[float], truth: Sequence[bool]) -> Platt:
    """Logistic regression on one score, hardly held back."""
    fitted = LogisticRegression(C=1e4, max_iter=1000).fit(np.array(scores)[:, None], np.array(truth))
    return Platt(float(fitted.coef_[0, 0]), float(fitted.intercept_[0]))


def _scale(values: NDArray[Any]) -> Scale:
    return Scale(float(values.mean(dtype=np.float64)), max(float(values.std(dtype=np.float64)), 1e-6))


def _known(heat: NDArray[Any]) -> NDArray[Any]:
    return heat[np.isfinite(heat)]
