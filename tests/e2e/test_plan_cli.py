"""lantern plan: contours of any origin on a series, and which lesion in which session."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread

from pipeline.core.study import Series
from pipeline.datasets.mr_writer import write_volume
from pipeline.encode import Part, encode, to_bytes
from pipeline.imaging.header import scan
from pipeline.imaging.read import read_volume
from pipeline.imaging.references import series_named
from pipeline.imaging.structures import structures
from pipeline.phantom import t1c_phantom
from tests.support import node as n
from tests.support.findings import STAMP, findings_on

LESIONS = 6


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """series/ and RTSTRUCT.dcm with the true lesions of a made-up head."""
    folder = tmp_path_factory.mktemp("plan")
    grid = {"shape": (60, 112, 112), "spacing_mm": (3.0, 2.0, 2.0)}
    made = t1c_phantom(11, lesions=LESIONS, diameters_mm=(7.0, 24.0), **grid)  # type: ignore[arg-type]
    write_volume(made.image, folder / "series")
    series = the_series(folder / "series")
    read = read_volume(series)
    truth = np.asarray(made.truth.match_geometry(read.volume).array, np.uint16)
    found = findings_on(read.frames, read.volume, truth)  # type: ignore[arg-type]
    (folder / "RTSTRUCT.dcm").write_bytes(to_bytes({e.part: e.dataset for e in encode(found, STAMP)}[Part.RTSTRUCT]))
    return folder


def the_series(folder: Path) -> Series:
    (study,) = scan(folder)
    return study.series[0]


def plan(drawn: Path, out: Path, *more: str, rtstruct: Path | None = None):
    given = ("--rtstruct", str(rtstruct or drawn / "RTSTRUCT.dcm"), "--series", str(drawn / "series"))
    return n.lantern("plan", *given, "--out", str(out), *more)


def test_every_lesion_is_in_its_sessions_and_the_warning_comes_first(drawn: Path, tmp_path: Path):
    done = plan(drawn, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ESTIMATE - NOT FOR TREATMENT")
    data = json.loads((tmp_path / "plan.json").read_text())
    each = dict.fromkeys((f"BM{k:02d}" for k in range(1, LESIONS + 1)), 0)
    for session in data["sessions"]:
        for name in session["lesions"]:
            each[name] += 1
    assert each == {p["lesion"]: p["fractions"] for p in data["prescriptions"]}
    assert all(s["v12_ml"] <= 10 for s in data["sessions"])
    assert {"brainstem", "optic pathway", "left cochlea", "right cochlea"} == data["organs_bed_gy"].keys()
    chosen = next(o for o in data["curve"] if o["sessions"] == data["chosen"])
    assert chosen["proven"]
    assert set(chosen["broken"]) <= set(data["remarks"])  # a lesion lies at the brainstem: no grouping helps that
    assert any("alone" in remark and "brainstem" in remark for remark in data["remarks"])


def test_wishes_are_kept_and_json_is_what_the_file_holds(drawn: Path, tmp_path: Path):
    wished = ("--sessions", "4", "--lock", "BM02=1", "--exclude", "BM05", "--set", "days_between=7", "--json")
    done = plan(drawn, tmp_path, *wished)
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert data == json.loads((tmp_path / "plan.json").read_text())
    assert [s["day"] for s in data["sessions"]] == [1, 8, 15, 22]
    assert "BM02" in data["sessions"][0]["lesions"]
    assert all("BM05" not in s["lesions"] for s in data["sessions"])


@pytest.mark.parametrize(
    ("wished", "said"),
    [
        (("--lock", "BM77=1"), "BM77"),
        (("--lock", "BM01"), "LESION=SESSION"),
        (("--set", "gradient_index=1"), "gradient index"),
        (("--set", "colour=red"), "KEY=VALUE"),
        (("--set", "minutes=0"), "minutes = 0"),
        (("--sessions", "0"), "sessions = 0"),
        (("--set", "limits=/no/such.toml"), "/no/such.toml"),
    ],
)
def test_wrong_wishes_end_with_2_and_say_why(drawn: Path, tmp_path: Path, wished: tuple[str, ...], said: str):
    done = plan(drawn, tmp_path / "out", *wished)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert not (tmp_path / "out").exists()


def moved(drawn: Path, tmp_path: Path, edit) -> Path:
    ds = dcmread(drawn / "RTSTRUCT.dcm")
    edit(ds)
    ds.save_as(tmp_path / "edited.dcm")
    return tmp_path / "edited.dcm"


def test_contours_of_another_frame_of_reference_are_declined(drawn: Path, tmp_path: Path):
    def edit(ds: Dataset) -> None:
        ds.FrameOfReferenceUID = "2.25.9"
        ds.ReferencedFrameOfReferenceSequence[0].FrameOfReferenceUID = "2.25.9"
        for roi in ds.StructureSetROISequence:
            roi.ReferencedFrameOfReferenceUID = "2.25.9"

    done = plan(drawn, tmp_path, rtstruct=moved(drawn, tmp_path, edit))
    assert done.returncode == 3
    assert "different frames of reference" in done.stdout


def test_contours_that_are_no_planes_are_declined(drawn: Path, tmp_path: Path):
    def edit(ds: Dataset) -> None:
        contour = ds.ROIContourSequence[0].ContourSequence[0]
        points = np.array(contour.ContourData, float)
        points[2::6] += 4.0
        contour.ContourData = [f"{v:.3f}" for v in points]

    done = plan(drawn, tmp_path, rtstruct=moved(drawn, tmp_path, edit))
    assert done.returncode == 3
    assert "do not lie in parallel planes" in done.stdout


def test_contours_between_the_slices_are_resampled_and_said(drawn: Path, tmp_path: Path):
    def edit(ds: Dataset) -> None:
        for contour in ds.ROIContourSequence[0].ContourSequence:
            points = np.array(contour.ContourData, float)
            points[2::3] += 1.4
            contour.ContourData = [f"{v:.3f}" for v in points]

    done = plan(drawn, tmp_path, "--json", rtstruct=moved(drawn, tmp_path, edit))
    assert done.returncode == 0, done.stderr
    assert "Drawn on other planes than those of the series, and resampled" in done.stdout


def test_a_structure_set_of_organs_alone_is_declined(drawn: Path, tmp_path: Path):
    def edit(ds: Dataset) -> None:
        for seen in ds.RTROIObservationsSequence:
            seen.RTROIInterpretedType = "ORGAN"
        for roi in ds.StructureSetROISequence:
            roi.ROIName = f"Organ {roi.ROINumber}"

    done = plan(drawn, tmp_path, rtstruct=moved(drawn, tmp_path, edit))
    assert done.returncode == 3
    assert "no tumour" in done.stdout


def test_what_is_no_structure_set_is_refused(drawn: Path, tmp_path: Path):
    image = next((drawn / "series").iterdir())
    done = plan(drawn, tmp_path, rtstruct=image)
    assert done.returncode == 1
    assert "no RT Structure Set" in done.stderr


@pytest.mark.parametrize(
    ("name", "rois"), [("dicompyler_rtss.dcm", 1), ("rtutils_rt.dcm", 1), ("varian_prostate-aec-001.dcm", 1)]
)
def test_structure_sets_of_other_vendors_are_read(shared_data: Path, name: str, rois: int):
    ds = dcmread(shared_data / "reference" / "rtstruct" / name, force=True)
    found = structures(ds)
    assert len(found) >= rois
    assert all(any(len(c) >= 3 for c in s.contours) for s in found)
    assert all(np.isfinite(c).all() for s in found for c in s.contours)
    assert {s.number for s in found} <= {int(r.ROINumber) for r in ds.StructureSetROISequence}
    assert len({s.number for s in found}) == len(found)
    assert {s.name for s in found} <= {str(r.ROIName).strip() for r in ds.StructureSetROISequence}
    assert series_named(ds)


def test_contours_on_a_planning_ct_are_declined_by_name(shared_data: Path, tmp_path: Path):
    folder = shared_data / "reference" / "rtstruct" / "varian_body_cord"
    (rtstruct,) = (p for p in folder.iterdir() if dcmread(p, stop_before_pixels=True).Modality == "RTSTRUCT")
    done = n.lantern("plan", "--rtstruct", str(rtstruct), "--series", str(folder), "--out", str(tmp_path))
    assert done.returncode == 3, done.stderr
    assert "CT images" in done.stdout


def test_a_picture_of_the_plan_is_drawn_when_asked_for_and_replaces_an_old_one(drawn: Path, tmp_path: Path):
    (tmp_path / "plan_2.png").write_bytes(b"of a plan before")
    done = plan(drawn, tmp_path, "--sessions", "2", "--picture")
    assert done.returncode == 0, done.stderr
    assert "plan.json, plan.png" in done.stdout
    with Image.open(tmp_path / "plan.png") as image:
        assert image.size == (1600, 1200)
        assert len(image.getcolors(1 << 24) or ()) > 1000
    assert not (tmp_path / "plan_2.png").exists() or "plan_2.png" in done.stdout
