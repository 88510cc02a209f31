"""Doses of a planning system in the place of the kernel: whose they are, what one session gets, what is said."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom import Dataset, Sequence
from pydicom.uid import RTPlanStorage

from pipeline.core.errors import HeaderUnusable
from pipeline.imaging.dose import DoseGrid, read_dose
from pipeline.imaging.rtplan import read_plan
from pipeline.recipes.srs.doses import with_doses
from pipeline.sessions.case import Case, Lesion, Wishes
from pipeline.sessions.choose import plan
from pipeline.sessions.dosemap import Grid, sphere
from pipeline.sessions.tables import prescribe, read_prescriptions
from pipeline.sessions.told import as_data, sentences
from tests.support.rtdose import Field, Lattice, rt_dose, rt_plan

ROWS = read_prescriptions()
SEMI_AXES_MM = np.array([70.0, 85.0, 60.0])
STEP_MM = 4.0
LATTICE = Lattice((0.0, 0.0, 0.0), (31, 43, 37), (4.0, 4.0, 4.0))
"""Its points are those of the brain, so that nothing is lost between them."""


FINE = Lattice((20.0, 40.0, -20.0), (41, 41, 41), (1.0, 1.0, 1.0))
"""About BM04, so that its own least dose is in it."""


def brain() -> Grid:
    axes = [np.arange(n) * STEP_MM - (n - 1) / 2 * STEP_MM for n in (37, 43, 31)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    affine = np.diag([STEP_MM, STEP_MM, STEP_MM, 1.0])
    affine[:3, 3] = [a[0] for a in axes]
    return Grid(((points / SEMI_AXES_MM) ** 2).sum(-1) <= 1, affine)


CENTRES = np.array([[-40, 0, 0], [-20, 8, 4], [36, -28, 12], [20, 40, -20], [0, -60, 0.0]])
DIAMETERS = np.array([10.0, 8.0, 14.0, 12.0, 9.0])


def made_up(centres: np.ndarray = CENTRES, diameters: np.ndarray = DIAMETERS, **more: object) -> Case:
    lesions = tuple(
        Lesion(f"BM{k:02d}", sphere(c, d), prescribe(ROWS, d))
        for k, (c, d) in enumerate(zip(centres, diameters, strict=True), start=1)
    )
    grid, organs = brain(), {"brainstem": np.array([[0, 16, -30], [4, 20, -34]], np.float32)}
    return Case(lesions, grid.points_mm, grid.voxel_ml, organs, grid=grid, **more)  # type: ignore[arg-type]


def inside(case: Case) -> list[np.ndarray]:
    """Points of each lesion, 1 mm apart."""
    found = []
    for n in case.lesions:
        radius = (3 * n.target.volume_mm3 / 4 / np.pi) ** (1 / 3)
        steps = np.stack(np.meshgrid(*[np.arange(-radius, radius + 0.1)] * 3, indexing="ij"), -1).reshape(-1, 3)
        found.append(n.target.centre_mm + steps[np.linalg.norm(steps, axis=1) <= radius])
    return found


def kernel_of(case: Case, *numbers: int, sessions: bool = False) -> Field:
    """What the kernel says of lesions (from 1) together, over all their sessions or in one."""
    times = [1 if sessions else case.lesions[k - 1].prescription.fractions for k in numbers]

    def field(points: np.ndarray) -> np.ndarray:
        each = case.estimated_gy(points.astype(np.float32))
        return np.asarray(sum(t * each[k - 1].astype(float) for t, k in zip(times, numbers, strict=True)))

    return field


def dose(field: Field, lattice: Lattice = LATTICE, **more: object) -> DoseGrid:
    return read_dose(rt_dose(lattice, field, **more))


def groups(case: Case) -> list[tuple[str, ...]]:
    return [s.lesions for s in plan(case, Wishes(sessions=3)).sessions]


def test_the_kernels_own_maps_given_one_for_each_lesion_make_the_same_plan():
    case = made_up()
    given = with_doses(case, inside(case), [dose(kernel_of(case, k)) for k in (3, 1, 5, 2, 4)])
    assert given.given == ("BM01", "BM02", "BM03", "BM04", "BM05")
    assert given.doses_gy == pytest.approx(case.brain_doses()[0], abs=1e-3)
    assert given.organ_gy is not None
    assert given.organ_gy["brainstem"] == pytest.approx(case.organ_doses()["brainstem"], rel=0.02)
    one, other = (plan(c, Wishes(sessions=3)) for c in (case, given))
    assert [s.lesions for s in one.sessions] == [s.lesions for s in other.sessions]
    assert [s.v12_ml for s in one.sessions] == [s.v12_ml for s in other.sessions]
    assert one.brain_bed_gy == pytest.approx(other.brain_bed_gy, rel=1e-4)
    assert "come from a planning system" in sentences(other)[2]
    assert "BM05 come from" in sentences(other)[2]
    assert "not calculated by a planning system" in sentences(one)[2]
    assert as_data(other, given)["kernel"]["given_doses"] == list(given.given)
    assert any("one for each of: BM01, BM02, BM03, BM04, BM05" in r for r in other.remarks)


def test_the_dose_of_a_whole_plan_is_divided_and_together_it_is_what_was_sent():
    case = made_up()
    total = kernel_of(case, 1, 2, 3, 4, 5)

    def odd(points: np.ndarray) -> np.ndarray:
        """Not what the kernel says: steeper to one side."""
        return total(points) * (1 + 0.2 * np.sin(points[:, 0] / 15))

    given = with_doses(case, inside(case), [dose(odd)])
    assert given.given == tuple(n.name for n in case.lesions)
    assert given.doses_gy is not None
    assert given.doses_gy.sum(axis=0) == pytest.approx(odd(case.brain_mm.astype(float)), abs=1e-2)
    assert (given.doses_gy > 0).all()
    assert any("divided among them" in r for r in given.remarks)
    plain = with_doses(case, inside(case), [dose(total)])
    assert plain.doses_gy == pytest.approx(case.brain_doses()[0], abs=1e-3)
    assert groups(plain) == groups(case)


def test_a_lesion_without_a_dose_keeps_the_kernel_and_is_named():
    case = made_up()
    double = kernel_of(case, 3)
    given = with_doses(case, inside(case), [dose(lambda p: 1.2 * double(p))])
    assert given.given == ("BM03",)
    assert given.doses_gy is not None
    estimate = case.brain_doses()[0]
    assert given.doses_gy[2] == pytest.approx(1.2 * estimate[2], abs=1e-3)
    assert np.array_equal(np.delete(given.doses_gy, 2, 0), np.delete(estimate, 2, 0))
    assert "No dose was given for BM01, BM02, BM04, BM05: it is estimated." in given.remarks
    made = plan(given, Wishes(sessions=2))
    assert "those of all others are estimated" in sentences(made)[2]
    left = plan(given, Wishes(sessions=2, excluded=frozenset({"BM03"})))
    assert left.given == ()


def test_a_dose_of_a_course_is_divided_by_its_fractions_and_one_of_a_session_is_not():
    case = made_up(CENTRES[:2] * 1.2, np.array([8.0, 34.0]))
    assert case.lesions[1].prescription.fractions == 3
    for more in ({}, {"DoseSummationType": "FRACTION"}, {"DoseSummationType": "FRACTION_SESSION", "sessions": True}):
        field = kernel_of(case, 2, sessions=bool(more.pop("sessions", False)))  # type: ignore[attr-defined]
        given = with_doses(case, inside(case), [dose(field, **more)])
        assert given.given == ("BM02",)
        assert given.doses_gy is not None
        assert given.doses_gy[1] == pytest.approx(case.brain_doses()[0][1], abs=1e-3)
    assert any("BM02 (FRACTION_SESSION) is that of one session, as it is." in r for r in given.remarks)
    both = with_doses(case, inside(case), [dose(kernel_of(case, 1, 2))])
    assert both.doses_gy == pytest.approx(case.brain_doses()[0], abs=1e-3)
    assert any(
        "BM02 (PLAN) is of all sessions" in r and "divided by 3 sessions, as the table" in r for r in both.remarks
    )


def test_a_lesions_own_dose_is_preferred_to_the_plans_and_the_newest_to_the_older():
    case = made_up()
    own = kernel_of(case, 1)
    old = dose(lambda p: 1.1 * own(p), InstanceCreationDate="20260101", InstanceCreationTime="080000")
    new = dose(lambda p: 1.2 * own(p), InstanceCreationDate="20260301", InstanceCreationTime="070000")
    whole = dose(kernel_of(case, 1, 2, 3, 4, 5), InstanceCreationDate="20260401")
    estimate = case.brain_doses()[0]
    for order in ([new, old, whole], [whole, old, new]):
        given = with_doses(case, inside(case), order)
        assert given.doses_gy is not None
        assert given.doses_gy[0] == pytest.approx(1.2 * estimate[0], abs=1e-3)
        assert given.doses_gy[1:] == pytest.approx(estimate[1:], abs=1e-3)
        assert f"Several doses were sent for BM01; the newest is used, {new.sop_instance_uid}." in given.remarks


def test_a_dose_that_contradicts_its_prescription_is_used_and_that_is_said():
    case = made_up()
    own = kernel_of(case, 4)
    given = with_doses(case, inside(case), [dose(lambda p: 0.3 * own(p))])
    assert given.doses_gy is not None
    assert given.doses_gy[3] == pytest.approx(0.3 * case.brain_doses()[0][3], abs=1e-3)
    (said,) = [r for r in given.remarks if "contradicts" in r]
    assert said.startswith("The given dose of BM04 contradicts its prescription of 20 Gy")
    fine = with_doses(case, inside(case), [dose(own)])
    assert not [r for r in fine.remarks if "contradicts" in r]


def test_a_mirrored_dose_treats_no_lesion_and_is_not_used():
    case = made_up()
    own = kernel_of(case, 3)
    mirrored = dose(lambda p: own(p * [-1, 1, 1]))
    given = with_doses(case, inside(case), [mirrored])
    assert given.doses_gy is None
    assert given.given == ()
    (said,) = given.remarks
    assert said.startswith(f"Dose {mirrored.sop_instance_uid} is not used")
    assert "in none of the lesions" in said


def test_a_neighbour_in_the_shadow_of_a_treated_lesion_is_not_taken_for_treated():
    case = made_up(np.array([[0, 0, 0], [15, 0, 0.0]]), np.array([18.0, 6.0]))  # 3 mm between them
    fine = Lattice((0.0, 0.0, 0.0), (61, 61, 61), (1.5, 1.5, 1.5))
    given = with_doses(case, inside(case), [dose(kernel_of(case, 1), fine)])
    assert given.given == ("BM01",)


def test_where_a_grid_does_not_reach_the_kernel_stays_and_the_share_is_said():
    case = made_up()
    own = kernel_of(case, 1)
    small = Lattice((-40.0, 0.0, 0.0), (11, 11, 11), (4.0, 4.0, 4.0))
    given = with_doses(case, inside(case), [dose(lambda p: 1.2 * own(p), small)])
    near = (np.abs(case.brain_mm - (-40, 0, 0)) <= 20).all(axis=1)
    assert given.doses_gy is not None
    estimate = case.brain_doses()[0][0]
    assert given.doses_gy[0][near] == pytest.approx(1.2 * estimate[near], abs=1e-3)
    assert np.array_equal(given.doses_gy[0][~near], estimate[~near])
    share = f"{1 - near.mean():.0%} for BM01"
    assert any("do not reach a part of the brain" in r and share in r for r in given.remarks)


def test_locked_and_excluded_lesions_keep_their_own_doses():
    case = made_up()
    given = with_doses(case, inside(case), [dose(kernel_of(case, k)) for k in (1, 2, 3, 4, 5)])
    wishes = Wishes(sessions=2, locked={"BM03": 2}, excluded=frozenset({"BM01"}))
    one, other = (plan(c, wishes) for c in (case, given))
    assert [s.lesions for s in one.sessions] == [s.lesions for s in other.sessions]
    assert [s.v12_ml for s in one.sessions] == [s.v12_ml for s in other.sessions]
    assert other.given == ("BM02", "BM03", "BM04", "BM05")


def test_a_dose_that_is_too_much_for_its_prescription_is_not_used_and_says_what_to_do():
    case = made_up()
    own = kernel_of(case, 4)
    for more, over in (({}, "1 session(s)"), ({"DoseSummationType": "FRACTION_SESSION"}, "a session")):
        grid = dose(lambda p: 1.5 * own(p), FINE, **more)
        given = with_doses(case, inside(case), [grid])
        assert given.doses_gy is None
        assert given.given == ()
        (said,) = given.remarks
        assert said.startswith(f"Dose {grid.sop_instance_uid} is not used: 95 % of BM04 get 3")
        assert f"1.5 times the 20 Gy in {over} that are prescribed here" in said
        assert "send its RT Plan, or put the dose and fractions" in said
        assert plan(given, Wishes(sessions=2)).sessions == plan(case, Wishes(sessions=2)).sessions
    older = dose(own, FINE, InstanceCreationDate="20200101")
    both = with_doses(case, inside(case), [dose(lambda p: 1.5 * own(p), FINE, InstanceCreationDate="20260101"), older])
    assert both.given == ("BM04",)
    assert both.doses_gy == pytest.approx(case.brain_doses()[0], abs=1e-3)


def of_plan(plan_uid: str = "2.25.5", group: int | None = None) -> Sequence:
    ref = Dataset()
    ref.ReferencedSOPClassUID, ref.ReferencedSOPInstanceUID = RTPlanStorage, plan_uid
    if group is not None:
        ref.ReferencedFractionGroupSequence = [Dataset()]
        ref.ReferencedFractionGroupSequence[0].ReferencedFractionGroupNumber = group
    return Sequence([ref])


@pytest.mark.parametrize("summation", ["PLAN", "FRACTION_SESSION"])
def test_with_its_plan_a_dose_is_of_the_plans_fractions_and_the_lesion_is_planned_so(summation: str):
    case = made_up()
    times = 1.35 if summation == "PLAN" else 1.35 / 3  # 27 Gy in 3 where the table has 20 Gy in 1
    field = kernel_of(case, 4)
    grid = dose(lambda p: times * field(p), FINE, DoseSummationType=summation, ReferencedRTPlanSequence=of_plan())
    given = with_doses(case, inside(case), [grid], [read_plan(rt_plan("2.25.5", {1: 3}, [27.0]))])
    assert given.doses_gy is not None
    assert given.doses_gy[3] == pytest.approx(1.35 / 3 * case.brain_doses()[0][3], abs=1e-3)
    prescription = given.lesions[3].prescription
    assert (prescription.dose_gy, prescription.fractions) == (27.0, 3)
    assert prescription.source == "RT Plan 2.25.5"
    assert [n.prescription.fractions for n in given.lesions] == [1, 1, 1, 3, 1]
    assert any("BM04 is planned with 27 Gy in 3 session(s), as RT Plan 2.25.5 prescribes" in r for r in given.remarks)
    made = plan(given, Wishes(sessions=4))
    assert sum("BM04" in s.lesions for s in made.sessions) == 3
    if summation == "PLAN":
        assert any("divided by the 3 fraction(s) of RT Plan 2.25.5" in r for r in given.remarks)
        other = with_doses(case, inside(case), [grid], [read_plan(rt_plan("2.25.6", {1: 3}, [27.0]))])
        assert other.doses_gy is None  # another's plan


@pytest.mark.parametrize(
    ("groups", "targets_gy", "times", "said"),
    [
        ({1: 30}, [60.0], 3.0, "its RT Plan has 30 fractions, and sessions are proposed for up to 5"),
        ({1: 3}, [], 1.35, "no single prescription, and the table of prescriptions has other fractions for BM04"),
        ({1: 3}, [27.0, 24.0], 1.35, "no single prescription"),
        ({1: 1}, [20.0], 2.5, "2.5 times the 20 Gy in 1 session(s) that its RT Plan prescribes"),
        ({1: 3, 2: 3}, [27.0], 1.35, "send its RT Plan"),  # two groups: on which days?
    ],
)
def test_a_plan_that_does_not_fit_its_dose_is_said_and_the_dose_is_not_used(
    groups: dict[int, int], targets_gy: list[float], times: float, said: str
):
    case = made_up()
    own = kernel_of(case, 4)
    grid = dose(lambda p: times * own(p), FINE, ReferencedRTPlanSequence=of_plan())
    given = with_doses(case, inside(case), [grid], [read_plan(rt_plan("2.25.5", groups, targets_gy))])
    assert given.doses_gy is None
    assert said in given.remarks[0]


def test_a_plan_of_the_tables_fractions_needs_no_dose_and_may_be_hot_inside():
    case = made_up()
    own = kernel_of(case, 4)
    grid = dose(lambda p: 1.4 * own(p), FINE, ReferencedRTPlanSequence=of_plan(group=2))
    given = with_doses(case, inside(case), [grid], [read_plan(rt_plan("2.25.5", {1: 3, 2: 1}, [27.0, 20.0]))])
    assert given.given == ("BM04",)
    assert given.lesions[3].prescription == case.lesions[3].prescription
    assert any("far above its prescription of 20 Gy" in r and "95 % of it get 28" in r for r in given.remarks)


def test_what_is_no_plan_or_malformed_is_refused():
    with pytest.raises(HeaderUnusable, match="no RT Plan"):
        read_plan(rt_dose(LATTICE, lambda p: np.ones(len(p))))
    wrong = rt_plan("2.25.5", {1: 3}, [27.0])
    del wrong.FractionGroupSequence[0].FractionGroupNumber
    with pytest.raises(HeaderUnusable, match="does not parse"):
        read_plan(wrong)
