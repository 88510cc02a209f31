"""The ledger's third part: results on their way out, one destination at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa

from pipeline.core.clock import Clock, utc_now
from pipeline.core.job import State
from pipeline.core.result import Delivery, DeliveryState
from storage import tables as t
from storage.engine import Database
from storage.handover import close_job
from storage.moves import lock_state
from storage.rows import DELIVERY_WITH_RESULT, delivery_of

_WAITING = DeliveryState.WAITING.value


class Outbox:
    """Deliveries: what waits, what was sent, what is parked."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._db = database
        self._now = clock

    def claim_deliveries(self, destination: str, holder: str, until: datetime) -> list[Delivery]:
        """Take what is due for a destination of the oldest job that has anything due; empty when nothing is.

        All of a batch belongs to one job, in the order in which the results were made.
        """
        d, now = t.delivery.c, self._now()
        due = (
            d.destination == destination,
            d.state == _WAITING,
            d.next_at <= now,
            sa.or_(d.lease_until.is_(None), d.lease_until < now),
        )
        with self._db.write() as db:
            job_id = db.execute(sa.select(d.job_id).where(*due).order_by(d.created_at, d.id).limit(1)).scalar()
            if job_id is None:
                return []
            claim = sa.update(t.delivery).where(*due, d.job_id == job_id).values(lease=holder, lease_until=until)
            mine = db.execute(claim.returning(d.id)).scalars().all()
            rows = db.execute(DELIVERY_WITH_RESULT.where(d.id.in_(mine)).order_by(d.id)).mappings()
            return [delivery_of(r) for r in rows]

    def accepted(self, delivery_id: int, by: str) -> None:
        """The destination answered success. With the last open delivery the job moves in the same transaction."""
        self._answer(delivery_id, by, state=DeliveryState.SENT.value, error="")

    def refused(self, delivery_id: int, by: str, error: str) -> None:
        """The destination will not have this object: park it. The others go on."""
        self._answer(delivery_id, by, state=DeliveryState.PARKED.value, error=error)

    def later(self, delivery_ids: Sequence[int], error: str, next_at: datetime) -> None:
        """These objects were not taken this time: try again at `next_at`."""
        d = t.delivery.c
        with self._db.write() as db:
            db.execute(
                sa.update(t.delivery)
                .where(d.id.in_(delivery_ids), d.state == _WAITING)
                .values(attempts=d.attempts + 1, error=error, next_at=next_at, lease="", lease_until=None)
            )

    def postpone(self, destination: str, next_at: datetime) -> None:
        """The destination cannot be reached: nothing is tried there before `next_at`, so that the order stays."""
        d = t.delivery.c
        with self._db.write() as db:
            db.execute(
                sa.update(t.delivery)
                .where(d.destination == destination, d.state == _WAITING, d.next_at < next_at, d.lease == "")
                .values(next_at=next_at)
            )

    def wake(self, destination: str) -> int:
        """Try everything that waits for a destination now; returns how many."""
        d = t.delivery.c
        with self._db.write() as db:
            waiting = (d.destination == destination, d.state == _WAITING)
            return db.execute(sa.update(t.delivery).where(*waiting).values(next_at=self._now())).rowcount

    def park_strays(self, destinations: Iterable[str], by: str) -> int:
        """Park what waits for a destination that is none of `destinations`: nobody would ever send it.

        Returns how many deliveries that were.
        """
        d = t.delivery.c
        with self._db.read() as db:
            strays = (d.state == _WAITING, d.destination.not_in(list(destinations)))
            found = db.execute(sa.select(d.id, d.destination).where(*strays).order_by(d.id)).all()
        for delivery_id, name in found:
            self.refused(delivery_id, by, f"the configuration has no destination {name} any more")
        return len(found)

    def release(self, holders_gone: Iterable[str]) -> int:
        """Free deliveries whose holder is gone; returns how many."""
        d = t.delivery.c
        with self._db.write() as db:
            held = d.lease.in_(list(holders_gone))
            return db.execute(sa.update(t.delivery).where(held).values(lease="", lease_until=None)).rowcount

    def deliveries(
        self,
        *,
        job_id: int = 0,
        destination: str = "",
        states: Iterable[DeliveryState] = (),
        limit: int = 10_000,
    ) -> list[Delivery]:
        """Deliveries, oldest first."""
        d, chosen = t.delivery.c, [s.value for s in states]
        query = DELIVERY_WITH_RESULT.order_by(d.id).limit(limit)
        if job_id:
            query = query.where(d.job_id == job_id)
        if destination:
            query = query.where(d.destination == destination)
        if chosen:
            query = query.where(d.state.in_(chosen))
        with self._db.read() as db:
            return [delivery_of(r) for r in db.execute(query).mappings()]

    def results_sent(self, study_instance_uid: str, destinations: Iterable[str]) -> int:
        """How many results of a study are known to be at any of these destinations."""
        d = t.delivery.c
        query = (
            sa.select(sa.func.count(sa.distinct(d.result_id)))
            .join(t.job, t.job.c.id == d.job_id)
            .where(t.job.c.study_instance_uid == study_instance_uid, d.destination.in_(list(destinations)))
            .where(d.state == DeliveryState.SENT.value)
        )
        with self._db.read() as db:
            return db.execute(query).scalar_one()

    def _answer(self, delivery_id: int, by: str, *, state: str, error: str) -> None:
        d, now = t.delivery.c, self._now()
        with self._db.write() as db:
            job_id = db.execute(sa.select(d.job_id).where(d.id == delivery_id)).scalar()
            if job_id is None:
                return  # the job was computed again meanwhile: this answer is about what no longer counts
            job_state = lock_state(db, job_id)  # before the rows are counted: two last answers must see each other
            values = {
                "state": state,
                "error": error,
                "attempts": d.attempts + 1,
                "lease": "",
                "lease_until": None,
            }
            # What was sent stays sent, whatever a second process that tried it meanwhile has to say.
            open_ones = (d.id == delivery_id, d.state != DeliveryState.SENT.value)
            db.execute(sa.update(t.delivery).where(*open_ones).values(**values))
            if job_state is State.DELIVERING:
                close_job(db, job_id, by, now)
