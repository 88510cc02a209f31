"""The ledger's first part: instances arrive, studies fall quiet, routes decide."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

import sqlalchemy as sa

from pipeline.core.clock import Clock, utc_now
from pipeline.core.errors import LedgerUnavailable
from pipeline.core.job import Decision, Event, Outcome, State, Work
from pipeline.core.result import Kind
from pipeline.core.route import PRIORS
from pipeline.core.study import DERIVED, Added, Association, Conflict, Instance, Known, Reception
from storage import tables as t
from storage.engine import Database
from storage.handover import close_job, late_deliveries
from storage.moves import move_job
from storage.rows import work_columns

_DRAWN = (Kind.SEG.value, Kind.RTSTRUCT.value)
"""Results that people correct, some of them under the UID that we gave."""

_SUPERSEDED = "superseded"
"""How the reason of a job begins that a later state of its study replaced."""


class Receptions:
    """What arrived, and what the routes made of it."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._db = database
        self._now = clock

    def known(self, sop_instance_uid: str) -> Known | None:
        """What the ledger has under this UID, if anything."""
        c = t.instance.c
        with self._db.read() as db:
            row = db.execute(
                sa.select(c.sha256, c.transfer_syntax_uid, c.path).where(c.sop_instance_uid == sop_instance_uid)
            ).first()
        return Known(*row) if row else None

    def own_drawing(self, sop_instance_uid: str) -> Known | None:
        """The SEG or RTSTRUCT that was made here under this UID, if any; its path is empty once its file is let go."""
        c = t.result.c
        with self._db.read() as db:
            row = db.execute(
                sa.select(c.sha256, c.transfer_syntax_uid, c.path).where(
                    c.sop_instance_uid == sop_instance_uid, c.kind.in_(_DRAWN)
                )
            ).first()
        return Known(*row) if row else None

    def drawn_at(self, study_instance_uid: str, called_ae: str) -> dict[str, datetime]:
        """When each derived object of a study came to an AE title, by SOP Instance UID."""
        i, a = t.instance.c, t.arrival.c
        query = (
            sa.select(a.sop_instance_uid, a.at)
            .join(t.instance, i.sop_instance_uid == a.sop_instance_uid)
            .where(a.study_instance_uid == study_instance_uid, a.called_ae == called_ae)
            .where(i.modality.in_(sorted(DERIVED)))
        )
        with self._db.read() as db:
            return dict(r.tuple() for r in db.execute(query))

    def add_instance(
        self, instance: Instance, path: str, association: Association, size_bytes: int, *, same_as: str = ""
    ) -> Added:
        """Enter an instance whose bytes are already durable under `path`. Raises LedgerUnavailable.

        same_as: the hash of a stored instance, or of a result of ours, that the caller found to hold the same content
        in another encoding.
        A result of ours changes nothing, but for a SEG or RTSTRUCT with other content: that is a conflict.
        """
        try:
            return self._add_instance(instance, path, association, size_bytes, same_as)
        except sa.exc.IntegrityError:
            pass  # another association entered the same instance or study first: now it can be seen
        try:
            return self._add_instance(instance, path, association, size_bytes, same_as)
        except sa.exc.IntegrityError as e:
            raise LedgerUnavailable("two associations keep entering the same instance") from e

    def _add_instance(
        self, instance: Instance, path: str, association: Association, size_bytes: int, same_as: str
    ) -> Added:
        now = self._now()
        with self._db.write() as db:
            own = _our_own(db, instance.sop_instance_uid) if association.called_ae != PRIORS else None
            if own is not None:
                if own[0] not in _DRAWN or own[1] in (instance.sha256, same_as):
                    return Added.AGAIN
                _enter_conflict(db, instance, path, association, now)
                return Added.CONFLICT
            first = db.execute(
                sa.select(t.instance.c.sha256).where(t.instance.c.sop_instance_uid == instance.sop_instance_uid)
            ).scalar()
            if first is not None and first not in (instance.sha256, same_as):
                _enter_conflict(db, instance, path, association, now)
                return Added.CONFLICT
            if first is None:
                _enter_instance(db, instance, path, size_bytes, now)
            if not _enter_arrival(db, instance, association, now):
                return Added.AGAIN
            _touch_reception(db, instance.study_instance_uid, association, now)
        return Added.NEW

    def open_receptions(self) -> list[Reception]:
        """Studies that at least one route has not decided on in their present revision, longest quiet first."""
        c = t.reception.c
        with self._db.read() as db:
            return _receptions(db, c.settled < c.revision)

    def receptions(self, study_instance_uid: str = "", limit: int = 1000) -> list[Reception]:
        """All receptions, or those of one study, newest first."""
        c = t.reception.c
        where = c.study_instance_uid == study_instance_uid if study_instance_uid else sa.true()
        with self._db.read() as db:
            return _receptions(db, where, newest_first=True, limit=limit)

    def instance_files(self, study_instance_uid: str, called_ae: str = "") -> list[tuple[str, str]]:
        """(archive path, sha256) of the instances of a study, those that one AE title got or all."""
        c = t.instance.c
        query = sa.select(c.path, c.sha256).where(c.study_instance_uid == study_instance_uid)
        if called_ae:
            query = query.join(t.arrival, t.arrival.c.sop_instance_uid == c.sop_instance_uid)
            query = query.where(t.arrival.c.called_ae == called_ae)
        with self._db.read() as db:
            return [(p, s) for p, s in db.execute(query.order_by(c.sop_instance_uid))]

    def series_counts(self, study_instance_uid: str, called_ae: str) -> dict[str, int]:
        """How many instances of each series of a study one AE title got."""
        i, a = t.instance.c, t.arrival.c
        query = (
            sa.select(i.series_instance_uid, sa.func.count())
            .join(t.arrival, a.sop_instance_uid == i.sop_instance_uid)
            .where(i.study_instance_uid == study_instance_uid, a.called_ae == called_ae)
            .group_by(i.series_instance_uid)
        )
        with self._db.read() as db:
            return dict(r.tuple() for r in db.execute(query))

    def decisions(self, study_instance_uid: str, called_ae: str) -> list[Decision]:
        """What the routes decided about a study, oldest first."""
        c = t.decision.c
        query = (
            sa.select(t.decision)
            .where(c.study_instance_uid == study_instance_uid, c.called_ae == called_ae)
            .order_by(c.id)
        )
        with self._db.read() as db:
            rows = db.execute(query).mappings()
            return [
                Decision(r["route"], Outcome(r["outcome"]), r["reason"], r["revision"], r["at"], r["job_id"])
                for r in rows
            ]

    def alerts(self) -> list[tuple[str, Decision]]:
        """Decisions that ask for the admin's eye, as (Study Instance UID, decision), newest first."""
        c = t.decision.c
        query = sa.select(t.decision).where(c.outcome == Outcome.ALERT.value).order_by(c.id.desc()).limit(200)
        with self._db.read() as db:
            return [
                (
                    r["study_instance_uid"],
                    Decision(r["route"], Outcome(r["outcome"]), r["reason"], r["revision"], r["at"]),
                )
                for r in db.execute(query).mappings()
            ]

    def conflicts(self) -> list[Conflict]:
        """Objects kept aside, newest first."""
        c = t.conflict.c
        columns = (c.sop_instance_uid, c.study_instance_uid, c.calling_ae, c.sha256, c.path, c.at)
        with self._db.read() as db:
            return [Conflict(*row) for row in db.execute(sa.select(*columns).order_by(c.at.desc()).limit(1000))]

    def settle(self, reception: Reception) -> None:
        """Every route has decided on this revision."""
        c = t.reception.c
        with self._db.write() as db:
            db.execute(
                sa.update(t.reception)
                .where(c.study_instance_uid == reception.study_instance_uid, c.called_ae == reception.called_ae)
                .values(settled=reception.revision)
            )

    def decide(self, reception: Reception, decision: Decision) -> bool:
        """Note a decision that opens no job. False when the study changed meanwhile: look at it again."""
        with suppress(sa.exc.IntegrityError), self._db.write() as db:
            if not _lock_unchanged(db, reception):
                return False
            _enter_decision(db, reception, decision)
            return True
        return False  # another node on the same database has just decided

    def open_job(
        self,
        reception: Reception,
        decision: Decision,
        work: Work,
        sop_instance_uids: Sequence[str],
        destinations: Sequence[str],
    ) -> int | None:
        """Note a decision to run, and open the job (or join the one that does the same work); returns its id.

        The job that the same route opened on an earlier state of the study is superseded: cancelled if it still waits
        or runs, unless another route wants it. None when the study changed meanwhile: look at it again.
        """
        now = self._now()
        with suppress(sa.exc.IntegrityError), self._db.write() as db:
            if not _lock_unchanged(db, reception):
                return None
            job_id = _join_job(db, work.key, now)
            if job_id is None:
                job_id = _insert_job(db, work, sop_instance_uids, decision.route, now)
            _add_destinations(db, job_id, destinations, now)
            _enter_decision(
                db,
                reception,
                Decision(decision.route, decision.outcome, decision.reason, decision.revision, now, job_id),
            )
            _cancel_superseded(db, work, job_id, now)
            return job_id
        return None  # another node on the same database has just opened it


