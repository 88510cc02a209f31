"""Senders that break off, lie, stall or flood, and a disk or database that fails: the node lives and says so."""

from __future__ import annotations

import contextlib
import resource
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, UltrasoundImageStorage
from pynetdicom import sop_class as sop
from pynetdicom.pdu_primitives import P_DATA

from pipeline.core.uid import is_uid
from pipeline.imaging.header import MALFORMED
from tests.support.peers import echoscu, eventually
from tests.support.senders import (
    HOST,
    Node,
    RssWatch,
    association,
    data_set_bytes,
    mr_image,
    open_and_close,
    resident_bytes,
    store_raw,
    with_options,
    written,
)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with Node(tmp_path / "node", with_options(network_timeout_s=2.0, acse_timeout_s=2.0)) as node:
        yield node


def alive(node: Node) -> bool:
    return echoscu(HOST, node.port).returncode == 0


def test_a_sender_that_aborts_halfway_leaves_nothing(node: Node, tmp_path: Path) -> None:
    whole, half = mr_image(512), mr_image(512)
    with association(node.port) as assoc:
        raw = data_set_bytes(written(whole, tmp_path))
        assert store_raw(assoc, MRImageStorage, whole.SOPInstanceUID, raw).Status == 0
        raw = data_set_bytes(written(half, tmp_path))
        store_raw(assoc, MRImageStorage, half.SOPInstanceUID, raw, stop_at=300_000)
        eventually(node.leftovers)
        assoc.abort()
    eventually(lambda: not node.leftovers())
    assert [dcmread(f).SOPInstanceUID for f in node.files()] == [whole.SOPInstanceUID]
    assert node.ledger.known(half.SOPInstanceUID) is None
    assert alive(node)


def test_a_sender_that_vanishes_halfway_leaves_nothing(node: Node, tmp_path: Path) -> None:
    ds = mr_image(512)
    with association(node.port) as assoc:
        raw = data_set_bytes(written(ds, tmp_path))
        store_raw(assoc, MRImageStorage, ds.SOPInstanceUID, raw, stop_at=300_000)
        eventually(node.leftovers)
        assoc.dul.socket.socket.shutdown(socket.SHUT_RDWR)
        eventually(lambda: not node.leftovers())
    assert node.files() == [] and alive(node)


def test_a_sender_that_stops_halfway_is_let_go_after_the_idle_time(node: Node, tmp_path: Path) -> None:
    ds = mr_image(512)
    with association(node.port) as assoc:
        raw = data_set_bytes(written(ds, tmp_path))
        store_raw(assoc, MRImageStorage, ds.SOPInstanceUID, raw, stop_at=300_000)
        eventually(node.leftovers)
        eventually(lambda: not node.leftovers() and node.acceptor.associations == 0, within_s=10)
    assert alive(node)


def test_a_sender_that_stops_inside_a_pdu_is_let_go_after_the_idle_time(node: Node) -> None:
    with association(node.port) as assoc:
        # P-DATA-TF of 10 000 bytes announced, 4 sent: pynetdicom by itself would wait for ever.
        assoc.dul.socket.socket.sendall(b"\x04\x00" + (10_000).to_bytes(4, "big") + b"\0" * 4)
        eventually(lambda: node.acceptor.associations == 0, within_s=10)
    assert alive(node)


def test_a_pdu_of_four_gigabytes_is_not_read(node: Node) -> None:
    with RssWatch() as memory, association(node.port) as assoc:
        wire = assoc.dul.socket.socket
        wire.sendall(b"\x04\x00" + (0xFFFFFFF0).to_bytes(4, "big") + b"\0" * 65536)
        eventually(lambda: node.acceptor.associations == 0, within_s=10)
    assert memory.peak - memory.before < 50 << 20
    assert alive(node)


