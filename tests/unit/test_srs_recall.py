"""What the recipe recalls of earlier studies, from headers alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from pipeline.contract import Earlier, Follower, Inputs
from pipeline.core.study import Study
from pipeline.core.uid import derive_uid
from pipeline.encode import Stamp, encode, to_bytes
from pipeline.imaging.header import scan
from pipeline.recipes.srs import PIPELINE
from tests.support.findings import STAMP, Grid, findings_on, spheres, with_rejected, write_classic

GRID = Grid((24, 44, 40), (6.0, 1.0, 1.0))


def study(folder: Path, name: str, date: str, *, results: int = 0, **more: Any) -> Study:
    """A study with one T1c; `results` times analysed, each time at another second."""
    uids = {"StudyInstanceUID": derive_uid(name), "SeriesInstanceUID": derive_uid(name, "t1c")}
    refs = write_classic(folder / "t1c", GRID, StudyDate=date, **uids, **more)
    for path in sorted((folder / "t1c").iterdir()):
        ds = dcmread(path)
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = derive_uid(name, path.name)
        ds.save_as(path)
    refs = tuple(replace(ref, sop_instance_uid=derive_uid(name, ref.path.name)) for ref in refs)
    for k in range(results):
        drawn = findings_on(refs, GRID, spheres(GRID, ((12, 20, 20), 9.0)))
        drawn = with_rejected(drawn, GRID, spheres(GRID, ((12, 8, 30), 7.0)), drawn=True)
        stamp = Stamp(f"{name} {k}", STAMP.made_at.replace(second=10 * k), "0.1.0")
        for encoded in encode(drawn, stamp):
            (folder / f"{encoded.name}_{k}.dcm").write_bytes(to_bytes(encoded.dataset))
    (found,) = scan(folder)
    return found


def selected(now: Study) -> Inputs:
    inputs = PIPELINE.select(now, {})
    assert isinstance(inputs, Inputs)
    return inputs


def recalled(now: Study, *priors: Study) -> Inputs:
    assert isinstance(PIPELINE, Follower)
    return PIPELINE.recall(selected(now), Earlier(None, priors))


def test_the_t1c_of_the_newest_usable_study_and_our_newest_segmentation_on_it(tmp_path: Path) -> None:
    now = study(tmp_path / "now", "now", "20260301")
    newest = study(tmp_path / "b", "b", "20260201", results=2)
    oldest = study(tmp_path / "a", "a", "20260101", results=1)
    found = recalled(now, newest, oldest)
    assert found["t1c"] == selected(now)["t1c"]
    assert found["prior_t1c"].series_instance_uid == derive_uid("b", "t1c")
    seg = found["prior_seg"].first
    assert (seg.modality, seg.get("ContentLabel")) == ("SEG", "LANTERN_SEG")
    assert seg.path.name == "SEG_1.dcm"
    assert found.why.keys() == {"t1c", "prior_t1c", "prior_seg"}


def test_without_our_segmentation_the_images_alone_are_recalled(tmp_path: Path) -> None:
    now, prior = study(tmp_path / "now", "now", "20260301"), study(tmp_path / "a", "a", "20260101")
    assert recalled(now, prior).series.keys() == {"t1c", "prior_t1c"}


def test_a_segmentation_that_somebody_changed_is_not_ours(tmp_path: Path) -> None:
    now = study(tmp_path / "now", "now", "20260301")
    study(tmp_path / "a", "a", "20260101", results=1)
    ds = dcmread(tmp_path / "a" / "SEG_0.dcm")
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    ds.save_as(tmp_path / "a" / "SEG_0.dcm")
    (prior,) = scan(tmp_path / "a")
    assert "prior_seg" not in recalled(now, prior).series


def test_a_segmentation_of_other_images_of_that_study_is_left_alone(tmp_path: Path) -> None:
    now = study(tmp_path / "now", "now", "20260301")
    study(tmp_path / "a", "a", "20260101", results=1)
    for path in (tmp_path / "a" / "t1c").iterdir():
        ds = dcmread(path)
        ds.SeriesInstanceUID = "1.2.3.5"
        ds.save_as(path)
    (prior,) = scan(tmp_path / "a")
    assert recalled(now, prior).series.keys() == {"t1c", "prior_t1c"}


@pytest.mark.parametrize(
    ("why", "more"),
    [
        ("another patient", {"PatientID": "SOMEBODY ELSE"}),
        ("later", {"StudyDate": "20260401"}),
        ("of the same day", {"StudyDate": "20260301"}),
        ("of another birth date under the same Patient ID", {"PatientBirthDate": "19010203"}),
        ("without contrast", {"SeriesDescription": "t2_tse", "ScanningSequence": "SE", "EchoTime": 100}),
    ],
)
def test_what_cannot_be_compared_is_passed_over(tmp_path: Path, why: str, more: dict[str, Any]) -> None:
    now = study(tmp_path / "now", "now", "20260301")
    useless = study(tmp_path / "b", "b", **({"date": "20260201"} | _dated(more)))
    usable = study(tmp_path / "a", "a", "20260101")
    assert recalled(now, useless) == selected(now), why
    assert recalled(now, useless, usable)["prior_t1c"].series_instance_uid == derive_uid("a", "t1c")


def test_two_studies_without_a_patient_id_are_not_of_one_patient(tmp_path: Path) -> None:
    now = study(tmp_path / "now", "now", "20260301", PatientID="")
    assert recalled(now, study(tmp_path / "a", "a", "20260101", PatientID="")) == selected(now)


def _dated(more: dict[str, Any]) -> dict[str, Any]:
    return {("date" if k == "StudyDate" else k): v for k, v in more.items()}


def test_the_study_itself_and_no_study_are_no_earlier_ones(tmp_path: Path) -> None:
    now = study(tmp_path / "now", "now", "20260301")
    assert recalled(now) == selected(now)
    assert recalled(now, now, Study("1.2", ())) == selected(now)
