"""Doses of planning systems: found where they lie, in every orientation; refused by name where they cannot be used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from scipy.optimize import minimize

from pipeline.core.errors import GeometryUnusable, HeaderUnusable, LanternError, PixelsUnreadable
from pipeline.imaging.dose import DoseGrid, Of, read_dose
from tests.support.rtdose import ORIENTATIONS, Lattice, blob, rt_dose

CENTRE = np.array([23.7, -41.2, 65.3])
LATTICE = Lattice(centre_mm=(20.0, -38.0, 60.0), spacing_mm=(2.5, 2.0, 1.5))


def peak(grid: DoseGrid, near: np.ndarray) -> np.ndarray:
    """The centre of mass of what the grid gives around a point, asked on a lattice of no one's choice."""
    steps = np.arange(-14, 14.1, 0.7)
    points = near + np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    gy = grid.at(points).gy.astype(float)
    gy = np.where(gy > 0.3 * gy.max(), gy, 0)
    return (points * gy[:, None]).sum(0) / gy.sum()


@pytest.mark.parametrize("bits", [16, 32])
@pytest.mark.parametrize("name", ORIENTATIONS)
def test_a_blob_is_found_where_it_lies_in_every_orientation(name: str, bits: int):
    lattice = Lattice(LATTICE.centre_mm, LATTICE.shape, LATTICE.spacing_mm, ORIENTATIONS[name])
    grid = read_dose(rt_dose(lattice, blob(CENTRE), bits=bits))
    assert np.linalg.norm(peak(grid, CENTRE + np.array([1.0, -1.5, 0.8])) - CENTRE) < 0.3
    found = minimize(lambda p: -float(grid.at(p[None]).gy[0]), CENTRE + np.array([2, 1, -2]), method="Nelder-Mead")
    assert np.linalg.norm(found.x - CENTRE) < 1.5  # the highest of linear pieces is a voxel centre
    assert grid.most_gy == pytest.approx(20.0, rel=0.05)


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_voxel_centres_have_the_dose_that_was_stored(name: str):
    lattice = Lattice(LATTICE.centre_mm, LATTICE.shape, LATTICE.spacing_mm, ORIENTATIONS[name])
    field = blob(CENTRE)
    points = lattice.points_mm().reshape(-1, 3)
    sampled = read_dose(rt_dose(lattice, field)).at(points)
    assert not sampled.outside.any()
    assert np.abs(sampled.gy - field(points)).max() < 1e-3


@pytest.mark.parametrize("name", ["HFS", "HFP", "FFS", "FFDR"])
def test_offsets_may_be_places_of_the_patient(name: str):
    lattice = Lattice(LATTICE.centre_mm, LATTICE.shape, LATTICE.spacing_mm, ORIENTATIONS[name])
    normal = lattice.axes[0]
    absolute = list(lattice.corner_mm[2] + lattice.offsets * normal[2])
    grid = read_dose(rt_dose(lattice, blob(CENTRE), GridFrameOffsetVector=absolute))
    assert np.linalg.norm(peak(grid, CENTRE) - CENTRE) < 0.3


UNEVEN = [0.0, 2.0, 3.0, 5.5, *np.arange(8.0, 70.0, 2.5)]


@pytest.mark.parametrize("offsets", [UNEVEN, [-v for v in UNEVEN], [UNEVEN[0], *reversed(UNEVEN[1:])]])
def test_planes_may_be_uneven_descending_or_in_any_order(offsets: list[float]):
    lattice = Lattice(LATTICE.centre_mm, (len(offsets), 29, 33), LATTICE.spacing_mm, offsets_mm=offsets)
    field = blob(CENTRE)
    grid = read_dose(rt_dose(lattice, field))
    assert (np.diff(grid.planes_mm) > 0).all()
    points = lattice.points_mm().reshape(-1, 3)
    assert np.abs(grid.at(points).gy - field(points)).max() < 1e-3
    assert np.linalg.norm(peak(grid, CENTRE) - CENTRE) < 0.3


def test_between_voxels_it_is_linear_and_beyond_the_grid_it_is_0_and_said():
    lattice = Lattice(spacing_mm=(3.0, 2.0, 2.0))
    slope = np.array([0.02, 0.05, 0.03])
    grid = read_dose(rt_dose(lattice, lambda p: 10 + p @ slope))
    inside = np.random.default_rng(0).uniform(-20, 20, (200, 3))
    assert grid.at(inside).gy == pytest.approx(10 + inside @ slope, abs=1e-4)
    asked = grid.at(np.array([[0, 0, 0], [0, 0, 500.0], [33.0, 0, 0], [0, -29.0, 0]]))
    assert asked.outside.tolist() == [False, True, True, True]
    assert asked.gy[1:].tolist() == [0, 0, 0]
    assert asked.share_outside == 0.75


@pytest.mark.parametrize(
    ("summation", "of"), [("PLAN", Of.COURSE), ("FRACTION", Of.COURSE), ("FRACTION_SESSION", Of.SESSION)]
)
def test_a_dose_is_of_a_course_or_of_a_session(summation: str, of: Of):
    assert read_dose(rt_dose(Lattice(), blob((0, 0, 0)), DoseSummationType=summation)).of is of


