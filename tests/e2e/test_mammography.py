"""Mammograms on the whole way: into a running node and back to the PACS; from files; from a film scan."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread

from pipeline.core.job import State
from pipeline.core.result import Kind
from pipeline.core.route import PRIORS
from pipeline.datasets.mg_writer import MgHabit, Modifier, Syntax
from pipeline.templates import check_mammography_cad
from tests.support import node as n
from tests.support.peers import OrthancPeer, run_tool
from tests.support.screening import CENTERS, ROLES, SIZE, picture, spot_model, write_study, write_view

DCIODVFY, DSRDUMP = "/usr/bin/dciodvfy", "/usr/bin/dsrdump"
RENDERING_INTENT, REQUIRED = "111056", "111150"
TOMOSYNTHESIS = "1.2.840.10008.5.1.4.1.1.13.1.3"
NEAR_PX = 10.0
"""2.5 mm: marks lie on cells of 1.6 mm."""
CAD_SR, REPORT, GSPS, SC = (
    "1.2.840.10008.5.1.4.1.1.88.50",
    "1.2.840.10008.5.1.4.1.1.88.33",
    "1.2.840.10008.5.1.4.1.1.11.1",
    "1.2.840.10008.5.1.4.1.1.7",
)


def analyze(place: Path, out: Path, model: Path, *more: str) -> tuple[int, dict[str, Any], str]:
    """`lantern analyze` with the model; its exit code, its summary and all that it said."""
    option = f"bundle={json.dumps(str(model))}"
    command = ("analyze", str(place), "--pipeline", "mammography", "--out", str(out), "--device", "cpu", "-o", option)
    done = n.here(*command, *more)
    return done.returncode, json.loads((out / "summary.json").read_text()), done.stdout + done.stderr


def marks_of(summary: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Role -> centre; one mark on each of them."""
    assert len({m["role"] for m in summary["marks"]}) == len(summary["marks"])
    return {m["role"]: tuple(m["center_px"]) for m in summary["marks"]}


def assert_planted(marks: dict[str, tuple[float, float]]) -> None:
    assert set(marks) == set(CENTERS)
    for role, center in CENTERS.items():
        assert np.hypot(*np.subtract(marks[role], center)) < NEAR_PX, (role, marks[role])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return spot_model(tmp_path_factory.mktemp("spot"))


@pytest.mark.real("orthanc")
@pytest.mark.real("dcmtk")
@pytest.mark.real("dicom3tools")
def test_studies_sent_by_dcmsend_come_back_as_cad_sr_report_presentation_states_and_pages(
    tmp_path: Path, orthanc: OrthancPeer, model: Path
) -> None:
    habits = (MgHabit.HOLOGIC, MgHabit.GE, MgHabit.FUJI)
    for habit in habits:
        syntax = Syntax.JPEG_2000 if habit is MgHabit.GE else Syntax.NATIVE
        write_study(tmp_path / "sent" / habit, habit=habit, study=habit.value, syntax=syntax)
    option = f'options = {{ bundle = "{model}" }}\nwhen = {{ Modality = "MG" }}'
    route = n.route(["pacs"], "mammography", more=option)
    with n.RunningNode(tmp_path / "node", n.destination("pacs", orthanc.ae_title, orthanc.dicom_port), route) as node:
        node.serve()
        begun = time.monotonic()
        assert n.dcmsend(node.port, tmp_path / "sent").returncode == 0
        jobs = node.ended(len(habits), within_s=400)
        print(f"{len(habits)} four-view studies, from dcmsend to the last result in the PACS: "
              f"{time.monotonic() - begun:.0f} s")  # fmt: skip
        assert [j.state for j in jobs] == [State.DELIVERED] * len(habits), node.log()
        assert "Traceback" not in node.log()
    files = [orthanc.file(uid) for uid in orthanc.instances()]
    by_study: dict[str, list[bytes]] = {}
    for file in files:
        ds = dcmread(BytesIO(file), stop_before_pixels=True)
        if ds.Modality != "MG":
            by_study.setdefault(ds.StudyInstanceUID, []).append(file)
    assert len(by_study) == len(habits)
    for number, (uid, objects) in enumerate(by_study.items()):
        headers = [dcmread(p, stop_before_pixels=True) for p in (tmp_path / "sent").rglob("*.dcm")]
        images = [ds for ds in headers if ds.StudyInstanceUID == uid]
        _check_objects(objects, images, tmp_path / f"objects{number}")


