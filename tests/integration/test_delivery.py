"""The outbox against real peers: what a dead, refusing, or slow destination costs, and whom."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydicom import dcmread

from node import scu
from node.delivery import Backoff, Deliverer, Desk, deliver_all
from node.loop import Stop
from pipeline.core.errors import LedgerUnavailable, PeerUnreachable
from pipeline.core.job import State
from pipeline.core.result import DeliveryState
from pipeline.core.route import Destination
from tests.support import desk as d
from tests.support.blobs import write_blobs
from tests.support.peers import OrthancPeer, StoreScp, eventually, free_port

Make = Callable[..., d.Node]
ORDER = ("SEG", "RTSTRUCT", "KO", "SR")


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A node whose jobs (one per seed) have produced results for the destinations."""

    def node(*destinations: str, studies: int = 1) -> d.Node:
        made = d.Node(tmp_path / "node", (d.route(destinations=destinations),))
        worker = made.worker()
        for n in range(studies):
            made.receive(write_blobs(tmp_path / f"series-{n}", n))
            made.quiet()
            worker.tick()
        return made

    return node


def send(destination: Destination, files: Sequence[Path]) -> list[scu.Outcome]:
    return scu.send(destination, files, calling_ae="LANTERN")


def deliverer(node: d.Node, destination: Destination, **changes: object) -> Deliverer:
    return Deliverer(desk(node), destination)


def desk(node: d.Node) -> Desk:
    return Desk(node.ledger, node.archive, send, Backoff(10, 600), "d1", node.clock)


def at(peer: OrthancPeer | StoreScp, name: str = "pacs", **changes: object) -> Destination:
    port = peer.dicom_port if isinstance(peer, OrthancPeer) else peer.port
    return Destination(name, peer.ae_title, "127.0.0.1", port, timeout_s=5, **changes)  # type: ignore[arg-type]


def nowhere(name: str, **changes: object) -> Destination:
    return Destination(name, "NOBODY", "127.0.0.1", free_port(), timeout_s=2, **changes)  # type: ignore[arg-type]


def test_what_is_delivered_is_in_the_pacs(make: Make, orthanc: OrthancPeer) -> None:
    node = make("pacs")
    to = deliverer(node, at(orthanc))
    assert to.tick()
    assert not to.tick()
    assert node.states() == [State.DELIVERED]
    assert set(orthanc.instances()) == {r.sop_instance_uid for _, r in node.ledger.results()}


def test_a_dead_destination_is_tried_ever_more_rarely_and_nothing_is_lost(make: Make, orthanc: OrthancPeer) -> None:
    node = make("pacs", studies=2)
    dead = deliverer(node, nowhere("pacs"))
    tries, waited = 0, 0
    while waited < 6 * 3600:
        tries += dead.tick()
        node.clock.advance(10)
        waited += 10
    assert 30 < tries < 90  # capped at 600 s, spread down to 300 s, over six hours
    assert node.states() == [State.DELIVERING] * 2
    node.clock.advance(631)  # the cap, and what a suspect yields to the others
    alive = deliverer(node, at(orthanc))
    while alive.tick():
        pass
    assert node.states() == [State.DELIVERED] * 2
    assert len(orthanc.instances()) == 8


def test_a_destination_dead_too_long_parks_its_deliveries_until_a_person_comes(
    make: Make, orthanc: OrthancPeer
) -> None:
    node = make("pacs")
    node.clock.advance(101)
    deliverer(node, nowhere("pacs", park_after_s=100)).tick()
    assert node.states() == [State.FAILED]
    assert "given up" in node.jobs()[0].reason
    node.ledger.retry(node.jobs()[0].id, "admin")
    deliverer(node, at(orthanc)).tick()
    assert node.states() == [State.DELIVERED]


def test_a_dead_destination_delays_nobody_else(make: Make, orthanc: OrthancPeer) -> None:
    node = make("dead", "pacs", studies=2)
    stop = Stop()
    threads = deliver_all(desk(node), [nowhere("dead"), at(orthanc)], stop, 0.05)
    eventually(lambda: len(orthanc.instances()) == 8, within_s=30)
    stop.ask()
    for t in threads:
        t.join(30)
    assert {x.state for x in node.ledger.deliveries(destination="pacs")} == {DeliveryState.SENT}
    assert {x.state for x in node.ledger.deliveries(destination="dead")} == {DeliveryState.WAITING}


