"""Result: one DICOM object made. Delivery: one result on its way to one destination."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """What sort of object a result is."""

    SEG = "SEG"
    RTSTRUCT = "RTSTRUCT"
    SR = "SR"
    PM = "PM"
    RTDOSE = "RTDOSE"
    SC = "SC"
    CAD_SR = "CADSR"  #: Mammography CAD SR
    GSPS = "GSPS"
    KO = "KO"  #: Key Object Selection


@dataclass(frozen=True, slots=True)
class Result:
    """One DICOM object made by a job. `path` is relative to the archive root.

    fault: what its proof found wrong in it; such an object is sent nowhere. "" for nothing.
    """

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    kind: Kind
    path: str
    sha256: str
    transfer_syntax_uid: str
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Given:
    """One object of a job that a destination has accepted, in this attempt or an earlier one.

    replaced: it is none of what the job has for that destination now, and nothing takes it back there.
    """

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    kind: Kind
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class Share:
    """What one destination is to get of the results of a job.

    sop_instance_uids: the results that are for it, those that are kept back included.
    note:     what it does not get, and why, in sentences for the admin; "" when it gets everything as usual.
    held:     SOP Instance UID -> why it is quarantined instead of sent.
    warnings: SOP Instance UID -> what was found in an object that is sent all the same.
    """

    sop_instance_uids: tuple[str, ...]
    note: str = ""
    held: Mapping[str, str] = field(default_factory=dict)
    warnings: Mapping[str, str] = field(default_factory=dict)


class DeliveryState(StrEnum):
    """Where a delivery is."""

    WAITING = "waiting"  #: to be sent, now or at `next_at`
    SENT = "sent"  #: the destination answered success
    PARKED = "parked"  #: refused, or given up; waits for a person
    QUARANTINED = "quarantined"  #: kept back because of what was found in it; never sent


@dataclass(frozen=True, slots=True)
class Delivery:
    """One result on its way to one destination.

    error:   why it is not there: what the destination said, or why it is quarantined.
    warning: what was found in the object, although it is sent.
    """

    id: int
    job_id: int
    destination: str
    result: Result
    state: DeliveryState
    attempts: int
    created_at: datetime
    next_at: datetime
    error: str = ""
    warning: str = ""