def _check_objects(objects: list[bytes], images: list[Dataset], folder: Path) -> None:
    folder.mkdir()
    classes = []
    roles = {ds.SOPInstanceUID: f"{ds.ImageLaterality}-{ds.ViewPosition}" for ds in images}
    for k, content in enumerate(objects):
        path = folder / f"{k}.dcm"
        path.write_bytes(content)
        ds = dcmread(path)
        classes.append(str(ds.SOPClassUID))
        said = run_tool(DCIODVFY, path)
        assert [line for line in (said.stdout + said.stderr).splitlines() if line.startswith("Error")] == []
        if ds.SOPClassUID in (CAD_SR, REPORT):
            assert "M1" in run_tool(DSRDUMP, "+Pl", path).stdout
        if ds.SOPClassUID == CAD_SR:
            assert check_mammography_cad(ds, images) == ()
            assert_planted(_centers(ds, roles))
        if ds.SOPClassUID == GSPS:
            named = ds.ReferencedSeriesSequence[0].ReferencedImageSequence[0].ReferencedSOPInstanceUID
            assert roles[named] in CENTERS
    assert {c: classes.count(c) for c in (CAD_SR, REPORT, GSPS)} == {CAD_SR: 1, REPORT: 1, GSPS: 2}
    assert classes.count(SC) >= 1


def _centers(cad: Dataset, roles: dict[str, str]) -> dict[str, tuple[float, float]]:
    """Of the Single Image Findings that have to be shown, by role."""
    library = cad.ContentSequence[1].ContentSequence
    found = {}

    def walk(item: Dataset) -> None:
        name = _name(item)
        if name == "111059" and _code_of(item, RENDERING_INTENT) == REQUIRED:
            (center,) = [i for i in item.ContentSequence if _name(i) == "111010"]
            at = center.ContentSequence[0].ReferencedContentItemIdentifier[-1]
            uid = library[at - 1].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
            found[roles[uid]] = (float(center.GraphicData[0]), float(center.GraphicData[1]))
        for below in item.get("ContentSequence") or []:
            walk(below)

    walk(cad)
    return found


def _code_of(item: Dataset, name: str) -> str:
    (value,) = [i.ConceptCodeSequence[0].CodeValue for i in item.ContentSequence if _name(i) == name]
    return str(value)


def _name(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeValue) if item.get("ConceptNameCodeSequence") else ""


def test_a_synthetic_view_in_the_class_of_tomosynthesis_gets_all_objects_too(tmp_path: Path, model: Path) -> None:
    write_view(tmp_path / "study" / "view.dcm", "L-CC", more={"SOPClassUID": TOMOSYNTHESIS, "NumberOfFrames": 1})
    code, summary, said = analyze(tmp_path / "study", tmp_path / "out", model)
    assert code == 0, said
    assert set(marks_of(summary)) == {"L-CC"}
    assert {"CADSR", "GSPS", "SC", "SR"} <= {o["part"] for o in summary["objects"]}


def test_a_study_on_disk_gives_all_objects_a_picture_and_a_summary_with_marks(tmp_path: Path, model: Path) -> None:
    write_study(tmp_path / "study", habit=MgHabit.SIEMENS)
    code, summary, said = analyze(tmp_path / "study", tmp_path / "out", model, "--picture")
    assert code == 0, said
    assert_planted(marks_of(summary))
    written = {p.name for p in (tmp_path / "out").iterdir()}
    assert {"CADSR.dcm", "SR.dcm", "GSPS_1.dcm", "GSPS_2.dcm", "SC_1.dcm", "summary.json", "picture.png"} <= written
    assert summary["model"]["name"] == "Spot of ours"
    assert [v["role"] for v in summary["images"]] == list(ROLES)
    assert {b["laterality"] for b in summary["breasts"]} == {"L", "R"}
    assert all(0 <= m["score"] <= 1 and len(m["outline_px"]) > 3 for m in summary["marks"])
    assert "M1" in said
    with Image.open(tmp_path / "out" / "picture.png") as shown:
        assert shown.size[0] > 500