def _our_own(db: sa.Connection, sop_instance_uid: str) -> tuple[str, str] | None:
    """(kind, sha256) of a result of ours: coming back it must start no other run, whose results would come back too."""
    c = t.result.c
    row = db.execute(sa.select(c.kind, c.sha256).where(c.sop_instance_uid == sop_instance_uid)).first()
    return row.tuple() if row else None


def _enter_conflict(db: sa.Connection, instance: Instance, path: str, association: Association, now: datetime) -> None:
    c = t.conflict.c
    key = (c.sop_instance_uid == instance.sop_instance_uid, c.sha256 == instance.sha256)
    if db.execute(sa.select(c.sha256).where(*key)).first() is None:
        db.execute(
            sa.insert(t.conflict).values(
                sop_instance_uid=instance.sop_instance_uid,
                sha256=instance.sha256,
                path=path,
                study_instance_uid=instance.study_instance_uid,
                calling_ae=association.calling_ae,
                at=now,
            )
        )


def _enter_instance(db: sa.Connection, instance: Instance, path: str, size_bytes: int, now: datetime) -> None:
    db.execute(
        sa.insert(t.instance).values(
            sop_instance_uid=instance.sop_instance_uid,
            sop_class_uid=instance.sop_class_uid,
            series_instance_uid=instance.series_instance_uid,
            study_instance_uid=instance.study_instance_uid,
            transfer_syntax_uid=instance.transfer_syntax_uid,
            modality=instance.modality[:16],
            path=path,
            sha256=instance.sha256,
            size_bytes=size_bytes,
            received_at=now,
        )
    )


