"""DDSM's .OVERLAY files: words on each abnormality, and its boundary as a chain code."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import ndimage

from pipeline.core.errors import HeaderUnusable
from pipeline.datasets.mammo.case import Drawn, Finding, Pathology, Point, around
from pipeline.marks import Kind

_STEPS = np.array([(0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1)])
"""(column, row) for codes 0…7: 0 is up, then clockwise."""

_PATHOLOGIES = {
    "MALIGNANT": Pathology.MALIGNANT,
    "BENIGN": Pathology.BENIGN,
    "BENIGN_WITHOUT_CALLBACK": Pathology.BENIGN,
}
LONGEST = 200_000
"""No boundary goes around a film more than about ten times."""


def read_overlay(path: Path) -> tuple[Finding, ...]:
    """One finding for each abnormality; of its outlines the first, the boundary: cores inside are left out.

    Raises HeaderUnusable when a boundary is not a chain code.
    """
    text = path.read_text(encoding="latin-1")
    blocks = re.split(r"^\s*ABNORMALITY\s+\d+\s*$", text, flags=re.MULTILINE)[1:]
    try:
        return tuple(_finding(block) for block in blocks)
    except (ValueError, IndexError) as error:
        raise HeaderUnusable(f"{path.name} is no overlay of DDSM: {error}", "fetch it again from DDSM") from error


def pathologies(path: Path | None) -> list[Pathology]:
    """Of the abnormalities of an overlay, without their outlines; of none, nothing."""
    text = path.read_text(encoding="latin-1") if path else ""
    words = re.findall(r"^\s*PATHOLOGY\s+(\S+)", text, re.MULTILINE)
    return [_PATHOLOGIES.get(word, Pathology.UNKNOWN) for word in words]


def _finding(block: str) -> Finding:
    lesions = re.findall(r"^\s*LESION_TYPE\s+(.+?)\s*$", block, re.MULTILINE)
    subtlety, pathology = _word(block, "SUBTLETY"), _word(block, "PATHOLOGY")
    outline = _outline(block)
    return Finding(
        kind=kind_of(lesions),
        words="; ".join(lesions),
        drawn=Drawn.OUTLINE if outline else Drawn.NOWHERE,
        outline_px=outline,
        pathology=_PATHOLOGIES.get(pathology, Pathology.UNKNOWN),
        subtlety=int(subtlety) if subtlety.isdigit() and 1 <= int(subtlety) <= 5 else None,
        assessment=_word(block, "ASSESSMENT"),
    )


def kind_of(lesions: Sequence[str]) -> Kind | None:
    """Of DDSM's words: "MASS SHAPE OVAL MARGINS …", "CALCIFICATION TYPE …", several for one abnormality.

    A mass that is an architectural distortion or an asymmetry by its shape is one; a mass with calcifications is one
    of masses.
    """
    masses = [lesion for lesion in lesions if lesion.startswith("MASS")]
    if any("ARCHITECTURAL_DISTORTION" in lesion for lesion in masses):
        return Kind.DISTORTION
    if any("ASYMMETRIC" in lesion for lesion in masses):
        return Kind.ASYMMETRY
    if masses:
        return Kind.MASS
    return Kind.CALCIFICATIONS if any(lesion.startswith("CALCIFICATION") for lesion in lesions) else None


def _word(block: str, name: str) -> str:
    found = re.search(rf"^\s*{name}\s+(\S+)", block, re.MULTILINE)
    return found[1] if found else ""


def _outline(block: str) -> tuple[Point, ...]:
    found = re.search(r"^\s*BOUNDARY\s*$\s*([^#]*)#", block, re.MULTILINE)
    if not found:
        return ()
    x, y, *codes = (int(word) for word in found[1].split())
    if len(codes) > LONGEST or any(not 0 <= code < len(_STEPS) for code in codes):
        raise ValueError("a boundary is no chain of 0 to 7")
    path = np.array([x, y]) + np.concatenate([np.zeros((1, 2), int), np.cumsum(_STEPS[codes], axis=0)])
    return _enclosed(path)


def _enclosed(path: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> tuple[Point, ...]:
    """The outline of the pixels of a closed path and of all that it encloses."""
    low = path.min(axis=0)
    width, height = path.max(axis=0) - low + 1
    if int(width) * int(height) > 10**8:
        raise ValueError("a boundary leaves every film")
    drawn = np.zeros((int(height), int(width)), bool)
    drawn[path[:, 1] - low[1], path[:, 0] - low[0]] = True
    region = ndimage.binary_fill_holes(drawn)
    return tuple((x + float(low[0]), y + float(low[1])) for x, y in around(region))
