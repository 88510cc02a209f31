"""Chunked receive: a C-STORE data set goes to a file as it arrives, fragment by fragment.

pynetdicom has a switch for this (STORE_RECV_CHUNKED_DATASET). It is not used: its file is made in the system's
temporary folder (not on the archive's file system), stays there when the sender aborts, ends the association when the
disk is full, and carries no Source Application Entity Title.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import NoneType
from typing import Any

from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage
from pynetdicom.dsutils import create_file_meta, encode_file_meta
from pynetdicom.pdu_primitives import P_DATA

from node.version import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from pipeline.core.errors import DiskFull

PREAMBLE = b"\x00" * 128 + b"DICM"
SUFFIX = ".receiving"
LOOK_EVERY_BYTES = 16 << 20
"""How much is written between two looks at the free space."""

IS_COMMAND = 0x01
"""Bit of a fragment's Message Control Header (PS3.8 E.2)."""

LONGEST_IN_MEMORY_BYTES = 1 << 20
"""Command sets, and data sets of services other than storage: far more than any honest peer sends."""


class Spool(BytesIO):
    """A data set on its way in: stands where pynetdicom keeps the bytes of a message, and puts them in a file.

    A disk that fails or fills is remembered, not raised: the rest of the data set is read and dropped, so that the
    association lives and the sender gets its answer. Used by one thread at a time: the receiving one, then, with the
    message complete, the one that serves it.

    folder:       where the file is made, on the archive's file system.
    require_room: raises DiskFull when the archive may take no more.
    """

    def __init__(self, folder: Path, head: bytes, require_room: Callable[[], None]) -> None:
        super().__init__()
        self._require_room = require_room
        self._unchecked_bytes = 0
        self._file: Any = None
        self._path: Path | None = None
        self._error: Exception | None = None
        self._guarded(lambda: self._open(folder, head))

    def write(self, data: Any, /) -> int:
        """Append to the file; never raises for the disk's sake."""
        if self._error is None:
            self._guarded(lambda: self._append(data))
        return len(data)

    def finish(self) -> Path:
        """Close the file and return its path. Raises what went wrong with the disk: DiskFull."""
        self._guarded(self._close)
        if self._error is not None or self._path is None:
            raise self._error or DiskFull("the data set was given up")
        return self._path

    def discard(self) -> None:
        """Delete the file, unless the archive has taken it over."""
        self._guarded(self._close)
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._path = None

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except DiskFull as error:
            self._error = error
        except OSError as error:
            self._error = DiskFull(f"the archive could not be written: {error.strerror}")

    def _open(self, folder: Path, head: bytes) -> None:
        self._require_room()
        # Not deleted on close: the archive renames it.
        self._file = NamedTemporaryFile(dir=folder, suffix=SUFFIX, delete=False)  # noqa: SIM115
        self._path = Path(self._file.name)
        self._file.write(head)

    def _append(self, data: bytes) -> None:
        self._unchecked_bytes += len(data)
        if self._unchecked_bytes > LOOK_EVERY_BYTES:
            self._unchecked_bytes = 0
            self._require_room()
        if self._file is not None:
            self._file.write(data)

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


def file_head(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, calling_ae: str) -> bytes:
    """Preamble, prefix and File Meta Information (PS3.10 7.1) of a received data set."""
    meta = create_file_meta(
        sop_class_uid=sop_class_uid,
        sop_instance_uid=sop_instance_uid,
        transfer_syntax=transfer_syntax_uid,
        implementation_uid=IMPLEMENTATION_CLASS_UID,
        implementation_version=IMPLEMENTATION_VERSION_NAME,
    )
    meta.SourceApplicationEntityTitle = calling_ae
    return PREAMBLE + encode_file_meta(meta)


class SpoolingDimse(DIMSEServiceProvider):
    """pynetdicom's DIMSE provider, with a Spool under each C-STORE data set."""

    def __init__(self, assoc: Association, folder: Path, require_room: Callable[[], None]) -> None:
        super().__init__(assoc)
        self._folder, self._require_room = folder, require_room

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take in the fragments of one P-DATA-TF PDU, which may end one message and begin the next (PS3.8 E.2).

        Anything the decoder chokes on ends this association, and nothing else.
        """
        try:
            for fragment in primitive.presentation_data_value_list:
                self._receive_fragment(fragment)
        except (LookupError, ValueError, TypeError, AttributeError, NotImplementedError, EOFError):
            self.dul.event_queue.put("Evt19")  # unrecognised or invalid PDU (PS3.8 9.2): A-ABORT

    def _receive_fragment(self, fragment: tuple[int, bytes]) -> None:
        if type(self.message) in (NoneType, DIMSEMessage) and not fragment[1][0] & IS_COMMAND:
            raise ValueError("a data set without a command")
        one = P_DATA()
        one.presentation_data_value_list.append(fragment)
        super().receive_primitive(one)
        message = self.message
        if isinstance(message, C_STORE_RQ) and not isinstance(message.data_set, Spool):
            message.data_set = self._spool(message)
        elif message is not None and not isinstance(message.data_set, Spool):
            _require_small(message)

    def _spool(self, message: C_STORE_RQ) -> Spool:
        command = message.command_set
        context = self.assoc._accepted_cx[message.context_id]
        head = file_head(
            str(command.AffectedSOPClassUID),
            str(command.AffectedSOPInstanceUID),
            context.transfer_syntax[0],
            self.assoc.requestor.ae_title,
        )
        return Spool(self._folder, head, self._require_room)

    def discard_unserved(self) -> None:
        """Delete what arrived of messages that nobody will serve any more: the sender is gone."""
        if isinstance(self.message, C_STORE_RQ) and isinstance(self.message.data_set, Spool):
            self.message.data_set.discard()
        while True:
            try:
                _, message = self.msg_queue.get_nowait()
            except queue.Empty:
                return
            data_set = getattr(message, "DataSet", None)
            if isinstance(data_set, Spool):
                data_set.discard()


def _require_small(message: DIMSEMessage) -> None:
    if message.encoded_command_set.tell() + message.data_set.tell() > LONGEST_IN_MEMORY_BYTES:
        raise ValueError("a DIMSE message larger than any of its kind")