def _enter_arrival(db: sa.Connection, instance: Instance, association: Association, now: datetime) -> bool:
    """False when this AE title has had the instance before."""
    c = t.arrival.c
    key = (c.sop_instance_uid == instance.sop_instance_uid, c.called_ae == association.called_ae)
    if db.execute(sa.select(c.at).where(*key)).first() is not None:
        return False
    db.execute(
        sa.insert(t.arrival).values(
            sop_instance_uid=instance.sop_instance_uid,
            called_ae=association.called_ae,
            study_instance_uid=instance.study_instance_uid,
            calling_ae=association.calling_ae,
            peer_ip=association.peer_ip,
            at=now,
        )
    )
    return True


def _touch_reception(db: sa.Connection, study_instance_uid: str, association: Association, now: datetime) -> None:
    """Open the reception, or note the news in it; news about a decided revision opens the next one."""
    c, d = t.reception.c, t.decision.c
    key = (c.study_instance_uid == study_instance_uid, c.called_ae == association.called_ae)
    sender = {"calling_ae": association.calling_ae, "peer_ip": association.peer_ip}
    revision = db.execute(sa.select(c.revision).where(*key).with_for_update()).scalar()
    if revision is None:
        db.execute(
            sa.insert(t.reception).values(
                study_instance_uid=study_instance_uid,
                called_ae=association.called_ae,
                revision=1,
                settled=0,
                first_at=now,
                last_at=now,
                **sender,
            )
        )
        return
    decided = db.execute(
        sa.select(d.id).where(
            d.study_instance_uid == study_instance_uid,
            d.called_ae == association.called_ae,
            d.revision == revision,
        )
    ).first()
    db.execute(
        sa.update(t.reception).where(*key).values(last_at=now, revision=revision + (decided is not None), **sender)
    )


def _receptions(
    db: sa.Connection, where: sa.ColumnElement[bool], *, newest_first: bool = False, limit: int = 10_000
) -> list[Reception]:
    r, a, i = t.reception.c, t.arrival.c, t.instance.c
    query = (
        sa.select(
            r.study_instance_uid,
            r.called_ae,
            r.revision,
            (r.settled >= r.revision).label("decided"),
            r.first_at,
            r.last_at,
            sa.func.count(a.sop_instance_uid),
            sa.func.count(sa.distinct(i.series_instance_uid)),
            r.calling_ae,
            r.peer_ip,
            sa.func.max(sa.case((i.modality.not_in(sorted(DERIVED)), a.at))),
        )
        .outerjoin(t.arrival, sa.and_(a.study_instance_uid == r.study_instance_uid, a.called_ae == r.called_ae))
        .outerjoin(t.instance, i.sop_instance_uid == a.sop_instance_uid)
        .where(where)
        .group_by(*t.reception.c)
        .order_by(r.last_at.desc() if newest_first else r.last_at)
        .limit(limit)
    )
    return [Reception(*row) for row in db.execute(query)]


