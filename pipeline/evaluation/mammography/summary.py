"""The figures of one tier, with their intervals, from the rows of its images. Everything here is JSON in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from pipeline.evaluation.calibration import reliability
from pipeline.evaluation.froc import threshold_at
from pipeline.evaluation.mammography import roc
from pipeline.evaluation.mammography.lesions import SIZES, size_of
from pipeline.evaluation.mammography.marks import OVER, RATES, at_rates, at_threshold, froc, sensitivity
from pipeline.evaluation.mammography.scoring import ImageRow, LesionRow
from pipeline.evaluation.mammography.studies import any_true
from pipeline.recipes.mammography.fuse import of_breast

Keep = Callable[[ImageRow], bool]
Scored = tuple[float | None, bool | None, str]
"""Score, truth, woman; what is None is left out."""

LEVELS: dict[str, Callable[[ImageRow], tuple[str, ...]]] = {
    "image": lambda r: (r.study, r.name, r.role),
    "breast": lambda r: (r.study, r.laterality),
    "study": lambda r: (r.study,),
}
"""What belongs together."""

SCORES = {"abnormal": "score", "malignant": "malignant_score"}
"""Of a row by question."""

QUESTIONS = ("abnormal", "malignant")
"""Abnormal against normal, and malignant against all others."""

PATHOLOGIES = ("benign", "malignant", "unknown")


def summarise(rows: Sequence[ImageRow], seed: int, operating_point: float | None) -> dict[str, Any]:
    """ROC at three levels, FROC, calibration, and all of it by density, kind, size and pathology."""
    lesions = [v for r in rows for v in r.lesions]
    return {
        "material": material(rows),
        "images": len(rows),
        "women": len({r.woman for r in rows}),
        "abnormal": sum(r.abnormal is True for r in rows),
        "malignant": sum(r.malignant is True for r in rows),
        "unknown": {q: sum(getattr(r, q) is None for r in rows) for q in QUESTIONS},
        "lesions": len(lesions),
        "lesions_counted": sum(len(r.lesions) for r in rows if r.counts_marks),
        "lesions_without_place": sum(r.unplaced for r in rows),
        "images_without_marks_counted": [r.name for r in rows if not r.counts_marks],
        "declined": [r.name for r in rows if r.declined],
        "levels": {level: _level(rows, level, seed) for level in LEVELS},
        "curves": {q: roc.points(*_columns(_scored(rows, q))[:2]) for q in QUESTIONS},
        "froc": {over: [_point(asdict(p)) for p in froc(rows, over)] for over in OVER},
        "at_false_positives": {over: at_rates(rows, over, seed) for over in OVER} | _before(rows, seed),
        "turned_down": sum(not m.kept for r in rows if r.counts_marks for m in r.marks),
        "operating_point": None if operating_point is None else at_threshold(rows, operating_point, seed),
        "calibration": _calibration(rows),
        "by": _by(rows, seed),
    }


def material(rows: Sequence[ImageRow]) -> dict[str, Any]:
    """What was read, for the sentence that says what the figures are worth."""
    sizes = {tuple(round(v, 4) for v in r.spacing_mm) for r in rows if r.spacing_mm}
    breasts = {(r.study, r.laterality) for r in rows}
    return {
        "sources": sorted({r.source for r in rows}),
        "film": sum(r.is_film for r in rows),
        "digital": sum(not r.is_film for r in rows),
        "views": sorted({r.role.split("-")[1] for r in rows}),
        "views_per_breast": round(len(rows) / max(1, len(breasts)), 2),
        "spacing_um": sorted({round(1000 * max(s)) for s in sizes}),
    }


def _before(rows: Sequence[ImageRow], seed: int) -> dict[str, Any]:
    """The same on all images before the false-positive step, where it turned anything down."""
    if all(m.kept for r in rows for m in r.marks):
        return {}
    return {"before": at_rates([r.before for r in rows], "all", seed)}


def _point(point: dict[str, float]) -> dict[str, float]:
    return {
        "threshold": point["threshold"],
        "false_positives_per_image": point["false_positives_per_scan"],
        "sensitivity": point["sensitivity"],
    }


def _scored(rows: Iterable[ImageRow], question: str) -> list[Scored]:
    return [(getattr(r, SCORES[question]), getattr(r, question), r.woman) for r in rows]


def _columns(scored: Iterable[Scored]) -> tuple[list[float], list[bool], list[str]]:
    known = [(s, t, w) for s, t, w in scored if s is not None and t is not None]
    return [s for s, _, _ in known], [t for _, t, _ in known], [w for _, _, w in known]


def _auc(scored: Iterable[Scored], seed: int) -> dict[str, Any]:
    return roc.auc(*_columns(scored), seed)


def _level(rows: Sequence[ImageRow], level: str, seed: int) -> dict[str, Any]:
    together: dict[tuple[str, ...], list[ImageRow]] = {}
    for row in rows:
        together.setdefault(LEVELS[level](row), []).append(row)
    found: dict[str, Any] = {"n": len(together)}
    for question in QUESTIONS:
        found[question] = _auc((_together(group, question) for group in together.values()), seed)
    return found


def _together(group: Sequence[ImageRow], question: str) -> Scored:
    """As the recipe puts views together: the mean of log odds of a breast's, and of breasts the higher."""
    name = SCORES[question]
    sides = {r.laterality for r in group}
    by_side = [[getattr(r, name) for r in group if r.laterality == side] for side in sides]
    known = [of_breast(given) for scores in by_side if (given := [s for s in scores if s is not None])]
    return (max(known) if known else None, any_true(getattr(r, question) for r in group), group[0].woman)


