"""Contours that come back to the node: looked at soon, whatever the route says of late images, and never in a loop."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from pipeline.contract import Inputs
from pipeline.core.job import Outcome, State
from pipeline.core.route import LateImages, Op, Test
from pipeline.encode import encode, to_bytes
from tests.support.desk import Node, route
from tests.support.edited import edited
from tests.support.findings import STAMP, Grid, findings_on, spheres, write_classic

GRID = Grid((12, 40, 36), (2.0, 1.0, 1.0))
STUDY_QUIET_S = 61


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    """A T1c series; RTSTRUCT.dcm of ours lies beside it."""
    frames = write_classic(tmp_path / "images", GRID, ContrastBolusAgent="Gd")
    found = findings_on(frames, GRID, spheres(GRID, ((5, 12, 12), 9.0), ((8, 28, 24), 7.0)))
    for e in encode(found, STAMP):
        (tmp_path / f"{e.name}.dcm").write_bytes(to_bytes(e.dataset))
    return sorted((tmp_path / "images").iterdir())


def saved(ds: Dataset, path: Path) -> Path:
    ds.save_as(path)
    return path


def node_with(folder: Path, **changes: object) -> Node:
    mr = Test("Modality", Op.EQUALS, "MR")
    return Node(folder / "node", (route(pipeline="srs", when=mr, **changes),))


@pytest.mark.parametrize("policy", list(LateImages))
def test_corrections_are_looked_at_after_seconds_whatever_the_policy(
    tmp_path: Path, images: list[Path], policy: LateImages
) -> None:
    node = node_with(tmp_path, late_images=policy)
    study = node.receive(images)
    node.quiet()
    node.quiet(STUDY_QUIET_S)
    back = saved(edited(dcmread(tmp_path / "RTSTRUCT.dcm")), tmp_path / "edited.dcm")
    node.receive([back])
    node.quiet(1)
    assert len(node.jobs()) == 1
    node.quiet(2)
    first, second = node.jobs()
    assert second.supersedes == first.id
    assert dcmread(back).SeriesInstanceUID in second.work.series_instance_uids
    assert node.ledger.decisions(study, "LANTERN")[-1].outcome is Outcome.RUN


def test_the_same_correction_sent_twice_is_one_job_and_a_second_one_supersedes(
    tmp_path: Path, images: list[Path]
) -> None:
    node = node_with(tmp_path)
    node.receive(images)
    node.quiet()
    node.quiet(STUDY_QUIET_S)
    once = saved(edited(dcmread(tmp_path / "RTSTRUCT.dcm")), tmp_path / "once.dcm")
    again = edited(dcmread(tmp_path / "RTSTRUCT.dcm"), delete="BM01")
    again.StructureSetTime = "235959"
    for files in ([once], [once], [saved(again, tmp_path / "again.dcm")]):
        node.receive(files)
        node.quiet(3)
    assert [j.supersedes for j in node.jobs()] == [None, node.jobs()[0].id, node.jobs()[1].id]
    assert node.states()[0] is State.CANCELLED


def test_of_two_corrections_with_equal_dates_the_one_that_came_last_counts(tmp_path: Path, images: list[Path]) -> None:
    node = node_with(tmp_path)
    node.receive(images)
    node.quiet()
    node.quiet(STUDY_QUIET_S)
    ours = dcmread(tmp_path / "RTSTRUCT.dcm")
    for number, uid in enumerate(("1.2.9", "1.2.1", "1.2.5")):
        ds = edited(ours, move=("BM01", (number + 1.0, 0, 0)))
        ds.StructureSetDate, ds.StructureSetTime = ours.StructureSetDate, ours.StructureSetTime
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = uid
        node.receive([saved(ds, tmp_path / f"{uid}.dcm")])
        node.quiet(3)
        last = node.jobs()[-1]
        chosen = node.worker()._inputs(last)
        assert isinstance(chosen, Inputs)
        assert (len(node.jobs()), chosen["contours"].first.sop_instance_uid) == (number + 2, uid)


def test_a_late_image_waits_for_the_quiet_period_also_when_contours_came(tmp_path: Path, images: list[Path]) -> None:
    node = node_with(tmp_path)
    node.receive(images[:-1])
    node.quiet()
    node.receive(images[-1:])
    node.receive([saved(edited(dcmread(tmp_path / "RTSTRUCT.dcm")), tmp_path / "edited.dcm")])
    node.quiet(5)
    assert len(node.jobs()) == 1
    node.quiet(STUDY_QUIET_S)
    assert len(node.jobs()) == 2


def test_our_own_objects_that_were_copied_back_are_no_correction(tmp_path: Path, images: list[Path]) -> None:
    node = node_with(tmp_path)
    node.receive(images)
    node.quiet()
    node.quiet(STUDY_QUIET_S)
    node.receive([tmp_path / "RTSTRUCT.dcm", tmp_path / "SEG.dcm", tmp_path / "SR.dcm"])
    node.quiet(STUDY_QUIET_S)
    assert len(node.jobs()) == 1


def test_contours_on_images_that_are_gone_say_which_to_send_again(tmp_path: Path, images: list[Path]) -> None:
    node = node_with(tmp_path)
    study = node.receive([saved(edited(dcmread(tmp_path / "RTSTRUCT.dcm")), tmp_path / "edited.dcm")])
    node.quiet(STUDY_QUIET_S)
    said = node.ledger.decisions(study, "LANTERN")[-1]
    assert said.outcome is Outcome.NO_MATCH
    assert dcmread(images[0]).SeriesInstanceUID in said.reason
    assert "send" in said.reason
