"""A peer that writes down what associations propose."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pynetdicom import AE, build_context, evt
from pynetdicom.sop_class import Verification

from tests.support.senders import HOST


@dataclass
class Proposals:
    """Of every association that was requested: contexts, and which of them with the role of SCP."""

    port: int = 0
    contexts: set[tuple[str, str]] = field(default_factory=set)
    scp: set[str] = field(default_factory=set)
    names: set[tuple[str, str]] = field(default_factory=set)
    pdu_bytes: set[int] = field(default_factory=set)
    callers: set[str] = field(default_factory=set)
    heard: threading.Event = field(default_factory=threading.Event)

    def hear(self, event: Any) -> None:
        asked = event.assoc.requestor
        for context in asked.primitive.presentation_context_definition_list:
            self.contexts |= {(str(context.abstract_syntax), str(s)) for s in context.transfer_syntax}
        self.scp |= {str(uid) for uid, role in asked.role_selection.items() if role.scp_role}
        self.names.add((str(asked.implementation_class_uid), asked.implementation_version_name))
        self.pdu_bytes.add(asked.maximum_length)
        self.callers.add(asked.primitive.calling_ae_title)
        self.heard.set()


@contextmanager
def overheard() -> Iterator[Proposals]:
    """A peer that writes down what is proposed, and takes nothing but C-ECHO."""
    heard = Proposals()
    server = AE("PEER").start_server(
        (HOST, 0),
        block=False,
        contexts=[build_context(Verification)],
        evt_handlers=[(evt.EVT_REQUESTED, heard.hear)],
    )
    heard.port = server.server_address[1]
    try:
        yield heard
    finally:
        server.shutdown()
