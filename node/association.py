"""Associations that we open: bounded in time whatever the peer does, and refusals put in words."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Protocol, Self

from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.presentation import PresentationContext

from node.tls import client_context
from node.version import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from pipeline.core.errors import PeerUnreachable
from pipeline.core.route import Destination, Peer

CONNECT_TIMEOUT_S = 10.0
GRACE_S = 1.0
"""How long after a time limit pynetdicom may take to notice it by itself before the connection is cut."""


class Watch:
    """Cuts a connection that has used up its time.

    pynetdicom's own timeouts do not cover a peer that stops reading (its sending thread blocks), stops in the middle
    of a PDU (its receiving thread blocks) or keeps an aborted connection open (`kill()` waits for it). Closing the
    socket from outside ends all three.
    """

    def __init__(self, seconds: float) -> None:
        self.connected = False
        self._association: Association | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="association-watch", daemon=True)
        self.allow(seconds)

    def allow(self, seconds: float) -> None:
        """The connection may live this long from now on."""
        self._deadline = time.monotonic() + seconds + GRACE_S

    def attach(self, event: Any) -> None:
        """Handler of EVT_CONN_OPEN: from now on there is something to cut."""
        self._association, self.connected = event.assoc, True
        event.assoc._reactor_checkpoint = Checkpoint(event.assoc)
        # A PDU is often smaller than a segment; Nagle would hold it until the peer's delayed ACK.
        event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.1):
            if time.monotonic() > self._deadline:
                self._cut()

    def _cut(self) -> None:
        association = self._association
        if association is None:
            return
        # send_c_store() and release() spin on this flag; a reactor that died in an error never sets it.
        association._is_paused = True
        transport = association.dul.socket
        if transport is not None and transport.socket is not None:
            with suppress(OSError):  # the plain socket's shutdown: TLS would first talk to the peer
                socket.socket.shutdown(transport.socket, socket.SHUT_RDWR)


class Checkpoint(threading.Event):
    """Where pynetdicom's reactor stops while a request waits for its answer.

    In pynetdicom 3.0 a reactor that was let go after one request may still count as stopped when the next is sent. On
    a busy machine it then takes the answer off the queue, and the request waits in vain until its time is up. Here who
    passes has said so before the checkpoint can be closed again.
    """

    def __init__(self, association: Any) -> None:
        super().__init__()
        self._association, self._passing = association, threading.Lock()
        self.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Pass when it is open; whether it was."""
        while super().wait(timeout):
            with self._passing:
                if self.is_set():
                    self._association._is_paused = False
                    return True
        return False

    def clear(self) -> None:
        """Close it; nobody is in the middle of passing then."""
        with self._passing:
            super().clear()


class Storing(Protocol):
    """Takes the objects that a peer sends back on an association that we opened (C-GET, PS3.4 C.4.3)."""

    sop_classes: Sequence[str]

    def on_open(self, event: Any) -> None:
        """Handler of EVT_CONN_OPEN."""

    def on_c_store(self, event: Any) -> int:
        """Handler of EVT_C_STORE; returns the status."""


def requestor(calling_ae: str) -> AE:
    """What opens associations: how it names itself, and the longest PDU that it takes."""
    ae = AE(ae_title=calling_ae)
    ae.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    return ae


@contextmanager
def associate(
    peer: Destination | Peer,
    contexts: Sequence[PresentationContext],
    *,
    calling_ae: str,
    timeout_s: float,
    tls: ssl.SSLContext | None = None,
    storing: Storing | None = None,
) -> Iterator[tuple[Association, Watch]]:
    """An association with `peer`, released at the end of the block; aborted when the block raises.

    Established, or, when the peer took the association but none of `contexts`, with no accepted contexts.
    timeout_s bounds each of: the answer to the request, one DIMSE answer, the release. `tls` is used when the peer's
    entry says `tls`; None then means to trust whom the operating system trusts. `storing`: for C-GET.
    Raises PeerUnreachable when there is no association, with what to look at.
    """
    ae = requestor(calling_ae)
    ae.connection_timeout = min(CONNECT_TIMEOUT_S, timeout_s)
    ae.acse_timeout = ae.dimse_timeout = timeout_s
    ae.network_timeout = None  # the Watch is stricter
    with Watch(ae.connection_timeout + timeout_s) as watch:
        association = _request(ae, peer, contexts, watch, (tls or client_context()) if peer.tls else None, storing)
        try:
            yield association, watch
        except BaseException:  # whatever ended the conversation, the peer is told at once; raised again
            watch.allow(0.0)
            association.abort()
            raise
        watch.allow(timeout_s)
        association.release()


