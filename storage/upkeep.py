"""The ledger's fourth part: what is alive, how much there is of everything, and what may be forgotten."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from pipeline.core.clock import Clock, utc_now
from pipeline.core.job import ENDS, Event, State
from pipeline.core.result import DeliveryState
from storage import tables as t
from storage.engine import Database


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is of everything, for health pages and metrics."""

    jobs: dict[str, int] = field(default_factory=dict)
    deliveries: dict[tuple[str, str], int] = field(default_factory=dict)  # (destination, state)
    oldest_waiting_at: dict[str, datetime] = field(default_factory=dict)  # by destination
    open_receptions: int = 0
    instances: int = 0  # here now
    received: int = 0  # ever
    declined: int = 0  # ever, as moves
    failed: int = 0  # ever, as moves
    image_bytes: int = 0
    conflicts: int = 0
    faults: int = 0  # results that their proof found wrong


_FORGOTTEN = "instances forgotten"


class Upkeep:
    """Heartbeats, counts, retention."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._db = database
        self._now = clock

    def beat(self, process: str) -> None:
        """Say that a process is alive."""
        c, now = t.heartbeat.c, self._now()
        with self._db.write() as db:
            if not db.execute(sa.update(t.heartbeat).where(c.process == process).values(at=now)).rowcount:
                db.execute(sa.insert(t.heartbeat).values(process=process, at=now))

    def heartbeats(self) -> dict[str, datetime]:
        """When each process last said so."""
        with self._db.read() as db:
            return dict(r.tuple() for r in db.execute(sa.select(t.heartbeat.c.process, t.heartbeat.c.at)))

    def counts(self) -> Counts:
        """How much there is of everything."""
        d, r, i, m = t.delivery.c, t.reception.c, t.instance.c, t.move.c
        n = sa.func.count()
        waiting = sa.select(d.destination, sa.func.min(d.created_at)).where(d.state == DeliveryState.WAITING.value)
        with self._db.read() as db:
            moves: dict[str, int] = dict(r.tuple() for r in db.execute(sa.select(m.event, n).group_by(m.event)))
            here = db.execute(sa.select(n).select_from(t.instance)).scalar_one()
            return Counts(
                jobs=dict(r.tuple() for r in db.execute(sa.select(t.job.c.state, n).group_by(t.job.c.state))),
                deliveries={
                    (where, s): k
                    for where, s, k in db.execute(sa.select(d.destination, d.state, n).group_by(d.destination, d.state))
                },
                oldest_waiting_at={w: at for w, at in db.execute(waiting.group_by(d.destination)) if at},
                open_receptions=db.execute(sa.select(n).where(r.settled < r.revision)).scalar_one(),
                instances=here,
                received=here + _tally(db, _FORGOTTEN),
                declined=moves.get(Event.DECLINE.value, 0),
                failed=moves.get(Event.FAIL.value, 0),
                image_bytes=int(db.execute(sa.select(sa.func.coalesce(sa.func.sum(i.size_bytes), 0))).scalar_one()),
                conflicts=db.execute(sa.select(n).select_from(t.conflict)).scalar_one(),
                faults=db.execute(sa.select(n).select_from(t.result).where(t.result.c.fault != "")).scalar_one(),
            )

    def forgettable_studies(self, images_before: datetime, failed_before: datetime) -> list[str]:
        """Studies with nothing new since `images_before`, decided, and with no job that may still need the images.

        A failed job keeps its study until `failed_before`, so that a person can retry it.
        """
        with self._db.read() as db:
            return _forgettable(db, images_before, failed_before)

    def forget_study(self, study_instance_uid: str, images_before: datetime, failed_before: datetime) -> list[str]:
        """Delete every row about the images of a study, if it still is forgettable; returns their archive paths.

        Jobs, their history and their results stay: they hold UIDs only, and results have their own retention.
        """
        s, r, i = study_instance_uid, t.reception.c, t.instance.c
        with self._db.write() as db:
            # An image that arrives now waits for this lock; one that came since the study was listed keeps it here.
            db.execute(sa.select(r.called_ae).where(r.study_instance_uid == s).with_for_update()).all()
            if s not in _forgettable(db, images_before, failed_before, s):
                return []
            paths = db.execute(sa.select(i.path).where(i.study_instance_uid == s)).scalars().all()
            uids = sa.select(i.sop_instance_uid).where(i.study_instance_uid == s)
            of_it = sa.or_(t.conflict.c.study_instance_uid == s, t.conflict.c.sop_instance_uid.in_(uids))
            aside = db.execute(sa.delete(t.conflict).where(of_it).returning(t.conflict.c.path)).scalars().all()
            _count_up(db, _FORGOTTEN, len(paths))
            for table in (t.arrival, t.reception, t.instance, t.decision):
                db.execute(sa.delete(table).where(table.c.study_instance_uid == s))
        return [*paths, *aside]

    def forget_results(self, made_before: datetime) -> list[str]:
        """Let go of the files of results made before then, whose jobs have ended or failed; returns their paths.

        Their rows stay: an object of ours that the PACS sends back must still be known as ours.
        """
        c = t.result.c
        over = sa.select(t.job.c.id).where(t.job.c.state.in_([*(s.value for s in ENDS), State.FAILED.value]))
        with self._db.write() as db:
            old = sa.select(c.id, c.path).where(c.made_at < made_before, c.job_id.in_(over), c.path != "")
            found = db.execute(old.with_for_update()).all()
            db.execute(sa.update(t.result).where(c.id.in_([i for i, _ in found])).values(path=""))
        return [p for _, p in found]

    def referred_paths(self) -> set[str]:
        """Every archive path that some row refers to."""
        with self._db.read() as db:
            return {
                p for table in (t.instance, t.conflict, t.result) for p in db.execute(sa.select(table.c.path)).scalars()
            }

    def refers_to(self, path: str) -> bool:
        """True when some row refers to this archive path."""
        tables = (t.instance, t.conflict, t.result)
        with self._db.read() as db:
            return any(db.execute(sa.select(c.c.path).where(c.c.path == path).limit(1)).first() for c in tables)

    def answers(self) -> bool:
        """True when the database answers and has this version's tables."""
        with self._db.read() as db:
            db.execute(sa.select(t.job.c.id).limit(1))
        return True


