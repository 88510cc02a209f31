"""The outbox: one thread per destination, so that a dead one delays nobody else."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from node.loop import Stop, run
from node.profiles import Prober, Profiles
from node.scu import Outcome, Status
from pipeline.core.clock import Clock, utc_now
from pipeline.core.errors import LanternError, OurFault, PeerRefused, place_of
from pipeline.core.result import Delivery
from pipeline.core.route import Destination
from storage import Archive, Ledger

log = logging.getLogger(__name__)

LEASE_S = 900.0
"""Seconds that a batch may take to send before another process may try it. Resending is harmless: UIDs are fixed."""

SUSPECT_AFTER = 3
"""Failures after which a batch itself may be what the destination cannot stand."""
YIELD = timedelta(seconds=30)
"""How much later than the others a suspect is tried."""
STRAYS_EVERY_S = 60.0
"""Seconds between two looks for deliveries to destinations that the configuration no longer has."""

ASK_EVERY_S = 2.0
"""Seconds between two looks whether a destination is to be asked what it takes."""

Send = Callable[[Destination, Sequence[Path]], list[Outcome]]
"""Sends files, answers one Outcome each; raises LanternError when nothing could be sent at all."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait after the n-th failure: doubled each time, capped, and spread so that nobody marches in step."""

    first_s: float
    cap_s: float

    def after(self, attempts: int) -> timedelta:
        """The wait after `attempts` earlier failures."""
        full = min(self.cap_s, self.first_s * 2.0 ** min(attempts, 30))
        return timedelta(seconds=full * random.uniform(0.5, 1.0))


@dataclass(frozen=True, slots=True)
class Desk:
    """What the outbox works with. profiles: kept fresh while it sends; None: nobody asks."""

    ledger: Ledger
    archive: Archive
    send: Send
    backoff: Backoff
    holder: str
    clock: Clock = utc_now
    profiles: Profiles | None = None


