"""Which earlier results the objects of a run name as those that they replace: what a destination was given before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from node.recall import replaced_jobs
from pipeline.core.job import Job
from pipeline.core.result import Given, Kind, Result
from storage import Ledger

Reference = tuple[str, str, str]
"""SOP Class UID, SOP Instance UID, Series Instance UID."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """Reports, CAD reports and segmentations that a job's results replace; see `pipeline.encode.Stamp`."""

    supersedes: tuple[Reference, ...] = ()
    cad_reports: tuple[Reference, ...] = ()
    replaces: tuple[Reference, ...] = ()

    def set_apart(self, seed: str, usual: Lineage) -> str:
        """The seed of UIDs for objects that name these: another than for those that name the usual ones."""
        if self == usual:
            return seed
        return f"{seed}/{hashlib.sha256(json.dumps(astuple(self)).encode()).hexdigest()}"


def lineage(ledger: Ledger, job: Job, destination: str = "", *, anew: bool = False) -> Lineage:
    """Of a job's results for one destination: only what was meant for it too, so that no reference leads nowhere.

    That is of older jobs what is meant for it, and of earlier attempts at this one what it has accepted and does not
    get any more. anew: also what it has accepted of the last attempt, for results that are others than those.
    Without a destination: of what was made at all, of each job the first report.
    """
    older = list(replaced_jobs(ledger, job))
    left = {j: _left(ledger.given(j, destination), anew and j == job.id) for j in (job.id, *older)}

    def made(job_id: int, kind: Kind) -> list[Reference]:
        return [_reference(r) for _, r in ledger.results(job_id=job_id, kind=kind, destination=destination)]

    def earlier(job_id: int, kind: Kind) -> list[Reference]:
        return [_reference(g) for g in left[job_id] if g.kind is kind]

    def reports(kind: Kind) -> tuple[Reference, ...]:
        of_older = (r for o in older for r in (*made(o, kind)[:1], *earlier(o, kind)))
        return (*earlier(job.id, kind), *of_older)

    return Lineage(
        supersedes=reports(Kind.SR),
        cad_reports=reports(Kind.CAD_SR),
        replaces=(*earlier(job.id, Kind.SEG), *(made(older[0], Kind.SEG) if older else ())),
    )


def left_there(name: str, given: Sequence[Given]) -> str:
    """A sentence for the admin about what a destination has of earlier attempts and will not get again."""
    if not given:
        return ""
    series = dict.fromkeys(f"{g.kind.value} in series {g.series_instance_uid}" for g in given)
    return (
        f"{name} still has of an earlier attempt what these results replace: {', '.join(series)}; "
        "delete it there, for nothing takes it back."
    )


def _left(given: Sequence[Given], anew: bool) -> list[Given]:
    """The last given first."""
    return [g for g in reversed(given) if g.replaced or anew]


def _reference(result: Result | Given) -> Reference:
    return result.sop_class_uid, result.sop_instance_uid, result.series_instance_uid
