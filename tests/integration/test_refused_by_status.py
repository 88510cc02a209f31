"""An archive that negotiates a kind of object and then refuses it by status: learnt once, told, and gone around."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread

from node.profiles import FRESH_FOR, REFUSED_FOR
from node.sent import KO, RTSTRUCT, SC, SEG, SR_3D
from pipeline.core.clock import utc_now
from pipeline.core.job import State
from pipeline.core.result import DeliveryState
from tests.support.refusing import RefusingScp
from tests.support.shop import Shop

NOT_SUPPORTED = 0x0122
WHY = "pacs takes no Segmentation (1.2.840.10008.5.1.4.1.1.66.4: negotiated, but refused with 0x0122 on "


@pytest.fixture
def scp(tmp_path: Path) -> Iterator[RefusingScp]:
    with RefusingScp(tmp_path / "kept", {SEG: NOT_SUPPORTED}) as peer:
        yield peer


def _refused(tmp_path: Path, scp: RefusingScp) -> Shop:
    """A job whose segmentation was offered, and answered by a status."""
    shop = Shop(tmp_path, {"pacs": scp})
    shop.node.clock.advance((utc_now() - shop.node.clock()).total_seconds())  # the command line has the real time
    shop.receive()
    shop.work()
    shop.deliver()
    return shop


def _computed(shop: Shop) -> str:
    """`lantern jobs retry --compute`, to its end; the note beside the job."""
    (job,) = shop.node.jobs()
    assert shop.lantern("jobs", "retry", str(job.id), "--compute")[0] == 0
    shop.work()
    shop.deliver()
    return shop.node.ledger.notes(job.id).get("pacs", "")


def test_the_admin_reads_what_the_status_means_and_what_to_do(tmp_path: Path, scp: RefusingScp) -> None:
    shop = _refused(tmp_path, scp)
    (job,) = shop.node.jobs()
    assert job.state is State.FAILED
    assert "1 of 4 objects parked; SEG to pacs: 0x0122 Refused: SOP Class Not Supported" in job.reason
    assert f"`lantern jobs retry {job.id} --compute`" in job.reason
    shown = json.loads(shop.lantern("destinations", "show", "pacs", "--json")[1])
    assert shown["lost"][0].startswith(WHY)
    assert {k["name"]: k["taken"] for k in shown["kinds"] if k["kind"] == "SEG"} == {
        "Segmentation": "refused",
        "Label Map Segmentation": "yes",
    }
    assert not [k for k in shown["kinds"] if k["kind"] == "SEG" and k["gets"]]
    assert json.loads(shop.lantern("destinations", "list", "--json")[1])[0]["takes"] == "not everything: see `show`"
    looked = {f["what"]: f for f in json.loads(shop.lantern("doctor", "--json")[1])}["what pacs takes"]
    assert looked["state"] == "warn"
    assert WHY in looked["found"]


def test_computed_again_it_gets_structures_pages_and_a_report_that_refer_to_no_segmentation(
    tmp_path: Path, scp: RefusingScp
) -> None:
    shop = _refused(tmp_path, scp)
    before = set(scp.files())
    assert WHY in _computed(shop)
    assert shop.node.states() == [State.DELIVERED]
    new = [dcmread(f, force=True) for f in scp.files() if f not in before]
    assert {ds.SOPClassUID for ds in new} >= {SC.sop_class_uid, SR_3D.sop_class_uid}
    (job,) = shop.node.jobs()
    meant = {r.sop_class_uid for _, r in shop.node.ledger.results(job_id=job.id, destination="pacs")}
    assert meant == {k.sop_class_uid for k in (RTSTRUCT, SR_3D, KO, SC)}
    assert scp.asked.count(SEG.sop_class_uid) == 1
    named = {str(e.value) for ds in new for e in ds.iterall() if e.keyword == "ReferencedSOPClassUID"}
    assert SEG.sop_class_uid not in named


def test_what_it_says_at_negotiation_does_not_undo_it_but_a_person_does_and_is_told(
    tmp_path: Path, scp: RefusingScp
) -> None:
    shop = _refused(tmp_path, scp)
    shop.node.clock.advance(FRESH_FOR.total_seconds() + 1)
    shop.deliver()  # the profile is old: it is asked, and says that it takes everything
    to = shop.destinations["pacs"]
    known = shop.profiles.of(to)
    assert known is not None
    assert [r.sop_class_uid for r in known.refused] == [SEG.sop_class_uid]
    assert known.probed_at == shop.node.clock()
    probed = json.loads(shop.lantern("destinations", "probe", "--json")[1])[0]
    assert (probed["offered_again"], probed["takes"]) == ("Segmentation", "everything")
    again = json.loads(shop.lantern("destinations", "probe", "--json")[1])[0]
    assert again["offered_again"] == ""
    scp.refuses = {}
    assert _computed(shop) == ""
    assert shop.received("pacs")["SEG"].SOPClassUID == SEG.sop_class_uid


def test_a_refusal_grows_old_and_is_forgotten_with_the_address(tmp_path: Path, scp: RefusingScp) -> None:
    shop = _refused(tmp_path, scp)
    to = shop.destinations["pacs"]
    shop.node.clock.advance(REFUSED_FOR.total_seconds() - 60)
    assert shop.profiles.of(to).refused  # type: ignore[union-attr]
    moved = replace(to, port=to.port + 1)
    shop.profiles.probe(moved)
    assert shop.profiles.of(moved).refused == ()  # type: ignore[union-attr]
    shop.profiles.probe(to)
    assert shop.profiles.of(to).refused  # type: ignore[union-attr]
    shop.node.clock.advance(61)
    assert shop.profiles.of(to).refused == ()  # type: ignore[union-attr]


def test_what_it_takes_after_all_it_is_given_again(tmp_path: Path, scp: RefusingScp) -> None:
    shop = _refused(tmp_path, scp)
    scp.refuses = {}
    shop.node.ledger.retry(shop.node.jobs()[0].id, "admin")
    shop.deliver()
    assert shop.node.states() == [State.DELIVERED]
    assert shop.profiles.of(shop.destinations["pacs"]).refused == ()  # type: ignore[union-attr]


def test_a_status_about_one_data_set_is_explained_and_nothing_is_concluded(tmp_path: Path, scp: RefusingScp) -> None:
    scp.refuses = {SEG: 0xC000}
    shop = _refused(tmp_path, scp)
    (parked,) = shop.node.ledger.deliveries(states=[DeliveryState.PARKED])
    assert parked.error.startswith("0xC000 Cannot Understand")
    assert "`segments`" in parked.error
    assert shop.profiles.of(shop.destinations["pacs"]).refused == ()  # type: ignore[union-attr]