class Deliverer:
    """Sends what waits for one destination.

    on_unwanted: told when it does not take a kind of object that it was to take.
    """

    def __init__(self, desk: Desk, destination: Destination, on_unwanted: Callable[[], None] = lambda: None) -> None:
        self._on_unwanted = on_unwanted
        self._desk = desk
        self._to = destination
        self._unanswered: list[int] = []
        self._answers = False  # whether it took something since it last failed

    def tick(self) -> bool:
        """Send one batch, the oldest job's; False when nothing is due."""
        self._free_unanswered()
        until = self._desk.clock() + timedelta(seconds=LEASE_S)
        batch = self._desk.ledger.claim_deliveries(self._to.name, self._desk.holder, until)
        if not batch:
            return False
        self._unanswered = [d.id for d in batch]
        self._send(batch)
        self._unanswered = []
        return True

    def _free_unanswered(self) -> None:
        """Let go of what the last tick took and could not write an answer about; it is sent again."""
        if self._unanswered:
            self._desk.ledger.later(self._unanswered, "the answer could not be written down", self._desk.clock())
            self._unanswered = []

    def _send(self, batch: Sequence[Delivery]) -> None:
        try:
            outcomes = self._desk.send(self._to, [self._desk.archive.absolute(d.result.path) for d in batch])
        except LanternError as e:
            self._nothing_went(batch, e)
            return
        except Exception as e:  # noqa: BLE001  # the edge: a peer's oddity must not end the thread, nor the process
            self._nothing_went(batch, OurFault(f"unexpected {place_of(e)}"))
            return
        for delivery, outcome in zip(batch, outcomes, strict=True):
            self._note(delivery, outcome)

    def _note(self, delivery: Delivery, outcome: Outcome) -> None:
        ledger, holder = self._desk.ledger, self._desk.holder
        detail = outcome.detail
        self._learn(delivery, outcome)
        if outcome.unwanted:
            self._on_unwanted()
            detail += f"; `lantern jobs retry {delivery.job_id} --compute` writes the results as it takes them"
        where = (
            f"job {delivery.job_id}: {delivery.result.kind.value} {delivery.result.sop_instance_uid} to {self._to.name}"
        )
        if outcome.status is Status.ACCEPTED:
            log.info("%s: accepted %s", where, detail)
            self._answers = True
            ledger.accepted(delivery.id, holder)
        elif outcome.status is Status.REFUSED or self._too_old(delivery):
            log.error("%s: parked: %s", where, detail)
            ledger.refused(delivery.id, holder, detail)
        else:
            log.warning("%s: later: %s", where, detail)
            ledger.later([delivery.id], detail, self._next(delivery.attempts))

    def _learn(self, delivery: Delivery, outcome: Outcome) -> None:
        """Remember what no question would show; before the answer is written down, so that a retry knows of it."""
        profiles, kind = self._desk.profiles, delivery.result.sop_class_uid
        if profiles and outcome.refused_with:
            profiles.refused(self._to, kind, outcome.refused_with)
        elif profiles and outcome.status is Status.ACCEPTED:
            profiles.took(self._to, kind)

    def _nothing_went(self, batch: Sequence[Delivery], error: LanternError) -> None:
        log.warning("job %d: nothing reached %s: %s", batch[0].job_id, self._to.name, error)
        refused = isinstance(error, PeerRefused)
        gone = [d for d in batch if refused or self._too_old(d)]
        for d in gone:
            self._desk.ledger.refused(d.id, self._desk.holder, f"given up: {error}")
        wait = [d.id for d in batch if d not in gone]
        if wait:
            self._postpone(wait, min(d.attempts for d in batch), error)

    def _postpone(self, waiting: Sequence[int], attempts: int, error: LanternError) -> None:
        """Try these later; and everything else for the destination, unless it took something meanwhile.

        It may be one object that brings a peer down each time: after a while the others get their turn before it.
        """
        next_at = self._next(attempts)
        suspect = attempts >= SUSPECT_AFTER
        self._desk.ledger.later(waiting, str(error), next_at + YIELD if suspect else next_at)
        if not self._answers:
            self._desk.ledger.postpone(self._to.name, next_at)
        self._answers = False

    def _too_old(self, delivery: Delivery) -> bool:
        return (self._desk.clock() - delivery.created_at).total_seconds() > self._to.park_after_s

    def _next(self, attempts: int) -> datetime:
        return self._desk.clock() + self._desk.backoff.after(attempts)


def deliver_all(desk: Desk, destinations: Sequence[Destination], stop: Stop, poll_s: float) -> list[threading.Thread]:
    """Start the threads of the outbox; each ends when `stop` asks.

    For each destination one that sends and one that asks it now and then what it takes, so that a question without an
    answer holds up nothing; and one that parks what waits for no destination of the configuration.
    """

    def ticking(name: str, tick: Callable[[], bool], pause_s: float) -> threading.Thread:
        return threading.Thread(target=run, args=(tick, stop), kwargs={"poll_s": pause_s}, name=name, daemon=True)

    threads: list[threading.Thread] = []
    for d in destinations:
        prober = Prober(desk.profiles, d) if desk.profiles else None
        deliverer = Deliverer(desk, d, prober.doubt) if prober else Deliverer(desk, d)
        threads.append(ticking(f"to-{d.name}", deliverer.tick, poll_s))
        if prober:
            threads.append(ticking(f"ask-{d.name}", prober.tick, ASK_EVERY_S))
    threads.append(ticking("strays", lambda: _park_strays(desk, destinations), STRAYS_EVERY_S))
    for thread in threads:
        thread.start()
    return threads


def _park_strays(desk: Desk, destinations: Sequence[Destination]) -> bool:
    """Park what would wait for ever; always False, so that the next look comes after its pause."""
    count = desk.ledger.park_strays([d.name for d in destinations], desk.holder)
    if count:
        log.error("%d objects parked: the configuration no longer has their destination", count)
    return False
