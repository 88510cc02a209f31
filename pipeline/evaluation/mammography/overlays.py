"""Pictures of what went most wrong: lesions that no mark hits or only a doubtful one, and the surest false marks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipeline.core.errors import LanternError
from pipeline.evaluation.mammography.lesions import LEAST_RADIUS_MM, Lesion
from pipeline.evaluation.mammography.scoring import ImageRow, LesionRow, MarkRow, findings_seen
from pipeline.evaluation.mammography.studies import ViewEntry
from pipeline.evaluation.overlays import FOUND, TRUTH, safe
from pipeline.imaging.mammogram.read import MammogramPixels

MOST = 12
"""Of each kind."""
SHOWN = 3
"""Marks of an image that are drawn beside the one that the picture is about: the surest ones."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """One picture to be drawn. center_px: of what it is about."""

    row: ImageRow
    name: str
    caption: str
    center_px: tuple[float, float]


def draw_overlays(
    rows: Sequence[ImageRow], threshold: float, views: Mapping[tuple[str, str], ViewEntry], folder: Path
) -> list[Path]:
    """One PNG each of the worst. views: by study and role; images are opened once more."""
    written = []
    for wrong in worst(rows, threshold):
        view = views[wrong.row.study, wrong.row.role]
        try:
            pixels = view.load()
        except LanternError:  # it was there a minute ago
            continue
        if not isinstance(pixels, str):
            path = folder / f"{safe(wrong.name)}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            _draw(path, pixels, findings_seen(view, pixels), wrong)
            written.append(path)
    return written


def worst(rows: Sequence[ImageRow], threshold: float) -> Iterator[Wrong]:
    """Lesions without a mark that reaches the threshold, the lowest first; false marks that do, the highest first."""
    mine = [r for r in rows if r.counts_marks]
    missed = [(r, v) for r in mine if not r.declined for v in r.lesions if v.best < threshold]
    missed.sort(key=lambda of: (of[1].best, -of[1].diameter_mm, of[0].study, of[0].role))
    false = [(r, m) for r in mine for m in r.false if m.score >= threshold]
    false.sort(key=lambda of: (-of[1].score, of[0].study, of[0].role, of[1].number))
    for row, lesion in missed[:MOST]:
        yield Wrong(row, f"missed-{_called(row)}-{lesion.number}", _missed(row, lesion), lesion.center_px)
    for row, mark in false[:MOST]:
        yield Wrong(row, f"false-{_called(row)}-{mark.number}", _false(row, mark), mark.center_px)


def _called(row: ImageRow) -> str:
    return row.name if row.role in row.name else f"{row.name}-{row.role}"


def _missed(row: ImageRow, lesion: LesionRow) -> str:
    best = "no mark" if lesion.best == float("-inf") else f"best mark {lesion.best:.2f}"
    if lesion.best < lesion.best_before:
        best += f", one of {lesion.best_before:.2f} turned down"
    return f"{_called(row)}: {lesion.words} ({lesion.pathology}), {lesion.diameter_mm:.0f} mm; {best}"


def _false(row: ImageRow, mark: MarkRow) -> str:
    return f"{_called(row)}: FALSE {mark.kind}, score {mark.score:.2f}; density {row.density or 'unknown'}"


def _draw(path: Path, pixels: MammogramPixels, lesions: tuple[Lesion, ...], wrong: Wrong) -> None:
    step = max(1, round(pixels.picture.shape[0] / 800))
    figure = Figure(figsize=(4.2, 5.4), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    rows, columns = pixels.picture.shape
    axes.imshow(pixels.picture[::step, ::step], cmap="gray", vmin=0, vmax=1, extent=(0, columns, rows, 0))
    mm = 1000 / pixels.canonical.spacing_um
    for lesion in lesions:
        _closed(axes, lesion, mm)
    marks = sorted((m for m in wrong.row.marks if m.kept), key=lambda m: -m.score)[:SHOWN]
    about = [m for m in wrong.row.marks if m.center_px == wrong.center_px]
    for mark in {m.number: m for m in (*marks, *about)}.values():
        x, y = mark.center_px
        axes.plot(x, y, "+", color=FOUND, markersize=9)
        axes.annotate(f"{mark.score:.2f}", (x, y), color=FOUND, fontsize=7, xytext=(4, 4), textcoords="offset points")
    axes.set_title(wrong.caption, fontsize=7, wrap=True)
    axes.set_axis_off()
    figure.savefig(path, metadata={"Software": None})


def _closed(axes: Axes, lesion: Lesion, per_mm: float) -> None:
    turns = np.linspace(0, 2 * np.pi, 33)
    ring = LEAST_RADIUS_MM * np.column_stack([np.cos(turns), np.sin(turns)])
    for middle in lesion.middles:
        axes.plot(*((middle + ring) * per_mm).T, color=TRUTH, linewidth=0.6, linestyle=":")
    if len(lesion.outline_mm):
        axes.plot(*(np.vstack([lesion.outline_mm, lesion.outline_mm[:1]]) * per_mm).T, color=TRUTH, linewidth=1.0)