def test_a_slow_sender_is_waited_for(node: Node, tmp_path: Path) -> None:
    from io import BytesIO

    from pynetdicom.dimse_messages import C_STORE_RQ
    from pynetdicom.dimse_primitives import C_STORE

    ds = mr_image(64)
    request, message = C_STORE(), C_STORE_RQ()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = MRImageStorage, ds.SOPInstanceUID
    request.DataSet = BytesIO(data_set_bytes(written(ds, tmp_path)))
    message.primitive_to_message(request)
    with association(node.port) as assoc:
        assoc._reactor_checkpoint.clear()
        parts = list(message.encode_msg(1, 2048))
        for part in parts:
            assoc.dul.send_pdu(part)
            time.sleep(3.0 / len(parts))  # longer than the idle time in all, never at once
        assert assoc.dimse.get_msg(block=True)[1].Status == 0
        assoc._reactor_checkpoint.set()
    assert len(node.files()) == 1


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"SOPInstanceUID": "1.2.3.4"}, 0xA900),
        ({"SOPClassUID": sop.CTImageStorage}, 0xA900),
        ({"StudyInstanceUID": ""}, 0xC000),
        ({"SeriesInstanceUID": "Doe^Jane"}, 0xC000),
    ],
)
def test_a_header_that_cannot_be_used_is_refused_with_a_comment(
    node: Node, tmp_path: Path, change: dict[str, str], status: int
) -> None:
    ds = mr_image(16)
    announced = ds.SOPInstanceUID
    for keyword, value in change.items():
        setattr(ds, keyword, value)
    raw = data_set_bytes(written(ds, tmp_path, "odd.dcm"))
    with association(node.port) as assoc:
        answer = store_raw(assoc, MRImageStorage, announced, raw)
        assert answer is not None and answer.Status == status
        assert 0 < len(answer.ErrorComment) <= 64 and "Doe" not in answer.ErrorComment
        good = mr_image(16)
        raw = data_set_bytes(written(good, tmp_path))
        assert store_raw(assoc, MRImageStorage, good.SOPInstanceUID, raw).Status == 0
    assert len(node.files()) == 1 and node.leftovers() == []


@pytest.mark.parametrize("data", [b"", b"\0", b"not DICOM at all" * 100])
def test_bytes_that_are_no_data_set_are_refused(node: Node, data: bytes) -> None:
    with association(node.port) as assoc:
        answer = store_raw(assoc, MRImageStorage, "1.2.3", data or b" ")
        assert answer is not None and answer.Status == 0xC000
    assert node.files() == [] and node.leftovers() == []


@pytest.mark.parametrize("control", [0x03, 0x02, 0x00])
def test_fragments_that_make_no_message_end_their_association_only(node: Node, tmp_path: Path, control: int) -> None:
    with association(node.port) as neighbour:
        with association(node.port) as assoc:
            torn = P_DATA()
            torn.presentation_data_value_list.append([99, bytes([control]) + b"\xff" * 40])
            assoc.dul.send_pdu(torn)
            eventually(lambda: node.acceptor.associations == 1, within_s=10)
        raw = data_set_bytes(written(ds := mr_image(16), tmp_path))
        assert store_raw(neighbour, MRImageStorage, ds.SOPInstanceUID, raw).Status == 0
    assert alive(node)


def test_malformed_files_are_all_answered_and_the_node_lives(node: Node, shared_data: Path) -> None:
    files = sorted(p for p in (shared_data / "malformed").rglob("*") if p.is_file())
    answers = []
    with association(node.port) as assoc:
        for path in files:
            raw = path.read_bytes()
            at = 144 + int.from_bytes(raw[140:144], "little") if raw[128:132] == b"DICM" else 0
            answer = store_raw(assoc, MRImageStorage, announced(path), raw[at:] or b" ")
            assert answer is not None, f"no answer to {path}"
            answers.append(answer.Status)
    assert len(answers) > 400
    assert set(answers) == {0x0000, 0xA900, 0xC000}
    assert node.leftovers() == [] and alive(node)


def announced(path: Path) -> str:
    """The SOP Instance UID that a sender would announce for this file."""
    try:
        uid = str(dcmread(path, force=True, specific_tags=["SOPInstanceUID"]).SOPInstanceUID)
    except (*MALFORMED, OSError):
        return "1.2.3"
    return uid if is_uid(uid) else "1.2.3"


def test_port_probes_leave_no_threads_and_no_memory(node: Node) -> None:
    open_and_close(node.port, 50)
    eventually(lambda: threading.active_count() < 20)
    threads, memory, descriptors = threading.active_count(), resident_bytes(), open_descriptors()
    open_and_close(node.port, 500)
    eventually(lambda: threading.active_count() <= threads)
    assert resident_bytes() - memory < 10 << 20
    # A probe that leaked would leave 500; the ledger's pool may open a connection more at any time.
    eventually(lambda: open_descriptors() < descriptors + 10)
    assert alive(node)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_web_browser_is_shown_the_door_at_once(node: Node) -> None:
    with socket.create_connection((HOST, node.port), timeout=1.0) as browser:
        browser.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert browser.recv(100) == b""
    assert node.acceptor.associations == 0


