"""A receiving node in this process, and senders that no tool offers: odd, aborting, slow, silent."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset, FileDataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association

from node.association import Checkpoint
from node.receive import Acceptor, AcceptorOptions
from pipeline.core.route import Peer
from pipeline.core.study import Added, Instance
from storage.archive import Archive
from storage.engine import Database, open_database
from storage.ledger import Ledger

HOST = "127.0.0.1"
SENDER = Peer("sender", "SENDER", HOST)


@dataclass
class Node:
    """An acceptor with a real archive and a real SQLite ledger in `folder`."""

    folder: Path
    options: AcceptorOptions = field(
        default_factory=lambda: AcceptorOptions(("LANTERN",), HOST, 0, peers=(SENDER,), network_timeout_s=5.0)
    )
    min_free_bytes: int = 0
    stored: list[tuple[Instance, Added]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.archive = Archive(self.folder / "archive", self.min_free_bytes)
        self.database: Database = open_database(f"sqlite:///{self.folder}/ledger.db")
        self.database.migrate()
        self.ledger = Ledger(self.database)
        self.acceptor = Acceptor(self.options, self.archive, self.ledger, lambda i, a: self.stored.append((i, a)))

    def __enter__(self) -> Node:
        self.acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.acceptor.stop(2.0)
        self.database.close()

    @property
    def port(self) -> int:
        return self.acceptor.port

    def files(self) -> list[Path]:
        """Everything durable, in no order."""
        return [self.archive.absolute(path) for path, _ in self.archive.stored()]

    def leftovers(self) -> list[Path]:
        return list(self.archive.incoming_dir.iterdir())

    def added(self) -> list[Added]:
        return [a for _, a in self.stored]


def with_options(**changes: Any) -> AcceptorOptions:
    base = AcceptorOptions(("LANTERN",), HOST, 0, peers=(SENDER,), network_timeout_s=5.0)
    return replace(base, **changes)


def mr_image(rows: int = 64, *, study: str = "", series: str = "", frames: int = 0, **elements: Any) -> FileDataset:
    """A plain MR image of random 12-bit pixels; `elements` by keyword."""
    ds = FileDataset("", {}, file_meta=FileMetaDataset(), preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = MRImageStorage, generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = study or generate_uid(), series or generate_uid()
    ds.Modality, ds.PatientName, ds.PatientID = "MR", "Doe^Jane", "4711"
    ds.StudyDate, ds.StudyTime, ds.AccessionNumber = "20260101", "120000", "A1"
    ds.Rows = ds.Columns = rows
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
    if frames:
        ds.NumberOfFrames = frames
    pixels = np.random.default_rng(0).integers(0, 4096, (frames or 1, rows, rows), dtype=np.uint16)
    ds.PixelData = pixels.tobytes()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return ds


def written(ds: Dataset, folder: Path, name: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (name or f"{ds.SOPInstanceUID}.dcm")
    dcmwrite(path, ds, enforce_file_format=True)
    return path


def data_set_bytes(path: Path) -> bytes:
    """The bytes of a DICOM file after its File Meta Information (PS3.10 7.1)."""
    raw = path.read_bytes()
    return raw[144 + int.from_bytes(raw[140:144], "little") :]


@contextlib.contextmanager
def association(
    port: int,
    contexts: Sequence[tuple[str, Sequence[str]]] = ((MRImageStorage, (ExplicitVRLittleEndian,)),),
    *,
    calling: str = "SENDER",
    called: str = "LANTERN",
    max_pdu: int = 16382,
    host: str = HOST,
    tls: Any = None,
) -> Iterator[Association]:
    """An association as requestor, established or not; released at the end if still open."""
    ae = AE(ae_title=calling)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
    built = [build_context(abstract, list(syntaxes)) for abstract, syntaxes in contexts]
    # Without Lantern's checkpoint pynetdicom's loop may take an answer off the queue before the test sees it.
    handlers = [(evt.EVT_CONN_OPEN, lambda e: setattr(e.assoc, "_reactor_checkpoint", Checkpoint(e.assoc)))]
    assoc = ae.associate(host, port, built, ae_title=called, max_pdu=max_pdu, tls_args=tls, evt_handlers=handlers)
    if assoc.is_established:
        assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        yield assoc
    finally:
        if assoc.is_established:
            assoc.release()


def store_raw(
    assoc: Association, sop_class: str, sop_instance: str, data: bytes, *, message_id: int = 1, stop_at: int = -1
) -> Dataset | None:
    """C-STORE of bytes as they are, whatever they are. With stop_at >= 0: only that many, and no answer."""
    from pynetdicom.dimse_primitives import C_STORE

    context = next(c for c in assoc.accepted_contexts if c.abstract_syntax == sop_class)
    request = C_STORE()
    request.MessageID, request.Priority = message_id, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = sop_class, sop_instance
    request.DataSet = BytesIO(data)
    assoc._reactor_checkpoint.clear()
    while not assoc._is_paused:
        time.sleep(0.001)
    if stop_at >= 0:
        _send_part(assoc, request, context.context_id, stop_at)
        return None
    assoc.dimse.send_msg(request, context.context_id)
    _, answer = assoc.dimse.get_msg(block=True)
    assoc._reactor_checkpoint.set()
    if answer is None:
        return None
    status = Dataset()
    status.Status, status.ErrorComment = answer.Status, answer.ErrorComment
    return status


def _send_part(assoc: Association, request: Any, context_id: int, stop_at: int) -> None:
    from pynetdicom.dimse_messages import C_STORE_RQ

    message = C_STORE_RQ()
    message.primitive_to_message(request)
    sent = 0
    for pdata in message.encode_msg(context_id, 16382):
        assoc.dul.send_pdu(pdata)
        sent += len(pdata.presentation_data_value_list[0][1])
        if sent >= stop_at:
            return


@dataclass
class RssWatch:
    """The most memory this process had resident while the block ran, in bytes; compare with `before`."""

    before: int = 0
    peak: int = 0

    def __enter__(self) -> RssWatch:
        self.before = self.peak = resident_bytes()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def _run(self) -> None:
        while not self._stop.wait(0.01):
            self.peak = max(self.peak, resident_bytes())

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def resident_bytes() -> int:
    import resource

    with Path("/proc/self/statm").open() as f:
        return int(f.read().split()[1]) * resource.getpagesize()


def open_and_close(port: int, times: int) -> None:
    """What a load balancer's health check does."""
    for _ in range(times):
        socket.create_connection((HOST, port), timeout=5).close()
