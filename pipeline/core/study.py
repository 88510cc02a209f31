"""Association, Instance, Series, Study: the information model of PS3.3 A.1.2, headers only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from pipeline.core.uid import is_ours

DERIVED = frozenset({"SEG", "RTSTRUCT", "RTDOSE"})
"""Modalities of what is drawn on images, or calculated on them, and sent after them."""

DRAWN_ON = "ReferencedSeriesInstanceUID"
"""In a header, the series that a derived object refers to, however deep in it: a tuple of UIDs. No keyword of DICOM."""


@dataclass(frozen=True, slots=True)
class Association:
    """One DICOM conversation (PS3.8 7.1), as far as it matters after it is over."""

    calling_ae: str
    called_ae: str
    peer_ip: str


@dataclass(frozen=True, slots=True)
class Instance:
    """One SOP Instance on disk.

    `header` maps DICOM keywords to plain values (str, int, float, or a tuple of them): the top-level elements
    that are short, plus, for multi-frame objects, the shared functional groups flattened beside them. It never
    holds pixels. Person names and other identifiers may be in it: it stays in memory, never in a log or the ledger.

    `arrived_at` is when a derived object came to this node; None for images, and for files that never came to one.
    """

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    study_instance_uid: str
    transfer_syntax_uid: str
    modality: str
    path: Path
    sha256: str = ""
    header: Mapping[str, Any] | None = field(default=None, compare=False)
    arrived_at: datetime | None = field(default=None, compare=False)

    def get(self, keyword: str, default: Any = None) -> Any:
        """The value of a DICOM keyword, or `default` when it is absent or empty."""
        value = (self.header or {}).get(keyword)
        return default if value is None or value == "" else value


@dataclass(frozen=True, slots=True)
class Series:
    """Instances that share a Series Instance UID, in the order of their SOP Instance UIDs."""

    series_instance_uid: str
    instances: tuple[Instance, ...]

    @property
    def first(self) -> Instance:
        """Any instance will do for what all of a series share; this is always the same one."""
        return self.instances[0]

    @property
    def modality(self) -> str:
        """Modality (0008,0060)."""
        return self.first.modality

    def get(self, keyword: str, default: Any = None) -> Any:
        """The value of a DICOM keyword in the first instance."""
        return self.first.get(keyword, default)

    @property
    def is_ours(self) -> bool:
        """Whether all of it was made here, and is unchanged."""
        return all(is_ours(i.sop_instance_uid, self.series_instance_uid) for i in self.instances)

    @property
    def drawn_on(self) -> frozenset[str]:
        """Series Instance UIDs that a derived object refers to."""
        return frozenset(uid for i in self.instances for uid in i.get(DRAWN_ON, ()))

    def belongs_to(self, others: Iterable[Series]) -> bool:
        """Whether it is derived from one of the others: it names that series, or no series but its frame."""
        if self.modality not in DERIVED:
            return False
        if self.drawn_on:
            return any(o.series_instance_uid in self.drawn_on for o in others)
        frame = self.get("FrameOfReferenceUID")
        return frame is not None and any(o.get("FrameOfReferenceUID") == frame for o in others)


@dataclass(frozen=True, slots=True)
class Study:
    """The series of one study, in the order of their UIDs."""

    study_instance_uid: str
    series: tuple[Series, ...]

    @property
    def instances(self) -> tuple[Instance, ...]:
        """Every instance of every series."""
        return tuple(i for s in self.series for i in s.instances)


def group(instances: tuple[Instance, ...] | list[Instance]) -> tuple[Study, ...]:
    """Arrange loose instances as studies; the order of the input does not matter."""
    studies: dict[str, dict[str, list[Instance]]] = {}
    for i in sorted(instances, key=lambda i: i.sop_instance_uid):
        studies.setdefault(i.study_instance_uid, {}).setdefault(i.series_instance_uid, []).append(i)
    return tuple(
        Study(uid, tuple(Series(s, tuple(found)) for s, found in sorted(series.items())))
        for uid, series in sorted(studies.items())
    )


@dataclass(frozen=True, slots=True)
class Reception:
    """A study as one called AE title has it: what arrived, when, and how often it changed after being decided.

    `revision` counts from 1; a late image on a decided study opens the next one. `images_at` is when the last came that
    is no derived object; None when there is none.
    """

    study_instance_uid: str
    called_ae: str
    revision: int
    decided: bool
    first_at: datetime
    last_at: datetime
    instance_count: int
    series_count: int
    calling_ae: str
    peer_ip: str
    images_at: datetime | None = None


class Added(StrEnum):
    """What the ledger made of an arriving instance."""

    NEW = "new"  #: first time this called AE title gets it
    AGAIN = "again"  #: the same content was here before; nothing changed
    CONFLICT = "conflict"  #: same SOP Instance UID, other content: kept aside, the first one stays


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger knows of an instance that it has."""

    sha256: str
    transfer_syntax_uid: str
    path: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """An object that came under the UID of another; `path` is relative to the archive root."""

    sop_instance_uid: str
    study_instance_uid: str
    calling_ae: str
    sha256: str
    path: str
    at: datetime