def test_silent_connections_are_bounded_and_let_go(tmp_path: Path) -> None:
    options = with_options(max_connections=10, acse_timeout_s=2.0)
    with Node(tmp_path, options) as node:
        silent = [socket.create_connection((HOST, node.port)) for _ in range(30)]
        assert threading.active_count() < 40
        eventually(lambda: alive(node), within_s=10)
        for s in silent:
            s.close()


def test_a_database_that_fails_costs_a_retry_and_not_the_association(node: Node, tmp_path: Path) -> None:
    first, second = mr_image(16), mr_image(16)
    raw = [data_set_bytes(written(ds, tmp_path)) for ds in (first, second)]
    with association(node.port) as assoc:
        _rename(node, "arrival", "hidden")
        answer = store_raw(assoc, MRImageStorage, first.SOPInstanceUID, raw[0])
        assert answer is not None and answer.Status == 0xA700 and answer.ErrorComment
        _rename(node, "hidden", "arrival")
        for ds, data in zip((first, second), raw, strict=True):
            assert store_raw(assoc, MRImageStorage, ds.SOPInstanceUID, data).Status == 0
    assert len(node.files()) == 2 and node.leftovers() == []


def _rename(node: Node, table: str, to: str) -> None:
    with node.database.write() as db:
        db.execute(sa.text(f"ALTER TABLE {table} RENAME TO {to}"))


def test_below_the_low_watermark_nothing_is_taken_but_the_association_goes_on(tmp_path: Path) -> None:
    with Node(tmp_path / "node", min_free_bytes=1 << 60) as node, association(node.port) as assoc:
        ds = mr_image()
        raw = data_set_bytes(written(ds, tmp_path))
        answer = store_raw(assoc, MRImageStorage, ds.SOPInstanceUID, raw)
        assert answer is not None and answer.Status == 0xA700
        assert node.files() == node.leftovers() == []
        node.archive.min_free_bytes = 0
        assert store_raw(assoc, MRImageStorage, ds.SOPInstanceUID, raw).Status == 0


def test_a_file_that_may_not_grow_is_answered_out_of_resources(node: Node, tmp_path: Path) -> None:
    """The kernel refuses to write on (EFBIG), as a quota or a full disk would."""
    big, small = mr_image(1024), mr_image(16)
    raw = [data_set_bytes(written(ds, tmp_path)) for ds in (big, small)]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with association(node.port) as assoc:
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, before[1]))
            answer = store_raw(assoc, MRImageStorage, big.SOPInstanceUID, raw[0])
            assert answer is not None and answer.Status == 0xA700
            assert store_raw(assoc, MRImageStorage, small.SOPInstanceUID, raw[1]).Status == 0
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert store_raw(assoc, MRImageStorage, big.SOPInstanceUID, raw[0]).Status == 0
    assert len(node.files()) == 2 and node.leftovers() == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small tmpfs needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_full_disk_is_answered_out_of_resources_until_there_is_room(small_disk: Path, tmp_path: Path) -> None:
    with Node(small_disk) as node, association(node.port) as assoc:
        filler = small_disk / "filler"
        filler.write_bytes(b"\0" * (1 << 20))
        big = mr_image(1024)
        raw = data_set_bytes(written(big, tmp_path))
        answer = store_raw(assoc, MRImageStorage, big.SOPInstanceUID, raw)
        assert answer is not None and answer.Status == 0xA700
        assert node.files() == node.leftovers() == []
        small = mr_image(16)
        small_raw = data_set_bytes(written(small, tmp_path))
        assert store_raw(assoc, MRImageStorage, small.SOPInstanceUID, small_raw).Status == 0
        assert len(node.files()) == 1


def test_a_query_without_end_does_not_fill_the_memory(node: Node) -> None:
    """Only C-STORE data sets go to a file; no other service may send one of any length."""
    contexts = [(MRImageStorage, [ExplicitVRLittleEndian]), (UltrasoundImageStorage, [ExplicitVRLittleEndian])]
    with RssWatch() as memory, association(node.port, contexts) as assoc:
        for _ in range(2000):
            part = P_DATA()
            part.presentation_data_value_list.append([1, b"\x01" + b"\0" * 16000])
            if not assoc.is_established:
                break
            assoc.dul.send_pdu(part)
        eventually(lambda: node.acceptor.associations == 0)
    assert memory.peak - memory.before < 60 << 20
