"""INbreast: 410 digital mammograms as DICOM, contours as OsiriX XML, one spreadsheet."""

from __future__ import annotations

import plistlib
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from pipeline.core.errors import HeaderUnusable
from pipeline.datasets.mammo.birads import category, density, pathology
from pipeline.datasets.mammo.case import Case, Collection, Drawn, Finding, Point
from pipeline.datasets.mammo.pictures import read_dicom, read_header, spacing_of
from pipeline.datasets.mammo.tables import Row, read_table
from pipeline.marks import Kind, Laterality

SPACING_MM = 0.07
"""Of the one mammograph of INbreast, for headers that have lost it."""

_FILE = re.compile(r"^(\d+)_([0-9a-fA-F]+)_MG_([LR])_([A-Z]+)_ANON$")
_NUMBER = r"[-+]?[\d.]+(?:[eE][-+]?\d+)?"
_POINT = re.compile(rf"^\s*\(\s*({_NUMBER})\s*,\s*({_NUMBER})\s*\)\s*$")

_KINDS = (
    ("mass", Kind.MASS),
    ("calc", Kind.CALCIFICATIONS),
    ("cluster", Kind.CALCIFICATIONS),
    ("distor", Kind.DISTORTION),
    ("asym", Kind.ASYMMETRY),
    ("assym", Kind.ASYMMETRY),
)
"""How the names of its contours begin; "Spiculated region" belongs to a mass and, alone, is none of ours."""


def cases(folder: Path) -> Iterator[Case]:
    """All images (AllDICOMs) with their contours (AllXML) and the categories of INbreast.csv or .xlsx.

    Raises HeaderUnusable without images or without the table; the .xls as published is to be exported as CSV.
    """
    images = [(p, m) for p in sorted(folder.rglob("*.dcm")) if (m := _FILE.match(p.stem))]
    if not images:
        raise HeaderUnusable(
            f"no image of INbreast (20586908_6c613a14b80a8591_MG_R_CC_ANON.dcm …) is in {folder}",
            "give the folder that holds AllDICOMs",
        )
    rows = {Path(row["file name"]).stem.partition(".")[0]: row for row in _table(folder)}
    lists = (p for p in sorted(folder.rglob("*.xml")) if "pectoral" not in str(p.relative_to(folder)).lower())
    contours = {p.stem: p for p in lists}
    for path, found in images:
        yield _case(path, found, rows.get(found[1], {}), contours.get(found[1]))


def _table(folder: Path) -> list[Row]:
    for pattern in ("INbreast.csv", "INbreast.xlsx", "*.csv", "*.xlsx"):
        for path in sorted(folder.rglob(pattern)):
            return read_table(path, ("file name", "bi-rads"))
    raise HeaderUnusable(f"INbreast.csv is not in {folder}", "export INbreast.xls as CSV or XLSX beside the images")


def _case(path: Path, found: re.Match[str], row: Row, contours: Path | None) -> Case:
    """In names of files "ML" is a mediolateral oblique view, as the table has it."""
    assessment = category(row.get("bi-rads", ""))
    spacing = spacing_of(read_header(path))
    return Case(
        collection=Collection.INBREAST,
        name=found[1],
        patient=found[2],
        study=found[2] + row.get("acquisition date", ""),
        laterality=Laterality(found[3]),
        view={"ML": "MLO"}.get(found[4], found[4]),
        path=path,
        reader=partial(read_dicom, path),
        finder=partial(_findings, contours, assessment),
        pathology=pathology(assessment),
        spacing_mm=spacing or (SPACING_MM, SPACING_MM),
        density=density(row.get("acr", "")),
        density_words=row.get("acr", ""),
        assessment=assessment,
        is_film=False,
        remarks=() if spacing else ("The header has no pixel spacing; that of INbreast's mammograph was taken.",),
    )


def _findings(contours: Path | None, assessment: str) -> tuple[Finding, ...]:
    return read_contours(contours, assessment) if contours else ()


def read_contours(path: Path, assessment: str = "") -> tuple[Finding, ...]:
    """One finding for each ROI of an OsiriX XML file; single calcifications are points.

    Raises HeaderUnusable when the file is no such list.
    """
    try:
        with path.open("rb") as file:
            images = plistlib.load(file, fmt=plistlib.FMT_XML)["Images"]
        return tuple(_finding(roi, assessment) for image in images for roi in image["ROIs"])
    except (plistlib.InvalidFileException, ExpatError, KeyError, TypeError, ValueError, OSError) as error:
        raise HeaderUnusable(
            f"{path.name} is no list of contours ({type(error).__name__})", "fetch it again from INbreast"
        ) from error


def _finding(roi: Mapping[str, Any], assessment: str) -> Finding:
    name = str(roi.get("Name", ""))
    points = tuple(_point(text) for text in roi["Point_px"])
    drawn = Drawn.OUTLINE if len(points) >= 3 else Drawn.POINT if points else Drawn.NOWHERE
    kind = next((k for begins, k in _KINDS if name.lower().startswith(begins)), None)
    if drawn is Drawn.POINT and name.lower().startswith("point"):  # OsiriX' own name for a single click
        kind = Kind.CALCIFICATIONS
    return Finding(kind, name, drawn, points, pathology(assessment), assessment=assessment)


def _point(text: str) -> Point:
    """ "(1030.25, 2204.5)": of pixel centres, to the middle of a pixel from its corner."""
    found = _POINT.match(text)
    if not found:
        raise ValueError(text)
    return float(found[1]) + 0.5, float(found[2]) + 0.5
