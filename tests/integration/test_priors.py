"""Earlier studies of a patient: asked for, fetched by C-GET, handed over; and a PACS that does none of it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

from node import retrieve_get, retrieve_move
from node.association import CONNECT_TIMEOUT_S, GRACE_S
from node.priors import PriorSeries, PriorStudy
from node.retrieve import Fetched, Library
from node.retrieve_get import CGet
from node.wiring import LEASE_S
from pipeline.core.errors import PeerUnreachable
from pipeline.core.route import Peer
from pipeline.core.study import Study
from pipeline.imaging.header import scan
from tests.support.blobs import write_blobs
from tests.support.hostile import scripted_scp, silent_peer
from tests.support.mr import edit
from tests.support.objects import write_sample
from tests.support.peers import STORESCU, Daemon, OrthancPeer, free_port, require

DCMQRSCP = "/usr/bin/dcmqrscp"


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


@pytest.mark.real("orthanc")
def test_our_own_objects_come_along_and_those_of_others_do_not(orthanc: OrthancPeer, tmp_path: Path) -> None:
    """A foreign SEG and SR with the images: only the images come; ours: see test_priors_worker.py."""
    sample = write_sample(tmp_path / "sample", slices=9)
    orthanc.upload(*sample.images, *sample.results)
    now = written(tmp_path, "20250601", PatientID="T1", PatientBirthDate="", PatientSex="")
    (study,) = fetched(library(orthanc.dicom_port), now, tmp_path).studies
    assert {s.modality for s in study.series} == {"MR"}
    assert len(study.instances) == 9


@pytest.mark.real("orthanc")
def test_localizers_and_series_of_a_few_images_stay_in_the_pacs(orthanc: OrthancPeer, tmp_path: Path) -> None:
    now, before = written(tmp_path, "20250601"), written(tmp_path, "20250101")
    orthanc.upload(*paths(before))
    for name, changes, kept in (
        ("few", {}, 5),
        ("scout", {"SeriesDescription": "3-plane localizer"}, 8),
        ("single", {}, 1),
    ):
        files = write_blobs(tmp_path / name, 7, study="20250101", date="20250101")
        person = {"PatientID": "P1", "PatientBirthDate": "19600101", "PatientSex": "F"}
        edit(files, **person, StudyInstanceUID=before.study_instance_uid, SeriesInstanceUID=generate_uid(), **changes)
        for file in files:
            edit(file, SOPInstanceUID=generate_uid())
        orthanc.upload(*files[:kept])
    (study,) = fetched(library(orthanc.dicom_port), now, tmp_path).studies
    assert sorted(len(s.instances) for s in study.series) == [1, 8]


@pytest.mark.parametrize("differs", [{"PatientBirthDate": "19700101"}, {"PatientSex": "M"}, {"IssuerOfPatientID": "B"}])
@pytest.mark.real("orthanc")
def test_another_person_under_the_same_number_is_left_out(
    orthanc: OrthancPeer, tmp_path: Path, differs: dict[str, str]
) -> None:
    now = written(tmp_path, "20250601", IssuerOfPatientID="A")
    orthanc.upload(*paths(written(tmp_path, "20250101", **differs)))
    assert fetched(library(orthanc.dicom_port), now, tmp_path) == Fetched()


def matches(study: Study, **more: str) -> Callable[[Dataset], list[Dataset]]:
    """Answers to C-FIND about one study with one series, whatever is asked."""

    def finds(query: Dataset) -> list[Dataset]:
        found = Dataset()
        found.PatientID, found.StudyInstanceUID, found.StudyDate = "P1", study.study_instance_uid, "20250101"
        if query.QueryRetrieveLevel == "SERIES":
            found.SeriesInstanceUID, found.Modality = study.series[0].series_instance_uid, "MR"
            found.NumberOfSeriesRelatedInstances = len(study.instances)
        for keyword, value in more.items():
            setattr(found, keyword, value)
        return [found]

    return finds


NOT_ASKED = ("Not compared with earlier studies: the system 'pacs' could not be asked for them.",)
NOT_WHOLE = ("Of earlier studies 1 series could not be fetched whole and were left out.",)


def test_a_person_whose_images_alone_tell_that_it_is_another_is_left_out(tmp_path: Path) -> None:
    now, before = written(tmp_path, "20250601"), written(tmp_path, "20250101", PatientBirthDate="19700101")
    with scripted_scp(finds=matches(before), gives=lambda _: paths(before)) as (port, _):
        assert fetched(library(port), now, tmp_path).studies == ()


def test_answers_about_other_patients_and_later_studies_are_not_believed(tmp_path: Path) -> None:
    now, before = written(tmp_path, "20250601"), written(tmp_path, "20250101")
    for wrong in ({"PatientID": "P2"}, {"StudyDate": "20250602"}, {"StudyInstanceUID": now.study_instance_uid}):
        with scripted_scp(finds=matches(before, **wrong), gives=lambda _: paths(before)) as (port, _):
            assert fetched(library(port), now, tmp_path) == Fetched()


def test_a_scripted_pacs_that_behaves_is_understood(tmp_path: Path) -> None:
    now, before = written(tmp_path, "20250601"), written(tmp_path, "20250101")
    with scripted_scp(finds=matches(before), gives=lambda _: paths(before)) as (port, _):
        got = fetched(library(port), now, tmp_path)
    assert [len(s.instances) for s in got.studies] == [8]
    assert got.remarks == ()


def test_a_series_of_which_images_are_missing_is_not_used_and_that_is_said(tmp_path: Path) -> None:
    now, before = written(tmp_path, "20250601"), written(tmp_path, "20250101")
    with scripted_scp(finds=matches(before), gives=lambda _: paths(before)[:5]) as (port, _):
        assert fetched(library(port), now, tmp_path) == Fetched((), NOT_WHOLE)


def test_images_that_were_not_asked_for_are_refused(tmp_path: Path) -> None:
    now, before = written(tmp_path, "20250601"), written(tmp_path, "20250101")
    stranger = written(tmp_path, "20240101")
    with scripted_scp(finds=matches(before), gives=lambda _: paths(stranger)) as (port, _):
        assert fetched(library(port), now, tmp_path) == Fetched((), NOT_WHOLE)
    assert not [p for p in (tmp_path / "fetched").rglob("*") if p.is_file()]


@pytest.mark.parametrize("then", ["abort", 6.0])
def test_a_pacs_that_breaks_off_or_falls_silent_in_the_middle_costs_seconds(tmp_path: Path, then: str | float) -> None:
    now, before = written(tmp_path, "20250601"), written(tmp_path, "20250101")
    begun = time.monotonic()
    with scripted_scp(finds=matches(before), gives=lambda _: [*paths(before)[:3], then]) as (port, _):
        assert fetched(library(port, silence_s=1.0), now, tmp_path) == Fetched((), NOT_ASKED)
        assert time.monotonic() - begun < 6.0


def test_a_pacs_that_drips_is_given_up_when_its_time_is_over(tmp_path: Path) -> None:
    now, before = written(tmp_path, "20250601"), written(tmp_path, "20250101")
    slow = [step for path in paths(before) for step in (path, 0.5)]
    with scripted_scp(finds=matches(before), gives=lambda _: slow) as (port, _):
        got = fetched(library(port, silence_s=5.0, longest_s=1.0), now, tmp_path)
    assert got == Fetched((), NOT_ASKED)


def test_a_pacs_that_is_away_silent_or_without_c_get_is_said_in_a_remark(tmp_path: Path) -> None:
    now, before = written(tmp_path, "20250601"), written(tmp_path, "20250101")
    assert fetched(library(free_port()), now, tmp_path) == Fetched((), NOT_ASKED)
    with scripted_scp() as (port, _):
        assert fetched(library(port), now, tmp_path) == Fetched((), NOT_ASKED)
    with scripted_scp(finds=matches(before)) as (port, _):
        assert fetched(library(port), now, tmp_path) == Fetched((), NOT_ASKED)
        with pytest.raises(PeerUnreachable, match="does not offer C-GET") as refused:
            study = PriorStudy("1.2", "", "", (PriorSeries("1.2.3", "MR", 8),))
            library(port).retriever.fetch(library(port).peer, study, tmp_path, lambda: None)
        assert "move" in refused.value.hint


def test_a_pacs_that_says_nothing_at_all_is_given_up(tmp_path: Path) -> None:
    now = written(tmp_path, "20250601")
    begun = time.monotonic()
    with silent_peer() as port:
        assert fetched(library(port), now, tmp_path) == Fetched((), NOT_ASKED)
    assert time.monotonic() - begun < 30.0


def test_a_job_is_held_through_the_silences_of_a_pacs(tmp_path: Path) -> None:
    """After the last image a PACS may be silent before it says that it was; then the release takes its time."""
    now, before = written(tmp_path, "20250601"), written(tmp_path, "20250101")
    ticks: list[float] = []
    with scripted_scp(finds=matches(before), gives=lambda _: [*paths(before), 1.0]) as (port, _):
        where = library(port)
        series = PriorSeries(before.series[0].series_instance_uid, "MR", 8)
        study = PriorStudy(before.study_instance_uid, "", "", (series,))
        came = where.retriever.fetch(where.peer, study, tmp_path, lambda: ticks.append(time.monotonic()))
        assert [len(i) for i in came.values()] == [8]
        assert ticks[-1] - ticks[-2] > 0.9
        begun, ticks[:] = time.monotonic(), []
        (tmp_path / "whole").mkdir()
        assert len(where.priors(now, 1, tmp_path / "whole", lambda: ticks.append(time.monotonic())).studies) == 1
    assert ticks[0] >= begun
    assert len(ticks) == 1 + 1 + 1 + 8 + 1 + 1  # the study's series, the association, C-GET, images, its end, the end


@pytest.mark.parametrize("silence_s", [retrieve_get.SILENCE_S, retrieve_move.SILENCE_S])
def test_the_longest_silence_with_an_association_is_shorter_than_a_jobs_lease(silence_s: float) -> None:
    assert CONNECT_TIMEOUT_S + silence_s + GRACE_S < LEASE_S


def test_whoever_ends_the_job_ends_the_retrieval_at_once(tmp_path: Path) -> None:
    now, before = written(tmp_path, "20250601"), written(tmp_path, "20250101")

    class Taken(Exception): ...

    ticks = 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1
        if ticks == 5:
            raise Taken

    slow = [step for path in paths(before) for step in (path, 0.2)]
    with scripted_scp(finds=matches(before), gives=lambda _: slow) as (port, _), pytest.raises(Taken):
        library(port, silence_s=20.0).priors(now, 1, tmp_path, tick)


def test_images_without_a_patient_id_ask_nobody(tmp_path: Path) -> None:
    got = fetched(library(free_port()), written(tmp_path, "20250601", PatientID=""), tmp_path)
    assert got.remarks == ("Not compared with earlier studies: the images name no Patient ID.",)


@pytest.mark.real("dcmtk")
def test_dcmtks_archive_gives_earlier_studies_too(tmp_path: Path) -> None:
    """Another Query/Retrieve SCP than Orthanc: dcmqrscp, with images in its own database."""
    now, before = written(tmp_path, "20250601"), written(tmp_path, "20250101")
    port, store = free_port(), tmp_path / "store"
    store.mkdir()
    config = tmp_path / "dcmqrscp.cfg"
    config.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 4\n"
        "HostTable BEGIN\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nANY {store} RW (9, 1024mb) ANY\nAETable END\n"
    )
    archive = Daemon([require(DCMQRSCP), "-c", config], port, tmp_path / "dcmqrscp.log")
    archive.start()
    try:
        subprocess.run([require(STORESCU), "-aec", "ANY", "127.0.0.1", str(port), *paths(before)], check=True)
        got = fetched(library(port), now, tmp_path)
    finally:
        archive.stop()
    assert [len(s.instances) for s in got.studies] == [8]
    assert got.remarks == ()
