"""The life of a job. Everything that decides a state lives in this file (MOVES); everything else asks it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from pipeline.core.errors import IllegalMove


class State(StrEnum):
    """Where a job is. Each maps to one Unified Procedure Step state (PS3.4 CC.1.1), see `UPS_STATE`."""

    QUEUED = "queued"  #: waits for a worker
    RUNNING = "running"  #: a worker holds its lease
    DELIVERING = "delivering"  #: results are fixed; at least one is not yet with its destination
    DELIVERED = "delivered"  #: every destination answered success for every result
    DECLINED = "declined"  #: the pipeline was not made for this study, and said why: a normal end
    FAILED = "failed"  #: parked, with the reason, until a person retries
    CANCELLED = "cancelled"  #: by a person, or because a newer revision of the study replaced it


class Event(StrEnum):
    """What can happen to a job."""

    CLAIM = "claim"  #: a worker takes it
    GIVE_BACK = "give_back"  #: retryable trouble, or the lease ran out
    DECLINE = "decline"  #: select() or run() declined
    PRODUCE = "produce"  #: results and deliveries are written
    FINISH = "finish"  #: the last open delivery was accepted (or there was nowhere to send)
    FAIL = "fail"  #: permanent trouble, attempts used up, or a delivery was parked
    RETRY = "retry"  #: a person asks for the computation again
    RESEND = "resend"  #: a person asks for parked deliveries again, or a destination is added
    CANCEL = "cancel"  #: a person, or a newer revision


S, E = State, Event
MOVES: dict[tuple[State, Event], State] = {
    (S.QUEUED, E.CLAIM): S.RUNNING,
    (S.QUEUED, E.CANCEL): S.CANCELLED,
    (S.RUNNING, E.GIVE_BACK): S.QUEUED,
    (S.RUNNING, E.DECLINE): S.DECLINED,
    (S.RUNNING, E.PRODUCE): S.DELIVERING,
    (S.RUNNING, E.FAIL): S.FAILED,
    (S.RUNNING, E.CANCEL): S.CANCELLED,
    (S.DELIVERING, E.FINISH): S.DELIVERED,
    (S.DELIVERING, E.FAIL): S.FAILED,
    (S.DELIVERING, E.CANCEL): S.CANCELLED,
    (S.FAILED, E.RETRY): S.QUEUED,
    (S.FAILED, E.RESEND): S.DELIVERING,
    (S.FAILED, E.CANCEL): S.CANCELLED,
    (S.DELIVERED, E.RESEND): S.DELIVERING,
    (S.DECLINED, E.RETRY): S.QUEUED,
    (S.CANCELLED, E.RETRY): S.QUEUED,
}

ENDS = frozenset({S.DELIVERED, S.DECLINED, S.CANCELLED})
"""States in which nobody needs to do anything. FAILED is no end: it waits for a person."""

UPS_STATE: dict[State, str] = {
    S.QUEUED: "SCHEDULED",
    S.RUNNING: "IN PROGRESS",
    S.DELIVERING: "IN PROGRESS",
    S.DELIVERED: "COMPLETED",
    S.DECLINED: "COMPLETED",
    S.FAILED: "CANCELED",
    S.CANCELLED: "CANCELED",
}


def next_state(state: State, event: Event) -> State:
    """The state after `event`. Raises IllegalMove when the table has no such move."""
    try:
        return MOVES[state, event]
    except KeyError:
        raise IllegalMove(f"a {state.value} job cannot {event.value}") from None


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be computed: a pipeline on the instances of a study. Equal work has an equal `key`.

    key: SHA-256 hex over the sorted (SOP Instance UID, content hash) pairs, the pipeline's name and version,
    and the route's options. It seeds every result UID, so the same work makes the same objects.
    """

    key: str
    study_instance_uid: str
    called_ae: str
    revision: int
    pipeline: str
    version: str
    series_instance_uids: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)
    priority: int = 0
    verified: bool = True


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work and how far it is. `lease` names the worker that holds it, until `lease_until`."""

    id: int
    work: Work
    state: State
    attempts: int
    created_at: datetime
    changed_at: datetime
    reason: str = ""
    lease: str = ""
    lease_until: datetime | None = None
    not_before: datetime | None = None
    supersedes: int | None = None
    destinations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Move:
    """One row of a job's history."""

    job_id: int
    event: Event
    before: State
    after: State
    at: datetime
    by: str
    why: str


class Outcome(StrEnum):
    """What a route made of a revision of a study."""

    RUN = "run"  #: a job was opened, or the job that does the same work was found
    NO_MATCH = "no_match"  #: no series for which the route's condition holds
    IGNORED = "ignored"  #: late images, and the route's policy is to ignore them
    ALERT = "alert"  #: late images, and the route's policy is to show that to the admin


@dataclass(frozen=True, slots=True)
class Decision:
    """One route's answer to one revision of a study."""

    route: str
    outcome: Outcome
    reason: str
    revision: int
    at: datetime
    job_id: int | None = None
