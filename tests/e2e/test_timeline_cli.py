"""`lantern timeline` on folders and on what a node keeps, and `lantern analyze --prior`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

from node.timeline import as_data, reports_in, timelines
from pipeline.core.uid import derive_uid
from pipeline.encode import Part, Stamp, encode, to_bytes
from pipeline.imaging.header import scan
from tests.support import node as n
from tests.support.blobs import write_blobs
from tests.support.bright import NAME
from tests.support.findings import STAMP, Grid, findings_on, spheres, write_classic
from tests.support.followed import PRIOR, with_follow_up
from tests.support.mr import edit
from tests.support.peers import eventually, free_port

GRID = Grid((24, 80, 80))
PLACES = ((8, 20, 20), (14, 55, 55))


def report(
    folder: Path, date: str, *diameters: float, patient: str = "P1", again: str = "", supersedes: str = ""
) -> None:
    """Write a report with one ball for each diameter."""
    refs = write_classic(
        folder / "images", GRID, StudyInstanceUID=derive_uid(patient, date), StudyDate=date, PatientID=patient
    )
    found = findings_on(refs, GRID, spheres(GRID, *zip(PLACES, diameters, strict=False)))
    known = [replace(x, tracking_uid=derive_uid(patient, "lesion", str(x.number))) for x in found.lesions]
    old = dcmread(supersedes) if supersedes else None
    replaced = ((str(old.SOPClassUID), str(old.SOPInstanceUID), str(old.SeriesInstanceUID)),) if old else ()
    stamp = Stamp(f"{patient} {date} {again}", STAMP.made_at, "0.1.0", replaced)
    made = {e.part: e.dataset for e in encode(replace(found, lesions=tuple(known)), stamp)}
    (folder / f"SR_{patient}_{date}{again}.dcm").write_bytes(to_bytes(made[Part.SR]))


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """P1 on three dates: a lesion that shrinks and grows again, and one that comes at the third."""
    folder = tmp_path / "results"
    folder.mkdir()
    for date, diameters in (("20260101", (20.0,)), ("20260301", (12.0,)), ("20260501", (18.0, 8.0))):
        (folder / date).mkdir()
        report(folder / date, date, *diameters)
    (folder / "notes.txt").write_text("no DICOM")
    return folder


def test_a_folder_gives_a_row_for_each_lesion_and_words_for_each_date(reports: Path, tmp_path: Path) -> None:
    picture = tmp_path / "timeline.png"
    done = n.here("timeline", str(reports), "--json", "--picture", str(picture))
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)
    assert (told["schema"], told["patient_id"]) == ("lantern.timeline/1", "P1")
    assert [d["date"] for d in told["dates"]] == ["20260101", "20260301", "20260501"]
    assert [d["response"] for d in told["dates"]] == [None, "PR", "PD"]
    assert told["dates"][2]["nadir_percent"] > 20
    first, second = told["lesions"]
    assert first["target"]
    assert not second["target"]
    assert second["sizes"][:2] == [None, None]
    assert first["sizes"][0]["volume_ml"] == pytest.approx(4.19, rel=0.05)
    pixels = np.asarray(Image.open(picture).convert("RGB"))
    assert (pixels.max(axis=-1) < 8).mean() > 0.8  # black, with lines on it
    assert (pixels.max(axis=-1) > 150).sum() > 500
    shown = n.here("timeline", str(reports))
    assert shown.returncode == 0
    assert "PD: progressive disease" in shown.stdout
    assert "no assessment" in shown.stdout


def test_superseded_reports_and_those_of_others_are_left_out(reports: Path) -> None:
    old = reports / "20260301" / "SR_P1_20260301.dcm"
    (reports / "new").mkdir()
    report(reports / "new", "20260301", 19.0, again=" corrected", supersedes=str(old))
    foreign = dcmread(old)
    foreign.SOPInstanceUID = foreign.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    foreign.save_as(reports / "foreign.dcm")
    (told,) = json.loads(n.here("timeline", str(reports), "--json").stdout)
    assert [d["response"] for d in told["dates"]] == [None, "SD", "PD"]
    assert told["remarks"] == []


def followed_report(folder: Path) -> dict[str, float]:
    """A report that was compared with a date of which nothing else is here; the volumes that it tells of that date."""
    refs = write_classic(folder / "images", GRID, StudyDate="20261120", PatientID="P1", PatientBirthDate="")
    found = with_follow_up(findings_on(refs, GRID, spheres(GRID, *zip(PLACES, (20.0, 12.0), strict=True))))
    made = {e.part: e.dataset for e in encode(found, STAMP)}
    (folder / "SR.dcm").write_bytes(to_bytes(made[Part.SR]))
    follow_up = found.follow_up
    assert follow_up is not None
    sizes = {c.tracking_uid: c.then for c in (*follow_up.changes, *follow_up.gone) if c.then}
    merged = {b.tracking_uid: b.size for c in follow_up.changes for b in c.merged_from}
    return {uid: round(size.volume_mm3 / 1000, 4) for uid, size in (sizes | merged).items()}


def test_a_date_of_which_no_report_is_here_is_shown_as_the_later_report_tells_of_it(tmp_path: Path) -> None:
    volumes = followed_report(tmp_path)
    assert len(volumes) == 3  # one that is still there, one that went up in it, one that is gone
    (told,) = json.loads(n.here("timeline", str(tmp_path), "--json").stdout)
    assert [(d["date"], d["reported"]) for d in told["dates"]] == [("20260801", False), ("20261120", True)]
    before = {x["tracking_uid"]: x["sizes"][0]["volume_ml"] for x in told["lesions"] if x["sizes"][0]}
    assert before == pytest.approx(volumes, abs=2e-4)
    assert told["dates"][1]["response"]
    assert any("Of 20260801 no report is here" in remark for remark in told["remarks"])


def test_a_date_that_has_a_report_is_not_taken_from_a_later_one(tmp_path: Path) -> None:
    followed_report(tmp_path)
    (tmp_path / "before").mkdir()
    report(tmp_path / "before", "20260801", 10.0)
    path = tmp_path / "before" / "SR_P1_20260801.dcm"
    ds = dcmread(path)
    ds.StudyInstanceUID = PRIOR
    ds.save_as(path)
    told = [d for t in timelines(reports_in(tmp_path)) for d in as_data(t)["dates"]]
    assert ("20260801", True, 1) in [(d["date"], d["reported"], d["lesions"]) for d in told]
    assert all(d["reported"] for d in told)


def test_patients_are_not_mixed_and_one_can_be_chosen(reports: Path, tmp_path: Path) -> None:
    (reports / "other").mkdir()
    report(reports / "other", "20260201", 10.0, patient="P2")
    told = json.loads(n.here("timeline", str(reports), "--json").stdout)
    assert [(t["patient_id"], len(t["dates"])) for t in told] == [("P1", 3), ("P2", 1)]
    refused = n.here("timeline", str(reports), "--picture", str(tmp_path / "p.png"))
    assert refused.returncode == 1
    assert "--patient" in refused.stderr
    one = n.here("timeline", str(reports), "--patient", "P2", "--picture", str(tmp_path / "p.png"), "--json")
    assert [t["patient_id"] for t in json.loads(one.stdout)] == ["P2"]


def test_reports_without_a_patient_id_and_two_persons_under_one_are_kept_apart(reports: Path) -> None:
    (reports / "other").mkdir()
    for date in ("20260201", "20260202"):
        report(reports / "other", date, 10.0, patient="P2")
        path = reports / "other" / f"SR_P2_{date}.dcm"
        ds = dcmread(path)
        ds.PatientID = ""
        ds.save_as(path)
    path = reports / "20260501" / "SR_P1_20260501.dcm"
    ds = dcmread(path)
    ds.PatientBirthDate = "19010203"
    ds.save_as(path)
    told = timelines(reports_in(reports))
    assert sorted((t.patient_id, len(t.dates)) for t in told) == [("", 1), ("", 1), ("P1", 1), ("P1", 2)]


def test_a_folder_without_reports_ends_with_1_and_says_what_to_give(tmp_path: Path) -> None:
    done = n.here("timeline", str(tmp_path))
    assert done.returncode == 1
    assert "SR" in done.stderr


def test_a_patient_id_is_looked_up_among_the_results_that_a_node_keeps(tmp_path: Path) -> None:
    write_blobs(tmp_path / "series")
    (patient,) = {str(dcmread(p).PatientID) for p in (tmp_path / "series").iterdir()}
    tables = [n.destination("pacs", "PACS", free_port()), n.route(["pacs"], NAME)]
    with n.RunningNode(tmp_path / "node", *tables).serve() as node:
        assert n.dcmsend(node.port, tmp_path / "series").returncode == 0
        eventually(lambda: json.loads(node.run("results", "1", "--json").stdout), within_s=60)
        (told,) = json.loads(node.run("timeline", patient, "--json").stdout)
        assert told["patient_id"] == patient
        assert [len(d["study_instance_uid"]) > 0 for d in told["dates"]] == [True]
        assert len(told["lesions"]) == 2
        nobody = node.run("timeline", "NOBODY")
        assert nobody.returncode == 1
        assert "Patient ID" in nobody.stderr
        assert patient not in node.log()


def test_analyze_with_a_prior_of_a_pipeline_that_carries_nothing_on_says_so(tmp_path: Path) -> None:
    write_blobs(tmp_path / "now")
    write_blobs(tmp_path / "before")
    out = tmp_path / "out"
    done = n.lantern(
        "analyze", str(tmp_path / "now"), "--pipeline", NAME, "--out", str(out), "--prior", str(tmp_path / "before")
    )
    assert done.returncode == 0, done.stderr
    assert "earlier study" in done.stderr
    assert json.loads((out / "summary.json").read_text())["follow_up"] is None
    (tmp_path / "empty").mkdir()
    done = n.lantern(
        "analyze", str(tmp_path / "now"), "--pipeline", NAME, "--out", str(out), "--prior", str(tmp_path / "empty")
    )
    assert done.returncode == 1
    assert "earlier study" in done.stderr


def test_analyze_says_which_prior_is_of_another_person_and_tells_nothing_of_her(tmp_path: Path) -> None:
    edit(write_blobs(tmp_path / "now", study="now", date="20250601"), PatientID="P1-OURS", PatientBirthDate="19600101")
    folder = tmp_path / "priors"
    before = {
        "20240101": {"PatientID": "P2-OTHER", "PatientBirthDate": "19700101"},
        "20250701": {"PatientID": "P1-OURS"},
        "20250101": {"PatientID": "P1-OURS"},
    }
    for date, person in before.items():
        edit(write_blobs(folder / date, study=date, date=date), **person)
    done = n.lantern(
        "analyze", str(tmp_path / "now"), "--pipeline", NAME, "--out", str(tmp_path / "out"), "--prior", str(folder),
        "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    uids = {s.series[0].get("StudyDate"): s.study_instance_uid for s in scan(folder)}
    why = {
        "20240101": "it is of another person (Patient ID, birth date)",
        "20250701": "it is not of an earlier day",
        "20250101": "nothing in it can be compared with this study",
    }
    for date, words in why.items():
        assert f"the earlier study {uids[date]} was not used: {words}." in done.stderr
    assert not any(word in done.stderr for word in ("P1-OURS", "P2-OTHER", "19600101", "19700101"))
    json.loads(done.stdout)