def test_an_earlier_study_is_named_in_the_results(tmp_path: Path, model: Path) -> None:
    write_study(tmp_path / "now", date="20260501", study="now")
    write_study(tmp_path / "before", ("L-CC", "R-CC"), date="20240302", study="before")
    code, summary, said = analyze(tmp_path / "now", tmp_path / "out", model, "--prior", str(tmp_path / "before"))
    assert code == 0, said
    remarks = " ".join(summary["remarks"])
    assert "Earlier mammograms of 2024-03-02 are there: R-CC, L-CC. They were not compared" in remarks
    labels = {m["role"]: m["label"] for m in summary["marks"]}
    assert f"The same view of 2024-03-02 is there for {labels['L-CC']} on L-CC." in summary["remarks"]
    assert f"No such view of 2024-03-02 is there for {labels['L-MLO']} on L-MLO." in summary["remarks"]
    texts = " ".join(str(e.value) for e in dcmread(tmp_path / "out" / "CADSR.dcm").iterall() if e.VR == "UT")
    assert "2024-03-02" in texts


@pytest.mark.real("orthanc")
@pytest.mark.parametrize("retrieve", ["get", "move"])
def test_the_views_of_an_earlier_study_in_a_pacs_are_named_and_its_tomosynthesis_is_left_there(
    make_orthanc: Callable[..., OrthancPeer], tmp_path: Path, model: Path, retrieve: str
) -> None:
    """Beside the views lie our own Mammography CAD SR and more: none of it may hinder them from coming."""
    pacs = make_orthanc()
    before = write_study(tmp_path / "before", ("L-CC", "R-CC"), date="20240302", study="before")
    code, _, said = analyze(before, tmp_path / "ours", model)
    assert code == 0, said
    synthetic = {"SOPClassUID": TOMOSYNTHESIS, "NumberOfFrames": 1}
    write_view(before / "2D.dcm", "R-MLO", date="20240302", study="before", instance_number=3, more=synthetic)
    _tomosynthesis(before / "3D.dcm", "L-MLO", date="20240302", study="before", instance_number=4)
    ours = sorted((tmp_path / "ours").glob("*.dcm"))
    assert {CAD_SR, REPORT} <= {str(dcmread(p).SOPClassUID) for p in ours}
    pacs.upload(*sorted(before.iterdir()), *ours)
    where = f'host = "127.0.0.1"\nport = {pacs.dicom_port}\nretrieve = "{retrieve}"\n'
    peer = f'[[peer]]\nname = "pacs"\nae_title = "{pacs.ae_title}"\n{where}'
    asks = f'options = {{ bundle = "{model}" }}\nwhen = {{ Modality = "MG" }}\npriors_from = "pacs"'
    sends = n.destination("pacs", pacs.ae_title, pacs.dicom_port)
    with n.RunningNode(tmp_path / "node", peer, sends, n.route(["pacs"], "mammography", more=asks)).serve() as node:
        pacs.know("lantern", n.AE, "127.0.0.1", node.port)
        assert n.dcmsend(node.port, write_study(tmp_path / "now", date="20260501", study="now")).returncode == 0
        (job,) = node.ended(within_s=300)
        assert job.state is State.DELIVERED, node.log()
        ((_, cad),) = node.ledger.results(job_id=job.id, kind=Kind.CAD_SR)
        report = dcmread(node.folder / "data/archive" / cad.path)
        moved = [r.instance_count for r in node.ledger.receptions() if r.called_ae == PRIORS]
    texts = " ".join(str(e.value) for e in report.iterall() if e.VR == "UT")
    assert "Earlier mammograms of 2024-03-02 are there: R-CC, L-CC, R-MLO. They were not compared" in texts
    assert "could not be fetched" not in texts
    assert moved == ([3] if retrieve == "move" else [])


def test_an_earlier_study_of_another_woman_is_not_named_and_that_is_said(tmp_path: Path, model: Path) -> None:
    write_study(tmp_path / "now", ("L-CC",), date="20260501", study="now")
    write_study(tmp_path / "before", ("L-CC",), date="20240302", study="before", patient_id="ANOTHER")
    code, summary, said = analyze(tmp_path / "now", tmp_path / "out", model, "--prior", str(tmp_path / "before"))
    assert code == 0, said
    assert "2024" not in " ".join(summary["remarks"])
    assert "was not used: it is of another person (Patient ID" in said
    assert "ANOTHER" not in said


