"""The acceptor: verification and storage SCP on one port."""

from __future__ import annotations

import logging
import ssl
import threading
import time
import warnings
from dataclasses import dataclass
from typing import Any

from pynetdicom import AE, _config, evt
from pynetdicom.association import Association

from node.receive.doors import Doors, Rejection
from node.receive.server import LONGEST_PDU_BYTES, Limits, StoreServer
from node.receive.spool import SpoolingDimse
from node.receive.store import OnStored, Store, association_of
from node.syntaxes import in_senders_order, supported_contexts
from node.version import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from pipeline.core.route import Peer
from storage.archive import Archive
from storage.ledger import Ledger

log = logging.getLogger(__name__)

ABANDONED_AFTER_S = 3600.0
"""A temporary file not written to for this long belongs to a process that is gone."""

ABORT_S = 2.0
"""How long `stop` waits for aborted associations to be gone."""


@dataclass(frozen=True, slots=True)
class AcceptorOptions:
    """How the node is reached, by whom, and how much of it one may take.

    ae_titles:        the titles it answers to; the first is its own name.
    port:             0 takes a free one; see `Acceptor.port`.
    max_connections:  open sockets, those that have not said anything yet included.
    max_pdu_bytes:    the longest P-DATA-TF that peers may send (PS3.8 D.1).
    acse_timeout_s:   how long a connection may wait before its association request.
    network_timeout_s: how long an association may be silent, and one PDU may take.
    """

    ae_titles: tuple[str, ...]
    host: str = "0.0.0.0"
    port: int = 11112
    peers: tuple[Peer, ...] = ()
    allow_any_calling_ae: bool = False
    require_called_ae: bool = True
    max_associations: int = 25
    max_connections: int = 200
    max_pdu_bytes: int = 131072
    acse_timeout_s: float = 30.0
    dimse_timeout_s: float = 60.0
    network_timeout_s: float = 60.0
    ssl_context: ssl.SSLContext | None = None


class Acceptor:
    """Receives instances into archive and ledger. `start` and `stop` may be called from any thread, once each.

    on_stored: called after each acknowledged instance, from the association's thread.
    """

    def __init__(
        self, options: AcceptorOptions, archive: Archive, ledger: Ledger, on_stored: OnStored | None = None
    ) -> None:
        quiet_libraries()
        self._options, self._archive = options, archive
        self._store = Store(archive, ledger, on_stored, frozenset(options.ae_titles))
        self._doors = Doors(
            frozenset(options.ae_titles), options.peers, options.require_called_ae, options.allow_any_calling_ae
        )
        self._contexts = supported_contexts()
        self._server: StoreServer | None = None

    @property
    def port(self) -> int:
        """The port it listens on; the configured one before `start`."""
        return int(self._server.server_address[1]) if self._server else self._options.port

    @property
    def associations(self) -> int:
        """How many associations are open now."""
        return len(self._server.active_associations) if self._server else 0

    def start(self) -> None:
        """Open the port. Raises OSError when it is taken or forbidden."""
        self._archive.sweep_incoming(time.time() - ABANDONED_AFTER_S)
        options = self._options
        self._server = self._application_entity().make_server(
            (options.host, options.port),
            contexts=self._contexts,
            ssl_context=options.ssl_context,
            evt_handlers=self._handlers(),
            server_class=StoreServer,
            limits=Limits(
                max(options.max_connections, 2 * options.max_associations),
                options.acse_timeout_s,
                options.network_timeout_s,
                max(options.max_pdu_bytes, LONGEST_PDU_BYTES),
            ),
            make_dimse=self._make_dimse,
        )
        threading.Thread(target=self._server.serve_forever, args=(0.25,), name="acceptor", daemon=True).start()
        log.info("listening on %s:%d as %s", options.host, self.port, ", ".join(options.ae_titles))

    def stop(self, grace_s: float = 10.0) -> None:
        """Take no more associations, let the open ones end for up to `grace_s`, then abort them."""
        server = self._server
        if server is None:
            return
        server.shutdown()
        deadline = time.monotonic() + grace_s
        while server.active_associations and time.monotonic() < deadline:
            time.sleep(0.02)
        _abort(server.active_associations)
        self._server = None

    def _application_entity(self) -> AE:
        options = self._options
        ae = AE(ae_title=options.ae_titles[0])
        ae.maximum_associations = options.max_associations
        ae.maximum_pdu_size = options.max_pdu_bytes
        ae.acse_timeout = options.acse_timeout_s
        ae.dimse_timeout = options.dimse_timeout_s
        ae.network_timeout = options.network_timeout_s
        ae.implementation_class_uid = IMPLEMENTATION_CLASS_UID
        ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        return ae

    def _make_dimse(self, assoc: Association) -> SpoolingDimse:
        return SpoolingDimse(assoc, self._archive.incoming_dir, self._archive.require_room)

    def _handlers(self) -> list[Any]:
        return [
            (evt.EVT_REQUESTED, self._on_requested),
            (evt.EVT_C_STORE, self._store.on_c_store),
            (evt.EVT_RELEASED, _on_end, ["released"]),
            (evt.EVT_ABORTED, _on_end, ["aborted"]),
            (evt.EVT_REJECTED, _on_end, ["rejected: too many associations"]),
        ]

    def _on_requested(self, event: Any) -> None:
        """Admission, and the order of transfer syntaxes for what pynetdicom negotiates next."""
        assoc = event.assoc
        rejection = self._rejection(assoc)
        if rejection is not None:
            log.warning("association %s rejected: %s", _names(assoc), rejection.words)
            assoc.acse.send_reject(*rejection.value)
            assoc.kill()
            return
        proposed = assoc.requestor.primitive.presentation_context_definition_list
        assoc.acceptor.supported_contexts = in_senders_order(self._contexts, proposed)

    def _rejection(self, assoc: Association) -> Rejection | None:
        try:
            caller = association_of(assoc)
            return self._doors.refuses(caller.calling_ae, caller.called_ae, caller.peer_ip)
        except Exception:  # pynetdicom would let in whomever this cannot judge
            log.exception("an association request could not be judged")
            return Rejection.NO_REASON_GIVEN


def _abort(associations: list[Association]) -> None:
    """Abort them all at once; one that stands in the middle of a PDU does not hear, and is left to its time limit."""
    threads = [threading.Thread(target=assoc.abort, daemon=True) for assoc in associations]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + ABORT_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


def _on_end(event: Any, how: str) -> None:
    level = logging.INFO if how == "released" else logging.WARNING
    log.log(level, "association %s %s", _names(event.assoc), how)


def _names(assoc: Association) -> str:
    caller = association_of(assoc)
    return f"{caller.calling_ae} at {caller.peer_ip} to {caller.called_ae}"


def quiet_libraries() -> None:
    """Keep patients out of the log: pynetdicom tells whole commands, pydicom's warnings quote values.

    Process-wide, as these libraries know it no other way. Whatever matters of theirs is logged here in our own words.
    """
    _config.LOG_HANDLER_LEVEL = "none"
    warnings.filterwarnings("ignore", module=r"pydicom\.")
    for name in ("pynetdicom", "pydicom"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
