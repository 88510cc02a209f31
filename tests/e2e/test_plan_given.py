"""lantern plan with what a hospital sends: doses of a planning system, organs and target volumes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from pipeline.contract import Runtime
from pipeline.core.study import Series
from pipeline.datasets.mr_writer import write_volume
from pipeline.encode import Part, encode, to_bytes
from pipeline.imaging.header import scan
from pipeline.imaging.read import read_volume
from pipeline.phantom import t1c_phantom
from pipeline.recipes.srs.planning import plan_contours
from pipeline.sessions.case import Case, Tables, Wishes
from pipeline.sessions.planned import Planned
from tests.support import node as n
from tests.support.drawn import ball, structure, structure_set
from tests.support.findings import STAMP, findings_on
from tests.support.rtdose import Lattice, rt_dose, saved

NAMES = ("BM01_L_FRONT", "BM02_L_FRONT", "BM03_R_CEREB", "BM04_R_CEREB")
SESSIONS = ("--sessions", "3")


@dataclass(frozen=True)
class Drawn:
    """A made-up head: series/ and RTSTRUCT.dcm in a folder, and what the plan without anything given was made from."""

    folder: Path
    series: Series
    case: Case
    frame: str

    def plan(self, out: Path, *more: str, rtstruct: Path | None = None):
        given = ("--rtstruct", str(rtstruct or self.folder / "RTSTRUCT.dcm"), "--series", str(self.folder / "series"))
        return n.here("plan", *given, "--out", str(out), *more)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    folder = tmp_path_factory.mktemp("given")
    grid = {"shape": (60, 112, 112), "spacing_mm": (3.0, 2.0, 2.0)}
    made = t1c_phantom(11, lesions=len(NAMES), diameters_mm=(9.0, 20.0), **grid)  # type: ignore[arg-type]
    write_volume(made.image, folder / "series")
    (study,) = scan(folder / "series")
    read = read_volume(study.series[0])
    truth = np.asarray(made.truth.match_geometry(read.volume).array, np.uint16)
    found = findings_on(read.frames, read.volume, truth)  # type: ignore[arg-type]
    frame = str(read.volume.frame_of_reference_uid)
    rtstruct = {e.part: e.dataset for e in encode(found, STAMP)}[Part.RTSTRUCT]
    for roi, name in zip(rtstruct.StructureSetROISequence, NAMES, strict=True):
        roi.ROIName = name
        roi.ReferencedFrameOfReferenceUID = frame
    rtstruct.ReferencedFrameOfReferenceSequence[0].FrameOfReferenceUID = frame
    (folder / "RTSTRUCT.dcm").write_bytes(to_bytes(rtstruct))
    planned = plan_contours(study.series[0], dcmread(folder / "RTSTRUCT.dcm"), Wishes(sessions=3), Tables(), Runtime())
    assert isinstance(planned, Planned)
    return Drawn(folder, study.series[0], planned.case, frame)


def lattice(case: Case) -> Lattice:
    """The grid of the case, of which every point of the brain is one."""
    assert case.grid is not None
    affine, shape = case.grid.affine, case.grid.brain.shape
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    unit = affine[:3, :3] / spacing
    assert np.allclose(np.cross(unit[:, 2], unit[:, 1]), unit[:, 0])
    centre = affine[:3, :3] @ ((np.array(shape) - 1) / 2) + affine[:3, 3]
    return Lattice(tuple(centre), shape, tuple(spacing), [*unit[:, 2], *unit[:, 1]])  # type: ignore[arg-type]


def own_dose(drawn: Drawn, lesion: int, **more: object) -> Dataset:
    """What the kernel says of one lesion, over all its sessions."""
    fractions = drawn.case.lesions[lesion].prescription.fractions

    def field(points: np.ndarray) -> np.ndarray:
        return drawn.case.estimated_gy(points.astype(np.float32))[lesion].astype(float) * fractions

    return rt_dose(lattice(drawn.case), field, drawn.frame, **more)


@pytest.fixture(scope="module")
def doses(drawn: Drawn) -> Path:
    """A folder with a dose of each lesion and, as planning systems export it beside them, what is no dose."""
    folder = drawn.folder / "doses"
    for k in range(len(NAMES)):
        saved(own_dose(drawn, k), folder / f"{k}.dcm")
    (folder / "notes.txt").write_text("exported")
    return folder


def data_of(done, out: Path) -> dict:
    assert done.returncode == 0, done.stderr
    return json.loads((out / "plan.json").read_text())


def test_the_kernels_own_maps_as_doses_make_the_same_plan(drawn: Drawn, doses: Path, tmp_path: Path):
    without = data_of(drawn.plan(tmp_path / "without", *SESSIONS), tmp_path / "without")
    done = drawn.plan(tmp_path / "given", *SESSIONS, "--dose", str(doses))
    given = data_of(done, tmp_path / "given")
    assert [s["lesions"] for s in given["sessions"]] == [s["lesions"] for s in without["sessions"]]
    volumes = [[s["v12_ml"] for s in data["sessions"]] for data in (given, without)]
    assert volumes[0] == pytest.approx(volumes[1], rel=0.01)
    assert given["brain_bed_gy"] == pytest.approx(without["brain_bed_gy"], rel=1e-3)
    assert without["kernel"]["given_doses"] == []
    assert given["kernel"]["given_doses"] == list(NAMES)
    assert f"The doses of {', '.join(NAMES)} come from a planning system." in done.stdout
    assert done.stdout.startswith("ESTIMATE - NOT FOR TREATMENT")


def test_a_dose_that_says_more_changes_the_plan_of_that_lesion_alone(drawn: Drawn, tmp_path: Path):
    ds = own_dose(drawn, 1)
    ds.DoseGridScaling = f"{float(ds.DoseGridScaling) * 1.1:.10g}"
    file = saved(ds, tmp_path / "more.dcm")
    without = data_of(drawn.plan(tmp_path / "a", *SESSIONS, "--lock", "BM02=1"), tmp_path / "a")
    given = data_of(drawn.plan(tmp_path / "b", *SESSIONS, "--lock", "BM02=1", "--dose", str(file)), tmp_path / "b")
    assert given["kernel"]["given_doses"] == ["BM02_L_FRONT"]
    assert given["sessions"][0]["v12_ml"] > without["sessions"][0]["v12_ml"]
    assert any("No dose was given for BM01_L_FRONT, BM03_R_CEREB, BM04_R_CEREB" in r for r in given["remarks"])


def test_drawn_organs_and_target_volumes_are_used_and_said(drawn: Drawn, tmp_path: Path):
    case = drawn.case
    stem = case.organs_mm["brainstem"].mean(axis=0)
    lesion = case.lesions[2].target
    diameter = 2 * (3 * lesion.volume_mm3 / 4 / np.pi) ** (1 / 3)
    # On planes of its own, as one draws on the planning CT that is registered with the series.
    drawn_by_hand = [
        structure("Hirnstamm", ball(stem, 24.0, 1.0)),
        structure("PTV_3", ball(lesion.centre_mm, diameter + 4, 1.0), "PTV"),
    ]
    file = saved(structure_set(drawn_by_hand, drawn.frame), tmp_path / "organs.dcm")
    without = data_of(drawn.plan(tmp_path / "a", *SESSIONS, "--lock", "BM03=2"), tmp_path / "a")
    given = data_of(drawn.plan(tmp_path / "b", *SESSIONS, "--lock", "BM03=2", "--organs", str(file)), tmp_path / "b")
    assert "The brainstem is the one that was drawn (Hirnstamm)." in given["remarks"]
    assert any("PTV_3 of BM03_R_CEREB" in r for r in given["remarks"])
    assert given["organs_bed_gy"].keys() == without["organs_bed_gy"].keys()
    assert given["organs_bed_gy"]["brainstem"] != without["organs_bed_gy"]["brainstem"]
    assert sum(s["v12_ml"] for s in given["sessions"]) > sum(s["v12_ml"] for s in without["sessions"])


def refused(drawn: Drawn, tmp_path: Path, said: str, *more: str) -> None:
    done = drawn.plan(tmp_path / "out", *more)
    assert done.returncode == 1, done.stdout
    assert said in done.stderr
    assert "hint:" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"FrameOfReferenceUID": "2.25.5"}, "different frames of reference"),
        ({"DoseUnits": "RELATIVE"}, "Dose Units are RELATIVE"),
        ({"DoseType": "EFFECTIVE"}, "no physical dose"),
        ({"DoseSummationType": "BEAM"}, "Dose Summation Type is BEAM"),
    ],
)
def test_doses_that_cannot_be_used_are_refused_by_name(drawn: Drawn, tmp_path: Path, wrong: dict[str, str], said: str):
    file = saved(own_dose(drawn, 0, **wrong), tmp_path / "wrong.dcm")
    refused(drawn, tmp_path, said, "--dose", str(file))


def test_what_is_no_dose_and_no_structure_set_is_refused(drawn: Drawn, tmp_path: Path):
    refused(drawn, tmp_path, "holds no RT Dose", "--dose", str(drawn.folder / "series"))
    refused(drawn, tmp_path, "holds no RT Structure Set", "--organs", str(drawn.folder / "series"))


def test_a_name_that_several_lesions_begin_with_is_refused_with_their_names(drawn: Drawn, tmp_path: Path):
    edited = dcmread(drawn.folder / "RTSTRUCT.dcm")
    edited.StructureSetROISequence[2].ROIName = "BM02 R CEREB"
    edited.save_as(tmp_path / "edited.dcm")
    done = drawn.plan(tmp_path / "out", "--exclude", "BM02", rtstruct=tmp_path / "edited.dcm")
    assert done.returncode == 2
    assert "BM02 may be any of BM02_L_FRONT, BM02 R CEREB" in done.stderr
    assert "give the whole name" in done.stderr
