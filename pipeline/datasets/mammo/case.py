"""What every data set of mammograms comes down to: images one at a time, and what is true of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import PixelsUnreadable
from pipeline.encode.contours import area, outlines
from pipeline.marks import Density, Kind, Laterality

Picture = NDArray[Any]
Point = tuple[float, float]


class Collection(StrEnum):
    """The data sets that can be read, by the names that the command line uses."""

    DDSM = "ddsm"
    CBIS = "cbis"
    MIAS = "mias"
    INBREAST = "inbreast"
    VINDR = "vindr"
    RSNA = "rsna"
    FILM = "film"  #: scans of one's own, without truth

    @property
    def words(self) -> str:
        """Its name as its makers write it."""
        return _TITLES[self]


_TITLES = {
    Collection.DDSM: "DDSM",
    Collection.CBIS: "CBIS-DDSM",
    Collection.MIAS: "mini-MIAS",
    Collection.INBREAST: "INbreast",
    Collection.VINDR: "VinDr-Mammo",
    Collection.RSNA: "RSNA 2023",
    Collection.FILM: "film scan",
}


class Pathology(StrEnum):
    """What a finding or an image turned out to be, as far as the data set says."""

    NORMAL = "normal"
    BENIGN = "benign"
    MALIGNANT = "malignant"
    UNKNOWN = "unknown"


class Drawn(StrEnum):
    """How the data set gives the place of a finding."""

    OUTLINE = "outline"
    CIRCLE = "circle"
    BOX = "box"
    POINT = "point"
    NOWHERE = "nowhere"  #: in the image, but not said where


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding on one image.

    kind:       None where the data set's word is none of ours (a lymph node, thick skin).
    words:      the data set's own.
    outline_px: (column, row) corners of a polygon, not closed, in the pixels of the picture; the top left corner of
                the top left pixel is (0, 0), as in `pipeline.marks.Mark`. Of a circle its polygon, of a point the
                point alone, of nowhere nothing.
    subtlety:   1 (subtle) … 5 (obvious), DDSM's scale; None where not rated.
    assessment: BI-RADS category as written, "" where there is none.
    """

    kind: Kind | None
    words: str
    drawn: Drawn
    outline_px: tuple[Point, ...] = ()
    pathology: Pathology = Pathology.UNKNOWN
    subtlety: int | None = None
    assessment: str = ""

    @property
    def center_px(self) -> Point | None:
        """(column, row) of the middle of what is drawn; None where nothing is."""
        if not self.outline_px:
            return None
        low, high = np.min(self.outline_px, axis=0), np.max(self.outline_px, axis=0)
        return float(low[0] + high[0]) / 2, float(low[1] + high[1]) / 2

    def mask(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """(rows, columns): pixels whose centre is inside the outline; of a point the pixel that it lies in."""
        if len(self.outline_px) >= 3:
            return filled(self.outline_px, shape)
        found = np.zeros(shape, bool)
        for x, y in self.outline_px:
            if 0 <= y < shape[0] and 0 <= x < shape[1]:
                found[int(y), int(x)] = True
        return found


@dataclass(frozen=True, slots=True)
class Case:
    """One image of a data set, and what is true of it. Making one reads headers and tables, no pixels.

    name:       of the image, one of its kind in the data set: "mdb001", "A_1001_1.LEFT_CC".
    patient:    all images with the same word are of one woman: split by it. Never a person's name.
    study:      all images with the same word were taken together.
    date:       of the study, YYYYMMDD; "" where nobody says it.
    path:       the file that the pixels come from.
    spacing_mm: (down, across) where the data set says it.
    density, density_words: a-d, where the data set rates it so; and its own word.
    assessment: BI-RADS category of the image or breast, "" where there is none.
    split:      "training" or "test" where the data set prescribes it.
    is_film:    scanned film, not a digital detector.
    remarks:    what was guessed, or put right, in sentences.
    reader, finder: read the picture and the findings; they can be pickled.
    """

    collection: Collection
    name: str
    patient: str
    study: str
    laterality: Laterality
    view: str
    path: Path
    reader: Callable[[], Picture]
    finder: Callable[[], tuple[Finding, ...]]
    pathology: Pathology = Pathology.UNKNOWN
    spacing_mm: tuple[float, float] | None = None
    density: Density | None = None
    density_words: str = ""
    assessment: str = ""
    split: str = ""
    is_film: bool = True
    digitiser: str = ""
    implant: bool = False
    date: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def role(self) -> str:
        """Laterality and view: "R-MLO"."""
        return f"{self.laterality.value}-{self.view}"

    def picture(self) -> Picture:
        """The pixels, (rows, columns) of whole numbers, bright is dense. Raises PixelsUnreadable."""
        return self.reader()

    def findings(self) -> tuple[Finding, ...]:
        """What is true of the image; for some data sets this opens mask files. Empty for a normal one."""
        return self.finder()


def nothing() -> tuple[Finding, ...]:
    """The findings of a normal image."""
    return ()


def given(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The findings themselves: a finder of what is known already."""
    return findings


def worst(pathologies: list[Pathology]) -> Pathology:
    """Malignant before benign, before unknown, before normal; of none, normal."""
    order = (Pathology.MALIGNANT, Pathology.BENIGN, Pathology.UNKNOWN)
    return next((p for p in order if p in pathologies), Pathology.NORMAL)


def circle(x: float, y: float, radius: float, corners: int = 64) -> tuple[Point, ...]:
    """A circle as a polygon of the same area, clockwise on the screen."""
    turns = np.arange(corners) * (2 * np.pi / corners)
    wide = radius * np.sqrt(2 * np.pi / corners / np.sin(2 * np.pi / corners))
    return tuple((float(x + wide * np.cos(t)), float(y + wide * np.sin(t))) for t in turns)


def box(left: float, top: float, right: float, bottom: float) -> tuple[Point, ...]:
    """The corners of a box, clockwise on the screen."""
    return (left, top), (right, top), (right, bottom), (left, bottom)


def grey(picture: Picture, path: Path) -> Picture:
    """`picture` if it has rows, columns and whole numbers. Raises PixelsUnreadable."""
    if picture.ndim != 2 or not np.issubdtype(picture.dtype, np.integer):
        raise PixelsUnreadable(f"{path.name} is no grey picture", "give the scan itself, in grey values")
    return picture


def filled(outline_px: Sequence[Point], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """(rows, columns): pixels whose centre is inside a closed polygon, by the even-odd rule.

    Outlines of masks have thousands of short edges, so each edge touches its own rows alone.
    """
    turns = np.zeros((shape[0], shape[1] + 1), np.uint8)
    for (x0, y0), (x1, y1) in zip(outline_px, [*outline_px[1:], outline_px[0]], strict=True):
        first, last = sorted((int(np.ceil(y0 - 0.5)), int(np.ceil(y1 - 0.5))))
        rows = np.arange(max(first, 0), min(last, shape[0]))
        if rows.size:
            crossed = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
            turns[rows, np.clip(np.ceil(crossed - 0.5), 0, shape[1]).astype(int)] ^= 1
    return np.bitwise_xor.accumulate(turns, axis=1)[:, :-1].astype(bool)


def around(mask: NDArray[np.bool_]) -> tuple[Point, ...]:
    """The outline along the edges of the pixels of the largest region of a mask; nothing for an empty one."""
    polygons = outlines(mask)
    if not polygons:
        return ()
    largest = max(polygons, key=area)
    return tuple((float(column), float(row)) for row, column in largest)
