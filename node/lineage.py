"""Which earlier results the objects of a run name as those that they replace: what a destination was given before."""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple, dataclass

from node.recall import replaced_jobs
from pipeline.core.job import Job
from pipeline.core.result import Kind, Result
from storage import Ledger

Reference = tuple[str, str, str]
"""SOP Class UID, SOP Instance UID, Series Instance UID."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """Reports, CAD reports and segmentations of the jobs that one replaces; see `pipeline.encode.Stamp`."""

    supersedes: tuple[Reference, ...] = ()
    cad_reports: tuple[Reference, ...] = ()
    replaces: tuple[Reference, ...] = ()

    def set_apart(self, seed: str, usual: Lineage) -> str:
        """The seed of UIDs for objects that name these: another than for those that name the usual ones."""
        if self == usual:
            return seed
        return f"{seed}/{hashlib.sha256(json.dumps(astuple(self)).encode()).hexdigest()}"


def lineage(ledger: Ledger, job: Job, destination: str = "") -> Lineage:
    """Of a job's results for one destination: only what was meant for it too, so that no reference leads nowhere.

    Without a destination: of what was made at all, of each job the first report.
    """
    older = list(replaced_jobs(ledger, job))

    def made(job_id: int, kind: Kind) -> list[Reference]:
        return [_reference(r) for _, r in ledger.results(job_id=job_id, kind=kind, destination=destination)]

    return Lineage(
        supersedes=tuple(r for o in older for r in made(o, Kind.SR)[:1]),
        cad_reports=tuple(r for o in older for r in made(o, Kind.CAD_SR)[:1]),
        replaces=tuple(made(older[0], Kind.SEG)) if older else (),
    )


def _reference(result: Result) -> Reference:
    return result.sop_class_uid, result.sop_instance_uid, result.series_instance_uid
