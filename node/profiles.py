"""What destinations take, as far as anybody has asked: looked up in the ledger, asked when nobody has."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from pipeline.core.clock import Clock, utc_now
from pipeline.core.errors import LanternError, OurFault, place_of
from pipeline.core.profile import Profile, Refused
from pipeline.core.route import Destination
from storage import Ledger

log = logging.getLogger(__name__)

FRESH_FOR = timedelta(hours=24)
"""How long an answer counts; what a destination takes changes when somebody configures or updates it."""
SILENT_FOR = timedelta(minutes=5)
"""How long a destination that did not answer is left alone, unless somebody asks for it."""
REFUSED_FOR = timedelta(days=30)
"""How long a refusal by status counts. Each time it lapses, an object may be parked again: not every day."""
SHORT_S = 5.0
"""Seconds that a job may wait for each answer of a destination of which nothing is known yet."""

Ask = Callable[[Destination, float | None], Profile]
"""Probes a destination, with a limit in seconds for each answer (None: its own); raises LanternError."""


@dataclass(frozen=True, slots=True)
class Profiles:
    """What each destination takes. Every method may raise LedgerUnavailable."""

    ledger: Ledger
    ask: Ask
    clock: Clock = utc_now

    def of(self, destination: Destination) -> Profile | None:
        """What is known, without asking the destination; None when nobody has asked it where it is now."""
        known = self.ledger.profile(destination.name, destination.endpoint)
        if known is None or not known.refused:
            return known
        since = self.clock() - REFUSED_FOR
        return replace(known, refused=tuple(r for r in known.refused if r.at > since))

    def for_job(self, destination: Destination) -> Profile | None:
        """What is known; where that is nothing, the destination is asked once, with little patience."""
        known = self.of(destination)
        if known is not None and (known.is_known or self._is_left_alone(known)):
            return known
        return self.probe(destination, SHORT_S)

    def is_due(self, destination: Destination) -> bool:
        """Whether it is time to ask: nobody has, its answer is old, or its silence."""
        known = self.of(destination)
        if known is None:
            return True
        if known.error:
            return not self._is_left_alone(known)
        return known.probed_at is None or self.clock() - known.probed_at > FRESH_FOR

    def probe(self, destination: Destination, timeout_s: float | None = None) -> Profile:
        """Ask it and write down what it said; where it said nothing, why (`error`). Returns what is known then."""
        try:
            answer = self.ask(destination, timeout_s)
        except LanternError as e:
            answer = self._silent(destination, e)
        except Exception as e:  # noqa: BLE001  # the edge: a peer's oddity must not end the thread, nor fail a job
            answer = self._silent(destination, OurFault(f"unexpected {place_of(e)}"))
        self.ledger.keep_profile(destination.name, answer)
        return self.of(destination) or answer

    def ask_anew(self, destination: Destination) -> tuple[Profile, tuple[Refused, ...]]:
        """Ask it for a person, who may have changed it: with its answer, what it refused by status is forgotten.

        Returns what is known then, and what was forgotten: nothing when it did not answer.
        """
        found = self.probe(destination)
        if found.error or not found.refused:
            return found, ()
        self.ledger.forget_refusals(destination.name)
        return replace(found, refused=()), found.refused

    def refused(self, destination: Destination, sop_class_uid: str, status: int) -> None:
        """Remember that it refused objects of that class by `status`, which no probe would show."""
        refused = Refused(sop_class_uid, status, self.clock())
        self.ledger.keep_refusal(destination.name, destination.endpoint, refused)

    def took(self, destination: Destination, sop_class_uid: str) -> None:
        """It took an object of that class: forget that it refused such objects, if it did."""
        known = self.of(destination)
        if known and known.refusal(sop_class_uid):
            self.ledger.forget_refusals(destination.name, sop_class_uid)

    def _silent(self, destination: Destination, error: LanternError) -> Profile:
        log.warning("%s could not be asked what it takes: %s", destination.name, error)
        return Profile(destination.endpoint, self.clock(), error=str(error))

    def _is_left_alone(self, known: Profile) -> bool:
        return bool(known.error) and self.clock() - known.asked_at < SILENT_FOR


class Prober:
    """Keeps the profile of one destination fresh, in a thread of its own: one that hangs holds up nothing."""

    def __init__(self, profiles: Profiles, destination: Destination) -> None:
        self._profiles, self._of = profiles, destination
        self._doubted = threading.Event()

    def doubt(self) -> None:
        """The destination refused what its profile says it takes: ask it again soon."""
        self._doubted.set()

    def tick(self) -> bool:
        """Ask when it is time; always False, so that the next look comes after its pause."""
        if self._doubted.is_set() or self._profiles.is_due(self._of):
            self._doubted.clear()
            found = self._profiles.probe(self._of)
            if not found.error:
                log.info("%s takes %d kinds of objects", self._of.name, len({c for c, _ in found.accepted}))
        return False
