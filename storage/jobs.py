"""The ledger's second part: workers claim jobs, hold them by a lease, and say how they ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

import sqlalchemy as sa

from pipeline.core.clock import Clock, utc_now
from pipeline.core.errors import IllegalMove, NotFound, WrongState
from pipeline.core.job import Event, Job, Move, State
from pipeline.core.result import DeliveryState, Given, Kind, Result, Share
from storage import tables as t
from storage.engine import Database
from storage.handover import close_job, destinations_of, given_to, open_deliveries, replace_results
from storage.moves import lock_state, move_job
from storage.rows import job_of, result_of


class Jobs:
    """Every question about jobs, and every move of one."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._db = database
        self._now = clock

    def claim(self, holder: str, until: datetime) -> Job | None:
        """Take the most urgent queued job, oldest first; None when there is none. No two holders get the same."""
        c, now = t.job.c, self._now()
        due = sa.or_(c.not_before.is_(None), c.not_before <= now)
        query = (
            sa.select(c.id)
            .where(c.state == State.QUEUED.value, due)
            .order_by(c.priority.desc(), c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        with self._db.write() as db:
            job_id = db.execute(query).scalar()
            if job_id is None:
                return None
            move_job(
                db, job_id, Event.CLAIM, by=holder, why="", at=now, lease=holder, lease_until=until,
                not_before=None, attempts=c.attempts + 1,
            )  # fmt: skip
            return _job(db, job_id)

    def renew(self, job_id: int, holder: str, until: datetime) -> bool:
        """Hold on to a job. False when it is no longer this holder's: stop working on it."""
        c = t.job.c
        mine = (c.id == job_id, c.state == State.RUNNING.value, c.lease == holder)
        with self._db.write() as db:
            return db.execute(sa.update(t.job).where(*mine).values(lease_until=until)).rowcount == 1

    def decline(self, job_id: int, holder: str, reason: str) -> bool:
        """The pipeline was not made for this study. False when the job was no longer this holder's."""
        return self._end(job_id, holder, Event.DECLINE, reason)

    def fail(self, job_id: int, holder: str, reason: str) -> bool:
        """Park the job. False when it was no longer this holder's."""
        return self._end(job_id, holder, Event.FAIL, reason)

    def give_back(self, job_id: int, holder: str, why: str, not_before: datetime, max_attempts: int) -> State | None:
        """Queue the job again, or park it after its last attempt; None when it was no longer this holder's."""
        with self._db.write() as db:
            if not _holds(db, job_id, holder):
                return None
            return _give_back(db, job_id, holder, why, not_before, max_attempts, self._now())

    def put_back(self, job_id: int, holder: str) -> bool:
        """Queue the job again as if it had not been claimed. False when it was no longer this holder's."""
        with self._db.write() as db:
            if not _holds(db, job_id, holder):
                return False
            why, fewer = "its worker was asked to end", {"attempts": t.job.c.attempts - 1}
            move_job(db, job_id, Event.GIVE_BACK, by=holder, why=why, at=self._now(), **fewer)
        return True

    def expire(self, holders_gone: Iterable[str], max_attempts: int) -> list[int]:
        """Take back jobs whose lease ran out, or whose holder is known to be gone; returns their numbers."""
        c, now = t.job.c, self._now()
        lost = sa.or_(c.lease_until < now, c.lease.in_(list(holders_gone)))
        with self._db.write() as db:
            # Locked before they are judged: a job that its worker ends or renews at this moment is left alone.
            held = sa.select(c.id, c.lease).where(c.state == State.RUNNING.value, lost)
            rows = db.execute(held.order_by(c.id).with_for_update(skip_locked=True)).all()
            for job_id, lease in rows:
                _give_back(db, job_id, "intake", f"its worker {lease} is gone", now, max_attempts, now)
        return [job_id for job_id, _ in rows]

    def holders(self) -> set[str]:
        """Who holds a job or a delivery at present."""
        with self._db.read() as db:
            jobs = db.execute(sa.select(t.job.c.lease).where(t.job.c.lease != "")).scalars()
            deliveries = db.execute(sa.select(t.delivery.c.lease).where(t.delivery.c.lease != "")).scalars()
            return {*jobs, *deliveries}

    def produced(
        self, job_id: int, holder: str, results: Sequence[Result], plan: Mapping[str, Share] | None = None
    ) -> bool:
        """Results, deliveries and the move, in one transaction. False when the job was no longer this holder's.

        plan: what each destination gets; without one, and for a destination that joined the job meanwhile, see
        `handover`. With no destination the job is delivered at once. What has a fault is sent nowhere, and the job
        fails with it once everything else is where it should be.
        """
        now = self._now()
        with self._db.write() as db:
            if not _holds(db, job_id, holder):
                return False
            replace_results(db, job_id, results, now)
            move_job(db, job_id, Event.PRODUCE, by=holder, why="", at=now)
            open_deliveries(db, job_id, results, plan or {}, now)
            close_job(db, job_id, holder, now)
        return True

    def retry(self, job_id: int, by: str, *, compute: bool = False) -> State:
        """Set a failed, declined or cancelled job going again: parked deliveries first, else the computation.

        Of a job that still delivers elsewhere, the parked deliveries are set going. What is quarantined is never sent:
        it is computed again. compute: the computation at once, whatever is parked. Raises NotFound, WrongState.
        """
        now = self._now()
        with self._db.write() as db, _said_to_a_person():
            state = lock_state(db, job_id)
            _refuse_outdated(db, job_id)
            if not compute and state in (State.FAILED, State.DELIVERING) and _unpark(db, job_id, now):
                if state is State.DELIVERING:
                    return state
                return move_job(db, job_id, Event.RESEND, by=by, why="asked for again", at=now)
            fresh = {"attempts": 0, "not_before": None}
            return move_job(db, job_id, Event.RETRY, by=by, why="asked for again", at=now, **fresh)

    def cancel(self, job_id: int, by: str, why: str = "asked for") -> State:
        """Stop a job; deliveries that wait are dropped. Raises NotFound, WrongState."""
        d = t.delivery.c
        with self._db.write() as db, _said_to_a_person():
            state = move_job(db, job_id, Event.CANCEL, by=by, why=why, at=self._now())
            db.execute(
                sa.update(t.delivery)
                .where(d.job_id == job_id, d.state == DeliveryState.WAITING.value)
                .values(state=DeliveryState.PARKED.value, error="the job was cancelled")
            )
            return state

    def job(self, job_id: int) -> Job:
        """One job. Raises NotFound."""
        with self._db.read() as db:
            return _job(db, job_id)

    def jobs(self, *, states: Iterable[State] = (), study_instance_uid: str = "", limit: int = 1000) -> list[Job]:
        """Jobs, newest first."""
        c, chosen = t.job.c, [s.value for s in states]
        query = sa.select(t.job).order_by(c.id.desc()).limit(limit)
        if chosen:
            query = query.where(c.state.in_(chosen))
        if study_instance_uid:
            query = query.where(c.study_instance_uid == study_instance_uid)
        with self._db.read() as db:
            rows = db.execute(query).mappings().all()
            sent_to = destinations_of(db, [r["id"] for r in rows])
            return [job_of(r, sent_to.get(r["id"], ())) for r in rows]

    def moves(self, job_id: int) -> list[Move]:
        """The history of a job, oldest first."""
        c = t.move.c
        with self._db.read() as db:
            rows = db.execute(sa.select(t.move).where(c.job_id == job_id).order_by(c.id)).mappings()
            return [
                Move(
                    r["job_id"],
                    Event(r["event"]),
                    State(r["before"]),
                    State(r["after"]),
                    r["at"],
                    r["by"],
                    r["why"],
                )
                for r in rows
            ]

    def inputs(self, job_id: int) -> list[tuple[str, str]]:
        """(archive path, sha256) of the instances that a job works on."""
        i, j = t.instance.c, t.job_input.c
        query = (
            sa.select(i.path, i.sha256)
            .join(t.job_input, j.sop_instance_uid == i.sop_instance_uid)
            .where(j.job_id == job_id)
            .order_by(i.sop_instance_uid)
        )
        with self._db.read() as db:
            return [(p, s) for p, s in db.execute(query)]

    def asked_by(self, job_id: int) -> list[str]:
        """The routes whose decisions opened or joined a job, the first first; empty once its study is forgotten."""
        c = t.decision.c
        with self._db.read() as db:
            names = db.execute(sa.select(c.route).where(c.job_id == job_id).order_by(c.id)).scalars()
            return list(dict.fromkeys(names))

    def results(
        self, *, job_id: int = 0, study_instance_uid: str = "", kind: Kind | None = None, destination: str = ""
    ) -> list[tuple[int, Result]]:
        """(job number, result), oldest first; of one job, of one study, or all.

        destination: only what is meant for it and not quarantined, whether it has it already or not.
        """
        d = t.delivery.c
        query = sa.select(t.result).join(t.job, t.job.c.id == t.result.c.job_id).order_by(t.result.c.id)
        if job_id:
            query = query.where(t.result.c.job_id == job_id)
        if study_instance_uid:
            query = query.where(t.job.c.study_instance_uid == study_instance_uid)
        if kind:
            query = query.where(t.result.c.kind == kind.value)
        if destination:
            meant = (d.destination == destination, d.state != DeliveryState.QUARANTINED.value)
            query = query.where(t.result.c.id.in_(sa.select(d.result_id).where(*meant)))
        with self._db.read() as db:
            return [(r["job_id"], result_of(r)) for r in db.execute(query).mappings()]

    def notes(self, job_id: int) -> dict[str, str]:
        """By destination, what it does not get of a job's results, and why; those that get everything are left out."""
        c = t.job_destination.c
        query = sa.select(c.destination, c.note).where(c.job_id == job_id, c.note != "").order_by(c.destination)
        with self._db.read() as db:
            return dict(row.tuple() for row in db.execute(query))

    def given(self, job_id: int, destination: str) -> tuple[Given, ...]:
        """What a destination has accepted of a job, of earlier attempts too, the oldest first."""
        with self._db.read() as db:
            return given_to(db, job_id, destination)

    def _end(self, job_id: int, holder: str, event: Event, why: str) -> bool:
        with self._db.write() as db:
            if not _holds(db, job_id, holder):
                return False
            move_job(db, job_id, event, by=holder, why=why, at=self._now())
        return True


def _unpark(db: sa.Connection, job_id: int, now: datetime) -> int:
    """Let the parked deliveries of a job wait again; returns how many."""
    d = t.delivery.c
    fresh = {"state": DeliveryState.WAITING.value, "next_at": now, "created_at": now, "attempts": 0}
    free = {"lease": "", "lease_until": None}
    parked = (d.job_id == job_id, d.state == DeliveryState.PARKED.value)
    return db.execute(sa.update(t.delivery).where(*parked).values(**fresh, **free)).rowcount


def _job(db: sa.Connection, job_id: int) -> Job:
    row = db.execute(sa.select(t.job).where(t.job.c.id == job_id)).mappings().first()
    if row is None:
        raise NotFound(f"there is no job {job_id}")
    return job_of(row, destinations_of(db, [job_id]).get(job_id, ()))


def _holds(db: sa.Connection, job_id: int, holder: str) -> bool:
    c = t.job.c
    lease = db.execute(
        sa.select(c.lease).where(c.id == job_id, c.state == State.RUNNING.value).with_for_update()
    ).scalar()
    return lease == holder


def _give_back(
    db: sa.Connection, job_id: int, by: str, why: str, not_before: datetime, max_attempts: int, now: datetime
) -> State:
    attempts = db.execute(sa.select(t.job.c.attempts).where(t.job.c.id == job_id)).scalar_one()
    if attempts >= max_attempts:
        return move_job(db, job_id, Event.FAIL, by=by, why=f"{why}; tried {attempts} times", at=now)
    return move_job(db, job_id, Event.GIVE_BACK, by=by, why=why, at=now, not_before=not_before)


@contextmanager
def _said_to_a_person() -> Iterator[None]:
    """A move that the table does not have is a bug in the node, but only a mistake when a person asks for it."""
    try:
        yield
    except IllegalMove as e:
        raise WrongState(e.message) from e


def _refuse_outdated(db: sa.Connection, job_id: int) -> None:
    """Raise WrongState for a job that a newer one replaced: its results would come after those that replaced them."""
    c = t.job.c
    newer = sa.select(c.id).where(c.supersedes == job_id, c.state != State.CANCELLED.value)
    if (newer_id := db.execute(newer).scalar()) is not None:
        raise WrongState(f"job {job_id} was replaced by job {newer_id}, which has the newer images")
