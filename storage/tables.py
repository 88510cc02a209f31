"""The tables. No patient data in any of them: UIDs, AE titles, addresses, hashes, states and reasons."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """A moment with a time zone, kept in UTC; refuses naive values, which would silently mean somewhere else's time."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """On the way in."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        """On the way out; SQLite gives naive values back."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

UID = String(64)
AE = String(16)


def _moment(name: str, **kw: Any) -> Column[datetime]:
    return Column(name, UtcDateTime(), nullable=kw.pop("nullable", False), **kw)


instance = Table(
    "instance",
    metadata,
    Column("sop_instance_uid", UID, primary_key=True),
    Column("sop_class_uid", UID, nullable=False),
    Column("series_instance_uid", UID, nullable=False),
    Column("study_instance_uid", UID, nullable=False, index=True),
    Column("transfer_syntax_uid", UID, nullable=False),
    Column("modality", String(16), nullable=False),
    Column("path", Text, nullable=False, index=True),
    Column("sha256", String(64), nullable=False),
    Column("size_bytes", sa.BigInteger, nullable=False),
    _moment("received_at"),
)

#: An instance as one called AE title got it. The same instance sent to two titles is one instance, two arrivals.
arrival = Table(
    "arrival",
    metadata,
    Column("sop_instance_uid", UID, ForeignKey("instance.sop_instance_uid"), primary_key=True),
    Column("called_ae", AE, primary_key=True),
    Column("study_instance_uid", UID, nullable=False),
    Column("calling_ae", AE, nullable=False),
    Column("peer_ip", String(64), nullable=False),
    _moment("at"),
    Index("ix_arrival_study", "study_instance_uid", "called_ae"),
)

#: A study as one called AE title has it. `settled` is the last revision that every route has decided on.
reception = Table(
    "reception",
    metadata,
    Column("study_instance_uid", UID, primary_key=True),
    Column("called_ae", AE, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("settled", Integer, nullable=False),
    Column("calling_ae", AE, nullable=False),
    Column("peer_ip", String(64), nullable=False),
    _moment("first_at"),
    _moment("last_at", index=True),
)

#: Same SOP Instance UID, different content: kept aside and shown.
conflict = Table(
    "conflict",
    metadata,
    Column("sop_instance_uid", UID, primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("path", Text, nullable=False, index=True),
    Column("study_instance_uid", UID, nullable=False),
    Column("calling_ae", AE, nullable=False),
    _moment("at"),
)

job = Table(
    "job",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("work_key", String(64), nullable=False, unique=True),
    Column("study_instance_uid", UID, nullable=False, index=True),
    Column("called_ae", AE, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("pipeline", String(64), nullable=False),
    Column("version", String(128), nullable=False),
    Column("series_instance_uids", sa.JSON, nullable=False),
    Column("options", sa.JSON, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("verified", sa.Boolean, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("attempts", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("lease", String(128), nullable=False),
    _moment("lease_until", nullable=True),
    _moment("not_before", nullable=True),
    Column("supersedes", Integer, ForeignKey("job.id"), nullable=True),
    _moment("created_at"),
    _moment("changed_at"),
)

job_input = Table(
    "job_input",
    metadata,
    Column("job_id", Integer, ForeignKey("job.id"), primary_key=True),
    Column("sop_instance_uid", UID, primary_key=True),
)

job_destination = Table(
    "job_destination",
    metadata,
    Column("job_id", Integer, ForeignKey("job.id"), primary_key=True),
    Column("destination", String(64), primary_key=True),
    Column("note", Text, nullable=False, server_default=""),
    # What it has accepted in earlier attempts: [SOP Instance UID, SOP Class UID, Series Instance UID, kind], in order.
    Column("given", sa.JSON, nullable=False, server_default="[]"),
)

#: What a route made of a revision of a study; one row for good, which is also the answer to "why did it not run".
decision = Table(
    "decision",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_instance_uid", UID, nullable=False),
    Column("called_ae", AE, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("route", String(64), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("job_id", Integer, ForeignKey("job.id"), nullable=True),
    _moment("at"),
    UniqueConstraint("study_instance_uid", "called_ae", "revision", "route"),
)

move = Table(
    "move",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job_id", Integer, ForeignKey("job.id"), nullable=False, index=True),
    Column("event", String(16), nullable=False),
    Column("before", String(16), nullable=False),
    Column("after", String(16), nullable=False),
    _moment("at"),
    Column("by", String(128), nullable=False),
    Column("why", Text, nullable=False),
)

result = Table(
    "result",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job_id", Integer, ForeignKey("job.id"), nullable=False, index=True),
    Column("sop_instance_uid", UID, nullable=False, unique=True),
    Column("sop_class_uid", UID, nullable=False),
    Column("series_instance_uid", UID, nullable=False),
    Column("transfer_syntax_uid", UID, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("path", Text, nullable=False, index=True),
    Column("sha256", String(64), nullable=False),
    Column("fault", Text, nullable=False, server_default=""),
    _moment("made_at"),
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job_id", Integer, ForeignKey("job.id"), nullable=False, index=True),
    Column("result_id", Integer, ForeignKey("result.id"), nullable=False),
    Column("destination", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("warning", Text, nullable=False, server_default=""),
    Column("lease", String(128), nullable=False),
    _moment("lease_until", nullable=True),
    _moment("created_at"),
    _moment("next_at"),
    UniqueConstraint("result_id", "destination"),
    Index("ix_delivery_outbox", "destination", "state", "next_at"),
)

#: Studies that this node has asked a PACS to send here (C-MOVE), and until when they may come.
retrieval = Table(
    "retrieval",
    metadata,
    Column("study_instance_uid", UID, primary_key=True),
    _moment("until"),
)

#: What a destination was found to accept: pairs of SOP Class and transfer syntax. Of another endpoint it says nothing.
profile = Table(
    "profile",
    metadata,
    Column("destination", String(64), primary_key=True),
    Column("endpoint", Text, nullable=False),
    _moment("asked_at"),
    _moment("probed_at", nullable=True),
    Column("accepted", sa.JSON, nullable=False),
    Column("software", Text, nullable=False),
    Column("error", Text, nullable=False),
)

#: SOP Classes that a destination negotiated and then refused by status; asking it again does not change them.
refusal = Table(
    "refusal",
    metadata,
    Column("destination", String(64), primary_key=True),
    Column("sop_class_uid", String(64), primary_key=True),
    Column("endpoint", Text, nullable=False),
    Column("status", Integer, nullable=False),
    _moment("at"),
)

#: When each process last said that it is alive.
heartbeat = Table(
    "heartbeat",
    metadata,
    Column("process", String(128), primary_key=True),
    _moment("at"),
)

#: Numbers that only grow, of things whose rows may be forgotten.
tally = Table(
    "tally",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", sa.BigInteger, nullable=False),
)
