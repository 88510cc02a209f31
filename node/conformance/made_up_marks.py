"""Made-up marks on made-up mammograms."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from node.conformance.headers import empty, fill
from pipeline.core.breast import Density, Laterality, QualityNote, Shortcoming, Unread
from pipeline.core.uid import derive_uid
from pipeline.datasets.mg_writer import Display, MgAcquisition, mammogram
from pipeline.findings import Algorithm, Verdict
from pipeline.marks import Analysis, Attempt, Breast, Composite, Kind, Mark, MarkedStudy, Outcome, Shown, View

ROLES = ("R-CC", "R-MLO")
ROWS, COLUMNS = 48, 40
LEAST, NO_MARK = 3, 4
"""From these numbers on cases say as little as they may, and have no mark."""


DRAWN = (2, LEAST)
"""Cases with pages, which take long to draw."""


def marks(folder: Path, number: int, algorithm: Algorithm) -> tuple[MarkedStudy, tuple[Path, ...]]:
    """Case `number`: 1 on images For Presentation, 2 on raw ones, with all to say; 3 with a mark, 4 without."""
    views = tuple(_view(folder, role, number) for role in ROLES)
    full = number < LEAST
    study = MarkedStudy(
        algorithm=algorithm,
        views=views,
        breasts=(_breast(number),),
        score=0.1 * number,
        marks=_marks(number) if full else _marks(number)[: NO_MARK - number],
        composites=_composites(number) if full else (),
        attempts=tuple(_attempts(number)),
        threshold=0.1,
        rejected=_rejected(number) if full else (),
        quality=_quality(number) if full else (),
        unread=_unread(number) if full else (),
        heat={role: np.full((6, 5), 40 * number, np.uint8) for role in ROLES} if full else {},
        remarks=(f"Made up, {number}.",) if full else (),
        wanted=frozenset(Shown) - (set() if number in DRAWN else {Shown.PAGE}),
    )
    return study, tuple(v.path for v in views)


def _view(folder: Path, role: str, number: int) -> View:
    rows, columns = ROWS + 4 * number, COLUMNS + 4 * number
    y, x = np.mgrid[:rows, :columns]
    picture = np.clip(3000 - 60 * np.hypot(y - rows / 2, columns - 1 - x), 20, 4095).astype(np.uint16)
    raw = number == 2
    made = MgAcquisition(
        Laterality.RIGHT,
        role[2:],
        (0.1, 0.1),
        for_processing=raw,
        display=None if raw else Display.WINDOW,
        inverted=number == 1,
        study=f"made up {number}",
        seed=str(number),
        date=f"2026010{number}",
    )
    image = mammogram(picture, made)
    (fill if number < LEAST else empty)(image, number)
    if number < LEAST:
        image.RescaleIntercept, image.RescaleSlope, image.RescaleType = number, 0.5 * number, "US"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{role}.dcm"
    image.save_as(path, enforce_file_format=True)
    spacing = None if number >= LEAST else (0.1, 0.1)
    uids = (str(image.SOPInstanceUID), str(image.SOPClassUID))
    return View(role, Laterality.RIGHT, role[2:], *uids, path, rows, columns, spacing, 0.1 * number, (3.0, 20.0))


def _breast(number: int) -> Breast:
    if number >= LEAST:
        return Breast(Laterality.RIGHT, 0.01)
    return Breast(Laterality.RIGHT, 0.1 * number, Density.C if number == 1 else Density.B, 0.1 * number)


def _mark(number: int, k: int, role: str, kind: Kind) -> Mark:
    x, y = 20.5 + number, 20.0 + k
    corners = ((x - 4, y - 4), (x + 4, y - 4), (x + 5, y), (x + 4, y + 4), (x - 4, y + 4))
    outline = corners if number % 2 else (*corners[:2], *corners[3:])
    uid = derive_uid("made up mark", str(number), str(k), role)
    return Mark(k, f"M{k}", role, kind, (x, y), outline, 0.8 + 0.1 * k if number == 1 else None, 0.2 * k, uid)


def _marks(number: int) -> tuple[Mark, ...]:
    kinds = (Kind.MASS, Kind.MASS, Kind.CALCIFICATIONS)
    return tuple(
        _mark(number, k, role, kind) for k, (role, kind) in enumerate(zip((*ROLES, "R-CC"), kinds, strict=True), 1)
    )


def _composites(number: int) -> tuple[Composite, ...]:
    uid = derive_uid("made up composite", str(number))
    return (Composite(1, "C1", Laterality.RIGHT, Kind.MASS, (1, 2), 0.2 * number, uid),)


def _rejected(number: int) -> tuple[Mark, ...]:
    mark = _mark(number, 1, "R-MLO", Kind.DISTORTION)
    verdict = Verdict(0.05, 0.3, barred="made up")
    uid = derive_uid("made up rejected", str(number))
    return (Mark(1, "X1", mark.role, mark.kind, (9.0, 9.0), mark.outline_px, None, 0.05, uid, verdict),)


def _quality(number: int) -> tuple[QualityNote, ...]:
    shortcoming = Shortcoming.MOTION if number == 1 else Shortcoming.CUT_OFF
    return (QualityNote(shortcoming, "R-CC", "Made up."), QualityNote(Shortcoming.MISSING_VIEW, "R-ML", "Not sent."))


def _unread(number: int) -> tuple[Unread, ...]:
    return (Unread(derive_uid("made up", str(number)), "1.2.840.10008.5.1.4.1.1.13.1.3", Path("x.dcm"), "made up"),)


def _attempts(number: int) -> list[Attempt]:
    if number == NO_MARK:
        return [Attempt(kind, Outcome.FAILED, ROLES, "made up") for kind in Kind]
    if number == LEAST:
        return [Attempt(Kind.MASS, Outcome.SUCCEEDED, ROLES)]
    return [
        Attempt(Kind.MASS, Outcome.SUCCEEDED, ROLES),
        Attempt(Kind.CALCIFICATIONS, Outcome.SUCCEEDED, ("R-CC",)),
        Attempt(Kind.CALCIFICATIONS, Outcome.FAILED, ("R-MLO",), "made up"),
        Attempt(Kind.DISTORTION, Outcome.NOT_ATTEMPTED, ROLES, "made up"),
        Attempt(Analysis.DENSITY, Outcome.SUCCEEDED, ROLES),
        Attempt(Analysis.QUALITY, Outcome.SUCCEEDED, ROLES),
    ]
