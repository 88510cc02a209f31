"""From outlines to a case: what is prescribed where doses and margins were sent, and what rests on doubtful lesions."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import highdicom as hd
import numpy as np
import pytest

from pipeline.contract import Runtime
from pipeline.findings import Lesion, Origin
from pipeline.imaging.dose import DoseGrid, read_dose
from pipeline.recipes.srs.given import Given
from pipeline.recipes.srs.planning import case_of, plan_lesions
from pipeline.sessions.case import Tables, Wishes
from pipeline.sessions.kernel import Kernel
from tests.support.drawn import ball, structure
from tests.support.rtdose import Lattice, rt_dose

STEP_MM = 2.0
SHAPE = (56, 72, 64)


def grid() -> np.ndarray:
    """(slices, rows, columns, 3) LPS mm of the voxel centres."""
    axes = [(np.arange(n) - (n - 1) / 2) * STEP_MM for n in SHAPE]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return np.stack([x, y, z], -1)


def volume(array: np.ndarray) -> hd.Volume:
    affine = np.zeros((4, 4))
    affine[[2, 1, 0], [0, 1, 2]] = STEP_MM
    affine[:3, 3] = grid()[0, 0, 0]
    affine[3, 3] = 1
    return hd.Volume(array, affine, coordinate_system="PATIENT", frame_of_reference_uid="1.2.3")


HEAD = SimpleNamespace(brain=((grid() / [60, 68, 52]) ** 2).sum(-1) <= 1, organs_mm=dict[str, np.ndarray])


def labels(*balls: tuple[tuple[float, float, float], float]) -> hd.Volume:
    """Label k + 1 is a ball of that centre (x, y, z) and diameter."""
    drawn = np.zeros(SHAPE, np.uint16)
    for k, (centre, diameter_mm) in enumerate(balls, start=1):
        drawn[np.linalg.norm(grid() - centre, axis=-1) <= diameter_mm / 2] = k
    return volume(drawn)


def sent(centre: tuple[float, float, float], diameter_mm: float, prescribed_gy: float) -> DoseGrid:
    def field(points: np.ndarray) -> np.ndarray:
        beyond = np.linalg.norm(points - centre, axis=-1) - diameter_mm / 2
        return Kernel().dose_gy(beyond, np.pi / 6 * diameter_mm**3, prescribed_gy)

    return read_dose(rt_dose(Lattice(centre, (61, 61, 61), (1.5, 1.5, 1.5)), field))


def test_a_dose_of_one_fraction_is_not_counted_as_a_third_of_itself_for_a_margin_that_came_with_it():
    place = (20.0, 0.0, 0.0)
    drawn, alone = labels((place, 22.0)), Tables()
    margin = structure("PTV_1", ball(place, 28.0), kind="PTV")
    estimated = case_of(["GTV_1"], [22.0], drawn, HEAD, alone, Given(drawn=(margin,)))  # type: ignore[arg-type]
    assert estimated.lesions[0].prescription.fractions == 3
    given = Given((sent(place, 22.0, 18.0),), (margin,))
    planned = case_of(["GTV_1"], [22.0], drawn, HEAD, alone, given)  # type: ignore[arg-type]
    of = planned.lesions[0].prescription
    assert (planned.given, of.dose_gy, of.fractions) == (("GTV_1",), 18.0, 1)
    assert planned.doses_gy is not None
    assert planned.doses_gy.max() == pytest.approx(given.doses[0].most_gy, rel=0.1)
    assert not any("27 Gy in 3" in r for r in planned.remarks)


def found(number: int, probability: float | None) -> Lesion:
    name = f"BM{number:02d}"
    return Lesion(number, name, f"2.25.{number}", (0, 0, 0), 4e3, 18.0, 18.0, 18.0, probability)


def test_a_plan_that_rests_on_improbable_lesions_names_them_and_counts_sessions_without_them():
    drawn = labels(((35, 0, 0), 18.0), ((-35, 0, 0), 18.0), ((0, 40, 0), 18.0))
    lesions = [found(1, 0.9), found(2, 0.22), found(3, None)]
    tight, runtime = Wishes(most_lesions=1), Runtime()

    def remarks(those: list[Lesion]) -> tuple[str, ...]:
        planned, unplanned = plan_lesions(those, drawn, HEAD, tight, Tables(), runtime)  # type: ignore[arg-type]
        assert planned is not None
        assert unplanned == ()
        return planned.remarks

    (said,) = remarks(lesions)
    assert said == (
        "Planned like the others though more likely no lesions: BM02 (22%): without them 2 session(s) would do."
    )
    assert remarks([replace(n, probability=None, origin=Origin.MANUAL) for n in lesions]) == ()
