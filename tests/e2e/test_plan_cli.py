"""lantern plan: contours of any origin on a series, and which lesion in which session."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread

from pipeline.contract import Runtime
from pipeline.core.errors import ConfigInvalid
from pipeline.core.study import Series
from pipeline.datasets.mr_writer import write_volume
from pipeline.encode import Part, encode, to_bytes
from pipeline.imaging.header import scan
from pipeline.imaging.read import read_volume
from pipeline.imaging.references import series_named
from pipeline.imaging.structures import structures
from pipeline.phantom import t1c_phantom
from pipeline.recipes.srs.planning import plan_contours
from pipeline.sessions.case import Tables, Wishes
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
    for e in encode(found, STAMP):
        if e.part in (Part.RTSTRUCT, Part.SEG):
            (folder / f"{e.part.value}.dcm").write_bytes(to_bytes(e.dataset))
    return folder


def the_series(folder: Path) -> Series:
    (study,) = scan(folder)
    return study.series[0]


def plan(drawn: Path, out: Path, *more: str, rtstruct: Path | None = None):
    given = ("--rtstruct", str(rtstruct or drawn / "RTSTRUCT.dcm"), "--series", str(drawn / "series"))
    return n.here("plan", *given, "--out", str(out), *more)


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
        (("--set", "colour=red"), "colour is no key"),
        (("--set", "colour"), "not KEY=VALUE"),
        (("--set", "gradient_index=abc"), "gradient_index must be a number, not 'abc'"),
        (("--set", "most_sessions=2.5"), "most_sessions must be a whole number, not '2.5'"),
        (("--set", "alpha_beta_gy=0"), "alpha_beta_gy = 0"),
        (("--lock", "BM01=1", "--lock", "BM01=2"), "BM01 cannot be locked to two sessions"),
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


def test_wishes_and_tables_are_looked_at_before_any_file_is_read(tmp_path: Path):
    empty, no_contours = tmp_path / "series", tmp_path / "contours.dcm"
    empty.mkdir()
    no_contours.write_bytes(b"no DICOM")
    given = ("--rtstruct", str(no_contours), "--series", str(empty), "--out", str(tmp_path / "out"))
    for wished, said in ((("--set", "limits=/no/such.toml"), "/no/such.toml"), (("--sessions", "0"), "sessions = 0")):
        done = n.lantern("plan", *given, *wished)
        assert done.returncode == 2, done.stderr
        assert said in done.stderr


def test_the_name_of_no_lesion_costs_no_search_for_the_head(drawn: Path, monkeypatch: pytest.MonkeyPatch):
    def searched(*_: object) -> object:
        raise AssertionError("the head was searched for")

    monkeypatch.setattr("pipeline.recipes.srs.examine.head_in", searched)
    ds, wishes = dcmread(drawn / "RTSTRUCT.dcm"), Wishes(excluded=frozenset({"BM77"}))
    with pytest.raises(ConfigInvalid, match="BM77"):
        plan_contours(the_series(drawn / "series"), ds, wishes, Tables(), Runtime())


def test_the_terminal_has_what_a_physicist_judges_v12_by(drawn: Path, tmp_path: Path):
    done = plan(drawn, tmp_path, "--sessions", "3", "--set", "alpha_beta_gy=3")
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / "plan.json").read_text())
    assert data["alpha_beta_gy"] == 3
    assert "mean brain BED Gy (a/b 3 Gy)" in done.stdout
    rows = [" ".join(line.replace("│", " ").split()) for line in done.stdout.splitlines()]
    for p in data["prescriptions"]:
        of = ", ".join(str(s["number"]) for s in data["sessions"] if p["lesion"] in s["lesions"])
        assert 0.1 < p["volume_ml"] / (np.pi / 6 * p["diameter_mm"] ** 3 / 1000) < 1.05
        measured = f"{p['lesion']} {p['diameter_mm']:.1f} {p['volume_ml']:.2f}"
        said = f"{measured} {p['dose_gy']:g} Gy in {p['fractions']} {of} "
        assert any(row.startswith(said) for row in rows), (said, rows)


def test_contours_of_another_patient_are_declined_and_those_of_nobody_are_remarked_on(drawn: Path, tmp_path: Path):
    def of(**values: str):
        def edit(ds: Dataset) -> None:
            for keyword, value in values.items():
                setattr(ds, keyword, value)

        return lambda: moved(drawn, tmp_path, edit)

    done = plan(drawn, tmp_path / "out", rtstruct=of(PatientID="SOMEONE ELSE")())
    assert done.returncode == 3, done.stderr
    assert "of another patient than the images: they differ in Patient ID" in done.stdout
    assert "SOMEONE" not in done.stdout
    assert not (tmp_path / "out").exists()
    unnamed = plan(drawn, tmp_path / "out", "--json", rtstruct=of(PatientID="")())
    assert unnamed.returncode == 0, unnamed.stderr
    remarks = json.loads(unnamed.stdout)["remarks"]
    assert "Whose contours these are was not checked: contours name no Patient ID." in remarks


def test_a_structure_set_that_was_cut_off_is_an_error_that_names_it(drawn: Path, tmp_path: Path):
    whole = (drawn / "RTSTRUCT.dcm").read_bytes()
    for share in (0.2, 0.6, 0.98):
        (tmp_path / "trunc.dcm").write_bytes(whole[: int(share * len(whole))])
        done = plan(drawn, tmp_path / "out", rtstruct=tmp_path / "trunc.dcm")
        assert done.returncode == 1
        assert f"{tmp_path / 'trunc.dcm'} is damaged" in done.stderr
        assert "Traceback" not in done.stderr


def test_an_image_or_a_dose_that_was_cut_off_is_an_error_that_names_it(drawn: Path, tmp_path: Path):
    shutil.copytree(drawn / "series", tmp_path / "series")
    image = sorted((tmp_path / "series").iterdir())[20]
    image.write_bytes(image.read_bytes()[:-900])
    given = ("--rtstruct", str(drawn / "RTSTRUCT.dcm"), "--out", str(tmp_path / "out"))
    done = n.lantern("plan", *given, "--series", str(tmp_path / "series"))
    assert (done.returncode, f"{image} is damaged" in done.stderr) == (1, True), done.stderr
    (tmp_path / "dose.dcm").write_bytes((drawn / "RTSTRUCT.dcm").read_bytes()[:300])
    done = n.lantern("plan", *given, "--series", str(drawn / "series"), "--dose", str(tmp_path / "dose.dcm"))
    assert (done.returncode, str(tmp_path / "dose.dcm") in done.stderr) == (1, True), done.stderr
    assert "damaged" in done.stderr


def test_a_segmentation_is_planned_like_the_structure_set_of_the_same_lesions(drawn: Path, tmp_path: Path):
    fixed = ("--sessions", "3", "--json")
    one, two = (plan(drawn, tmp_path, *fixed, rtstruct=drawn / f"{of}.dcm") for of in ("RTSTRUCT", "SEG"))
    assert two.returncode == 0, two.stderr
    first, second = (json.loads(done.stdout) for done in (one, two))
    volumes = [[p["volume_ml"] for p in data["prescriptions"]] for data in (first, second)]
    assert volumes[0] == volumes[1]
    assert [s["v12_ml"] for s in first["sessions"]] == [s["v12_ml"] for s in second["sessions"]]


def test_contour_data_that_is_no_list_of_points_declines_by_number_and_name(drawn: Path, tmp_path: Path):
    def edit(ds: Dataset) -> None:
        for item in ds.ROIContourSequence[1].ContourSequence:
            item.ContourData = list(item.ContourData)[:-2]

    done = plan(drawn, tmp_path, rtstruct=moved(drawn, tmp_path, edit))
    assert done.returncode == 3
    name = str(dcmread(drawn / "RTSTRUCT.dcm").StructureSetROISequence[1].ROIName)
    assert f"contours of ROI 2 ({name}) cannot be read" in done.stdout
    assert "no tumour" not in done.stdout


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
    assert "no tumour: none of ROI 1 (Organ 1), ROI 2 (Organ 2)" in done.stdout


def test_what_is_no_structure_set_is_refused(drawn: Path, tmp_path: Path):
    image = next((drawn / "series").iterdir())
    done = plan(drawn, tmp_path, rtstruct=image)
    assert done.returncode == 1
    assert "no RT Structure Set and no Segmentation" in done.stderr


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
