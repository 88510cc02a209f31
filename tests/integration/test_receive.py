"""C-STORE and C-ECHO over real sockets: what is acknowledged is durable, once, and as it was sent."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydicom import dcmread
from pydicom.uid import (
    JPEG2000,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    MRImageStorage,
    RLELossless,
    UltrasoundImageStorage,
    generate_uid,
)
from pynetdicom.pdu_primitives import P_DATA

from pipeline.core.study import Added
from storage import tables
from tests.support.peers import dcmsend, echoscu, eventually, run_tool, storescu
from tests.support.senders import (
    HOST,
    Node,
    association,
    data_set_bytes,
    mr_image,
    store_raw,
    with_options,
    written,
)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with Node(tmp_path / "node") as node:
        yield node


def rows(node: Node) -> int:
    with node.database.read() as db:
        return int(db.execute(sa.select(sa.func.count()).select_from(tables.instance)).scalar_one())


def test_an_echo_is_answered(node: Node) -> None:
    assert echoscu(HOST, node.port).returncode == 0


def test_a_study_sent_with_dcmsend_is_durable_and_in_the_ledger(node: Node, tmp_path: Path) -> None:
    study = generate_uid()
    sent = [written(mr_image(study=study), tmp_path / "in") for _ in range(20)]
    said = dcmsend(HOST, node.port, "+sd", tmp_path / "in")
    assert said.returncode == 0, said.stdout
    assert {data_set_bytes(f) for f in node.files()} == {data_set_bytes(f) for f in sent}
    (reception,) = node.ledger.receptions(study)
    assert (reception.instance_count, reception.calling_ae, reception.peer_ip) == (20, "SENDER", HOST)
    assert node.leftovers() == []


def test_the_file_meta_information_says_where_the_file_comes_from(node: Node, tmp_path: Path) -> None:
    ds = mr_image()
    dcmsend(HOST, node.port, written(ds, tmp_path / "in"))
    (path,) = node.files()
    meta = dcmread(path).file_meta
    assert path.read_bytes()[:132] == b"\0" * 128 + b"DICM"
    assert meta.MediaStorageSOPClassUID == MRImageStorage
    assert meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
    assert meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert meta.SourceApplicationEntityTitle == "SENDER"
    assert meta.ImplementationVersionName == "LANTERN"
    assert meta.FileMetaInformationGroupLength == len(path.read_bytes()) - 144 - len(data_set_bytes(path))


def test_the_ledger_names_the_bytes_that_are_on_disk(node: Node, tmp_path: Path) -> None:
    ds = mr_image()
    dcmsend(HOST, node.port, written(ds, tmp_path / "in"))
    known = node.ledger.known(ds.SOPInstanceUID)
    assert known is not None
    assert hashlib.sha256(node.archive.absolute(known.path).read_bytes()).hexdigest() == known.sha256


@pytest.mark.parametrize("max_pdu", [4096, 16382, 131072])
@pytest.mark.parametrize("tail", [0, 1, 4090, 4091, 16375, 16376, 16377])
def test_no_byte_is_lost_whatever_the_pdu_size(tmp_path: Path, max_pdu: int, tail: int) -> None:
    """pynetdicom 765: truncated pixel data. Lengths on and around the borders of a PDU."""
    ds = mr_image(32)
    ds.add_new(0xFFFCFFFC, "OB", b"")
    raw = data_set_bytes(written(ds, tmp_path / "in"))
    data = raw[:-4] + tail.to_bytes(4, "little") + bytes(n % 251 for n in range(tail))
    with Node(tmp_path / "node", with_options(max_pdu_bytes=max_pdu)) as node, association(node.port) as assoc:
        answer = store_raw(assoc, MRImageStorage, ds.SOPInstanceUID, data)
        assert answer is not None and answer.Status == 0x0000
        assert [data_set_bytes(f) for f in node.files()] == [data]


def test_a_pdu_may_end_one_message_and_begin_the_next(node: Node, tmp_path: Path) -> None:
    """PS3.8 E.2: command and data set fragments of several messages in one P-DATA-TF."""
    from io import BytesIO

    from pynetdicom.dimse_messages import C_STORE_RQ
    from pynetdicom.dimse_primitives import C_STORE

    images = [mr_image(16), mr_image(16)]
    with association(node.port) as assoc:
        packed = P_DATA()
        for number, ds in enumerate(images, 1):
            request, message = C_STORE(), C_STORE_RQ()
            request.MessageID, request.Priority = number, 2
            request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = MRImageStorage, ds.SOPInstanceUID
            request.DataSet = BytesIO(data_set_bytes(written(ds, tmp_path / "in")))
            message.primitive_to_message(request)
            for one in message.encode_msg(1, 16382):
                packed.presentation_data_value_list.extend(one.presentation_data_value_list)
        assoc._reactor_checkpoint.clear()
        assoc.dul.send_pdu(packed)
        answers = [assoc.dimse.get_msg(block=True)[1].Status for _ in images]
        assoc._reactor_checkpoint.set()
    assert answers == [0, 0]
    assert {dcmread(f).SOPInstanceUID for f in node.files()} == {ds.SOPInstanceUID for ds in images}


def test_the_same_instance_twice_is_one_row_and_success(node: Node, tmp_path: Path) -> None:
    path = written(mr_image(), tmp_path / "in")
    assert [dcmsend(HOST, node.port, path).returncode for _ in range(2)] == [0, 0]
    assert node.added() == [Added.NEW, Added.AGAIN]
    assert rows(node) == len(node.files()) == 1


@pytest.mark.parametrize(("option", "syntax"), [("+ti", ImplicitVRLittleEndian), ("+tb", ExplicitVRBigEndian)])
def test_the_same_instance_in_another_uncompressed_syntax_is_no_conflict(
    node: Node, tmp_path: Path, option: str, syntax: str
) -> None:
    ds = mr_image()
    ds.ReferencedImageSequence = [mr_image(8)]
    path, other = written(ds, tmp_path / "in"), tmp_path / "other.dcm"
    assert run_tool("/usr/bin/dcmconv", option, path, other).returncode == 0
    for file, uid in ((path, ExplicitVRLittleEndian), (other, syntax)):
        with association(node.port, [(MRImageStorage, [uid])]) as assoc:
            answer = store_raw(assoc, MRImageStorage, ds.SOPInstanceUID, data_set_bytes(file))
            assert answer is not None and answer.Status == 0
    assert node.added() == [Added.NEW, Added.AGAIN]
    assert [i.transfer_syntax_uid for i, _ in node.stored] == [ExplicitVRLittleEndian, syntax]


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_the_same_pixels_losslessly_compressed_are_no_conflict(node: Node, tmp_path: Path, syntax: str) -> None:
    ds = mr_image(frames=3)
    plain = written(ds, tmp_path / "in", "plain.dcm")
    ds.compress(syntax, generate_instance_uid=False)
    packed = written(ds, tmp_path / "in", "packed.dcm")
    for path, uid in ((plain, ExplicitVRLittleEndian), (packed, syntax)):
        with association(node.port, [(MRImageStorage, [uid])]) as assoc:
            answer = store_raw(assoc, MRImageStorage, ds.SOPInstanceUID, data_set_bytes(path))
            assert answer is not None and answer.Status == 0
    assert node.added() == [Added.NEW, Added.AGAIN]
    assert rows(node) == 1


def test_a_lossy_copy_is_kept_aside(node: Node, tmp_path: Path) -> None:
    ds = mr_image()
    plain = written(ds, tmp_path / "in", "plain.dcm")
    ds.compress(JPEG2000, j2k_cr=[10], generate_instance_uid=False)
    packed = written(ds, tmp_path / "in", "packed.dcm")
    for path, uid in ((plain, ExplicitVRLittleEndian), (packed, JPEG2000)):
        with association(node.port, [(MRImageStorage, [uid])]) as assoc:
            store_raw(assoc, MRImageStorage, ds.SOPInstanceUID, data_set_bytes(path))
    assert node.added() == [Added.NEW, Added.CONFLICT]


def test_other_content_under_the_same_uid_is_kept_aside_and_reported(
    node: Node, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ds = mr_image()
    first = written(ds, tmp_path / "in", "first.dcm")
    ds.PixelData = ds.PixelData[:-2] + b"\x01\x00"
    second = written(ds, tmp_path / "in", "second.dcm")
    assert [dcmsend(HOST, node.port, p).returncode for p in (first, second)] == [0, 0]
    assert node.added() == [Added.NEW, Added.CONFLICT]
    (conflict,) = node.ledger.conflicts()
    assert data_set_bytes(node.archive.absolute(conflict.path)) == data_set_bytes(second)
    known = node.ledger.known(ds.SOPInstanceUID)
    assert known is not None
    assert data_set_bytes(node.archive.absolute(known.path)) == data_set_bytes(first)
    assert any(ds.SOPInstanceUID in r.getMessage() and r.levelname == "WARNING" for r in caplog.records)


def test_the_log_knows_no_patients(node: Node, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    broken = mr_image(SeriesInstanceUID="Doe^Jane")
    for ds in (mr_image(), broken):
        storescu(HOST, node.port, written(ds, tmp_path / "in"))
    told = "\n".join(r.getMessage() for r in caplog.records)
    assert str(broken.SOPInstanceUID) in told
    assert "Doe" not in told and "4711" not in told


def test_associations_at_the_same_time_all_succeed(node: Node, tmp_path: Path) -> None:
    folders = [tmp_path / f"in{n}" for n in range(4)]
    for folder in folders:
        for _ in range(10):
            written(mr_image(), folder)
    shared = written(mr_image(), folders[0])
    for folder in folders[1:]:
        (folder / "shared.dcm").write_bytes(shared.read_bytes())
    codes: list[int] = []
    threads = [
        threading.Thread(target=lambda f=f: codes.append(dcmsend(HOST, node.port, "+sd", f).returncode))
        for f in folders
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert codes == [0] * 4
    assert rows(node) == len(node.files()) == 41
    assert sorted(node.added()) == [Added.AGAIN] * 3 + [Added.NEW] * 41


def test_what_could_not_be_read_later_is_refused_at_negotiation(node: Node) -> None:
    mpeg = "1.2.840.10008.1.2.4.100"
    proposed = [
        (MRImageStorage, [mpeg]),
        (UltrasoundImageStorage, [ExplicitVRLittleEndian]),
        (MRImageStorage, [mpeg, ExplicitVRBigEndian, ImplicitVRLittleEndian]),
    ]
    with association(node.port, proposed) as assoc:
        assert [c.result for c in assoc.rejected_contexts] == [4, 3]
        assert [c.transfer_syntax for c in assoc.accepted_contexts] == [[ExplicitVRBigEndian]]


def test_an_association_running_at_stop_may_finish(tmp_path: Path) -> None:
    ds = mr_image(16)
    raw = data_set_bytes(written(ds, tmp_path / "in"))
    with Node(tmp_path / "node") as node, association(node.port) as assoc:
        port = node.port
        stopping = threading.Thread(target=node.acceptor.stop, args=(10.0,))
        stopping.start()
        answer = store_raw(assoc, MRImageStorage, ds.SOPInstanceUID, raw)
        assert answer is not None and answer.Status == 0
        assoc.release()
        stopping.join(5.0)
        assert not stopping.is_alive()
        assert echoscu(HOST, port).returncode != 0


def test_an_association_that_does_not_end_is_aborted_at_stop(tmp_path: Path) -> None:
    with Node(tmp_path / "node") as node, association(node.port) as assoc:
        node.acceptor.stop(0.2)
        eventually(lambda: assoc.is_aborted)
        assert not assoc.is_established


def test_a_folder_of_every_syntax_is_taken_from_dcmsend(node: Node, shared_data: Path) -> None:
    said = dcmsend(HOST, node.port, "+sd", "+r", shared_data / "geometry")
    files = [p for p in (shared_data / "geometry").rglob("*") if p.is_file()]
    assert f"with status SUCCESS  : {len(files)}" in said.stdout + said.stderr


def test_real_series_of_many_vendors_arrive_byte_for_byte(node: Node, shared_data: Path) -> None:
    """Classic and Enhanced, JPEG, JPEG-LS, JPEG 2000, RLE: each in the syntax it has."""
    sent = {}
    for path in sorted(p for p in (shared_data / "geometry").rglob("*") if p.is_file()):
        ds = dcmread(path, stop_before_pixels=True, force=True)
        if "SOPInstanceUID" not in ds or "TransferSyntaxUID" not in ds.file_meta:
            continue
        with association(node.port, [(ds.SOPClassUID, [ds.file_meta.TransferSyntaxUID])]) as assoc:
            assert assoc.accepted_contexts, path
            raw = data_set_bytes(path)
            answer = store_raw(assoc, ds.SOPClassUID, ds.SOPInstanceUID, raw)
            assert answer is not None and answer.Status == 0, path
            sent.setdefault(str(ds.SOPInstanceUID), set()).add(raw)
    assert len(sent) > 50
    for uid, contents in sent.items():
        known = node.ledger.known(uid)
        assert known is not None
        assert data_set_bytes(node.archive.absolute(known.path)) in contents