def _lock_unchanged(db: sa.Connection, reception: Reception) -> bool:
    """True when nothing has come since `reception` was read, and nothing will until this transaction ends.

    The revision alone does not tell: before the first decision on it, a further image leaves it as it is.
    """
    c = t.reception.c
    key = (c.study_instance_uid == reception.study_instance_uid, c.called_ae == reception.called_ae)
    row = db.execute(sa.select(c.revision, c.last_at).where(*key).with_for_update()).first()
    return row is not None and row.tuple() == (reception.revision, reception.last_at)


def _enter_decision(db: sa.Connection, reception: Reception, decision: Decision) -> None:
    db.execute(
        sa.insert(t.decision).values(
            study_instance_uid=reception.study_instance_uid,
            called_ae=reception.called_ae,
            revision=reception.revision,
            route=decision.route,
            outcome=decision.outcome.value,
            reason=decision.reason,
            job_id=decision.job_id,
            at=decision.at,
        )
    )


def _join_job(db: sa.Connection, work_key: str, now: datetime) -> int | None:
    """The job that does this work already, set going again if a later state of a study had replaced it."""
    c = t.job.c
    found = db.execute(sa.select(c.id, c.state, c.reason).where(c.work_key == work_key).with_for_update()).first()
    if found is None:
        return None
    if State(found.state) is State.CANCELLED and found.reason.startswith(_SUPERSEDED):
        fresh = {"attempts": 0, "not_before": None}
        move_job(db, found.id, Event.RETRY, by="intake", why="wanted after all", at=now, **fresh)
    return int(found.id)


def _insert_job(db: sa.Connection, work: Work, sop_instance_uids: Sequence[str], route: str, now: datetime) -> int:
    c = t.job.c
    job_id: int = db.execute(
        sa.insert(t.job)
        .values(
            **work_columns(work),
            state=State.QUEUED.value,
            attempts=0,
            reason="",
            lease="",
            supersedes=_older_job(db, work, route),
            created_at=now,
            changed_at=now,
        )
        .returning(c.id)
    ).scalar_one()
    db.execute(sa.insert(t.job_input), [{"job_id": job_id, "sop_instance_uid": uid} for uid in sop_instance_uids])
    return job_id


def _older_job(db: sa.Connection, work: Work, route: str) -> int | None:
    """The newest job that this route (or one whose decisions are forgotten) had on the study before.

    A job of another route is none, though its pipeline be the same: its options or its series are others.
    """
    c, d = t.job.c, t.decision.c
    decided = sa.select(d.id).where(d.job_id == c.id)
    return db.execute(
        sa.select(c.id)
        .where(c.study_instance_uid == work.study_instance_uid, c.pipeline == work.pipeline)
        .where(c.called_ae == work.called_ae)
        .where(sa.or_(decided.where(d.route == route).exists(), ~decided.exists()))
        .order_by(c.id.desc())
        .limit(1)
    ).scalar()


def _cancel_superseded(db: sa.Connection, work: Work, job_id: int, now: datetime) -> None:
    """Cancel what waits or runs on an earlier state of the study, unless it is the last word of some other route."""
    c, d = t.job.c, t.decision.c
    decided = sa.and_(d.study_instance_uid == work.study_instance_uid, d.job_id.is_not(None))
    last = sa.select(sa.func.max(d.id)).where(decided).group_by(d.called_ae, d.route)
    wanted = sa.select(d.job_id).where(d.id.in_(last))
    unwanted = (c.id.in_(sa.select(d.job_id).where(decided)), c.id.not_in(wanted))
    open_ones = c.state.in_([State.QUEUED.value, State.RUNNING.value])
    for older in db.execute(sa.select(c.id).where(open_ones, *unwanted).with_for_update()).scalars().all():
        why = f"{_SUPERSEDED} by job {job_id}: the study changed"
        move_job(db, older, Event.CANCEL, by="intake", why=why, at=now)


def _add_destinations(db: sa.Connection, job_id: int, destinations: Sequence[str], now: datetime) -> None:
    """Let the results also go to `destinations`; results that are already made get their deliveries at once."""
    c = t.job_destination.c
    had = set(db.execute(sa.select(c.destination).where(c.job_id == job_id)).scalars())
    fresh = sorted(set(destinations) - had)
    if not fresh:
        return
    db.execute(sa.insert(t.job_destination), [{"job_id": job_id, "destination": d} for d in fresh])
    if not late_deliveries(db, job_id, fresh, now):
        return
    state = State(db.execute(sa.select(t.job.c.state).where(t.job.c.id == job_id)).scalar_one())
    if state in (State.DELIVERED, State.FAILED):
        move_job(db, job_id, Event.RESEND, by="intake", why=f"also to {', '.join(fresh)}", at=now)
        close_job(db, job_id, "intake", now)  # all that there is may be quarantined
