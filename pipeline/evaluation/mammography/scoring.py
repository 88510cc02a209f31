"""One view and what was said of it -> a row: its truth, its scores, what the marks hit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from pipeline.datasets.mammo import Finding
from pipeline.evaluation.mammography.lesions import Lesion, Points, ToMm, lesions_of
from pipeline.evaluation.mammography.studies import StudyEntry, ViewEntry, is_abnormal, is_malignant
from pipeline.evaluation.mammography.subject import SaidMark, SaidView
from pipeline.imaging.mammogram.read import MammogramPixels

NO_SPACING_MM = (0.1, 0.1)
"""Taken for a view that was declined and has no size: its lesions are counted as missed either way."""


@dataclass(frozen=True, slots=True)
class LesionRow:
    """One lesion with a place.

    best: the highest score of the marks that hit it, -inf for none; best_before: also of those that were turned down.
    """

    number: int
    kind: str
    words: str
    pathology: str
    diameter_mm: float
    center_px: tuple[float, float]
    best: float
    best_before: float


@dataclass(frozen=True, slots=True)
class MarkRow:
    """One mark. lesions: the numbers of those that it hits; without one it is a false positive.

    kept: False for one that the false-positive step turned down; it counts only "before" that step.
    """

    number: int
    kind: str
    score: float
    center_px: tuple[float, float]
    lesions: tuple[int, ...]
    kept: bool = True


@dataclass(frozen=True, slots=True)
class ImageRow:
    """All about one image.

    abnormal, malignant: the truth; None where nobody knows.
    unplaced: lesions that the data set does not say the place of. In such an image nobody can tell a false mark from
              a true one, so that it is left out of everything that counts marks.
    declined: why it was not read; then it has scores of 0 and no marks, and its lesions are missed.
    """

    name: str
    study: str
    woman: str
    tier: str
    source: str
    role: str
    laterality: str
    density: str
    is_film: bool
    spacing_mm: tuple[float, float] | None
    abnormal: bool | None
    malignant: bool | None
    score: float
    malignant_score: float | None
    lesions: tuple[LesionRow, ...]
    marks: tuple[MarkRow, ...]
    unplaced: int = 0
    declined: str = ""

    @property
    def counts_marks(self) -> bool:
        """Whether it is among the images of the FROC curve."""
        return not self.unplaced and self.abnormal is not None

    @property
    def false(self) -> tuple[MarkRow, ...]:
        """Marks that hit no lesion and were kept."""
        return tuple(m for m in self.marks if m.kept and not m.lesions)

    @property
    def before(self) -> ImageRow:
        """The same image before the false-positive step: every mark counts."""
        return replace(
            self,
            lesions=tuple(replace(v, best=v.best_before) for v in self.lesions),
            marks=tuple(replace(m, kept=True) for m in self.marks),
        )


def score_view(study: StudyEntry, view: ViewEntry, pixels: MammogramPixels | str, said: SaidView | None) -> ImageRow:
    """The row of one view. pixels: or the reason why it shows no breast. said: None where it was declined."""
    findings = view.finder()
    lesions, unplaced = lesions_of(findings, to_mm(view, pixels))
    step = 0.1 if isinstance(pixels, str) else pixels.canonical.spacing_um / 1000
    marks = tuple(_mark(n, m, lesions, step) for n, m in enumerate(said.found if said else (), 1))
    return ImageRow(
        name=view.name,
        study=study.name,
        woman=study.woman,
        tier=study.tier,
        source=study.source,
        role=view.role,
        laterality=view.laterality.value,
        density=view.density,
        is_film=view.is_film,
        spacing_mm=view.spacing_mm,
        abnormal=is_abnormal(view.pathology, findings),
        malignant=is_malignant(view.pathology),
        score=float(said.abnormal) if said else 0.0,
        malignant_score=said.malignant if said else 0.0,
        lesions=tuple(_lesion(n, lesion, marks, step) for n, lesion in enumerate(lesions, 1)),
        marks=marks,
        unplaced=unplaced,
        declined=_declined(pixels, said),
    )


def to_mm(view: ViewEntry, pixels: MammogramPixels | str) -> ToMm:
    """From pixels of the image as sent to mm of the canonical picture, or of the image itself where there is none."""
    if isinstance(pixels, str):
        down, across = view.spacing_mm or NO_SPACING_MM
        return lambda points: np.asarray(points, float).reshape(-1, 2) * (across, down)
    laid = pixels.canonical

    def placed(points: ArrayLike) -> Points:
        return laid.from_image(points) * (laid.spacing_um / 1000)

    return placed


def findings_seen(view: ViewEntry, pixels: MammogramPixels) -> tuple[Lesion, ...]:
    """The lesions of a view, to be drawn."""
    findings: tuple[Finding, ...] = view.finder()
    return lesions_of(findings, to_mm(view, pixels))[0]


def _declined(pixels: MammogramPixels | str, said: SaidView | None) -> str:
    if isinstance(pixels, str):
        return pixels
    return "" if said else "the pipeline said nothing of this view"


def _mark(number: int, mark: SaidMark, lesions: tuple[Lesion, ...], step_mm: float) -> MarkRow:
    x, y = mark.center
    hits = tuple(n for n, lesion in enumerate(lesions, 1) if lesion.is_hit((x * step_mm, y * step_mm)))
    return MarkRow(number, str(mark.kind), float(mark.score), (float(x), float(y)), hits, mark.kept)


def _lesion(number: int, lesion: Lesion, marks: tuple[MarkRow, ...], step_mm: float) -> LesionRow:
    x, y = (float(v) / step_mm for v in lesion.middles.mean(axis=0))
    before = [m for m in marks if number in m.lesions]
    best, best_before = (
        max((m.score for m in hits), default=float("-inf")) for hits in ([m for m in before if m.kept], before)
    )
    return LesionRow(
        number, lesion.kind, lesion.words, lesion.pathology.value, lesion.diameter_mm, (x, y), best, best_before
    )
