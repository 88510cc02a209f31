"""Women with a drawn breast on either side, as a data set would have them, and their looks."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.core.breast import Laterality
from pipeline.datasets.mammo import Case, Collection, Drawn, Finding, Pathology
from pipeline.datasets.mammo.case import circle, given, worst
from pipeline.marks import Kind
from pipeline.training.mammography.material import read_material
from tests.support.breasts import SPACING, drawn

DOT = (150.0, 500.0)
"""Column and row of a disc in the drawn picture of a left breast."""


def case(name: str, woman: str, side: Laterality, findings: tuple[Finding, ...] = ()) -> Case:
    """One image: the drawn breast with its disc; a right one mirrored."""

    def picture() -> NDArray[np.uint16]:
        made = drawn(dots=(DOT,))
        return np.ascontiguousarray(made[:, ::-1]) if side is Laterality.RIGHT else made

    pathology = worst([f.pathology for f in findings])
    return Case(
        Collection.MIAS, name, woman, woman, side, "MLO", Path(name), picture, partial(given, findings), pathology,
        spacing_mm=SPACING,
    )  # fmt: skip


def at(side: Laterality) -> Finding:
    """The disc."""
    column = DOT[0] if side is Laterality.LEFT else drawn().shape[1] - DOT[0]
    return Finding(Kind.MASS, "disc", Drawn.CIRCLE, circle(column, DOT[1], 40.0), Pathology.MALIGNANT)


def said(_what: str, _done: int, _of: int) -> None:
    """Progress that nobody watches."""


def read_women(folder: Path) -> Path:
    """Three women: one with a disc on her right side, one normal, one with a single image and something unplaced."""
    nowhere = Finding(Kind.CALCIFICATIONS, "all over", Drawn.NOWHERE, pathology=Pathology.BENIGN)
    given_cases = [
        case("a1", "a", Laterality.RIGHT, (at(Laterality.RIGHT),)),
        case("a2", "a", Laterality.LEFT),
        case("b1", "b", Laterality.RIGHT),
        case("b2", "b", Laterality.LEFT),
        case("c1", "c", Laterality.LEFT, (nowhere,)),
    ]
    read_material(given_cases, folder, said)
    return folder
