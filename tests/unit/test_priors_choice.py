"""Which of a PACS's answers count as an earlier study of the head, and which of its series are worth the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom import Dataset

from node.clean import Retention, clean
from node.priors import PriorStudy
from node.recall import FOLDER, folder_for
from node.retrieve import Fetched, Library, Tick
from pipeline.core.errors import PeerUnreachable
from pipeline.core.route import Peer
from pipeline.core.study import Instance, Study
from pipeline.imaging.header import scan
from tests.support.blobs import write_blobs
from tests.support.desk import Node, route
from tests.support.hostile import scripted_scp
from tests.support.mr import edit

Named = tuple[str, str]  # SeriesDescription, BodyPartExamined


class Pacs:
    """Answers C-FIND about studies by date: their series' descriptions and body parts."""

    def __init__(self, **studies: Sequence[Named]) -> None:
        self.studies = studies
        self.time = ""

    def finds(self, query: Dataset) -> list[Dataset]:
        if query.QueryRetrieveLevel == "STUDY":
            return [_match(f"1.2.{d.strip('_')}", StudyDate=d.strip("_"), StudyTime=self.time) for d in self.studies]
        uid = str(query.StudyInstanceUID)
        named = next(n for d, n in self.studies.items() if uid == f"1.2.{d.strip('_')}")
        return [
            _match(uid, SeriesInstanceUID=f"{uid}.{n}", Modality="MR", SeriesDescription=said, BodyPartExamined=part,
                   NumberOfSeriesRelatedInstances=20)
            for n, (said, part) in enumerate(named)
        ]  # fmt: skip


def _match(study: str, **keys: object) -> Dataset:
    found = Dataset()
    found.PatientID, found.StudyInstanceUID = "P1", study
    for keyword, value in keys.items():
        setattr(found, keyword, value)
    return found


class Noting:
    """Notes what it is to fetch, and brings nothing; from the study `breaks_at` on it is away."""

    def __init__(self, breaks_at: int = 99) -> None:
        self.asked: list[PriorStudy] = []
        self.breaks_at = breaks_at

    def fetch(self, peer: Peer, study: PriorStudy, folder: Path, tick: Tick) -> Mapping[str, tuple[Instance, ...]]:
        self.asked.append(study)
        if len(self.asked) > self.breaks_at:
            raise PeerUnreachable("gone")
        return {s.series_instance_uid: () for s in study.series}


def now(folder: Path, date: str = "20250601") -> Study:
    edit(write_blobs(folder / "now", 1, study="now", date="20250601"), PatientID="P1", StudyDate=date, StudyTime="0900")
    (study,) = scan(folder / "now")
    return study


@contextmanager
def asked_of(pacs: Pacs, study: Study, folder: Path, most: int = 1) -> Iterator[tuple[Noting, Fetched]]:
    noting = Noting()
    with scripted_scp(finds=pacs.finds) as (port, _):
        library = Library(Peer("pacs", "ANY", "127.0.0.1", port), noting, "LANTERN")
        yield noting, library.priors(study, most, folder / "fetched", lambda: None)


HEAD: Sequence[Named] = [("t1 mprage sag gd", "BRAIN")]


def test_a_study_of_the_same_day_takes_no_place_of_an_earlier_one(tmp_path: Path) -> None:
    for time in ("", "0800", "0900"):
        pacs = Pacs(_20250601=HEAD, _20250301=HEAD)
        pacs.time = time
        with asked_of(pacs, now(tmp_path), tmp_path / f"t{time}") as (noting, _):
            assert [s.date for s in noting.asked] == ["20250301"]


def test_a_study_without_a_date_is_compared_with_none_and_that_is_said(tmp_path: Path) -> None:
    with asked_of(Pacs(_20300101=HEAD, _20250301=HEAD), now(tmp_path, date=""), tmp_path) as (noting, got):
        assert noting.asked == []
        assert got.remarks == ("Not compared with earlier studies: the images name no Study Date.",)


@pytest.mark.parametrize("spine", [("t1 tse sag post", "LSPINE"), ("t1 sag L-spine gd", "")])
def test_a_newer_study_of_the_spine_takes_no_place_of_one_of_the_head(tmp_path: Path, spine: Named) -> None:
    with asked_of(Pacs(_20250501=[spine], _20250301=HEAD), now(tmp_path), tmp_path) as (noting, _):
        assert [s.date for s in noting.asked] == ["20250301"]


def test_series_that_say_what_else_they_are_stay_in_the_pacs_when_there_are_others(tmp_path: Path) -> None:
    named = [("t1 mprage gd", ""), ("t2 flair", ""), ("ep2d diff", ""), ("ADC", ""), ("", ""), ("localizer", "")]
    with asked_of(Pacs(_20250301=named), now(tmp_path), tmp_path) as (noting, _):
        assert [s.series_instance_uid for s in noting.asked[0].series] == ["1.2.20250301.0", "1.2.20250301.4"]


def test_series_with_misleading_names_are_fetched_when_there_are_no_others(tmp_path: Path) -> None:
    named = [("t2 flair", ""), ("ep2d diff", ""), ("localizer", "")]
    with asked_of(Pacs(_20250301=named), now(tmp_path), tmp_path) as (noting, _):
        assert [s.series_instance_uid for s in noting.asked[0].series] == ["1.2.20250301.0", "1.2.20250301.1"]


def test_a_study_that_came_is_kept_when_the_next_one_does_not(tmp_path: Path) -> None:
    edit(write_blobs(tmp_path / "before", 2, study="before", date="20250401"), PatientID="P1", StudyDate="20250401")
    (before,) = scan(tmp_path / "before")

    class Once(Noting):
        def fetch(self, peer: Peer, study: PriorStudy, folder: Path, tick: Tick) -> Mapping[str, tuple[Instance, ...]]:
            super().fetch(peer, study, folder, tick)
            return {s.series_instance_uid: before.instances for s in study.series}

    with scripted_scp(finds=Pacs(_20250401=HEAD, _20250301=HEAD).finds) as (port, _):
        library = Library(Peer("pacs", "ANY", "127.0.0.1", port), Once(breaks_at=1), "LANTERN")
        got = library.priors(now(tmp_path), 2, tmp_path / "fetched", lambda: None)
    assert [s.study_instance_uid for s in got.studies] == [before.study_instance_uid]
    assert got.remarks == ("Earlier studies could not be fetched from 'pacs': 1 of 2.",)


def test_what_a_container_that_is_no_more_left_is_cleaned_away_and_a_held_folder_is_not(tmp_path: Path) -> None:
    node = Node(tmp_path / "node", (route(),))
    left = node.archive.root / FOLDER / "work%40gone%2F4026531836%3A7%3A12345~abc"
    left.mkdir(parents=True)
    node.receive(write_blobs(tmp_path / "series"))
    node.quiet()
    assert node.ledger.claim("w1", node.clock())
    with folder_for(node.archive, "w1") as held:
        clean(node.ledger, node.archive, Retention(None, None, None), node.clock)
        assert list((node.archive.root / FOLDER).iterdir()) == [held]
