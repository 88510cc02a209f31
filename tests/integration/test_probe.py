"""Asking real and odd peers what they take."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless
from pynetdicom import AE, evt
from pynetdicom.sop_class import CTImageStorage

from node import probe as probing
from node.probe import PAIRS, probe
from node.sent import ALL, LABELMAP, RTSTRUCT, SEG, SR_3D, taken
from pipeline.core.errors import PeerRefused, PeerUnreachable
from pipeline.core.route import Destination
from tests.support.hostile import silent_peer
from tests.support.peers import OrthancPeer, StoreScp, free_port
from tests.support.profiled import options


def at(port: int, ae_title: str = "ANY") -> Destination:
    return Destination("there", ae_title, "127.0.0.1", port, timeout_s=10)


def test_orthanc_says_what_it_takes_and_who_it_is(orthanc: OrthancPeer) -> None:
    found = probe(at(orthanc.dicom_port, orthanc.ae_title), calling_ae="LANTERN")
    assert found.is_known
    assert found.software.startswith("OFFIS_DCMTK")
    assert all(taken(found, s) for s in (SEG, RTSTRUCT, SR_3D))
    assert found.endpoint == f"ORTHANC@127.0.0.1:{orthanc.dicom_port}"


def test_a_storescp_with_a_profile_takes_what_its_profile_says(
    make_storescp: Callable[..., StoreScp], tmp_path: Path
) -> None:
    scp = make_storescp(*options(tmp_path, SEG, SR_3D))
    found = probe(at(scp.port), calling_ae="LANTERN")
    assert [s for s in ALL if not taken(found, s)] == [SEG, SR_3D]
    plain = {str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian)}
    assert set(found.syntaxes(RTSTRUCT.sop_class_uid)) == plain
    assert set(found.syntaxes(LABELMAP.sop_class_uid)) == plain | {str(RLELossless)}
    assert scp.files() == []


def test_transfer_syntaxes_are_told_apart(make_storescp: Callable[..., StoreScp], tmp_path: Path) -> None:
    scp = make_storescp(*options(tmp_path, syntaxes="Explicit"))
    found = probe(at(scp.port), calling_ae="LANTERN")
    assert {s for _, s in found.accepted} == {str(ExplicitVRLittleEndian)}


def test_more_pairs_than_an_association_has_room_for_are_asked_over_several(
    make_storescp: Callable[..., StoreScp], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scp = make_storescp(*options(tmp_path, SEG))
    at_once = probe(at(scp.port), calling_ae="LANTERN")
    monkeypatch.setattr(probing, "MAX_CONTEXTS", 6)
    assert probe(at(scp.port), calling_ae="LANTERN").accepted == at_once.accepted
    assert scp.log().count("Association Received") >= 1 + len(PAIRS) // 5


def test_a_peer_that_takes_associations_and_nothing_in_them_is_said_so() -> None:
    ae = AE("NOTHING")
    ae.add_supported_context(CTImageStorage)
    server = ae.start_server(("127.0.0.1", 0), block=False)
    try:
        with pytest.raises(PeerRefused, match="none of the") as told:
            probe(at(server.socket.getsockname()[1]), calling_ae="LANTERN")
    finally:
        server.shutdown()
    assert "LANTERN" in told.value.hint


def test_a_peer_that_does_not_answer_to_that_name_is_said_so() -> None:
    ae = AE("RIGHT")
    ae.require_called_aet = True
    ae.add_supported_context(SEG.sop_class_uid)
    server = ae.start_server(("127.0.0.1", 0), block=False)
    try:
        with pytest.raises(PeerUnreachable, match="rejected") as told:
            probe(at(server.socket.getsockname()[1], "WRONG"), calling_ae="LANTERN")
    finally:
        server.shutdown()
    assert "correct ae_title" in told.value.hint


def test_a_peer_that_aborts_the_request_is_said_so() -> None:
    ae = AE("ABORTS")
    ae.add_supported_context(SEG.sop_class_uid)
    handlers = [(evt.EVT_REQUESTED, lambda event: event.assoc.abort())]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    try:
        with pytest.raises(PeerUnreachable, match="no answer"):
            probe(at(server.socket.getsockname()[1]), calling_ae="LANTERN")
    finally:
        server.shutdown()


def test_nobody_there_and_a_silent_peer_cost_the_limit_and_no_more() -> None:
    with pytest.raises(PeerUnreachable, match="no connection"):
        probe(at(free_port()), calling_ae="LANTERN", timeout_s=1)
    with silent_peer() as port, pytest.raises(PeerUnreachable, match="no answer"):
        probe(at(port), calling_ae="LANTERN", timeout_s=1)


def test_a_silent_web_service_costs_the_limit_of_the_question_and_not_its_own() -> None:
    with silent_peer() as port:
        web = Destination("web", stow_url=f"http://127.0.0.1:{port}/dicom-web", timeout_s=60)
        begun = time.monotonic()
        with pytest.raises(PeerUnreachable):
            probe(web, calling_ae="LANTERN", timeout_s=0.5)
    assert time.monotonic() - begun < 20


def test_a_stow_service_is_only_asked_whether_it_is_there(orthanc: OrthancPeer) -> None:
    found = probe(Destination("web", stow_url=orthanc.dicomweb_url), calling_ae="LANTERN")
    assert found.is_assumed
    assert all(taken(found, s) for s in ALL)
    gone = Destination("web", stow_url=f"http://127.0.0.1:{free_port()}/dicom-web", timeout_s=2)
    with pytest.raises(PeerUnreachable):
        probe(gone, calling_ae="LANTERN")
