"""A picture of results: lesions outlined on the images that they were found on, with what the report says of each.

A dashed outline is unsure: repeated readings drew it differently. A thin grey circle marks a rejected candidate.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from pydicom import dcmread

from node.picture_panels import Outline, Panel, panels
from node.told import Told, told
from pipeline.core.errors import OurFault

WINDOW_PERCENTILES = (1.0, 99.5)
"""Where black and white lie in the image's own distribution."""

_LEGEND = "dashed: agreement of repeated readings below 70 %; thin grey circle: rejected, not counted as a lesion"


def first_page(pages: Sequence[Path], png: Path) -> Path:
    """Write the first of the summary pages (Secondary Captures) as a PNG. Raises OurFault when there is none."""
    from PIL import Image  # noqa: PLC0415 - only a picture needs it

    if not pages:
        raise OurFault("no summary page was drawn, so that there is no picture")
    Image.fromarray(dcmread(pages[0]).pixel_array).save(png)
    return png


def draw(
    rtstruct: Path | None,
    images: Sequence[Path],
    png: Path,
    caption: str,
    *,
    report: Path | None = None,
    remarks: Sequence[str] = (),
    most: int = 24,
    most_rejected: int = 3,
) -> None:
    """Write a PNG with one panel for each lesion and for the first rejected candidates of the report.

    Lesions beyond `most`, the smallest, and candidates beyond `most_rejected` are named below the panels.

    rtstruct: without one (no lesion found) the middle image is shown, without a contour.
    report:   the SR; without it outlines bear their ROI names alone.
    remarks:  sentences below the panels: what a reader must know of this study.
    """
    import matplotlib  # noqa: PLC0415 - heavy, and only a picture needs it

    matplotlib.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    of = told(dcmread(report)) if report else ()
    shown = panels(rtstruct, images, of, most, most_rejected)
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(4.6 * columns, 5.4 * rows), squeeze=False, facecolor="black")
    for axis in axes.flat:
        axis.axis("off")
    for axis, panel in zip(axes.flat, shown, strict=False):
        _paint(axis, panel)
    below = "\n".join([_caption(caption, of, shown), *(fill(remark, 60 * columns) for remark in remarks)])
    figure.text(0.5, 0.05 / figure.get_figheight(), below, color="white", ha="center", va="bottom", fontsize=8)
    foot_inches = 0.2 + 0.15 * len(below.splitlines())
    figure.tight_layout(h_pad=2.0, rect=(0, foot_inches / figure.get_figheight(), 1, 1))
    figure.savefig(png, dpi=110, facecolor="black")
    pyplot.close(figure)


def _caption(caption: str, of: Sequence[Told], shown: Sequence[Panel]) -> str:
    special = any(o.unsure or o.rejected for panel in shown for o in panel.outlines)
    lesions, rejected = sum(not t.rejected for t in of), sum(t.rejected for t in of)
    counts = f"{lesions} lesion(s), {rejected} rejected candidate(s)" if of else ""
    lines = (_LEGEND if special else "", *left_out(of, shown), " - ".join(t for t in (counts, caption) if t))
    return "\n".join(line for line in lines if line)


def left_out(of: Sequence[Told], shown: Sequence[Panel]) -> list[str]:
    """What has no panel of its own, by name: nobody may take what is shown for all there is."""
    titles = {panel.title.partition(":")[0] for panel in shown}
    without = [t for t in of if t.label not in titles]
    return [
        fill(f"{what} without a panel: {', '.join(t.label.split('_')[0] for t in named)}", 110)
        for what, named in (
            ("lesion(s)", [t for t in without if not t.rejected]),
            ("rejected candidate(s)", [t for t in without if t.rejected]),
        )
        if named
    ]


def _paint(axis: Any, panel: Panel) -> None:
    from matplotlib.patheffects import withStroke  # noqa: PLC0415 - as above

    low, high = np.percentile(panel.image, WINDOW_PERCENTILES)
    shown = {"cmap": "gray", "vmin": low, "vmax": high, "interpolation": "nearest"}
    axis.imshow(panel.image, aspect=panel.aspect, **shown)
    for outline in panel.outlines:
        _line(axis, outline)
    halo = [withStroke(linewidth=2, foreground="black")]
    for outline in _rightmost(panel.outlines):
        right = outline.points[outline.points[:, 0].argmax()]
        size = 6 if outline.rejected else 8
        axis.annotate(
            outline.label,
            tuple(right),
            color=outline.colour,
            fontsize=size,
            xytext=(4, 0),
            textcoords="offset points",
            path_effects=halo,
        )
    axis.set_title(panel.title, color=panel.colour, fontsize=10, fontweight="bold", loc="left", pad=4)
    axis.set_title(panel.where, color="white", fontsize=8, loc="right", pad=4)
    for mark, (x, y) in zip(panel.marks, ((0.01, 0.5), (0.99, 0.5), (0.5, 0.98), (0.5, 0.02)), strict=True):
        axis.text(x, y, mark, color="white", fontsize=8, ha="center", va="center", transform=axis.transAxes)
    axis.text(0, -0.015, panel.said, color="white", fontsize=8, va="top", transform=axis.transAxes, linespacing=1.3)
    if panel.zoom:
        _enlarge(axis, panel, shown)


def _line(axis: Any, outline: Outline) -> None:
    closed = np.vstack([outline.points, outline.points[:1]])
    style = (0, (3, 2)) if outline.unsure else "-"
    axis.plot(
        closed[:, 0], closed[:, 1], color=outline.colour, linewidth=0.6 if outline.rejected else 1.2, linestyle=style
    )


def _enlarge(axis: Any, panel: Panel, shown: dict[str, Any]) -> None:
    """The neighbourhood again, in the corner that lies farther from it."""
    left, right, top, bottom = panel.zoom or (0, 0, 0, 0)
    rows, columns = panel.image.shape
    x = 0.0 if left + right > columns else 0.64
    y = 0.64 if top + bottom > rows else 0.0
    inset = axis.inset_axes((x, y, 0.36, 0.36))
    inset.imshow(panel.image, aspect=panel.aspect, **shown)
    for outline in panel.outlines:
        _line(inset, outline)
    inset.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])
    for spine in inset.spines.values():
        spine.set(color="white", linewidth=0.6)


def _rightmost(outlines: Sequence[Outline]) -> list[Outline]:
    """Of several outlines with one label the one that the label stands beside."""
    found: dict[str, Outline] = {}
    for outline in outlines:
        if outline.label not in found or outline.points[:, 0].max() > found[outline.label].points[:, 0].max():
            found[outline.label] = outline
    return list(found.values())
