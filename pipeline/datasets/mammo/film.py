"""Film scans of one's own: PNG, JPEG, TIFF, PGM; side, view and size given, or read from names, or guessed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from pipeline.core.breast import Guess
from pipeline.core.errors import HeaderUnusable, PixelsUnreadable
from pipeline.datasets.mammo import guess
from pipeline.datasets.mammo.case import Case, Collection, Pathology, Picture, nothing
from pipeline.datasets.mammo.pictures import read_picture, resolution_mm
from pipeline.imaging.mammogram.image import too_small
from pipeline.marks import Laterality

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".pgm", ".bmp")
_SIDES = {"l": Laterality.LEFT, "left": Laterality.LEFT, "r": Laterality.RIGHT, "right": Laterality.RIGHT}
_TOGETHER = re.compile(r"^(l|r|left|right)(cc|mlo|ml|lm)$")
T = TypeVar("T", Laterality, str)

_VIEWS = ("cc", "mlo", "ml", "lm", "lmo", "xccl", "xccm")


def cases(folder: Path) -> Iterator[Case]:
    """The pictures in a folder, as of one woman and one day."""
    yield from scans(sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES))


def scans(
    files: Sequence[Path],
    side: Laterality | None = None,
    view: str = "",
    spacing_mm: tuple[float, float] | None = None,
    patient: str = "",
    *,
    inverted: bool = False,
    date: str = "",
) -> Iterator[Case]:
    """One case for each file. What is not given is read from its name ("L_MLO", "rightcc"), else guessed and remarked.

    patient: what stands as Patient ID; "" makes one from the first file's bytes. Names of files never become part of
             a case: they may be names of people.
    inverted: in the files, dark is dense.
    date:    when the films were taken, YYYYMMDD; "" where nobody says it.

    All files are of one study: another patient, another date or other pixels make another one, another order does not.
    Raises HeaderUnusable when there is no file, PixelsUnreadable for one that is no picture, or too small a one.
    """
    if not files:
        raise HeaderUnusable("no PNG, JPEG, TIFF or PGM file was given", "give the scans themselves")
    who = patient or f"FILM-{hashlib.sha256(files[0].read_bytes()).hexdigest()[:8].upper()}"
    made: list[Case] = []
    seen: list[str] = []
    for path in files:
        picture = read_scan(path, inverted)
        seen.append(hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).hexdigest())
        case = _case(picture, path, who, side, view, spacing_mm, inverted)
        name = "-".join(filter(None, (date, f"scan{len(seen):02d}")))  # studies of two days may share a folder
        made.append(replace(case, name=name, date=date))
    study = hashlib.sha256("\0".join((who, date, *sorted(seen))).encode()).hexdigest()[:16]
    yield from (replace(case, study=study) for case in made)


def _case(
    picture: Picture,
    path: Path,
    who: str,
    side: Laterality | None,
    view: str,
    spacing_mm: tuple[float, float] | None,
    inverted: bool,
) -> Case:
    """Without a name of its own and its study, which hang on all the files. Raises PixelsUnreadable."""
    known = spacing_mm or resolution_mm(path)
    size = known or guess.spacing_mm((picture.shape[0], picture.shape[1]))
    _expect_film(path, picture, size)
    named_side, named_view = of_name(path.stem)
    remarks = ["The background is brighter than the breast: the scan may be inverted."] if _odd(picture) else []
    laterality = side or named_side or _guessed(remarks, Guess.SIDE, guess.side(picture))
    seen = view or named_view or _guessed(remarks, Guess.VIEW, guess.view(picture))
    if not known:
        remarks.append(f"{Guess.SIZE} ({size[0]:g} mm: a whole film of 18 x 24 cm). Do not measure by it.")
    return Case(
        collection=Collection.FILM,
        name="scan",
        patient=who,
        study=who,
        laterality=laterality,
        view=seen,
        path=path,
        reader=partial(read_scan, path, inverted),
        finder=nothing,
        pathology=Pathology.UNKNOWN,
        spacing_mm=size,
        remarks=tuple(remarks),
    )


FEWEST_GREYS = 16
"""A scan has hundreds; a picture with fewer was made black and white, or is a drawing."""


def _expect_film(path: Path, picture: Picture, spacing_mm: tuple[float, float]) -> None:
    """Raises PixelsUnreadable for drawings, and for thumbnails, which reading mammograms declines as too small."""
    greys = np.unique(picture).size
    if greys < FEWEST_GREYS:
        raise PixelsUnreadable(
            f"{path.name} has {greys} grey values: no scan of a film",
            "scan the film in grey values, not black and white",
        )
    why = too_small(spacing_mm, (picture.shape[0], picture.shape[1]))
    if why:
        raise PixelsUnreadable(
            f"{path.name} is no film scan: {why}", "scan the film with 0.1 mm or finer, or give its true --spacing"
        )


def read_scan(path: Path, inverted: bool) -> Picture:
    """`read_picture`, turned over where dark is dense."""
    picture = read_picture(path)
    return np.asarray(np.iinfo(picture.dtype).max - picture, picture.dtype) if inverted else picture


def _odd(picture: Picture) -> bool:
    """Most corners are nearer to the brightest than to the darkest of the picture: air is not dark."""
    height, width = (max(1, n // 20) for n in picture.shape)
    ends = [(slice(height), slice(-height, None)), (slice(width), slice(-width, None))]
    corners = [float(np.median(picture[r, c])) for r in ends[0] for c in ends[1]]
    return bool(np.median(corners) > np.percentile(picture, [1, 99]).mean())


def of_name(stem: str) -> tuple[Laterality | None, str]:
    """Side and view that the words of a name say; None and "" where they say nothing, or two things."""
    words = [w for word in re.split(r"[^a-z]+", stem.lower()) for w in _split(word)]
    sides = {_SIDES[w] for w in words if w in _SIDES}
    views = {w.upper() for w in words if w in _VIEWS}
    return (sides.pop() if len(sides) == 1 else None), (views.pop() if len(views) == 1 else "")


def _split(word: str) -> tuple[str, ...]:
    found = _TOGETHER.match(word)
    return (found[1], found[2]) if found else (word,)


def _guessed(remarks: list[str], what: Guess, value: T) -> T:
    remarks.append(f"{what} ({value}).")
    return value