def test_one_refused_object_is_parked_and_the_others_arrive(
    make: Make, make_storescp: Callable[..., StoreScp], tmp_path: Path
) -> None:
    profile = tmp_path / "profile.cfg"
    profile.write_text(
        "[[TransferSyntaxes]]\n[Plain]\nTransferSyntax1 = LocalEndianExplicit\nTransferSyntax2 = LittleEndianImplicit\n"
        "[[PresentationContexts]]\n[NoSeg]\nPresentationContext1 = RTStructureSetStorage\\Plain\n"
        "PresentationContext2 = Comprehensive3DSRStorage\\Plain\n"
        "PresentationContext3 = KeyObjectSelectionDocumentStorage\\Plain\n[[Profiles]]\n"
        "[Default]\nPresentationContexts = NoSeg\n"
    )
    peer = make_storescp("-xf", profile, "Default")
    node = make("pacs")
    deliverer(node, at(peer)).tick()
    states = {x.result.kind.value: x.state.value for x in node.ledger.deliveries()}
    assert states == {"SEG": "parked", "RTSTRUCT": "sent", "KO": "sent", "SR": "sent"}
    assert sorted(dcmread(f).Modality for f in peer.files()) == ["KO", "RTSTRUCT", "SR"]
    job = node.jobs()[0]
    assert job.state is State.FAILED
    assert "SEG to pacs" in job.reason


def test_the_oldest_job_is_sent_first(make: Make, orthanc: OrthancPeer) -> None:
    node = make("pacs", studies=3)
    to = deliverer(node, at(orthanc))
    order = []
    while to.tick():
        order.append([j.id for j in node.jobs() if j.state is State.DELIVERED])
    assert order == [[1], [1, 2], [1, 2, 3]]


def test_a_crash_in_the_middle_of_sending_ends_with_each_object_there_once(make: Make, orthanc: OrthancPeer) -> None:
    node = make("pacs")
    batch = node.ledger.claim_deliveries("pacs", "crashed", node.clock() + timedelta(hours=1))
    send(at(orthanc), [node.archive.absolute(x.result.path) for x in batch])  # sent, but not written down
    node.ledger.release(["crashed"])
    deliverer(node, at(orthanc)).tick()
    assert node.states() == [State.DELIVERED]
    assert len(orthanc.instances()) == 4


def _scripted(node: d.Node, answer: Callable[[Sequence[Path]], list[scu.Outcome]]) -> Deliverer:
    desk_ = replace(desk(node), send=lambda _to, files: answer(files))
    return Deliverer(desk_, nowhere("pacs", park_after_s=30 * 86400))


def _taken(files: Sequence[Path]) -> list[scu.Outcome]:
    return [scu.Outcome(f.stem, scu.Status.ACCEPTED) for f in files]


def test_one_study_that_brings_the_destination_down_each_time_holds_up_no_other(make: Make) -> None:
    node = make("pacs", studies=3)
    poison = {node.archive.absolute(r.path) for _, r in node.ledger.results(job_id=node.jobs()[0].id)}

    def answer(files: Sequence[Path]) -> list[scu.Outcome]:
        if poison & set(files):
            raise PeerUnreachable("the association was aborted")
        return _taken(files)

    to = _scripted(node, answer)
    for _ in range(200):
        to.tick()
        node.clock.advance(10)
    assert node.states() == [State.DELIVERING, State.DELIVERED, State.DELIVERED]


def test_what_nobody_foresaw_costs_a_delay_and_not_the_thread(make: Make) -> None:
    node = make("pacs")

    def answer(files: Sequence[Path]) -> list[scu.Outcome]:
        raise KeyError("an answer that no standard knows")

    assert _scripted(node, answer).tick()
    assert {x.state for x in node.ledger.deliveries()} == {DeliveryState.WAITING}
    assert "KeyError" in node.ledger.deliveries()[0].error
    node.clock.advance(60)
    assert _scripted(node, _taken).tick()
    assert node.states() == [State.DELIVERED]


def test_answers_that_could_not_be_written_down_are_asked_for_again_at_once(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = make("pacs")
    to = _scripted(node, _taken)
    with monkeypatch.context() as broken:
        broken.setattr(node.ledger, "accepted", _unavailable)
        with pytest.raises(LedgerUnavailable):
            to.tick()
    assert to.tick()
    assert node.states() == [State.DELIVERED]


def _unavailable(*_: object) -> None:
    raise LedgerUnavailable("the database is being restarted")


def test_what_waits_for_a_destination_that_was_removed_is_parked_with_the_reason(make: Make) -> None:
    node = make("removed")
    stop = Stop()
    threads = deliver_all(desk(node), [], stop, 0.05)
    eventually(lambda: node.states() == [State.FAILED], within_s=10)
    stop.ask()
    for t in threads:
        t.join(10)
    assert "no destination removed" in node.jobs()[0].reason


def test_waits_grow_double_up_to_the_cap_and_are_spread() -> None:
    backoff = Backoff(10, 600)
    for attempts, full in ((0, 10), (1, 20), (3, 80), (6, 600), (500, 600)):
        waits = [backoff.after(attempts).total_seconds() for _ in range(50)]
        assert all(full / 2 <= w <= full for w in waits)
        assert len(set(waits)) > 10


def test_threads_end_when_asked(make: Make) -> None:
    node = make("pacs")
    stop = Stop()
    threads = deliver_all(desk(node), [nowhere("pacs")], stop, 0.05)
    stop.ask()
    for t in threads:
        t.join(10)
    assert not any(isinstance(t, threading.Thread) and t.is_alive() for t in threads)