def _calibration(rows: Sequence[ImageRow]) -> dict[str, Any]:
    found = {}
    for question in QUESTIONS:
        scores, truths, _ = _columns(_scored(rows, question))
        found[question] = {"n": len(scores), **reliability(scores, truths)}
    marks = [m for r in rows if r.counts_marks for m in r.marks if m.kept]
    said = reliability([m.score for m in marks], [bool(m.lesions) for m in marks])
    return {**found, "marks": {"n": len(marks), **said}}


def _by(rows: Sequence[ImageRow], seed: int) -> dict[str, Any]:
    densities = sorted({r.density for r in rows if r.density})
    kinds = sorted({v.kind for r in rows for v in r.lesions})
    words = sorted({v.words for r in rows for v in r.lesions})
    points = froc(rows, "all")
    thresholds = {f"{rate:g}": threshold_at(points, rate) for rate in RATES}  # of all images together

    def lesions(keep: Callable[[ImageRow, LesionRow], bool]) -> dict[str, Any]:
        inside = [(r.woman, v) for r in rows if r.counts_marks for v in r.lesions if keep(r, v)]
        return {"lesions": len(inside), "at": {k: sensitivity(inside, t, seed) for k, t in thresholds.items()}}

    def against_normal(keep: Callable[[LesionRow], bool]) -> dict[str, Any]:
        """Images with such a lesion against the normal ones; the other abnormal images are left out."""
        images = [r for r in rows if r.abnormal is False or any(keep(v) for v in r.lesions)]
        return {"abnormal": _auc(_scored(images, "abnormal"), seed), **lesions(lambda _, v: keep(v))}

    return {
        "density": {d: _density([r for r in rows if r.density == d], seed) | lesions(_has(d)) for d in densities},
        "kind": {k: against_normal(lambda v, k=k: v.kind == k) for k in kinds},  # type: ignore[misc]
        "words": {w: against_normal(lambda v, w=w: v.words == w) for w in words} if len(words) <= 12 else {},  # type: ignore[misc]
        "size": {n: against_normal(lambda v, n=n: size_of(v.diameter_mm) == n) for n, _, _ in SIZES},  # type: ignore[misc]
        "pathology": {p: against_normal(lambda v, p=p: v.pathology == p) for p in PATHOLOGIES},  # type: ignore[misc]
    }


def _has(density: str) -> Callable[[ImageRow, LesionRow], bool]:
    return lambda r, _: r.density == density


def _density(rows: Sequence[ImageRow], seed: int) -> dict[str, Any]:
    found: dict[str, Any] = {"images": len(rows)}
    for question in QUESTIONS:
        scores, truths, _ = _columns(_scored(rows, question))
        said = reliability(scores, truths)
        found[question] = {
            **_auc(_scored(rows, question), seed),
            "brier": said["brier"],
            "expected_error": said["expected_error"],
        }
    return found
