"""C-STORE to real and to hostile peers: what is reported is what happened, and soon."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
    RTStructureSetStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
    generate_uid,
)
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from node.scu import Status, echo, judge, send
from node.status import words_of
from node.tls import client_context, server_context
from pipeline.core.errors import ConfigInvalid, PeerRefused, PeerUnreachable
from pipeline.core.route import Destination
from tests.support.findings import write_planned
from tests.support.hostile import scripted_scp, silent_peer, stalling_relay
from tests.support.objects import uid_of, write_capture, write_sample
from tests.support.peers import OrthancPeer, StoreScp, echoscu, free_port
from tests.support.profiled import options


def at(port: int, ae_title: str = "ANY", timeout_s: float = 10.0, *, tls: bool = False) -> Destination:
    return Destination("there", ae_title, "127.0.0.1", port, tls=tls, timeout_s=timeout_s)


@contextmanager
def seconds(limit: float) -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < limit


def test_orthanc_holds_the_same_bytes_that_were_sent(orthanc: OrthancPeer, tmp_path: Path) -> None:
    sample = write_sample(tmp_path)
    files = [*sample.images, *sample.results]
    outcomes = send(at(orthanc.dicom_port, orthanc.ae_title), files, calling_ae="LANTERN")
    assert [o.status for o in outcomes] == [Status.ACCEPTED] * 5
    assert [o.sop_instance_uid for o in outcomes] == [uid_of(f) for f in files]
    assert set(orthanc.instances()) == {uid_of(f) for f in files}
    (tmp_path / "back.dcm").write_bytes(orthanc.file(uid_of(sample.seg)))
    assert dcmread(tmp_path / "back.dcm") == dcmread(sample.seg)


def test_sending_twice_leaves_one_object(orthanc: OrthancPeer, tmp_path: Path) -> None:
    capture = write_capture(tmp_path)
    for _ in range(2):
        outcomes = send(at(orthanc.dicom_port), [capture], calling_ae="LANTERN")
        assert outcomes[0].status is Status.ACCEPTED
    assert len(orthanc.instances()) == 1


def test_storescp_gets_every_result(make_storescp: Callable[..., StoreScp], tmp_path: Path) -> None:
    scp = make_storescp()
    sample = write_sample(tmp_path)
    outcomes = send(at(scp.port), sample.results, calling_ae="LANTERN")
    assert [o.status for o in outcomes] == [Status.ACCEPTED] * 2
    assert {uid_of(f) for f in scp.files()} == {uid_of(f) for f in sample.results}


def test_orthanc_holds_every_object_of_a_plan_byte_for_byte(orthanc: OrthancPeer, tmp_path: Path) -> None:
    files = write_planned(tmp_path)
    assert len(files) == 10
    outcomes = send(at(orthanc.dicom_port, orthanc.ae_title), files, calling_ae="LANTERN")
    assert [o.status for o in outcomes] == [Status.ACCEPTED] * len(files)
    for file in files:
        assert dcmread(BytesIO(orthanc.file(uid_of(file)))) == dcmread(file)


def test_doses_survive_a_peer_that_takes_only_implicit_vr(
    make_storescp: Callable[..., StoreScp], tmp_path: Path
) -> None:
    scp = make_storescp("+xi")
    doses = [f for f in write_planned(tmp_path) if f.stem in ("PM_2", "RTDOSE_1")]
    assert [o.status for o in send(at(scp.port), doses, calling_ae="LANTERN")] == [Status.ACCEPTED] * 2
    received = {ds.SOPInstanceUID: ds for ds in map(dcmread, scp.files())}
    for sent in map(dcmread, doses):
        back = received[sent.SOPInstanceUID]
        assert back.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
        keyword = "FloatPixelData" if "FloatPixelData" in sent else "PixelData"
        assert back[keyword].value == sent[keyword].value
        assert len(sent[keyword].value) > 1000


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless])
def test_a_peer_that_takes_only_implicit_vr_gets_the_object_rewritten_without_loss(
    make_storescp: Callable[..., StoreScp], tmp_path: Path, syntax: str
) -> None:
    scp = make_storescp("+xi")
    capture = write_capture(tmp_path, syntax=syntax)
    assert send(at(scp.port), [capture], calling_ae="LANTERN")[0].status is Status.ACCEPTED
    (received,) = [dcmread(f) for f in scp.files()]
    assert received.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    sent = dcmread(capture)
    assert (received.pixel_array == sent.pixel_array).all()
    assert received.SOPInstanceUID == sent.SOPInstanceUID


@pytest.mark.parametrize(("points", "status"), [(300, Status.ACCEPTED), (6000, Status.REFUSED)])
def test_contours_that_explicit_vr_cannot_hold_as_numbers_are_refused_not_garbled(
    make_storescp: Callable[..., StoreScp], tmp_path: Path, points: int, status: Status
) -> None:
    scp = make_storescp(*options(tmp_path, syntaxes="Explicit"))
    file = tmp_path / "long.dcm"
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = RTStructureSetStorage, generate_uid()
    contour, roi = Dataset(), Dataset()
    contour.ContourData = [f"{k}.123456" for k in range(points)] * 3
    roi.ContourSequence = [contour]
    ds.ROIContourSequence = [roi]
    dcmwrite(file, ds, implicit_vr=True, little_endian=True, enforce_file_format=True)
    (outcome,) = send(at(scp.port), [file], calling_ae="LANTERN")
    assert outcome.status is status
    if status is Status.ACCEPTED:
        back = dcmread(scp.files()[0]).ROIContourSequence[0].ContourSequence[0]
        assert back["ContourData"].VR == "DS"
        assert list(back.ContourData) == list(contour.ContourData)
    else:
        assert "ContourData" in outcome.detail
        assert "Implicit VR" in outcome.detail
        assert scp.files() == []


def test_an_object_whose_class_the_peer_does_not_take_is_refused_and_the_others_arrive(tmp_path: Path) -> None:
    sample, capture = write_sample(tmp_path), write_capture(tmp_path)
    with scripted_scp(sop_classes=[SecondaryCaptureImageStorage]) as (port, received):
        seg, sc = send(at(port), [sample.seg, capture], calling_ae="LANTERN")
    assert (seg.status, sc.status) == (Status.REFUSED, Status.ACCEPTED)
    assert "Segmentation Storage" in seg.detail
    assert received == [uid_of(capture)]


def test_a_peer_that_takes_none_of_the_classes_refuses_each_object(tmp_path: Path) -> None:
    sample = write_sample(tmp_path)
    with scripted_scp(sop_classes=[SecondaryCaptureImageStorage]) as (port, _), seconds(5.0):
        outcomes = send(at(port), sample.results, calling_ae="LANTERN")
    assert [o.status for o in outcomes] == [Status.REFUSED] * 2


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (0x0000, Status.ACCEPTED),
        (0xB000, Status.ACCEPTED),
        (0xB007, Status.ACCEPTED),
        (0x0111, Status.ACCEPTED),
        (0xA700, Status.LATER),
        (0xA7FF, Status.LATER),
        (0x0110, Status.LATER),
        (0x0213, Status.LATER),
        (0x0124, Status.LATER),
        (0xA900, Status.REFUSED),
        (0xC000, Status.REFUSED),
        (0xC123, Status.REFUSED),
        (0x0122, Status.REFUSED),
        (0x0117, Status.REFUSED),
    ],
)
def test_the_status_of_the_peer_decides_what_becomes_of_the_object(tmp_path: Path, code: int, status: Status) -> None:
    with scripted_scp(statuses=[code]) as (port, _):
        (outcome,) = send(at(port), [write_capture(tmp_path)], calling_ae="LANTERN")
    assert outcome.status is status is judge(code)
    assert outcome.detail == words_of(code, "scripted answer" if code else "")
    assert outcome.unwanted is (code == 0x0122)


def test_one_refused_object_does_not_hold_up_the_next(tmp_path: Path) -> None:
    sample, capture = write_sample(tmp_path), write_capture(tmp_path)
    with scripted_scp(statuses=[0xC000, 0xA700, 0x0000]) as (port, received):
        outcomes = send(at(port), [*sample.results, capture], calling_ae="LANTERN")
    assert [o.status for o in outcomes] == [Status.REFUSED, Status.LATER, Status.ACCEPTED]
    assert len(received) == 3


def test_an_object_that_makes_the_peer_abort_is_left_for_later_and_the_others_arrive(tmp_path: Path) -> None:
    sample, capture = write_sample(tmp_path), write_capture(tmp_path)
    with scripted_scp(statuses=[0x0000, "abort", 0x0000]) as (port, received), seconds(10.0):
        outcomes = send(at(port), [*sample.results, capture], calling_ae="LANTERN")
    assert [o.status for o in outcomes] == [Status.ACCEPTED, Status.LATER, Status.ACCEPTED]
    assert "aborted" in outcomes[1].detail
    assert received == [o.sop_instance_uid for o in outcomes]


@pytest.mark.parametrize("option", ["--abort-after", "--abort-during"])
def test_a_peer_that_aborts_before_any_answer_is_unreachable(
    make_storescp: Callable[..., StoreScp], tmp_path: Path, option: str
) -> None:
    scp = make_storescp(option)
    with seconds(10.0), pytest.raises(PeerUnreachable, match="aborted"):
        send(at(scp.port), write_sample(tmp_path).results, calling_ae="LANTERN")


def test_a_peer_that_refuses_associations_is_unreachable(
    make_storescp: Callable[..., StoreScp], tmp_path: Path
) -> None:
    scp = make_storescp("--refuse")
    file = write_capture(tmp_path)
    for _ in range(30):  # of which pynetdicom takes one or two for a peer that was not there
        with seconds(5.0), pytest.raises(PeerUnreachable, match="rejected the association"):
            send(at(scp.port), [file], calling_ae="LANTERN")


def test_a_wrong_called_ae_title_names_the_setting_to_correct(tmp_path: Path) -> None:
    with scripted_scp(called_ae="PACS") as (port, _), pytest.raises(PeerUnreachable) as caught:
        send(at(port, "WRONG"), [write_capture(tmp_path)], calling_ae="LANTERN")
    assert "WRONG" in caught.value.hint
    assert "ae_title" in caught.value.hint


def test_a_peer_that_does_not_know_us_names_the_ae_title_to_register(tmp_path: Path) -> None:
    with scripted_scp(calling_ae="SOMEBODY") as (port, _), pytest.raises(PeerUnreachable) as caught:
        send(at(port), [write_capture(tmp_path)], calling_ae="LANTERN")
    assert "register the AE title 'LANTERN'" in caught.value.hint


def test_a_closed_port_is_unreachable_at_once(tmp_path: Path) -> None:
    with seconds(3.0), pytest.raises(PeerUnreachable, match="no connection"):
        send(at(free_port()), [write_capture(tmp_path)], calling_ae="LANTERN")


def test_a_host_name_that_nobody_knows_is_unreachable(tmp_path: Path) -> None:
    nowhere = Destination("there", "ANY", "no-such-host.invalid", 104)
    with pytest.raises(PeerUnreachable, match="there"):
        send(nowhere, [write_capture(tmp_path)], calling_ae="LANTERN")


@pytest.mark.parametrize("opening", [b"", b"\x02\x00\x00\x00"], ids=["nothing", "half a PDU"])
def test_a_peer_that_takes_the_connection_and_falls_silent_costs_its_time_limit(tmp_path: Path, opening: bytes) -> None:
    with silent_peer(opening) as port, seconds(6.0), pytest.raises(PeerUnreachable):
        send(at(port, timeout_s=1.0), [write_capture(tmp_path)], calling_ae="LANTERN")


def test_a_peer_that_takes_the_association_and_never_answers_costs_its_time_limit(
    make_storescp: Callable[..., StoreScp], tmp_path: Path
) -> None:
    scp = make_storescp("--sleep-during", "30")
    with seconds(6.0), pytest.raises(PeerUnreachable, match="no answer within 1 s"):
        send(at(scp.port, timeout_s=1.0), write_sample(tmp_path).results, calling_ae="LANTERN")


def test_a_peer_that_falls_silent_after_one_object_leaves_the_next_for_later(
    make_storescp: Callable[..., StoreScp], tmp_path: Path
) -> None:
    scp = make_storescp("--sleep-after", "30")
    with seconds(6.0):
        outcomes = send(at(scp.port, timeout_s=1.0), write_sample(tmp_path).images, calling_ae="LANTERN")
    assert [o.status for o in outcomes] == [Status.ACCEPTED, Status.LATER, Status.LATER]
    assert "no answer within 1 s" in outcomes[1].detail


def test_a_peer_that_stops_reading_in_the_middle_of_an_object_costs_its_time_limit(
    make_storescp: Callable[..., StoreScp], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.scu.SLOWEST_BYTES_PER_S", 1e9)
    large = write_capture(tmp_path, "large", pixels=4096)
    relay = stalling_relay(make_storescp().port, after_bytes=65536)
    with relay as port, seconds(6.0), pytest.raises(PeerUnreachable):
        send(at(port, timeout_s=1.0), [large], calling_ae="LANTERN")


def test_a_file_that_is_no_dicom_is_refused_and_the_others_arrive(
    make_storescp: Callable[..., StoreScp], tmp_path: Path
) -> None:
    scp, capture, broken = make_storescp(), write_capture(tmp_path), tmp_path / "broken.dcm"
    broken.write_bytes(b"not DICOM")
    outcomes = send(at(scp.port), [broken, capture, tmp_path / "gone.dcm"], calling_ae="LANTERN")
    assert [o.status for o in outcomes] == [Status.REFUSED, Status.ACCEPTED, Status.REFUSED]


def test_the_tick_is_called_for_every_file(make_storescp: Callable[..., StoreScp], tmp_path: Path) -> None:
    ticks: list[float] = []
    sample = write_sample(tmp_path)
    send(at(make_storescp().port), sample.images, calling_ae="LANTERN", on_tick=lambda: ticks.append(time.monotonic()))
    assert len(ticks) == len(sample.images)


def test_a_hundred_images_go_in_under_ten_seconds(orthanc: OrthancPeer, tmp_path: Path) -> None:
    sample = write_sample(tmp_path, slices=100)
    with seconds(10.0):
        outcomes = send(at(orthanc.dicom_port), sample.images, calling_ae="LANTERN")
    assert {o.status for o in outcomes} == {Status.ACCEPTED}
    assert len(orthanc.instances()) == 100


def test_echo_says_what_answers(orthanc: OrthancPeer) -> None:
    assert "DCMTK" in echo(at(orthanc.dicom_port, orthanc.ae_title), calling_ae="LANTERN")


def test_echo_of_a_peer_without_echo_is_refused_and_of_nobody_unreachable() -> None:
    with scripted_scp(sop_classes=[SegmentationStorage]) as (port, _), pytest.raises(PeerRefused):
        echo(at(port), calling_ae="LANTERN")
    with pytest.raises(PeerUnreachable):
        echo(at(free_port()), calling_ae="LANTERN")
    with silent_peer() as port, seconds(6.0), pytest.raises(PeerUnreachable):
        echo(at(port), calling_ae="LANTERN", timeout_s=1.0)


def _tls_scp(make_storescp: Callable[..., StoreScp], folder: Path) -> StoreScp:
    return make_storescp("+tls", folder / "peer.key", folder / "peer.pem", "+cf", folder / "ca.pem")


def test_results_go_over_mutual_tls(make_storescp: Callable[..., StoreScp], certificates: Path, tmp_path: Path) -> None:
    scp = _tls_scp(make_storescp, certificates)
    tls = client_context(certificates / "node.pem", certificates / "node.key", certificates / "ca.pem")
    assert echo(at(scp.port, tls=True), calling_ae="LANTERN", tls=tls)
    outcomes = send(at(scp.port, tls=True), write_sample(tmp_path).results, calling_ae="LANTERN", tls=tls)
    assert [o.status for o in outcomes] == [Status.ACCEPTED] * 2


def test_a_peer_whose_certificate_we_do_not_trust_gets_nothing(
    make_storescp: Callable[..., StoreScp], certificates: Path, tmp_path: Path
) -> None:
    scp = _tls_scp(make_storescp, certificates)
    tls = client_context(certificates / "node.pem", certificates / "node.key", certificates / "other.pem")
    with seconds(5.0), pytest.raises(PeerUnreachable, match="no connection") as caught:
        send(at(scp.port, tls=True), [write_capture(tmp_path)], calling_ae="LANTERN", tls=tls)
    assert "certificate" in caught.value.hint
    assert scp.files() == []


def test_without_our_certificate_a_peer_that_wants_one_is_unreachable(
    make_storescp: Callable[..., StoreScp], certificates: Path, tmp_path: Path
) -> None:
    scp = _tls_scp(make_storescp, certificates)
    tls = client_context(ca=certificates / "ca.pem")
    with seconds(8.0), pytest.raises(PeerUnreachable):
        send(at(scp.port, timeout_s=2.0, tls=True), [write_capture(tmp_path)], calling_ae="LANTERN", tls=tls)
    assert scp.files() == []


def test_plain_dicom_to_a_tls_port_ends_in_time(
    make_storescp: Callable[..., StoreScp], certificates: Path, tmp_path: Path
) -> None:
    scp = _tls_scp(make_storescp, certificates)
    with seconds(6.0), pytest.raises(PeerUnreachable):
        send(at(scp.port, timeout_s=1.0), [write_capture(tmp_path)], calling_ae="LANTERN")


def test_unusable_certificates_are_a_mistake_of_the_configuration(certificates: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"gone\.pem"):
        server_context(tmp_path / "gone.pem")
    with pytest.raises(ConfigInvalid, match=r"node\.pem"):
        server_context(certificates / "node.pem", certificates / "other.key")
    with pytest.raises(ConfigInvalid, match=r"gone\.pem"):
        client_context(ca=tmp_path / "gone.pem")


@pytest.mark.parametrize("trusted", [True, False], ids=["known", "stranger"])
def test_only_a_sender_with_a_certificate_of_our_ca_gets_in(certificates: Path, trusted: bool) -> None:
    ae = AE("LANTERN")
    ae.add_supported_context(Verification)
    tls = server_context(certificates / "node.pem", certificates / "node.key", certificates / "ca.pem")
    server = ae.start_server(("127.0.0.1", 0), block=False, ssl_context=tls)
    name = "peer" if trusted else "other"
    try:
        options: list[str | Path] = [
            "+tls",
            certificates / f"{name}.key",
            certificates / f"{name}.pem",
            "+cf",
            certificates / "ca.pem",
        ]
        done = echoscu("127.0.0.1", server.server_address[1], *options)
    finally:
        server.shutdown()
    assert (done.returncode == 0) is trusted, done.stdout + done.stderr