def _forgettable(
    db: sa.Connection, images_before: datetime, failed_before: datetime, study_instance_uid: str = ""
) -> list[str]:
    r, j, c = t.reception.c, t.job.c, t.conflict.c
    needs_it = sa.or_(
        sa.and_(j.state == State.FAILED.value, j.changed_at >= failed_before),
        j.state.not_in([*(s.value for s in ENDS), State.FAILED.value]),
    )
    busy = sa.select(j.study_instance_uid).where(needs_it)
    young = sa.select(r.study_instance_uid).where(sa.or_(r.last_at >= images_before, r.settled < r.revision))
    query = (
        sa.select(r.study_instance_uid)
        .distinct()
        .where(r.study_instance_uid.not_in(busy), r.study_instance_uid.not_in(young))
        .order_by(r.study_instance_uid)
    )
    here = sa.select(r.study_instance_uid)
    aside = sa.select(c.study_instance_uid).where(  # of studies of which nothing else is here
        c.at < images_before, c.study_instance_uid.not_in(busy), c.study_instance_uid.not_in(here)
    )
    if study_instance_uid:
        query = query.where(r.study_instance_uid == study_instance_uid)
        aside = aside.where(c.study_instance_uid == study_instance_uid)
    return sorted({*db.execute(query).scalars(), *db.execute(aside).scalars()})


def _tally(db: sa.Connection, name: str) -> int:
    return db.execute(sa.select(t.tally.c.value).where(t.tally.c.name == name)).scalar() or 0


def _count_up(db: sa.Connection, name: str, by: int) -> None:
    c = t.tally.c
    if not db.execute(sa.update(t.tally).where(c.name == name).values(value=c.value + by)).rowcount:
        db.execute(sa.insert(t.tally).values(name=name, value=by))
