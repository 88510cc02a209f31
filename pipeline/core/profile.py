"""Profile: what a destination was found to accept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Refused:
    """A SOP Class that a destination negotiated, and then refused with a status (PS3.7 C.5) that means all of it.

    at: when it did so last.
    """

    sop_class_uid: str
    status: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Profile:
    """The answer of one destination to the question what it takes.

    endpoint:  whom was asked: "AE@host:port", or the URL of a STOW-RS service.
    asked_at:  when it was asked last.
    probed_at: when it last answered; None: it never did, and nothing is known.
    accepted:  (SOP Class UID, transfer syntax UID) of the presentation contexts that it accepted.
    software:  its Implementation Version Name (PS3.7 D.3.3.2), or what else it calls itself; may be empty.
    error:     why it did not answer when it was asked last; "" when it did.
    refused:   what it refused by status, whatever it accepts at negotiation.
    """

    endpoint: str
    asked_at: datetime
    probed_at: datetime | None = None
    accepted: frozenset[tuple[str, str]] = frozenset()
    software: str = ""
    error: str = ""
    refused: tuple[Refused, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether it has ever said what it takes; what it said last stands, though it be silent now."""
        return self.probed_at is not None

    @property
    def is_assumed(self) -> bool:
        """True for STOW-RS (PS3.18 10.5), where nothing is negotiated: everything counts as taken until refused."""
        return "://" in self.endpoint

    def takes(self, sop_class_uid: str, syntaxes: Iterable[str] = ()) -> bool:
        """Whether it takes objects of that class, in one of `syntaxes` where some are given."""
        if self.refusal(sop_class_uid):
            return False
        if self.is_assumed:
            return True
        wanted = set(syntaxes)
        return any(c == sop_class_uid and (not wanted or s in wanted) for c, s in self.accepted)

    def refusal(self, sop_class_uid: str) -> Refused | None:
        """How it refused objects of that class by status; None when it did not."""
        return next((r for r in self.refused if r.sop_class_uid == sop_class_uid), None)

    def syntaxes(self, sop_class_uid: str) -> tuple[str, ...]:
        """The transfer syntaxes in which it takes objects of that class, sorted; none where nothing was negotiated."""
        return tuple(sorted(s for c, s in self.accepted if c == sop_class_uid))
