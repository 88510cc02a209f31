"""A made-up woman's four views, written as DICOM, are found, told apart and read as mammograms."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.breast import Shortcoming
from pipeline.core.study import group
from pipeline.datasets.mg_habits import MgHabit
from pipeline.datasets.mg_study import write_study
from pipeline.imaging.header import read_header
from pipeline.imaging.mammogram.read import MammogramPixels, read_view
from pipeline.imaging.mammogram.study import select_views
from pipeline.marks import Density, Laterality
from pipeline.phantom.mammogram import MammogramStudy, Manner, Plan, Shape, mammogram_study

ROLES = ("R-CC", "L-CC", "R-MLO", "L-MLO")


@pytest.fixture(scope="module", params=list(Manner))
def study(request: pytest.FixtureRequest) -> MammogramStudy:
    plans = [Plan(Shape.CIRCUMSCRIBED, Laterality.RIGHT, 18.0, 1.6, distance_mm=45)]
    return mammogram_study(51, plans, density=Density.A, manner=request.param, spacing_mm=0.2)


def test_its_views_are_read_and_what_is_bright_lies_where_the_truth_says(study: MammogramStudy, tmp_path: Path) -> None:
    files = write_study(study, tmp_path, patient_id="P1", date="20260102")
    (found,) = group([read_header(path) for path in files.values()])
    chosen = select_views(found)
    assert set(chosen.views) == set(ROLES)
    assert not chosen.missing
    assert not chosen.unread
    for role, image in chosen.views.items():
        pixels, view = read_view(image), study.view(role)
        assert isinstance(pixels, MammogramPixels)
        assert Shortcoming.SIDE_IN_DOUBT not in {note.shortcoming for note in pixels.notes}
        assert pixels.nipple_px is not None
        nipple = pixels.canonical.from_image([view.hung_px(view.nipple_px)])[0]
        assert np.hypot(*(nipple - pixels.nipple_px)) * 0.1 < 12
        assert bool(pixels.muscle_px) == (view.view == "MLO")
        for finding in view.findings:
            column, row = (int(v) for v in pixels.canonical.from_image([view.hung_px(finding.center_px)])[0])
            inner = pixels.normal[row - 15 : row + 15, column - 15 : column + 15].mean()
            y, x = np.mgrid[: pixels.breast.shape[0], : pixels.breast.shape[1]]
            ring = np.abs(np.hypot(x - column, y - row) - 200) < 30
            outer = np.median(pixels.normal[ring & pixels.breast & ~pixels.pectoral])
            assert inner > outer + 0.2


def test_the_truth_is_on_one_side_alone_and_at_one_distance_from_the_nipple(study: MammogramStudy) -> None:
    assert [len(study.view(role).findings) for role in ROLES] == [1, 0, 1, 0]
    for role in ("R-CC", "R-MLO"):
        view = study.view(role)
        away = np.subtract(view.hung_px(view.findings[0].center_px), view.hung_px(view.nipple_px))
        assert np.hypot(*away) * 0.2 == pytest.approx(45, abs=0.5)
        # A right breast hangs with its chest wall at the right: the finding lies to the right of the nipple.
        assert away[0] > 0


def test_the_same_study_makes_the_same_files_whoever_the_maker(study: MammogramStudy, tmp_path: Path) -> None:
    for habit in (None, MgHabit.HOLOGIC):
        one, two = (write_study(study, tmp_path / name, habit=habit)["L-CC"].read_bytes() for name in "ab")
        assert one == two


@pytest.mark.real("dicom3tools")
def test_what_is_written_is_a_valid_mammogram(study: MammogramStudy, tmp_path: Path) -> None:
    path = write_study(study, tmp_path, date="20260102")["R-MLO"]
    said = subprocess.run(["/usr/bin/dciodvfy", str(path)], capture_output=True, text=True, check=False)
    assert [line for line in said.stderr.splitlines() if line.startswith("Error")] == []


@pytest.mark.real("dicom3tools")
def test_its_series_are_told_apart_and_it_has_a_date(study: MammogramStudy, tmp_path: Path) -> None:
    files = write_study(study, tmp_path)
    (found,) = group([read_header(path) for path in files.values()])
    assert sorted(str(s.get("SeriesDescription")) for s in found.series) == sorted(ROLES)
    assert {len(str(s.get("StudyDate"))) for s in found.series} == {8}
    said = subprocess.run(["/usr/bin/dcentvfy", *files.values()], capture_output=True, text=True, check=False)
    assert [line for line in (said.stdout + said.stderr).splitlines() if line.startswith("Error")] == []
