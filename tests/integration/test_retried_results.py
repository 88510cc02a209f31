"""`lantern jobs retry --compute`: what an archive already has is named as replaced, and its admin is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from node.sent import ALL, LABELMAP, RTSTRUCT, SEG, SR_3D, Sent
from pipeline.core.job import State
from pipeline.core.profile import Profile
from tests.support.peers import StoreScp
from tests.support.profiled import options
from tests.support.shop import Shop

pytestmark = pytest.mark.real("dcmtk")
Make = Callable[..., StoreScp]


def _told_to_take(shop: Shop, *refused: Sent, name: str = "pacs") -> None:
    """As if the destination had said so."""
    to, now = shop.destinations[name], shop.node.clock()
    pairs = frozenset((s.sop_class_uid, x) for s in ALL if s not in refused for x in s.syntaxes)
    shop.node.ledger.keep_profile(name, Profile(to.endpoint, now, now, pairs))


def _again(shop: Shop) -> None:
    """The job fails for a reason that concerns no result of interest, and the admin has it computed."""
    (job,) = shop.node.jobs()
    assert job.state is State.FAILED, job
    shop.node.ledger.retry(job.id, "admin", compute=True)
    shop.work()
    shop.deliver()


def _reports(scp: StoreScp) -> dict[str, Dataset]:
    return {str(ds.SOPInstanceUID): ds for ds in map(dcmread, scp.files()) if ds.Modality == "SR"}


def _named(report: Dataset) -> set[str]:
    """SOP Instance UIDs of the predecessors."""
    return {
        str(o.ReferencedSOPInstanceUID)
        for study in report.get("PredecessorDocumentsSequence") or []
        for series in study.ReferencedSeriesSequence
        for o in series.ReferencedSOPSequence
    }


def _shop(tmp_path: Path, make_storescp: Make, *refused: Sent) -> Shop:
    """A job whose SEG was refused, although its profile had promised to take it; all else was accepted."""
    shop = Shop(tmp_path, {"pacs": make_storescp(*options(tmp_path, *refused))})
    shop.receive()
    _told_to_take(shop)
    shop.work()
    shop.deliver()
    return shop


def test_a_report_in_another_form_supersedes_the_one_that_was_accepted_and_the_admin_is_told_what_is_left(
    tmp_path: Path, make_storescp: Make
) -> None:
    shop = _shop(tmp_path, make_storescp, SEG, LABELMAP)
    scp = shop.peers["pacs"]
    first = {str(ds.SOPInstanceUID): ds for ds in map(dcmread, scp.files())}
    (old,) = _reports(scp)
    assert _named(first[old]) == set()
    _told_to_take(shop, SEG, LABELMAP)
    _again(shop)
    assert shop.node.states() == [State.DELIVERED]
    (new,) = [r for uid, r in _reports(scp).items() if uid != old]
    assert _named(new) == {old}
    assert "rev 2" in new.SeriesDescription
    (job,) = shop.node.jobs()
    note = shop.node.ledger.notes(job.id)["pacs"]
    assert all(f"{ds.Modality} in series {ds.SeriesInstanceUID}" in note for ds in first.values()), note
    assert "delete it there" in note


def test_a_segmentation_that_was_accepted_is_named_by_the_one_that_comes_after_it(
    tmp_path: Path, make_storescp: Make
) -> None:
    shop = _shop(tmp_path, make_storescp, SR_3D)
    scp = shop.peers["pacs"]
    (old,) = [ds for ds in map(dcmread, scp.files()) if ds.Modality == "SEG"]
    _told_to_take(shop, SR_3D, SEG)  # label maps and reports on images from now on
    _again(shop)
    (new,) = [
        ds for ds in map(dcmread, scp.files()) if ds.Modality == "SEG" and ds.SOPInstanceUID != old.SOPInstanceUID
    ]
    assert [s.SeriesInstanceUID for s in new.RelatedSeriesSequence] == [old.SeriesInstanceUID]
    (report,) = _reports(scp).values()
    assert _named(report) == set()  # the first never got there


def test_the_same_attempt_once_more_makes_the_same_objects_and_another_form_names_all_before_it(
    tmp_path: Path, make_storescp: Make
) -> None:
    # One archive lets the job fail each time, the other takes everything that it gets.
    peers = {"pacs": make_storescp(*options(tmp_path)), "strict": make_storescp(*options(tmp_path, RTSTRUCT))}
    shop = Shop(tmp_path, peers)
    shop.receive()
    _told_to_take(shop, name="strict")
    shop.work()
    shop.deliver()
    (first,) = _reports(peers["pacs"])
    made = []
    for _ in range(2):
        _told_to_take(shop, SEG, LABELMAP)
        _told_to_take(shop, name="strict")
        _again(shop)
        (job,) = shop.node.jobs()
        made.append([r.sop_instance_uid for _, r in shop.node.ledger.results(job_id=job.id)])
    assert made[0] == made[1]
    reports = _reports(peers["pacs"])
    (second,) = reports.keys() - {first}
    assert _named(reports[second]) == {first}
    assert len(_reports(peers["strict"])) == 1  # it gets what it has once more, under the same UIDs
    _told_to_take(shop, SEG, LABELMAP, SR_3D)
    _told_to_take(shop, name="strict")
    _again(shop)
    reports = _reports(peers["pacs"])
    (third,) = reports.keys() - {first, second}
    assert _named(reports[third]) == {first, second}
    assert list(shop.node.ledger.notes(job.id)) == ["pacs"]
