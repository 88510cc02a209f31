"""Results of ours that an editor changed and sent back under the UID that we gave them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ImplicitVRLittleEndian

from node.clean import Retention, clean
from node.receive import Acceptor, AcceptorOptions
from pipeline.core.result import Result
from pipeline.core.route import Op, Test
from pipeline.core.uid import is_ours
from pipeline.encode import encode, to_bytes
from pipeline.recipes.srs.corrections import edited_in
from tests.support.desk import Node, route
from tests.support.edited import edited
from tests.support.findings import STAMP, Grid, findings_on, spheres, write_classic
from tests.support.peers import dcmsend

GRID = Grid((12, 40, 36), (2.0, 1.0, 1.0))
MR = Test("Modality", Op.EQUALS, "MR")
IN_PLACE = ("SOPInstanceUID", "SeriesInstanceUID")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """Its route has done the images of a study; RTSTRUCT.dcm and SEG.dcm of the results lie beside it."""
    node = Node(tmp_path / "node", (route(pipeline="srs", when=MR),))
    frames = write_classic(tmp_path / "images", GRID, ContrastBolusAgent="Gd")
    found = findings_on(frames, GRID, spheres(GRID, ((5, 12, 12), 9.0), ((8, 28, 24), 7.0)))
    node.receive(sorted((tmp_path / "images").iterdir()))
    node.quiet()
    job = node.ledger.claim("w1", node.clock() + timedelta(seconds=60))
    assert job is not None
    results = []
    for e in encode(found, STAMP):
        (tmp_path / f"{e.name}.dcm").write_bytes(to_bytes(e.dataset))
        stored, ds = node.archive.put(to_bytes(e.dataset)), e.dataset
        uids = (str(ds.SOPInstanceUID), str(ds.SOPClassUID), str(ds.SeriesInstanceUID))
        results.append(Result(*uids, e.kind, stored.path, stored.sha256, str(ds.file_meta.TransferSyntaxUID)))
    assert node.ledger.produced(job.id, "w1", results)
    node.quiet()
    yield node


def send(node: Node, ds: Dataset, folder: Path) -> None:
    """With dcmsend, to an acceptor of the node; then a person waits."""
    options = AcceptorOptions(("LANTERN",), "127.0.0.1", 0, allow_any_calling_ae=True)
    acceptor = Acceptor(options, node.archive, node.ledger)
    acceptor.start()
    try:
        ds.save_as(folder / "sent.dcm", enforce_file_format=True)
        said = dcmsend("127.0.0.1", acceptor.port, folder / "sent.dcm")
        assert said.returncode == 0, said.stdout + said.stderr
    finally:
        acceptor.stop(2.0)
    node.quiet(3)


def overwritten(path: Path, **changes: object) -> Dataset:
    """The structure set as an editor leaves it that keeps UIDs and dates."""
    ours = dcmread(path)
    ds = edited(ours, **changes)  # type: ignore[arg-type]
    for keyword in (*IN_PLACE, "StructureSetDate", "StructureSetTime"):
        setattr(ds, keyword, ours[keyword].value)
    ds.file_meta.MediaStorageSOPInstanceUID = ours.SOPInstanceUID
    return ds


@pytest.mark.real("dcmtk")
@pytest.mark.parametrize("changes", [{"move": ("BM01", (2.0, 0, 0))}, {"delete": "BM02"}, {"rename": ("BM01", "left")}])
def test_contours_changed_under_our_uid_are_a_correction(
    node: Node, tmp_path: Path, changes: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "node.receive"):
        send(node, overwritten(tmp_path / "RTSTRUCT.dcm", **changes), tmp_path)
    first, second = node.jobs()
    assert second.supersedes == first.id
    assert "new SOP Instance UID" in caplog.text
    assert node.ledger.conflicts() == []
    chosen = node.worker()._inputs(second).series["contours"].first  # type: ignore[union-attr]
    assert not is_ours(chosen.sop_instance_uid, chosen.series_instance_uid)
    kept = dcmread(chosen.path)
    assert kept.file_meta.MediaStorageSOPInstanceUID == kept.SOPInstanceUID == chosen.sop_instance_uid
    before = kept.OriginalAttributesSequence[0].ModifiedAttributesSequence[0].SOPInstanceUID
    assert before == dcmread(tmp_path / "RTSTRUCT.dcm").SOPInstanceUID


@pytest.mark.real("dcmtk")
def test_the_same_overwritten_contours_are_one_job_and_further_changes_another(node: Node, tmp_path: Path) -> None:
    once = overwritten(tmp_path / "RTSTRUCT.dcm", move=("BM01", (2.0, 0, 0)))
    again = overwritten(tmp_path / "RTSTRUCT.dcm", delete="BM02")
    for ds, jobs in ((once, 2), (once, 2), (again, 3)):
        send(node, ds, tmp_path)
        assert len(node.jobs()) == jobs
    assert node.ledger.conflicts() == []


@pytest.mark.real("dcmtk")
def test_a_segmentation_painted_over_under_our_uid_is_a_correction(node: Node, tmp_path: Path) -> None:
    ds = dcmread(tmp_path / "SEG.dcm")
    ds.PixelData = bytes([ds.PixelData[0] ^ 1, *ds.PixelData[1:]])
    send(node, ds, tmp_path)
    assert len(node.jobs()) == 2


@pytest.mark.real("dcmtk")
@pytest.mark.parametrize("name", ["RTSTRUCT", "SEG", "SR"])
def test_what_a_pacs_rewrites_is_no_change(node: Node, tmp_path: Path, name: str) -> None:
    ds = dcmread(tmp_path / f"{name}.dcm")
    ds.RetrieveAETitle, ds.InstitutionName, ds.StationName = "PACS", "General", "ARCHIVE"
    ds.private_block(0x0099, "A PACS", create=True).add_new(1, "LO", "filed")
    if name == "RTSTRUCT":
        ds.ROIContourSequence[0].ROIDisplayColor = [1, 2, 3]
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    send(node, ds, tmp_path)
    assert len(node.jobs()) == 1
    assert node.ledger.conflicts() == []


@pytest.mark.real("dcmtk")
def test_what_cannot_be_compared_any_more_is_kept_aside_and_told_and_forgotten_in_time(
    node: Node, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    node.ledger.cancel(node.jobs()[0].id, "test")
    node.clock.advance(10)
    for path in node.ledger.forget_results(node.clock()):
        node.archive.remove(path)
    with caplog.at_level(logging.WARNING, "node.receive"):
        send(node, overwritten(tmp_path / "RTSTRUCT.dcm", move=("BM01", (2.0, 0, 0))), tmp_path)
    assert len(node.jobs()) == 1
    (conflict,) = node.ledger.conflicts()
    assert "new SOP Instance UID" in caplog.text
    node.clock.advance(86400 * 30)
    clean(node.ledger, node.archive, Retention(timedelta(days=7), timedelta(days=7), None), node.clock)
    assert node.ledger.conflicts() == []
    assert not node.archive.absolute(conflict.path).exists()


@pytest.mark.real("dcmtk")
def test_what_is_kept_aside_of_a_study_that_is_gone_is_forgotten_too(node: Node, tmp_path: Path) -> None:
    node.ledger.cancel(node.jobs()[0].id, "test")
    node.clock.advance(86400 * 30)
    week = Retention(timedelta(days=7), timedelta(days=7), timedelta(days=7))
    clean(node.ledger, node.archive, week, node.clock)
    assert node.ledger.receptions() == []
    send(node, overwritten(tmp_path / "RTSTRUCT.dcm", move=("BM01", (2.0, 0, 0))), tmp_path)
    (conflict,) = node.ledger.conflicts()
    clean(node.ledger, node.archive, week, node.clock)
    assert node.archive.absolute(conflict.path).exists()
    node.clock.advance(86400 * 8)
    clean(node.ledger, node.archive, week, node.clock)
    assert node.ledger.conflicts() == []
    assert not node.archive.absolute(conflict.path).exists()


@pytest.mark.real("dcmtk")
def test_a_drawing_of_another_node_under_its_own_uid_is_told(
    tmp_path: Path, node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    other = Node(tmp_path / "other", (route(pipeline="srs", when=MR),))
    with caplog.at_level(logging.WARNING, "node.receive"):
        send(other, overwritten(tmp_path / "RTSTRUCT.dcm", move=("BM01", (2.0, 0, 0))), tmp_path)
    assert "another node" in caplog.text
    (study,) = [other.intake._read(r) for r in other.ledger.receptions()]
    assert study is not None
    assert edited_in(study) is None
