"""The listening socket and what stands between it and pynetdicom: probes, floods, stalled and boundless PDUs."""

from __future__ import annotations

import logging
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from socketserver import BaseServer
from typing import Any

from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from node.receive.spool import SpoolingDimse

log = logging.getLogger(__name__)

LONGEST_PDU_BYTES = 1 << 20
"""A-ASSOCIATE-RQ with 128 contexts stays well below; P-DATA-TF is bounded by what we announce, if that is more."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one peer, or all together, may take."""

    max_connections: int
    first_bytes_s: float
    pdu_s: float
    pdu_bytes: int


class GuardedSocket(AssociationSocket):
    """Reads a PDU in large blocks, in bounded time and memory.

    Without it a peer that stops in the middle of a PDU holds two threads for ever, and one that announces a PDU of
    4 GB gets them.
    """

    def __init__(self, assoc: Association, client_socket: socket.socket, limits: Limits) -> None:
        super().__init__(assoc, client_socket=client_socket)
        self._limits = limits

    @property
    def ready(self) -> bool:
        """True when there is something to read. By poll(2): select(2) fails on descriptors above 1023."""
        sock = self.socket
        if sock is None or not self._is_connected:
            return False
        if isinstance(sock, ssl.SSLSocket) and sock.pending():
            return True
        try:
            poll = select.poll()
            poll.register(sock, select.POLLIN)
            return bool(poll.poll(0))
        except (OSError, ValueError):
            self.event_queue.put("Evt17")  # transport connection closed (PS3.8 9.2)
            return False

    def recv(self, nr_bytes: int) -> bytearray:
        """Exactly `nr_bytes`, or fewer at the end of the stream. Raises TimeoutError and OSError."""
        if nr_bytes > self._limits.pdu_bytes:
            raise OSError(f"a PDU of {nr_bytes} bytes, longer than allowed")
        sock = self.socket
        if sock is None:
            raise OSError("the connection is closed")
        buffer = bytearray(nr_bytes)
        view, done, deadline = memoryview(buffer), 0, time.monotonic() + self._limits.pdu_s
        while done < nr_bytes:
            if time.monotonic() > deadline:
                raise TimeoutError("a PDU was not finished in time")
            count = sock.recv_into(view[done:])
            if count == 0:
                break
            done += count
        return buffer if done == nr_bytes else buffer[:done]


class Connection(RequestHandler):
    """One connection, from its first byte to the last thread it needed."""

    server: StoreServer
    request: Any

    def handle(self) -> None:
        """Serve one association; return when it is over. A connection that says nothing never becomes one."""
        try:
            if not self._speaks():
                return
            self._serve()
        except OSError as error:  # TLS that fails, a reset: the peer's doing, nothing is lost
            log.info("connection from %s closed: %s", self.client_address[0], error)
        finally:
            self.server.shutdown_request(self.request)

    def _speaks(self) -> bool:
        """Wait for the first byte. Port probes and health checks of load balancers end here."""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.request.settimeout(self.server.limits.first_bytes_s)
        first = self.request.recv(1, socket.MSG_PEEK)
        if first and first != self._opening():
            log.warning("connection from %s closed: it does not speak DICOM%s", *self._who())
        return first == self._opening()

    def _opening(self) -> bytes:
        """The first byte of an A-ASSOCIATE-RQ (PS3.8 9.3.2), or of a TLS handshake record (RFC 8446 5.1)."""
        return b"\x01" if self.server.ssl_context is None else b"\x16"

    def _who(self) -> tuple[str, str]:
        return self.client_address[0], "" if self.server.ssl_context is None else " over TLS"

    def _serve(self) -> None:
        if self.server.ssl_context is not None:
            self.request = self.server.ssl_context.wrap_socket(self.request, server_side=True)
        self.request.settimeout(self.server.limits.pdu_s)
        assoc = self._create_association()
        evt.trigger(assoc, evt.EVT_CONN_OPEN, {"address": self.client_address})
        assoc.start()
        assoc.join()
        assoc.dimse.discard_unserved()

    def _create_association(self) -> Association:
        assoc = super()._create_association()
        # The plain socket has announced the connection (Evt5); the one that takes its place does so again.
        assoc.dul.event_queue.get_nowait()
        assoc.dul.socket = GuardedSocket(assoc, self.request, self.server.limits)
        assoc.dimse = self.server.make_dimse(assoc)
        return assoc


class StoreServer(ThreadedAssociationServer):
    """pynetdicom's server, with a thread per connection and a bound on their number."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, *args: Any, limits: Limits, make_dimse: Callable[[Association], SpoolingDimse], **named: Any
    ) -> None:
        self.limits, self.make_dimse = limits, make_dimse
        self._slots = threading.BoundedSemaphore(limits.max_connections)
        super().__init__(*args, request_handler=Connection, **named)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept; TLS is left to the connection's own thread, so that a silent client holds up nobody."""
        return self.socket.accept()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give the connection a thread, or close it when there are too many."""
        if not self._slots.acquire(blocking=False):
            log.warning("connection from %s closed: %d are open", client_address[0], self.limits.max_connections)
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The connection's thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def shutdown(self) -> None:
        """Stop listening; open associations go on. (The inherited one knows only servers of AE.start_server.)"""
        BaseServer.shutdown(self)
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """An exception nobody foresaw: told once, and only this connection ends."""
        log.exception("connection from %s failed", client_address[0])
