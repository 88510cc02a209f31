"""Objects made from marks before dciodvfy, dcentvfy and dsrdump; `lantern check-sr` on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from typer.testing import CliRunner

from node.cli import app
from pipeline.core.errors import HeaderUnusable
from pipeline.encode import encode, to_bytes
from pipeline.marks import Attempt, Kind, Laterality, MarkedStudy, Outcome, View
from tests.support.findings import STAMP
from tests.support.mammograms import mark, marked, unmarked, write_study, write_view
from tests.support.peers import run_tool

DCIODVFY, DCENTVFY, DSRDUMP = "/usr/bin/dciodvfy", "/usr/bin/dcentvfy", "/usr/bin/dsrdump"


def errors(tool: str, *paths: Path) -> list[str]:
    done = run_tool(tool, *paths)
    assert done.returncode >= 0, f"{tool} was ended by a signal: {done.stderr}"
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]


def write_objects(study: MarkedStudy, folder: Path) -> dict[str, Path]:
    folder.mkdir()
    found = {}
    for encoded in encode(study, STAMP):
        found[encoded.name] = folder / f"{encoded.name}.dcm"
        found[encoded.name].write_bytes(to_bytes(encoded.dataset))
    return found


def _failed(views: tuple[View, ...]) -> MarkedStudy:
    roles = tuple(v.role for v in views)
    return unmarked(views, attempts=tuple(Attempt(k, Outcome.FAILED, roles, "no memory") for k in Kind))


LOSSY = {"LossyImageCompression": "01", "LossyImageCompressionRatio": 8.5, "LossyImageCompressionMethod": "ISO_15444_1"}


@pytest.mark.real("dicom3tools")
@pytest.mark.real("dcmtk")
@pytest.mark.parametrize(
    ("make", "changed"),
    [
        (marked, {}),
        (unmarked, {}),
        (_failed, {}),
        (marked, {"monochrome1": True}),
        (marked, {"ImagerPixelSpacing": None, "PatientOrientation": None, "ContentTime": None}),
        (marked, LOSSY),
        (marked, {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "Müller^Zoë", "StudyID": ""}),
    ],
    ids=["marked", "none", "failed", "monochrome1", "film scan", "lossy", "unicode"],
)
def test_objects_of_marks_have_no_errors_and_dsrdump_reads_the_reports(
    tmp_path: Path, make: type[MarkedStudy], changed: dict[str, object]
) -> None:
    views = write_study(tmp_path / "images", **changed)
    objects = write_objects(make(views), tmp_path / "objects")
    for path in objects.values():
        assert errors(DCIODVFY, path) == []
    assert errors(DCENTVFY, *(v.path for v in views), *objects.values()) == []
    for name, title in (("CADSR", "Mammography CAD Report"), ("SR", "Imaging Measurement Report")):
        done = run_tool(DSRDUMP, "+Pl", objects[name])
        assert done.returncode == 0, done.stderr
        assert title in done.stdout
        assert "RESEARCH USE ONLY" in done.stdout
    assert [str(f) for f in _faults(objects["CADSR"], views)] == []


def _faults(report: Path, views: tuple[View, ...]) -> tuple[object, ...]:
    from node.sr_check import checked

    return checked(report, [v.path for v in views]).faults


@pytest.mark.real("dicom3tools")
def test_dciodvfy_sees_no_fault_of_a_template_and_check_sr_does(tmp_path: Path) -> None:
    views = write_study(tmp_path / "images")
    objects = write_objects(marked(views), tmp_path / "objects")
    report = dcmread(objects["CADSR"])
    summary = next(i for i in report.ContentSequence if i.ConceptNameCodeSequence[0].CodeValue == "111064")
    summary.ConceptCodeSequence[0].CodeValue = "111225"
    report.save_as(objects["CADSR"])
    assert errors(DCIODVFY, objects["CADSR"]) == []
    said = CliRunner().invoke(app, ["check-sr", str(objects["CADSR"])], env={"COLUMNS": "240"})
    assert said.exit_code == 1
    assert "TID 4000 row 7" in said.output


def test_check_sr_says_none_of_a_good_report_and_refuses_another_kind(tmp_path: Path) -> None:
    views = write_study(tmp_path / "images")
    objects = write_objects(marked(views), tmp_path / "objects")
    said = CliRunner().invoke(app, ["check-sr", str(objects["CADSR"]), "--images", str(tmp_path / "images")])
    assert said.exit_code == 0, said.output
    assert "none" in said.output
    (tmp_path / "other").mkdir()
    said = CliRunner().invoke(app, ["check-sr", str(objects["CADSR"]), "--images", str(tmp_path / "other")])
    assert said.exit_code != 0
    assert "none of which" in str(said.exception)
    said = CliRunner().invoke(app, ["check-sr", str(objects["SR"])])
    assert isinstance(said.exception, HeaderUnusable)
    assert "Comprehensive SR" in said.exception.message


@pytest.mark.real("dicom3tools")
def test_marks_on_a_real_mammogram_make_objects_without_errors(tmp_path: Path, shared_data: Path) -> None:
    paths = sorted(p for p in (shared_data / "mammo/dicom").rglob("*") if p.is_file() and p.suffix in ("", ".dcm"))
    image = dcmread(paths[0], stop_before_pixels=True)
    laterality = Laterality(str(image.get("ImageLaterality") or "R"))
    role = f"{laterality.value}-{image.get('ViewPosition') or 'CC'}"
    view = View(
        role, laterality, str(image.get("ViewPosition") or "CC"), image.SOPInstanceUID, image.SOPClassUID, paths[0],
        image.Rows, image.Columns, None, 0.5,
    )  # fmt: skip
    one = mark(1, role, center=(image.Columns / 2, image.Rows / 2))
    attempts = (Attempt(Kind.MASS, Outcome.SUCCEEDED, (role,)),)
    objects = write_objects(unmarked((view,), marks=(one,), attempts=attempts, heat={}), tmp_path / "objects")
    assert {"CADSR", "GSPS_1", "SC_1", "KO", "SR"} == objects.keys()
    for path in objects.values():
        assert errors(DCIODVFY, path) == []
    assert [str(f) for f in _faults(objects["CADSR"], (view,))] == []


@pytest.mark.real("dcmtk")
@pytest.mark.parametrize("monochrome1", [False, True])
def test_dcmtk_shows_an_image_through_its_presentation_state_with_bright_tissue(
    tmp_path: Path, monochrome1: bool
) -> None:
    """A presentation state takes the place of the image's polarity: the breast must stay bright on black."""
    view = write_view(tmp_path / "images", "L-CC", monochrome1=monochrome1)
    attempts = (Attempt(Kind.MASS, Outcome.SUCCEEDED, ("L-CC",)),)
    objects = write_objects(unmarked((view,), marks=(mark(1, "L-CC"),), attempts=attempts, heat={}), tmp_path / "out")
    pgm = tmp_path / "shown.pgm"
    done = run_tool("/usr/bin/dcmp2pgm", "--pstate", objects["GSPS_1"], view.path, pgm)
    assert pgm.exists(), done.stderr
    with Image.open(pgm) as shown:
        pixels = np.asarray(shown).astype(int)
    at_chest_wall, corner = pixels[pixels.shape[0] // 2, 3], pixels[0, -1]
    assert at_chest_wall > corner + 100


def test_a_view_alone_is_enough(tmp_path: Path) -> None:
    view = write_view(tmp_path / "images", "R-MLO")
    attempts = (Attempt(Kind.MASS, Outcome.SUCCEEDED, ("R-MLO",)),)
    study = unmarked((view,), marks=(mark(1, "R-MLO"),), attempts=attempts, breasts=(), heat={})
    assert write_objects(study, tmp_path / "objects").keys() == {"CADSR", "GSPS_1", "SC_1", "KO", "SR"}


@pytest.mark.real("dicom3tools")
def test_what_a_table_of_12_bits_makes_white_is_white_in_the_presentation_state(tmp_path: Path) -> None:
    from pipeline.datasets.mg_writer import MgHabit
    from tests.support.screening import SIZE, write_view

    path = write_view(tmp_path / "L-CC.dcm", "L-CC", habit=MgHabit.GE)
    ds = dcmread(path)
    view = View("L-CC", Laterality.LEFT, "CC", ds.SOPInstanceUID, ds.SOPClassUID, path, *SIZE, (0.25, 0.25), 0.5)
    tried = (Attempt(Kind.MASS, Outcome.SUCCEEDED, ("L-CC",)),)
    study = unmarked((view,), marks=(mark(1, "L-CC"),), attempts=tried)
    written = write_objects(study, tmp_path / "objects")
    assert errors(DCIODVFY, written["GSPS_1"]) == []
    shown = dcmread(written["GSPS_1"]).SoftcopyVOILUTSequence[0].VOILUTSequence[0]
    assert (ds.VOILUTSequence[0].LUTDescriptor[2], shown.LUTDescriptor[2]) == (12, 16)
    there = ds.VOILUTSequence[0].LUTData
    before = np.frombuffer(there, "<u2") if isinstance(there, bytes) else np.array(there)
    after = np.frombuffer(shown.LUTData, "<u2") if isinstance(shown.LUTData, bytes) else np.array(shown.LUTData)
    assert np.abs(after / 65535 - before / 4095).max() < 1e-5
