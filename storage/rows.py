"""Rows to core types and back, by hand: nothing of SQLAlchemy leaves this room."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from pipeline.core.job import Job, State, Work
from pipeline.core.result import Delivery, DeliveryState, Kind, Result
from storage import tables as t

Row = sa.RowMapping


def work_columns(work: Work) -> dict[str, object]:
    """The columns of `job` that say what is to be computed."""
    return {
        "work_key": work.key,
        "study_instance_uid": work.study_instance_uid,
        "called_ae": work.called_ae,
        "revision": work.revision,
        "pipeline": work.pipeline,
        "version": work.version,
        "series_instance_uids": list(work.series_instance_uids),
        "options": dict(work.options),
        "priority": work.priority,
        "verified": work.verified,
    }


def job_of(row: Row, destinations: Iterable[str] = ()) -> Job:
    """A row of `job` as a Job."""
    work = Work(
        key=row["work_key"],
        study_instance_uid=row["study_instance_uid"],
        called_ae=row["called_ae"],
        revision=row["revision"],
        pipeline=row["pipeline"],
        version=row["version"],
        series_instance_uids=tuple(row["series_instance_uids"]),
        options=row["options"],
        priority=row["priority"],
        verified=row["verified"],
    )
    return Job(
        id=row["id"],
        work=work,
        state=State(row["state"]),
        attempts=row["attempts"],
        created_at=row["created_at"],
        changed_at=row["changed_at"],
        reason=row["reason"],
        lease=row["lease"],
        lease_until=row["lease_until"],
        not_before=row["not_before"],
        supersedes=row["supersedes"],
        destinations=tuple(sorted(destinations)),
    )


def result_of(row: Row) -> Result:
    """A row of `result` as a Result."""
    return Result(
        sop_instance_uid=row["sop_instance_uid"],
        sop_class_uid=row["sop_class_uid"],
        series_instance_uid=row["series_instance_uid"],
        kind=Kind(row["kind"]),
        path=row["path"],
        sha256=row["sha256"],
        transfer_syntax_uid=row["transfer_syntax_uid"],
        fault=row["fault"],
    )


DELIVERY_WITH_RESULT = sa.select(
    t.delivery.c.id.label("delivery_id"),
    t.delivery.c.destination,
    t.delivery.c.state,
    t.delivery.c.attempts,
    t.delivery.c.error,
    t.delivery.c.warning,
    t.delivery.c.created_at,
    t.delivery.c.next_at,
    t.result,
).join(t.result, t.result.c.id == t.delivery.c.result_id)


def delivery_of(row: Row) -> Delivery:
    """A row of DELIVERY_WITH_RESULT as a Delivery."""
    return Delivery(
        id=row["delivery_id"],
        job_id=row["job_id"],
        destination=row["destination"],
        result=result_of(row),
        state=DeliveryState(row["state"]),
        attempts=row["attempts"],
        created_at=row["created_at"],
        next_at=row["next_at"],
        error=row["error"],
        warning=row["warning"],
    )
