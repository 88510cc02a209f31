"""Pictures of what went wrong: every miss and every false positive, cut out around it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipeline.evaluation.cases.case import Case, Mask
from pipeline.evaluation.reading import Read
from pipeline.evaluation.scoring import CandidateRow, CaseRow, LesionRow, phase_mask

HALF_MM = 30.0
THIN = 2.0
"""Three planes are shown when no voxel is this many times as long as it is wide; else the slice alone."""

TRUTH, FOUND, REJECTED = "#00d060", "#ff4030", "#ffb000"


def draw_overlays(case: Case, read: Read, row: CaseRow, folder: Path) -> list[Path]:
    """One PNG for each lesion without a kept candidate, and for each kept candidate that is none."""
    kept = phase_mask(read, row.candidates, "after")
    rejected = (read.candidates > 0) & ~kept
    # Window from the image as a whole: a crop of its own would hide that a lesion is faint.
    bright = case.image.array[case.image.array > 0]
    window = tuple(float(v) for v in np.percentile(bright, (1, 99.7))) if bright.size else (0.0, 1.0)
    written = []
    for name, caption, centre in _wrong(row):
        path = folder / f"{safe(row.name)}-{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        _draw(path, case, (kept, rejected), centre, window, caption)
        written.append(path)
    return written


def _wrong(row: CaseRow) -> Iterator[tuple[str, str, tuple[float, float, float]]]:
    for lesion in row.lesions:
        if lesion.after is None:
            yield f"missed-{lesion.number:02d}", _missed(row, lesion), lesion.centroid_mm
    for candidate in row.candidates:
        if candidate.kept and candidate.is_false:
            yield f"false-{candidate.number:02d}", _false(row, candidate), candidate.centroid_mm


def _missed(row: CaseRow, lesion: LesionRow) -> str:
    if lesion.score is None or lesion.probability is None:
        why = "no candidate" + (", declined" if row.declined else "")
    else:
        why = f"rejected by model 2: certainty {lesion.probability:.2f}, score {lesion.score:.2f}"
    return f"{row.name}: MISSED lesion {lesion.number}, {lesion.diameter_mm:.1f} mm, {_at(lesion.centroid_mm)}; {why}"


def _false(row: CaseRow, candidate: CandidateRow) -> str:
    return (
        f"{row.name}: FALSE POSITIVE {candidate.number}, {candidate.diameter_mm:.1f} mm, "
        f"{_at(candidate.centroid_mm)}; certainty {candidate.probability:.2f}, score {candidate.score:.2f}"
    )


def _at(mm: tuple[float, float, float]) -> str:
    return "LPS ({:.0f}, {:.0f}, {:.0f}) mm".format(*mm)


def _draw(
    path: Path,
    case: Case,
    found: tuple[Mask, Mask],
    centre_mm: tuple[float, float, float],
    window: tuple[float, ...],
    caption: str,
) -> None:
    index = np.linalg.inv(case.image.affine) @ np.append(centre_mm, 1.0)
    centre = [int(np.clip(round(v), 0, n - 1)) for v, n in zip(index, case.image.spatial_shape, strict=False)]
    spacing = case.spacing_mm
    planes = (0, 1, 2) if max(spacing) / min(spacing) < THIN else (0,)
    figure = Figure(figsize=(3.2 * max(len(planes), 2), 3.8), dpi=80)
    FigureCanvasAgg(figure)
    for place, axis in enumerate(planes):
        _plane(figure.add_subplot(1, len(planes), place + 1), case, found, centre, axis, window)
    figure.suptitle(caption + "\ntruth green, prediction red, rejected candidate orange", fontsize=7, wrap=True)
    figure.savefig(path, metadata={"Software": None})


def _plane(
    axes: Axes, case: Case, found: tuple[Mask, Mask], centre: list[int], axis: int, window: tuple[float, ...]
) -> None:
    cut: list[slice | int] = [
        slice(max(0, c - round(HALF_MM / s)), c + round(HALF_MM / s) + 1)
        for c, s in zip(centre, case.spacing_mm, strict=True)
    ]
    cut[axis] = centre[axis]
    key = tuple(cut)
    down, across = (s for k, s in enumerate(case.spacing_mm) if k != axis)
    axes.imshow(case.image.array[key], cmap="gray", vmin=window[0], vmax=window[1], aspect=down / across)
    for mask, colour in ((found[1], REJECTED), (found[0], FOUND), (case.whole, TRUTH)):
        _outline(axes, mask[key], colour)
    axes.set_axis_off()


def _outline(axes: Axes, mask: npt.NDArray[np.bool_], colour: str) -> None:
    if mask.any() and min(mask.shape) > 1:
        axes.contour(mask, [0.5], colors=colour, linewidths=1.0)


def safe(name: str) -> str:
    """A name of a case as part of the name of a file."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)
