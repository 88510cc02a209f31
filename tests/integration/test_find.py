"""Asking a PACS how many images a study has."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid

from node.find import count_instances
from pipeline.core.errors import PeerUnreachable
from pipeline.core.route import Peer
from tests.support.hostile import scripted_scp, silent_peer
from tests.support.objects import write_sample
from tests.support.peers import OrthancPeer, free_port

STUDY = "1.2.826.0.1.3680043.8.498.1"


def at(port: int, ae_title: str = "ANY") -> Peer:
    return Peer("pacs", ae_title, "127.0.0.1", port)


def answer(**keys: object) -> Dataset:
    found = Dataset()
    found.StudyInstanceUID = STUDY
    for keyword, value in keys.items():
        setattr(found, keyword, value)
    return found


def test_orthanc_says_how_many_images_it_has_while_they_arrive(orthanc: OrthancPeer, tmp_path: Path) -> None:
    sample = write_sample(tmp_path, slices=4)
    peer = at(orthanc.dicom_port, orthanc.ae_title)
    assert count_instances(peer, sample.study_instance_uid, calling_ae="LANTERN") is None
    orthanc.upload(*sample.images)
    assert count_instances(peer, sample.study_instance_uid, calling_ae="LANTERN") == 4
    orthanc.upload(*sample.results)
    assert count_instances(peer, sample.study_instance_uid, calling_ae="LANTERN") == 6


def test_another_study_of_the_same_pacs_does_not_count(orthanc: OrthancPeer, tmp_path: Path) -> None:
    orthanc.upload(*write_sample(tmp_path).images)
    assert count_instances(at(orthanc.dicom_port), generate_uid(), calling_ae="LANTERN") is None


def test_a_pacs_without_study_counts_is_asked_for_its_series() -> None:
    def finds(query: Dataset) -> list[Dataset]:
        if query.QueryRetrieveLevel == "STUDY":
            return [answer()]
        assert query.StudyInstanceUID == STUDY
        return [answer(SeriesInstanceUID=f"1.2.{n}", NumberOfSeriesRelatedInstances=n) for n in (3, 4)]

    with scripted_scp(finds=finds) as (port, _):
        assert count_instances(at(port), STUDY, calling_ae="LANTERN") == 7


def test_a_pacs_without_any_counts_is_asked_for_its_images() -> None:
    def finds(query: Dataset) -> list[Dataset]:
        match query.QueryRetrieveLevel:
            case "STUDY":
                return [answer(NumberOfStudyRelatedInstances=None)]
            case "SERIES":
                return [answer(SeriesInstanceUID="1.2.1"), answer(SeriesInstanceUID="1.2.2")]
        return [answer(SeriesInstanceUID=query.SeriesInstanceUID, SOPInstanceUID=f"1.3.{n}") for n in range(5)]

    with scripted_scp(finds=finds) as (port, _):
        assert count_instances(at(port), STUDY, calling_ae="LANTERN") == 10


def test_answers_about_other_studies_are_not_believed() -> None:
    stranger = answer(NumberOfStudyRelatedInstances=99)
    stranger.StudyInstanceUID = generate_uid()
    with scripted_scp(finds=lambda _: [stranger]) as (port, _):
        assert count_instances(at(port), STUDY, calling_ae="LANTERN") is None
    with scripted_scp(finds=lambda _: [stranger, answer(NumberOfStudyRelatedInstances=5)]) as (port, _):
        assert count_instances(at(port), STUDY, calling_ae="LANTERN") == 5


@pytest.mark.parametrize("status", [0xA700, 0xA900, 0xC001, 0xFE00])
def test_a_failed_query_is_no_answer(status: int) -> None:
    def finds(_: Dataset) -> list[Dataset]:
        return [answer(NumberOfStudyRelatedInstances=5)]

    with scripted_scp(finds=finds, find_status=status) as (port, _), pytest.raises(PeerUnreachable):
        count_instances(at(port), STUDY, calling_ae="LANTERN")


def test_a_pacs_that_is_away_or_silent_or_cannot_be_asked_is_unreachable_in_time() -> None:
    begun = time.monotonic()
    with pytest.raises(PeerUnreachable):
        count_instances(at(free_port()), STUDY, calling_ae="LANTERN", timeout_s=1.0)
    with silent_peer() as port, pytest.raises(PeerUnreachable):
        count_instances(at(port), STUDY, calling_ae="LANTERN", timeout_s=1.0)
    with scripted_scp() as (port, _), pytest.raises(PeerUnreachable, match="does not offer C-FIND"):
        count_instances(at(port), STUDY, calling_ae="LANTERN", timeout_s=1.0)
    assert time.monotonic() - begun < 8.0


def test_a_pacs_that_never_ends_its_answers_is_unreachable_in_time() -> None:
    def finds(_: Dataset) -> list[Dataset]:
        time.sleep(5.0)
        return []

    begun = time.monotonic()
    with scripted_scp(finds=finds) as (port, _), pytest.raises(PeerUnreachable, match="in time"):
        count_instances(at(port), STUDY, calling_ae="LANTERN", timeout_s=1.0)
    assert time.monotonic() - begun < 8.0
