"""Marks to look at: the views with heat and outlines, a table, and what was said (Secondary Captures)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from pipeline.encode.common import Stamp, colour
from pipeline.encode.mammo.source import Image, MarkedSource, drawn_px
from pipeline.encode.mammo.words import KINDS, sentences, suspicion
from pipeline.encode.page import capture
from pipeline.encode.page.flow import FULL, Flow, Row, Table, stacked
from pipeline.encode.page.model import AMBER, GREY, WHITE, Box, Outline, Page, Picture, numbered
from pipeline.findings import RESEARCH_USE_ONLY
from pipeline.imaging.mammogram.seen import seen
from pipeline.imaging.mammogram.values import open_pixels
from pipeline.marks import Mark, MarkedStudy

ACROSS, HEIGHT_PX, _CAPTION = 4, 560, 44
MOST_ROWS = 1100
"""An image with more rows is averaged down: a page has no more pixels to show it with."""

_LINE = 21
_COLUMNS = (
    ("mark", 110.0), ("kind", 260.0), ("view", 110.0), ("score of 100", 150.0), ("diameter mm", 150.0),
    ("centre, px (column, row)", 260.0), ("with", 200.0),
)  # fmt: skip


def marked_captures(study: MarkedStudy, source: MarkedSource, stamp: Stamp) -> tuple[Dataset, ...]:
    """The pages as DICOM objects. Reads the pixels of all views. Raises PixelsUnreadable."""
    made = marked_pages(study, source, stamp)
    return tuple(capture(page, k, study, source, stamp) for k, page in enumerate(made, start=1))


def marked_pages(study: MarkedStudy, source: MarkedSource, stamp: Stamp) -> tuple[Page, ...]:
    """The same as values."""
    count = len(study.marks)
    flow = Flow(f"Marks on mammograms: {count}" if count else "No mark on the mammograms by the algorithm")
    shown = sorted(source.images, key=lambda one: (one.view.view, one.view.laterality.value != "R", one.number))
    for first in range(0, len(shown), ACROSS):
        _row_of_pictures(flow, shown[first : first + ACROSS], study)
    if study.marks:
        flow.table(_table(study))
    for k, words in enumerate(sentences(study, source, stamp, listed=False)[1:]):
        flow.say(words, AMBER if not k and not study.marks else WHITE)
    flow.say("Colours: suspicion of the network, from 10 of 100 on; outlines: marks.", GREY)
    return numbered(flow.sheets, RESEARCH_USE_ONLY, _about(study, stamp))


def _about(study: MarkedStudy, stamp: Stamp) -> str:
    """One line: the evidence is a sentence of the text, and too long for it."""
    return f"{study.algorithm.name} {study.algorithm.version}. Lantern {stamp.software_version}"


def _row_of_pictures(flow: Flow, images: list[Image], study: MarkedStudy) -> None:
    flow.keep_together((HEIGHT_PX + _CAPTION) // _LINE + 1)
    pitch = FULL.width / ACROSS
    for k, one in enumerate(images):
        left = FULL.left + k * pitch
        flow.put(_picture(one, study, Box(left, flow.y, pitch - 8, HEIGHT_PX)))
        below = Box(left, flow.y + HEIGHT_PX + 4, pitch - 8, _CAPTION)
        score = f"suspicion {suspicion(one.view.score):g} of 100"
        flow.put(*stacked([(one.view.role, WHITE, True), (score, GREY, False)], below))
    flow.skip(HEIGHT_PX + _CAPTION + 8)


def _picture(one: Image, study: MarkedStudy, box: Box) -> Picture:
    pixels = _pixels(one)
    factor = -(-pixels.shape[0] // MOST_ROWS)
    down, across = one.view.spacing_mm or (1.0, 1.0)
    heat = study.heat.get(one.view.role)
    return Picture(
        box,
        averaged(pixels, factor),
        down / across,
        ("", "", "", ""),
        tuple(_outline(m, one, factor) for m in study.marks if m.role == one.view.role),
        heat=None if heat is None else np.asarray(heat / 255, np.float32),
    )


def _pixels(one: Image) -> npt.NDArray[np.float32]:
    """As the recipe looked at it, bright is dense."""
    return seen(open_pixels(one.view.path, one.view.sop_instance_uid, one.raw), one.view.spacing_mm)


def averaged(pixels: npt.NDArray[np.float32], factor: int) -> npt.NDArray[np.float32]:
    """Means of squares of `factor` pixels; what is left over at the right and the bottom is filled with its edge."""
    if factor == 1:
        return pixels
    rows, columns = pixels.shape
    padded = np.pad(pixels, ((0, -rows % factor), (0, -columns % factor)), mode="edge")
    shape = padded.shape[0] // factor, factor, padded.shape[1] // factor, factor
    return np.asarray(padded.reshape(shape).mean(axis=(1, 3)), np.float32)


def _outline(mark: Mark, one: Image, factor: int) -> Outline:
    """Corner-based coordinates of the image as indices of the picture: the first pixel's middle is 0."""
    points = np.array(drawn_px(mark, one.view)) / factor - 0.5
    return Outline(points, colour(mark.number), mark.label)


def _table(study: MarkedStudy) -> Table:
    together = {n: c for c in study.composites for n in c.marks}
    rows = []
    for m in study.marks:
        others = [f"M{n}" for n in together[m.number].marks if n != m.number] if m.number in together else []
        size = "-" if m.long_axis_mm is None else f"{m.long_axis_mm:.1f}"
        where = f"{m.center_px[0]:.0f}, {m.center_px[1]:.0f}"
        cells = (m.label, KINDS[m.kind], m.role, f"{suspicion(m.score):g}", size, where, ", ".join(others) or "-")
        rows.append(Row(cells, colour(m.number)))
    return Table(_COLUMNS, tuple(rows))
