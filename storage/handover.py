"""From a job to the outbox: what it made, what each destination is to get of that, and how the job ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from pipeline.core.errors import OurFault
from pipeline.core.job import Event
from pipeline.core.result import DeliveryState, Given, Kind, Result, Share
from storage import tables as t
from storage.moves import move_job

_WAITING, _PARKED = DeliveryState.WAITING.value, DeliveryState.PARKED.value
_QUARANTINED, _SENT = DeliveryState.QUARANTINED.value, DeliveryState.SENT.value


def destinations_of(db: sa.Connection, job_ids: Sequence[int]) -> dict[int, list[str]]:
    """By job, the names of its destinations, sorted."""
    c = t.job_destination.c
    found: dict[int, list[str]] = {}
    query = sa.select(c.job_id, c.destination).where(c.job_id.in_(job_ids)).order_by(c.destination)
    for job_id, name in db.execute(query):
        found.setdefault(job_id, []).append(name)
    return found


def replace_results(db: sa.Connection, job_id: int, results: Sequence[Result], now: datetime) -> None:
    """Write the results of a job; what an earlier attempt wrote gives way as a whole.

    What destinations have accepted of it is remembered: it may have other UIDs than what comes now; see `given_to`.
    """
    _remember_what_was_given(db, job_id)
    db.execute(sa.delete(t.delivery).where(t.delivery.c.job_id == job_id))
    db.execute(sa.delete(t.result).where(t.result.c.job_id == job_id))
    columns = (
        "sop_instance_uid",
        "sop_class_uid",
        "series_instance_uid",
        "transfer_syntax_uid",
        "path",
        "sha256",
        "fault",
    )
    rows = [
        {"job_id": job_id, "kind": r.kind.value, "made_at": now} | {c: getattr(r, c) for c in columns} for r in results
    ]
    if rows:
        db.execute(sa.insert(t.result), rows)


def given_to(db: sa.Connection, job_id: int, destination: str) -> tuple[Given, ...]:
    """What a destination has accepted of a job, of earlier attempts too, the oldest first."""
    j, r, d = t.job_destination.c, t.result.c, t.delivery.c
    known = sa.select(j.given).where(j.job_id == job_id, j.destination == destination)
    query = (
        sa.select(r.sop_instance_uid, r.sop_class_uid, r.series_instance_uid, r.kind, d.state)
        .join(t.delivery, d.result_id == r.id)
        .where(d.job_id == job_id, d.destination == destination)
        .order_by(d.id)
    )
    now = {row.sop_instance_uid: row for row in db.execute(query)}
    sent = [[u, row.sop_class_uid, row.series_instance_uid, row.kind] for u, row in now.items() if row.state == _SENT]
    each = {uid: (uid, *more) for uid, *more in (*(db.execute(known).scalar() or ()), *sent)}
    return tuple(Given(u, c, s, Kind(kind), replaced=u not in now) for u, c, s, kind in each.values())


def _remember_what_was_given(db: sa.Connection, job_id: int) -> None:
    c = t.job_destination.c
    for name in destinations_of(db, [job_id]).get(job_id, ()):
        given = [
            [g.sop_instance_uid, g.sop_class_uid, g.series_instance_uid, g.kind.value]
            for g in given_to(db, job_id, name)
        ]
        own = (c.job_id == job_id, c.destination == name)
        db.execute(sa.update(t.job_destination).where(*own).values(given=given))


def open_deliveries(
    db: sa.Connection, job_id: int, results: Sequence[Result], plan: Mapping[str, Share], now: datetime
) -> None:
    """Let every destination of a job have its share; one without gets what the one with the most gets.

    With no share at all everybody gets everything. Raises OurFault for a share of what is no result of the job.
    """
    ids = _result_ids(db, job_id)
    for name in destinations_of(db, [job_id]).get(job_id, ()):
        share = plan.get(name) or _like_the_others(plan, results)
        if unknown := set(share.sop_instance_uids) - set(ids):
            raise OurFault(f"job {job_id}: {len(unknown)} objects for {name} are none of its results")
        _note(db, job_id, name, share.note)
        faults = {r.sop_instance_uid: r.fault for r in results if r.fault}
        held = {**share.held, **faults}
        _insert(db, job_id, name, [(ids[u], held.get(u, ""), share.warnings.get(u, ""))
                                   for u in share.sop_instance_uids], now)  # fmt: skip


def late_deliveries(db: sa.Connection, job_id: int, names: Sequence[str], now: datetime) -> bool:
    """Let destinations that join a job with results have what the one with the most has; False without results."""
    ids = _result_ids(db, job_id)
    r, d = t.result.c, t.delivery.c
    count = sa.func.count()
    fullest = sa.select(d.destination).where(d.job_id == job_id).group_by(d.destination)
    like = db.execute(fullest.order_by(count.desc(), d.destination).limit(1)).scalar()
    query = sa.select(r.id, r.fault, sa.literal("").label("warning")).where(r.job_id == job_id)
    if like is not None:
        # What that one is denied by its own settings another may have: it is told of it.
        said = sa.case((d.state == _QUARANTINED, d.error), else_=d.warning).label("warning")
        query = sa.select(r.id, r.fault, said).join(t.delivery, d.result_id == r.id)
        query = query.where(d.job_id == job_id, d.destination == like)
    rows = [(i, fault, "" if fault else warning) for i, fault, warning in db.execute(query.order_by(r.id))]
    for name in names if ids else ():
        if like is not None:
            _note(db, job_id, name, f"It joined after the results were written, and gets what {like} gets.")
        _insert(db, job_id, name, rows, now)
    return bool(ids)


def close_job(db: sa.Connection, job_id: int, by: str, now: datetime) -> None:
    """Move a delivering job when none of its deliveries waits any more."""
    d = t.delivery.c
    count = sa.select(d.state, sa.func.count()).where(d.job_id == job_id).group_by(d.state)
    states: dict[str, int] = dict(row.tuple() for row in db.execute(count))
    if states.get(_WAITING):
        return
    why = _stuck(db, job_id, _PARKED, states) or _stuck(db, job_id, _QUARANTINED, states)
    why = why or ("" if states else _kept_with_faults(db, job_id))
    event = Event.FAIL if why else Event.FINISH
    move_job(db, job_id, event, by=by, why=why or ("" if states else "no destination"), at=now)


def _result_ids(db: sa.Connection, job_id: int) -> dict[str, int]:
    r = t.result.c
    rows = db.execute(sa.select(r.sop_instance_uid, r.id).where(r.job_id == job_id).order_by(r.id))
    return dict(row.tuple() for row in rows)


def _like_the_others(plan: Mapping[str, Share], results: Sequence[Result]) -> Share:
    if not plan:
        return Share(tuple(r.sop_instance_uid for r in results))
    like, share = max(sorted(plan.items()), key=lambda item: len(item[1].sop_instance_uids))
    note = f"It joined while the results were written, and gets what {like} gets."
    return Share(share.sop_instance_uids, note, warnings={**share.held, **share.warnings})


def _note(db: sa.Connection, job_id: int, destination: str, note: str) -> None:
    c = t.job_destination.c
    own = (c.job_id == job_id, c.destination == destination)
    db.execute(sa.update(t.job_destination).where(*own).values(note=note))


def _insert(
    db: sa.Connection, job_id: int, destination: str, rows: Sequence[tuple[int, str, str]], now: datetime
) -> None:
    """rows: (number of the result, why it is held, warning)."""
    new = [
        {"job_id": job_id, "result_id": result_id, "destination": destination,
         "state": _QUARANTINED if held else _WAITING, "attempts": 0, "error": held, "warning": warning,
         "lease": "", "created_at": now, "next_at": now}
        for result_id, held, warning in rows
    ]  # fmt: skip
    if new:
        db.execute(sa.insert(t.delivery), new)


def _stuck(db: sa.Connection, job_id: int, state: str, states: Mapping[str, int]) -> str:
    """How many deliveries of a job are in a state that needs a person, and the reason of the first; "" for none."""
    if not states.get(state):
        return ""
    d = t.delivery.c
    which = sa.select(t.result.c.kind, d.destination, d.error).join(t.result, t.result.c.id == d.result_id)
    first = db.execute(which.where(d.job_id == job_id, d.state == state).order_by(d.id)).first()
    assert first is not None
    where = f"{states[state]} of {sum(states.values())} objects {state}"
    return f"{where}; {first.kind} to {first.destination}: {first.error}"


def _kept_with_faults(db: sa.Connection, job_id: int) -> str:
    """The same of a job without a destination, whose results stay in the archive."""
    r = t.result.c
    rows = db.execute(sa.select(r.kind, r.fault).where(r.job_id == job_id).order_by(r.id)).all()
    wrong = [row for row in rows if row.fault]
    return f"{len(wrong)} of {len(rows)} objects {_QUARANTINED}; {wrong[0].kind}: {wrong[0].fault}" if wrong else ""
