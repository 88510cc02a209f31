"""Result: one DICOM object made. Delivery: one result on its way to one destination."""

from __future__ import annotations

from dataclasses import dataclass
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
    """One DICOM object made by a job. `path` is relative to the archive root."""

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    kind: Kind
    path: str
    sha256: str
    transfer_syntax_uid: str


class DeliveryState(StrEnum):
    """Where a delivery is."""

    WAITING = "waiting"  #: to be sent, now or at `next_at`
    SENT = "sent"  #: the destination answered success
    PARKED = "parked"  #: refused, or given up; waits for a person


@dataclass(frozen=True, slots=True)
class Delivery:
    """One result on its way to one destination."""

    id: int
    job_id: int
    destination: str
    result: Result
    state: DeliveryState
    attempts: int
    created_at: datetime
    next_at: datetime
    error: str = ""
