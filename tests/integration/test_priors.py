"""Earlier studies of a patient: asked for, fetched by C-GET, handed over; and a PACS that does none of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import dcmread

from node.retrieve import Fetched, Library
from node.retrieve_get import CGet
from pipeline.core.route import Peer
from pipeline.core.study import Study
from pipeline.imaging.header import scan
from tests.support.blobs import write_blobs
from tests.support.mr import edit
from tests.support.peers import OrthancPeer


def library(port: int, *, silence_s: float = 2.0, longest_s: float = 30.0) -> Library:
    get = CGet("LANTERN", None, lambda: None, silence_s=silence_s, longest_s=longest_s)
    return Library(Peer("pacs", "ANY", "127.0.0.1", port, retrieve="get"), get, "LANTERN")


def written(folder: Path, date: str, **more: str) -> Study:
    """A study of that day: eight images of one patient."""
    paths = write_blobs(folder / date, int(date), study=date, date=date)
    edit(paths, **({"PatientID": "P1", "PatientBirthDate": "19600101", "PatientSex": "F"} | more))
    (study,) = scan(folder / date)
    return study


def fetched(where: Library, now: Study, folder: Path, most: int = 1) -> Fetched:
    place = folder / "fetched"
    place.mkdir(exist_ok=True)
    return where.priors(now, most, place, lambda: None)


def paths(study: Study) -> list[Path]:
    return [i.path for i in study.instances]


@pytest.mark.real("orthanc")
def test_orthanc_gives_the_newest_earlier_studies_of_the_patient_as_they_are(
    orthanc: OrthancPeer, tmp_path: Path
) -> None:
    now, later = written(tmp_path, "20250601"), written(tmp_path, "20250901")
    before = [written(tmp_path, date) for date in ("20240101", "20250301", "20250101")]
    for study in (*before, now, later, written(tmp_path, "20250501", PatientID="P2")):
        orthanc.upload(*paths(study))
    got = fetched(library(orthanc.dicom_port), now, tmp_path, most=2)
    assert got.remarks == ()
    assert [s.study_instance_uid for s in got.studies] == [before[1].study_instance_uid, before[2].study_instance_uid]
    for came, had in zip(got.studies[0].instances, before[1].instances, strict=True):
        assert came.sop_instance_uid == had.sop_instance_uid
        assert dcmread(came.path).PixelData == dcmread(had.path).PixelData
