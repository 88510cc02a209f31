"""Earlier mammograms: which a PACS is asked for, which count, and what the results say of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread

from node.priors import WANTED, PriorStudy
from node.retrieve import Library, Tick
from pipeline.contract import Earlier, Inputs
from pipeline.core.route import Peer
from pipeline.core.study import Instance, Series, Study
from pipeline.imaging.header import scan
from pipeline.imaging.mammogram.study import select_views
from pipeline.recipes.mammography.priors import recall, said_of_priors
from tests.support.breasts import drawn
from tests.support.hostile import scripted_scp
from tests.support.mammograms import mark


def study(folder: Path, date: str, roles: tuple[str, ...] = ("R-MLO", "L-MLO"), **changed: Any) -> Study:
    from pipeline.core.breast import Laterality
    from pipeline.datasets.mg_writer import MgAcquisition, write_mammogram

    for number, role in enumerate(roles, 1):
        side, view = role.split("-")[:2]
        path = folder / date / f"{role}.dcm"
        acquisition = MgAcquisition(
            laterality=Laterality(side), view=view, spacing_mm=(0.25, 0.25), patient_id="P1", study=f"study {date}",
            instance_number=number,
        )  # fmt: skip
        write_mammogram(drawn(view), path, acquisition)
        ds = dcmread(path)
        ds.StudyDate = ds.AcquisitionDate = ds.ContentDate = date
        ds.PatientBirthDate = "19600514"
        for keyword, value in changed.items():
            setattr(ds, keyword, value)
        ds.save_as(path)
    (found,) = scan(folder / date)
    return found


def recalled(now: Study, *priors: Study) -> Inputs:
    views = select_views(now).views
    inputs = Inputs({r: Series(v.instance.series_instance_uid, (v.instance,)) for r, v in views.items()})
    return recall(inputs, views, Earlier(None, priors))


def test_the_newest_earlier_study_of_the_woman_is_named_with_its_views(tmp_path: Path) -> None:
    now = study(tmp_path, "20260501", ("R-MLO", "R-CC", "L-MLO"))
    older, newer = study(tmp_path, "20220301"), study(tmp_path, "20240302")
    inputs = recalled(now, newer, older)
    assert {r for r in inputs.series if r.startswith("prior")} == {"prior R-MLO", "prior L-MLO"}
    said = said_of_priors(inputs, (mark(1, "R-MLO"), mark(2, "R-CC")))
    assert said[0].startswith("Earlier mammograms of 2024-03-02 are there: L-MLO, R-MLO. They were not compared")
    assert said[1:] == (
        "The same view of 2024-03-02 is there for M1 on R-MLO.",
        "No such view of 2024-03-02 is there for M2 on R-CC.",
    )
    assert "1960" not in " ".join(said)


def test_a_lateral_oblique_of_before_is_the_like_of_a_medio_lateral_oblique_of_now(tmp_path: Path) -> None:
    inputs = recalled(study(tmp_path, "20260501", ("R-MLO",)), study(tmp_path, "20240302", ("R-LMO",)))
    assert "prior R-MLO" in inputs.series


@pytest.mark.parametrize(
    ("date", "roles", "changed"),
    [
        ("20260501", ("R-MLO",), {"StudyInstanceUID": "1.2.3"}),
        ("20270101", ("R-MLO",), {}),
        ("20240302", ("R-MLO",), {"PatientID": "P2"}),
        ("20240302", ("R-MLO",), {"PatientBirthDate": "19700101"}),
        ("20240302", ("R-CC", "L-CC"), {}),
    ],
    ids=["same day", "later", "another woman", "another birth date", "other views"],
)
def test_what_is_no_earlier_view_of_her_is_not_named(
    tmp_path: Path, date: str, roles: tuple[str, ...], changed: dict[str, Any]
) -> None:
    now, before = study(tmp_path / "now", "20260501", ("R-MLO",)), study(tmp_path / "then", date, roles, **changed)
    inputs = recalled(now, before)
    assert set(inputs.series) == {"R-MLO"}
    assert said_of_priors(inputs, (mark(1, "R-MLO"),)) == ()


class Noting:
    """Notes what it is to fetch, and brings the images of one study."""

    def __init__(self, there: Study) -> None:
        self.asked: list[PriorStudy] = []
        self.there = there

    def fetch(self, peer: Peer, study: PriorStudy, folder: Path, tick: Tick) -> Mapping[str, tuple[Instance, ...]]:
        self.asked.append(study)
        return {s.series_instance_uid: self.there.instances for s in study.series}


def test_a_pacs_is_asked_for_mammograms_and_nothing_else_of_the_study_is_fetched(tmp_path: Path) -> None:
    before, queries = study(tmp_path, "20240302"), []

    def finds(query: Dataset) -> list[Dataset]:
        queries.append(query)
        if query.QueryRetrieveLevel == "STUDY":
            return [_answer(StudyDate="20240302", ModalitiesInStudy="MG\\US\\SR")]
        kinds = (("MG", 4), ("MG", 1), ("US", 30), ("SR", 1), ("MR", 200))
        return [
            _answer(SeriesInstanceUID=f"2.25.{n}", Modality=m, NumberOfSeriesRelatedInstances=count)
            for n, (m, count) in enumerate(kinds)
        ]

    noting = Noting(before)
    with scripted_scp(finds=finds) as (port, _):
        library = Library(Peer("pacs", "ANY", "127.0.0.1", port), noting, "LANTERN")
        now = study(tmp_path, "20260501")
        got = library.priors(now, 1, tmp_path / "fetched", lambda: None, WANTED["MG"])
    assert queries[0].ModalitiesInStudy == "MG"
    assert [(s.series_instance_uid, s.modality) for s in noting.asked[0].series] == [("2.25.0", "MG"), ("2.25.1", "MG")]
    assert [s.study_instance_uid for s in got.studies] == [before.study_instance_uid]
    assert got.remarks == ()


@pytest.mark.parametrize("at_images", ["nothing told", "refused"])
def test_a_pacs_that_tells_nothing_of_single_images_gives_views_and_keeps_series_of_slices(
    tmp_path: Path, at_images: str
) -> None:
    before = study(tmp_path, "20240302")

    def finds(query: Dataset) -> list[Dataset]:
        if query.QueryRetrieveLevel == "STUDY":
            return [_answer(StudyDate="20240302", ModalitiesInStudy="MG")]
        if query.QueryRetrieveLevel == "IMAGE":
            if at_images == "refused":
                raise NotImplementedError
            return [_answer(SOPInstanceUID=f"1.2.{k}") for k in range(4)]
        counts = (4, 60, 1)
        return [
            _answer(SeriesInstanceUID=f"2.25.{n}", Modality="MG", NumberOfSeriesRelatedInstances=count)
            for n, count in enumerate(counts)
        ]

    noting = Noting(before)
    with scripted_scp(finds=finds) as (port, _):
        library = Library(Peer("pacs", "ANY", "127.0.0.1", port), noting, "LANTERN")
        got = library.priors(study(tmp_path, "20260501"), 1, tmp_path / "fetched", lambda: None, WANTED["MG"])
    assert [(s.series_instance_uid, s.only) for s in noting.asked[0].series] == [("2.25.0", ()), ("2.25.2", ())]
    assert got.remarks == ()


def _answer(**keys: object) -> Dataset:
    found = Dataset()
    found.PatientID, found.StudyInstanceUID = "P1", "1.2.840.1"
    for keyword, value in keys.items():
        setattr(found, keyword, value)
    return found