def _request(
    ae: AE,
    peer: Destination | Peer,
    contexts: Sequence[PresentationContext],
    watch: Watch,
    tls: ssl.SSLContext | None,
    storing: Storing | None,
) -> Association:
    handlers: list[Any] = [(evt.EVT_CONN_OPEN, watch.attach)]
    if storing:
        handlers += [(evt.EVT_CONN_OPEN, storing.on_open), (evt.EVT_C_STORE, storing.on_c_store)]
    try:
        association = ae.associate(
            peer.host,
            peer.port,
            contexts=list(contexts),
            ae_title=peer.ae_title,
            ext_neg=[build_role(sop_class, scp_role=True) for sop_class in storing.sop_classes] if storing else None,
            evt_handlers=handlers,
            tls_args=(tls, peer.host) if tls else None,
        )
    except (OSError, UnicodeError) as error:  # the name cannot be resolved, or no local socket
        raise PeerUnreachable(f"{_name(peer)}: {error}", f"check the host name {peer.host!r}") from error
    # A rejection may end the connection before pynetdicom looks whether there is one: it is left in the queue then.
    answer = association.acceptor.primitive or association.dul.receive_pdu(wait=False)
    taken = isinstance(answer, A_ASSOCIATE) and answer.result == 0
    if association.is_established or (taken and not association.accepted_contexts):
        return association
    raise _no_association(peer, ae.ae_title, watch.connected, answer)


def _name(peer: Destination | Peer) -> str:
    address = f"{peer.ae_title} at {peer.host}:{peer.port}"
    return address if peer.name in ("", address) else f"{peer.name} ({address})"


def _no_association(peer: Destination | Peer, calling_ae: str, connected: bool, answer: Any) -> PeerUnreachable:
    if not connected:
        hint = f"is it running, and does a firewall let this machine reach {peer.host}:{peer.port}?"
        if peer.tls:
            hint += " With TLS: does each side trust the other's certificate?"
        return PeerUnreachable(f"{_name(peer)}: no connection", hint)
    if isinstance(answer, A_ASSOCIATE) and answer.result in (1, 2):
        said = f"rejected the association: {answer.source_str}: {answer.reason_str}"
        return PeerUnreachable(f"{_name(peer)} {said}", _rejection_hint(peer, calling_ae, answer))
    hint = f"does a DICOM service listen on port {peer.port}, with{'' if peer.tls else 'out'} TLS?"
    if answer is None:
        hint += f" Some systems say nothing to an AE title they do not know: register {calling_ae!r} there."
    return PeerUnreachable(f"{_name(peer)}: no answer to the association request", hint)


def _rejection_hint(peer: Destination | Peer, calling_ae: str, answer: A_ASSOCIATE) -> str:
    """PS3.8 9.3.4: source 1 is the application, diagnostic 3 the calling and 7 the called AE title."""
    reason = (answer.result_source, answer.diagnostic)
    if reason == (1, 7):
        return f"it does not answer to the AE title {peer.ae_title!r}: correct ae_title of {peer.name}"
    if reason == (1, 3):
        return f"it does not know us: register the AE title {calling_ae!r} with this machine's address there"
    if answer.result_source == 3:
        return "it has too many associations open; it will be tried again"
    return f"see that the AE title {calling_ae!r} may open associations there"
