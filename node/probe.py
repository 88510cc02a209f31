"""What a destination accepts: C-ECHO, and the negotiation of everything that we might send (PS3.8 9.3.2)."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pynetdicom import build_context
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import Verification

from node import sent, stow
from node.association import associate
from node.scu import MAX_CONTEXTS, PLAIN, clean, verify
from pipeline.core.clock import Clock, utc_now
from pipeline.core.errors import PeerRefused
from pipeline.core.profile import Profile
from pipeline.core.route import Destination

PAIRS = tuple((s.sop_class_uid, syntax) for s in sent.ALL for syntax in s.syntaxes)
"""(SOP Class UID, transfer syntax UID) of everything that we might send."""


def probe(
    destination: Destination,
    *,
    calling_ae: str,
    tls: ssl.SSLContext | None = None,
    timeout_s: float | None = None,
    clock: Clock = utc_now,
) -> Profile:
    """Ask `destination` whether it is there and what it takes; nothing is stored.

    A presentation context for each pair of SOP Class and transfer syntax, so that the peer says of each whether it
    takes it; over as many associations as that needs. With STOW-RS nothing is negotiated: that it is there is all
    that is asked, and everything counts as taken.
    timeout_s: for each answer, instead of the destination's own.
    Raises PeerUnreachable (no association, or no answer on it), PeerBusy (STOW-RS), PeerRefused (it takes nothing).
    """
    limit_s = min(destination.timeout_s, timeout_s or destination.timeout_s)
    if destination.stow_url:
        return _assumed(replace(destination, timeout_s=limit_s), tls, clock)
    accepted: set[tuple[str, str]] = set()
    software, echoed = "", False
    for contexts in associations():
        with associate(destination, contexts, calling_ae=calling_ae, timeout_s=limit_s, tls=tls) as (
            association,
            watch,
        ):
            taken = {(str(c.abstract_syntax), str(c.transfer_syntax[0])) for c in association.accepted_contexts}
            software = clean(association.acceptor.implementation_version_name or "")
            if any(uid == Verification for uid, _ in taken):
                verify(destination, association, watch, limit_s)
                echoed = True
            accepted |= taken & set(PAIRS)
    if not accepted and not echoed:
        raise PeerRefused(
            f"{destination.name} takes associations, but none of the {len(PAIRS)} kinds of objects that were offered",
            f"is {destination.endpoint} an archive, and may {calling_ae!r} store there?",
        )
    now = clock()
    return Profile(destination.endpoint, now, now, frozenset(accepted), software)


def associations() -> Iterator[Sequence[PresentationContext]]:
    """What `probe` proposes: all pairs, in as many associations as their number needs; Verification in each."""
    room = MAX_CONTEXTS - 1
    for first in range(0, len(PAIRS), room):
        yield [
            build_context(Verification, list(PLAIN)),
            *(build_context(uid, syntax) for uid, syntax in PAIRS[first : first + room]),
        ]


def _assumed(destination: Destination, tls: ssl.SSLContext | None, clock: Clock) -> Profile:
    try:
        software = stow.reach(destination, tls=tls)
    except PeerRefused:  # it may only store, and answer no question
        software = ""
    now = clock()
    return Profile(destination.endpoint, now, now, frozenset(), software)
