"""A study of four mammograms with a mass in the right breast, made up."""

from __future__ import annotations

from pathlib import Path

from pipeline.core.breast import Laterality
from pipeline.core.study import Study, group
from tests.support import breasts

ROLES = ("R-CC", "L-CC", "R-MLO", "L-MLO")
SPOT = (260.0, 430.0)
"""The middle of the mass in `breasts.drawn`: column and row."""
DISC = tuple((SPOT[0] + x, SPOT[1] + y) for x in range(-20, 21, 5) for y in range(-20, 21, 5) if x * x + y * y <= 400)
"""White dots that make it: 6 mm in radius."""


def four_views(folder: Path) -> Study:
    """As a mammograph writes them."""
    made = [
        breasts.sent(
            folder,
            breasts.drawn(role[2:], dots=DISC if role[0] == "R" else ()),
            Laterality(role[0]),
            role[2:],
            study="one",
        )
        for role in ROLES
    ]
    return group(made)[0]
