"""DDSM: scanned film as LJPEG, one .ics a case, one .OVERLAY for each image with a finding."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from pipeline.core.errors import HeaderUnusable, PixelsUnreadable
from pipeline.datasets.mammo.case import Case, Collection, Finding, Picture, worst
from pipeline.datasets.mammo.ddsm_overlay import pathologies, read_overlay
from pipeline.datasets.mammo.ljpeg import read_ljpeg
from pipeline.marks import Density, Laterality

BITS = 12
LOWEST_OD, HIGHEST_OD = 0.05, 3.6
"""Optical densities between which the digitisers measured (DDSM's own software); what is beyond is cut off."""

_VIEW = re.compile(
    r"^(LEFT|RIGHT)_(CC|MLO)\s+LINES\s+(\d+)\s+PIXELS_PER_LINE\s+(\d+)\s+BITS_PER_PIXEL\s+(\d+)\s+RESOLUTION\s+([\d.]+)"
)
_DENSITIES = dict(zip("1234", Density, strict=True))


@dataclass(frozen=True, slots=True)
class Scan:
    """One image as the .ics has it. spacing_mm: a side of a pixel, 0 where nobody knows."""

    laterality: Laterality
    view: str
    rows: int
    columns: int
    bits: int
    spacing_mm: float


@dataclass(frozen=True, slots=True)
class Sheet:
    """What the .ics says of a case. digitiser: "DBA", "HOWTEK" or "LUMISYS"."""

    name: str
    digitiser: str
    density: str
    scans: Mapping[str, Scan]


def cases(folder: Path) -> Iterator[Case]:
    """The images of all cases under `folder`, case by case. Raises HeaderUnusable for a folder without any."""
    sheets = sorted(p for p in folder.rglob("*") if p.suffix.lower() == ".ics")
    if not sheets:
        raise HeaderUnusable(f"no .ics file of DDSM is in {folder}", "give the folder that holds the case folders")
    for path in sheets:
        sheet = read_sheet(path)
        for word, scan in sheet.scans.items():
            image = path.with_name(f"{sheet.name.replace('-', '_')}.{word}.LJPEG")
            if image.exists():
                yield _case(image, sheet, scan)


def read_sheet(path: Path) -> Sheet:
    """An .ics file. Raises HeaderUnusable when it does not name its case or its digitiser."""
    lines = [line.strip() for line in path.read_text(encoding="latin-1").splitlines()]
    words = {line.split()[0]: line.split()[1:] for line in lines if len(line.split()) > 1}
    digitiser = next((d for d in ("DBA", "HOWTEK", "LUMISYS") if d in " ".join(words.get("DIGITIZER", []))), "")
    if "filename" not in words or not digitiser:
        raise HeaderUnusable(f"{path.name} names no case or no digitiser", "fetch the file again from DDSM")
    scans = {f"{m[1]}_{m[2]}": _scan(m) for m in map(_VIEW.match, lines) if m}
    return Sheet(words["filename"][0], digitiser, (words.get("DENSITY") or [""])[0], scans)


def _scan(found: re.Match[str]) -> Scan:
    side = Laterality.LEFT if found[1] == "LEFT" else Laterality.RIGHT
    return Scan(side, found[2], int(found[3]), int(found[4]), int(found[5]), float(found[6]) / 1000)


def _case(image: Path, sheet: Sheet, scan: Scan) -> Case:
    return Case(
        collection=Collection.DDSM,
        name=image.stem,
        patient=sheet.name,
        study=sheet.name,
        laterality=scan.laterality,
        view=scan.view,
        path=image,
        reader=partial(read_film, image, sheet, scan),
        finder=partial(findings_of, image),
        pathology=worst(pathologies(_overlay(image))),
        spacing_mm=(scan.spacing_mm, scan.spacing_mm) if scan.spacing_mm else None,
        density=_DENSITIES.get(sheet.density),
        density_words=sheet.density,
        digitiser=sheet.digitiser,
    )


def findings_of(image: Path) -> tuple[Finding, ...]:
    """Those of the .OVERLAY beside an image; none where it has none."""
    path = _overlay(image)
    return read_overlay(path) if path else ()


def _overlay(image: Path) -> Path | None:
    path = image.with_suffix(".OVERLAY")
    return path if path.exists() else None


def read_film(image: Path, sheet: Sheet, scan: Scan) -> Picture:
    """(rows, columns) uint16 of 12 bits, linear in optical density: 0 is HIGHEST_OD, 4095 is LOWEST_OD.

    Rows and columns are those of the .ics: the stream's may be transposed while its pixels are in order.
    """
    pixels = read_ljpeg(image)
    if pixels.size != scan.rows * scan.columns:
        raise PixelsUnreadable(
            f"{image.name} has {pixels.size} pixels, its .ics says {scan.rows} x {scan.columns}",
            "fetch both files again from DDSM",
        )
    density = optical_density(pixels.reshape(scan.rows, scan.columns), sheet.digitiser, sheet.name[0])
    share = (HIGHEST_OD - np.clip(density, LOWEST_OD, HIGHEST_OD)) / (HIGHEST_OD - LOWEST_OD)
    return np.rint(share * (2**BITS - 1)).astype(np.uint16)


def optical_density(pixels: Picture, digitiser: str, letter: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Grey levels of a digitiser as optical density, by DDSM's calibration pages.

    digitiser: "DBA" (at MGH; logarithmic), "LUMISYS" (Wake Forest) or "HOWTEK" (MGH, or ISMD where the case's letter
               is D; both linear).
    """
    grey = pixels.astype(np.float32)
    if digitiser == "DBA":
        return np.asarray((np.log10(np.maximum(grey, 1)) - 4.80662) / -1.07553, np.float32)
    if digitiser == "LUMISYS":
        return np.asarray((grey - 4096.99) / -1009.01, np.float32)
    if letter.upper() == "D":
        return np.asarray(3.96604095240593 - 0.00099055807612 * grey, np.float32)
    return np.asarray(3.789 - 0.00094568 * grey, np.float32)
