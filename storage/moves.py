"""The only place that writes a job's state: looks the move up in MOVES, writes it, and keeps a row of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.core.errors import NotFound
from pipeline.core.job import Event, State, next_state
from storage import tables as t


def lock_state(db: sa.Connection, job_id: int) -> State:
    """The state of a job, whose row nobody else changes until this transaction ends. Raises NotFound."""
    state = db.execute(sa.select(t.job.c.state).where(t.job.c.id == job_id).with_for_update()).scalar()
    if state is None:
        raise NotFound(f"there is no job {job_id}")
    return State(state)


def move_job(db: sa.Connection, job_id: int, event: Event, *, by: str, why: str, at: datetime, **also: Any) -> State:
    """Move a job by `event`; `also` are further columns of it to set. Raises IllegalMove, NotFound."""
    before = lock_state(db, job_id)
    after = next_state(before, event)
    values = {"state": after.value, "reason": why, "changed_at": at, "lease": "", "lease_until": None} | also
    db.execute(sa.update(t.job).where(t.job.c.id == job_id).values(**values))
    db.execute(
        sa.insert(t.move).values(
            job_id=job_id, event=event.value, before=before.value, after=after.value, at=at, by=by, why=why
        )
    )
    return after
