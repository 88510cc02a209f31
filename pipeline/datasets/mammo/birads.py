"""What data sets without pathology say in BI-RADS categories and densities."""

from __future__ import annotations

import re

from pipeline.datasets.mammo.case import Pathology
from pipeline.marks import Density


def category(text: str) -> str:
    """ "BI-RADS 4", "4a", "4.0" -> "4", "4a", "4"; "" where there is none."""
    found = re.search(r"([0-6])\s*([abcABC]?)", text)
    return f"{found[1]}{found[2].lower()}" if found else ""


def pathology(category_: str) -> Pathology:
    """1 is normal, 2 benign, 6 proven malignant; what a reader only suspects is not known."""
    known = {"1": Pathology.NORMAL, "2": Pathology.BENIGN, "6": Pathology.MALIGNANT}
    return known.get(category_[:1], Pathology.UNKNOWN)


def density(text: str) -> Density | None:
    """ "DENSITY C", "c", "3", "3.0" -> c."""
    found = re.search(r"(?:^|\s)([a-dA-D1-4])(?:\.0)?\s*$", text)
    if not found:
        return None
    letter = found[1].lower()
    return Density("abcd"[int(letter) - 1] if letter.isdigit() else letter)
