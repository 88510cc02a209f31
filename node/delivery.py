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
from node.scu import Outcome, Status
from pipeline.core.clock import Clock, utc_now
from pipeline.core.errors import LanternError, PeerRefused
from pipeline.core.result import Delivery
from pipeline.core.route import Destination
from storage import Archive, Ledger

log = logging.getLogger(__name__)

LEASE_S = 900.0
"""Seconds that a batch may take to send before another process may try it. Resending is harmless: UIDs are fixed."""

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
    """What the outbox works with."""

    ledger: Ledger
    archive: Archive
    send: Send
    backoff: Backoff
    holder: str
    clock: Clock = utc_now


class Deliverer:
    """Sends what waits for one destination."""

    def __init__(self, desk: Desk, destination: Destination) -> None:
        self._desk = desk
        self._to = destination

    def tick(self) -> bool:
        """Send one batch, the oldest job's; False when nothing is due."""
        until = self._desk.clock() + timedelta(seconds=LEASE_S)
        batch = self._desk.ledger.claim_deliveries(self._to.name, self._desk.holder, until)
        if not batch:
            return False
        try:
            outcomes = self._desk.send(self._to, [self._desk.archive.absolute(d.result.path) for d in batch])
        except LanternError as e:
            self._nothing_went(batch, e)
            return True
        for delivery, outcome in zip(batch, outcomes, strict=True):
            self._note(delivery, outcome)
        return True

    def _note(self, delivery: Delivery, outcome: Outcome) -> None:
        ledger, holder = self._desk.ledger, self._desk.holder
        detail = outcome.detail
        where = (
            f"job {delivery.job_id}: {delivery.result.kind.value} {delivery.result.sop_instance_uid} to {self._to.name}"
        )
        if outcome.status is Status.ACCEPTED:
            log.info("%s: accepted %s", where, detail)
            ledger.accepted(delivery.id, holder)
        elif outcome.status is Status.REFUSED or self._too_old(delivery):
            log.error("%s: parked: %s", where, detail)
            ledger.refused(delivery.id, holder, detail)
        else:
            log.warning("%s: later: %s", where, detail)
            ledger.later([delivery.id], detail, self._next(delivery.attempts))

    def _nothing_went(self, batch: Sequence[Delivery], error: LanternError) -> None:
        log.warning("job %d: nothing reached %s: %s", batch[0].job_id, self._to.name, error)
        refused = isinstance(error, PeerRefused)
        gone = [d for d in batch if refused or self._too_old(d)]
        for d in gone:
            self._desk.ledger.refused(d.id, self._desk.holder, f"given up: {error}")
        wait = [d.id for d in batch if d not in gone]
        if wait:
            next_at = self._next(min(d.attempts for d in batch))
            self._desk.ledger.later(wait, str(error), next_at)
            self._desk.ledger.postpone(self._to.name, next_at)

    def _too_old(self, delivery: Delivery) -> bool:
        return (self._desk.clock() - delivery.created_at).total_seconds() > self._to.park_after_s

    def _next(self, attempts: int) -> datetime:
        return self._desk.clock() + self._desk.backoff.after(attempts)


def deliver_all(desk: Desk, destinations: Sequence[Destination], stop: Stop, poll_s: float) -> list[threading.Thread]:
    """Start one thread per destination; each ends when `stop` asks."""
    threads = [
        threading.Thread(
            target=run,
            args=(Deliverer(desk, d).tick, stop),
            kwargs={"poll_s": poll_s},
            name=f"to-{d.name}",
            daemon=True,
        )
        for d in destinations
    ]
    for thread in threads:
        thread.start()
    return threads