SKEW = [1, 0, 0, 0.1, 0.995, 0]
LONG = [1.1, 0, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        ({"DoseUnits": "RELATIVE"}, HeaderUnusable, "RELATIVE"),
        ({"DoseUnits": None}, HeaderUnusable, "Dose Units are missing"),
        ({"DoseType": "EFFECTIVE"}, HeaderUnusable, "EFFECTIVE"),
        ({"DoseType": "ERROR"}, HeaderUnusable, "ERROR"),
        ({"DoseSummationType": "BEAM"}, HeaderUnusable, "BEAM"),
        ({"DoseSummationType": "CONTROL_POINT"}, HeaderUnusable, "CONTROL_POINT"),
        ({"DoseSummationType": None}, HeaderUnusable, "missing"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"}, HeaderUnusable, "no RT Dose"),
        ({"DoseGridScaling": "0"}, HeaderUnusable, "Scaling"),
        ({"DoseGridScaling": None}, GeometryUnusable, "DoseGridScaling"),
        ({"DoseGridScaling": "1"}, HeaderUnusable, "not Gy of a treatment"),
        ({"ImageOrientationPatient": SKEW}, GeometryUnusable, "perpendicular"),
        ({"ImageOrientationPatient": LONG}, GeometryUnusable, "perpendicular"),
        ({"ImageOrientationPatient": None}, GeometryUnusable, "ImageOrientationPatient"),
        ({"ImagePositionPatient": [0, 0]}, GeometryUnusable, "ImagePositionPatient"),
        ({"PixelSpacing": [2, 0]}, GeometryUnusable, "Pixel Spacing"),
        ({"GridFrameOffsetVector": None}, GeometryUnusable, "GridFrameOffsetVector"),
        ({"GridFrameOffsetVector": [0, 2, 4]}, GeometryUnusable, "GridFrameOffsetVector"),
        ({"GridFrameOffsetVector": [7.0 + 2 * k for k in range(31)]}, GeometryUnusable, "begins with 7"),
        ({"GridFrameOffsetVector": [0.0, *(2.0 * k for k in range(30))]}, GeometryUnusable, "at one place"),
        ({"NumberOfFrames": 1}, GeometryUnusable, "single plane"),
        ({"PixelData": b"\0\0\0\0"}, PixelsUnreadable, "do not decode"),
        ({"PixelData": None}, PixelsUnreadable, "do not decode"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(wrong: dict[str, object], error: type[LanternError], said: str):
    with pytest.raises(error, match=said) as refused:
        read_dose(rt_dose(Lattice(), blob((0, 0, 0)), **wrong))
    assert refused.value.hint


def test_places_of_the_patient_are_no_offsets_of_tilted_planes():
    lattice = Lattice(LATTICE.centre_mm, cosines=ORIENTATIONS["tilted"])
    absolute = list(lattice.corner_mm[2] + lattice.offsets)
    with pytest.raises(GeometryUnusable, match="begins with"):
        read_dose(rt_dose(lattice, blob(CENTRE), GridFrameOffsetVector=absolute))


def eclipse(shared_data: Path) -> list[Path]:
    return sorted((shared_data / "reference" / "rtdose").glob("*.dcm"))


def test_grids_of_a_real_planning_system_are_placed_in_every_orientation(shared_data: Path):
    """Their pixels were taken away before they were published: a blob is painted in, by what the header says."""
    seen = set()
    for path in eclipse(shared_data):
        ds = dcmread(path)
        with pytest.raises(PixelsUnreadable, match="do not decode"):
            read_dose(ds)
        centre = painted(ds)
        seen.add(tuple(int(v) for v in ds.ImageOrientationPatient))
        assert np.linalg.norm(peak(read_dose(ds), centre) - centre) < 0.5, path.name
    assert seen == {tuple(int(v) for v in c) for name, c in ORIENTATIONS.items() if name != "tilted"}


def painted(ds: Dataset) -> np.ndarray:
    """Put a Gaussian a third of the way into the grid; give its centre."""
    row, down = np.array(ds.ImageOrientationPatient[:3], float), np.array(ds.ImageOrientationPatient[3:], float)
    frames = np.array(ds.GridFrameOffsetVector, float)
    position, (dy, dx) = np.array(ds.ImagePositionPatient, float), (float(v) for v in ds.PixelSpacing)
    k, r, c = np.meshgrid(frames, np.arange(ds.Rows) * dy, np.arange(ds.Columns) * dx, indexing="ij")
    axes = np.stack([np.cross(row, down), down, row], 1)
    centre = position + axes @ (np.array([frames[-1], (ds.Rows - 1) * dy, (ds.Columns - 1) * dx]) / 2.9)
    away = np.stack([k, r, c], -1).reshape(-1, 3) @ axes.T + position - centre
    gy = 15 * np.exp(-(away**2).sum(1) / (2 * 8.0**2))
    ds.PixelData = np.rint(gy / float(ds.DoseGridScaling)).astype("<u4").tobytes()
    return centre
