"""Peers that misbehave: one that answers what a script says, one that says nothing, one that stops reading."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pynetdicom import AE, DEFAULT_TRANSFER_SYNTAXES, StoragePresentationContexts, evt
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
)


@contextlib.contextmanager
def scripted_scp(
    *,
    statuses: Sequence[int | str] = (),
    finds: Callable[[Dataset], Sequence[Dataset]] | None = None,
    find_status: int = 0x0000,
    called_ae: str = "",
    calling_ae: str = "",
    sop_classes: Sequence[str] = (),
    syntaxes: Sequence[str] | None = None,
    gives: Callable[[Dataset], Sequence[Path | str | float]] | None = None,
) -> Iterator[tuple[int, list[str]]]:
    """A pynetdicom acceptor on a free port; yields (port, SOP Instance UIDs in the order they were received).

    statuses: its answers to C-STORE, the last one again and again; "abort" aborts the association instead.
    finds:    the C-FIND matches of a query; after them `find_status`.
    gives:    what it sends back at a C-GET: files; for "abort" it aborts instead, for a number it waits seconds.
    called_ae, calling_ae: refuse others. sop_classes, syntaxes: accept these only.
    """
    ae = AE(ae_title=called_ae or "SCRIPTED")
    ae.require_called_aet, ae.require_calling_aet = bool(called_ae), [calling_ae] if calling_ae else []
    for sop_class in sop_classes or [c.abstract_syntax for c in StoragePresentationContexts]:
        roles = {"scu_role": False, "scp_role": True} if gives else {}
        ae.add_supported_context(sop_class, syntaxes or DEFAULT_TRANSFER_SYNTAXES, **roles)
    if gives is not None:
        ae.add_supported_context(StudyRootQueryRetrieveInformationModelGet)
    if finds is not None:
        ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    received: list[str] = []

    def on_store(event: Any) -> int | Dataset:
        received.append(str(event.request.AffectedSOPInstanceUID))
        said = statuses[min(len(received), len(statuses)) - 1] if statuses else 0x0000
        if said == "abort":
            event.assoc.abort()
            return 0x0110
        answer = Dataset()
        answer.Status = said
        if said:
            answer.ErrorComment = "scripted\x07answer"
        return answer

    def on_find(event: Any) -> Iterator[tuple[int, Dataset | None]]:
        assert finds is not None
        for match in finds(event.identifier):
            yield 0xFF00, match
        yield find_status, None

    def on_get(event: Any) -> Iterator[Any]:
        assert gives is not None
        steps = gives(event.identifier)
        yield sum(isinstance(step, Path) for step in steps)
        for step in steps:
            if isinstance(step, Path):
                yield 0xFF00, dcmread(step)
            elif step == "abort":
                event.assoc.abort()
                return
            else:
                time.sleep(float(step))

    handlers = [(evt.EVT_C_STORE, on_store), (evt.EVT_C_FIND, on_find), (evt.EVT_C_GET, on_get)]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    try:
        yield server.server_address[1], received
    finally:
        server.shutdown()


@contextlib.contextmanager
def silent_peer(opening: bytes = b"") -> Iterator[int]:
    """Accepts TCP connections, sends `opening`, and then neither reads nor says anything; yields its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    over, kept = threading.Event(), []

    def accept() -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                connection.sendall(opening)
                kept.append(connection)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        over.set()
        thread.join()
        for connection in [*kept, listener]:
            connection.close()


@contextlib.contextmanager
def stalling_relay(port: int, after_bytes: int) -> Iterator[int]:
    """Passes connections on to `port`; once `after_bytes` came from the client it stops reading; yields its port.

    To the client this is a peer that took the association and then hangs with its buffers full.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.settimeout(0.1)
    over, kept = threading.Event(), []

    def pump(source: socket.socket, sink: socket.socket, limit: int | None) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while (limit is None or passed < limit) and (data := source.recv(4096)):
                sink.sendall(data)
                passed += len(data)

    def accept() -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", port))
                kept.extend([client, server])
                for pair in ((client, server, after_bytes), (server, client, None)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        over.set()
        thread.join()
        for connection in [*kept, listener]:
            connection.close()