@pytest.mark.real("dicom3tools")
def test_a_film_scan_gives_the_same_marks_as_png_and_as_dicom(tmp_path: Path, model: Path) -> None:
    png = tmp_path / "scan.png"
    Image.fromarray((picture("L-MLO") >> 4).astype(np.uint8)).save(png)
    said_of_it = ("--side", "left", "--view", "MLO", "--spacing", "0.25")
    converted = n.here("convert", "film", str(png), *said_of_it, "--out", str(tmp_path / "dicom"))
    assert converted.returncode == 0, converted.stdout + converted.stderr
    (image,) = (tmp_path / "dicom").rglob("*.dcm")
    said = run_tool(DCIODVFY, image)
    assert [line for line in (said.stdout + said.stderr).splitlines() if line.startswith("Error")] == []
    code, by_dicom, words = analyze(tmp_path / "dicom", tmp_path / "a", model)
    assert code == 0, words
    code, directly, words = analyze(png, tmp_path / "b", model, *said_of_it)
    assert code == 0, words
    assert marks_of(directly) == marks_of(by_dicom)
    assert set(marks_of(directly)) == {"L-MLO"}
    assert np.hypot(*np.subtract(marks_of(directly)["L-MLO"], CENTERS["L-MLO"])) < NEAR_PX
    write_view(tmp_path / "digital" / "view.dcm", "L-MLO", habit=MgHabit.SIEMENS)
    code, digital, words = analyze(tmp_path / "digital", tmp_path / "c", model)
    assert code == 0, words
    assert np.hypot(*np.subtract(marks_of(digital)["L-MLO"], marks_of(directly)["L-MLO"])) < 2.0


def _blank(path: Path) -> None:
    write_view(path, "L-CC", picture=np.full(SIZE, 7, np.uint16))


def _cropped(path: Path) -> None:
    write_view(path, "L-CC", picture=np.ascontiguousarray(picture("L-CC")[250:550]))


def _inverted(path: Path) -> None:
    write_view(path, "L-CC", picture=(4095 - picture("L-CC")).astype(np.uint16), inverted=False, habit=MgHabit.SIEMENS)


def _wrong_side(path: Path) -> None:
    write_view(path, "L-CC", picture=np.ascontiguousarray(picture("L-CC")[:, ::-1]))


def _ultrasound(path: Path) -> None:
    write_view(path, "L-CC", more={"SOPClassUID": "1.2.840.10008.5.1.4.1.1.6.1", "Modality": "US"})


def _tomosynthesis(path: Path, role: str = "L-CC", **said: Any) -> None:
    write_view(path, role, more={"SOPClassUID": TOMOSYNTHESIS}, **said)
    ds = dcmread(path)
    ds.NumberOfFrames, ds.PixelData = 3, 3 * ds.PixelData
    ds.save_as(path)


def _tiny(path: Path) -> None:
    write_view(path, "L-CC", picture=np.ascontiguousarray(picture("L-CC")[::8, ::8]))


def _screenshot(path: Path) -> None:
    grey = (picture("L-CC") >> 4).astype(np.uint8)
    write_view(path, "L-CC", picture=grey, bits=8, more={"ConversionType": "WSD"})


UNSUITABLE = {
    "implant": (lambda p: write_view(p, "L-CC", implant=True), "implant"),
    "magnification": (
        lambda p: write_view(p, "L-CC", magnification=1.8, modifiers=(Modifier.MAGNIFICATION,)), "magnif",
    ),
    "blank": (_blank, "no breast|blank|same value|nothing"),
    "cropped": (_cropped, "cut off|part of"),
    "inverted": (_inverted, "inverted"),
    "wrong side": (_wrong_side, "side"),
    "ultrasound": (_ultrasound, "ultrasound"),
    "tomosynthesis": (_tomosynthesis, "tomosynthesis"),
    "tiny": (_tiny, "coarse|small|thumbnail|pixels"),
    "screenshot": (_screenshot, "8 bits|grey values|screen"),
}  # fmt: skip
"""What is wrong with an image, and words of which one must stand in the reason or in the notes."""


@pytest.mark.parametrize("name", UNSUITABLE)
def test_an_unsuitable_image_is_flagged_or_declined_with_the_right_reason(
    tmp_path: Path, model: Path, name: str
) -> None:
    write, words = UNSUITABLE[name]
    write(tmp_path / "study" / "image.dcm")
    code, summary, said = analyze(tmp_path / "study", tmp_path / "out", model)
    assert code in (0, 3), said
    if code == 3:
        heard = summary["reason"]
        assert summary["outcome"] == "declined"
    else:
        heard = " ".join([*(q["shortcoming"] + " " + q["words"] for q in summary["quality"]), *summary["remarks"]])
    print(f"{name}: {summary['outcome']}: {heard}")
    assert any(word in heard.lower() for word in words.split("|")), heard
