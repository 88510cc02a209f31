"""A page before it is drawn: frozen values, in pixels from its upper left corner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.followup.timeline import Visit

RGB = tuple[int, int, int]
Zoom = tuple[float, float, float, float]
Marks = tuple[str, str, str, str]

WIDTH, HEIGHT, MARGIN = 1600, 1200, 20
TOP = 114
"""Where a sheet begins, below the head of the page."""

SMALL, PLAIN, LARGE = 14, 16, 22
"""Heights of letters; none is smaller, for a viewer shows the page at two thirds of its size."""

WHITE, GREY, AMBER, RED = (255, 255, 255), (170, 170, 170), (255, 190, 60), (255, 95, 80)
_LEAST_LIGHT = 0.45
_BESIDE = 820
"""Where what stands beside the warning begins."""

ISODOSES_GY = (5.0, 8.0, 10.0, 12.0, 18.0)


def readable(rgb: RGB) -> RGB:
    """The colour for letters on black: one that is too dark is mixed with white."""
    light = (0.3 * rgb[0] + 0.59 * rgb[1] + 0.11 * rgb[2]) / 255
    white = max(0.0, (_LEAST_LIGHT - light) / (1 - light)) if light < 1 else 0.0
    red, green, blue = (round(c + white * (255 - c)) for c in rgb)
    return red, green, blue


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of the page."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Text:
    """One line. left, top: of its first letter; px: its height."""

    left: float
    top: float
    words: str
    px: int = PLAIN
    rgb: RGB = WHITE
    bold: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """A closed line on an image. points: (n, 2), (column, row) as fractional indices; label: "" for none.

    dashed: where the outline is unsure.
    """

    points: npt.NDArray[np.float64]
    rgb: RGB
    label: str = ""
    thick: bool = True
    dashed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Wash:
    """Dose over an image. gy: (rows, columns) of the image; highest_gy: where the colours end, the same on all."""

    gy: npt.NDArray[np.float32]
    highest_gy: float


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """An image (rows, columns), bright is high, and what lies on it.

    aspect: a pixel's height divided by its width.
    marks:  what of the patient lies at the left, right, top and bottom edge: R L A P H F (PS3.3 C.7.6.1.1.1).
    zoom:   (left, right, top, bottom) in pixels of the image: what is shown again, enlarged; None for nothing.
    view:   likewise, the part that is shown; None for all.
    heat:   (rows, columns) 0...1 on a grid of its own that covers the whole image: suspicion; None for none.
    """

    box: Box
    image: npt.NDArray[np.float32]
    aspect: float
    marks: Marks
    outlines: tuple[Outline, ...] = ()
    zoom: Zoom | None = None
    wash: Wash | None = None
    view: Zoom | None = None
    heat: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class Disc:
    """A lesion on a map, mm."""

    x: float
    y: float
    radius: float
    rgb: RGB
    label: str


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """A projection of the brain and the lesions.

    shadow: (rows, columns) 0...1; extent: (left, right, first row, last row) mm; marks: as of a Picture.
    """

    box: Box
    shadow: npt.NDArray[np.float32]
    extent: tuple[float, float, float, float]
    discs: tuple[Disc, ...]
    marks: Marks


@dataclass(frozen=True, slots=True)
class Curve:
    """The largest V12 of a session against the number of sessions. points: (sessions, ml, exceeds a limit)."""

    box: Box
    points: tuple[tuple[int, float, bool], ...]
    chosen: int
    warn_ml: float
    most_ml: float


@dataclass(frozen=True, slots=True)
class Bar:
    """The colours of doses, Gy, with the isodose lines."""

    box: Box
    highest_gy: float


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """Volumes of lesions over dates."""

    box: Box
    visits: tuple[Visit, ...]


Block = Text | Picture | Map | Curve | Bar | Course


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a page shows below its head. title: with its colour."""

    title: str
    blocks: tuple[Block, ...]
    rgb: RGB = WHITE


@dataclass(frozen=True, slots=True)
class Page:
    """All that is drawn."""

    blocks: tuple[Block, ...]

    @property
    def said(self) -> tuple[str, ...]:
        """Its words, line by line, in the order of drawing."""
        return tuple(b.words for b in self.blocks if isinstance(b, Text))

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Its images."""
        return tuple(b for b in self.blocks if isinstance(b, Picture))


def numbered(sheets: tuple[Sheet, ...], warning: str, about: str, estimate: str = "") -> tuple[Page, ...]:
    """Sheets under one head: the warning, which page of how many, and what made them.

    estimate: said in red beside the warning, on every page, where any of them shows a prescription or a session.
    """
    return tuple(
        Page(
            (
                Text(MARGIN, 14, warning, LARGE + 4, AMBER, bold=True),
                *([Text(_BESIDE, 14, estimate, LARGE + 4, RED, bold=True)] if estimate else []),
                Text(WIDTH - 160, 18, f"page {number} of {len(sheets)}", PLAIN, GREY),
                Text(MARGIN, 50, about, PLAIN, GREY),
                Text(MARGIN, 78, sheet.title, LARGE, sheet.rgb, bold=True),
                *sheet.blocks,
            )
        )
        for number, sheet in enumerate(sheets, start=1)
    )
