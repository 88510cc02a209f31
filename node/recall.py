"""What a job is told of earlier work on its patient: own results on the study, and earlier studies from the PACS."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote

from node.intake import read_instances
from node.loop import is_gone
from node.retrieve import Fetched, Tick
from pipeline.core.errors import DiskFull, HeaderUnusable, NotFound
from pipeline.core.job import Job
from pipeline.core.patient import differences, patient_of
from pipeline.core.result import Kind, Result
from pipeline.core.study import Instance, Study, group
from storage import Archive, Ledger

FetchPriors = Callable[[Job, Study, Path, Tick], Fetched]
"""Fetches earlier studies for a job on a study into a folder; see `node.retrieve.Library.priors`."""

FOLDER = "priors"
"""Below the archive's root: earlier studies, each job's in a folder of its own that names who holds the job."""


def own_results(ledger: Ledger, archive: Archive, job: Job, image: Instance) -> Study | None:
    """What the newest job that this one replaces made, as far as it is kept; None when nothing is.

    What another route made of the study, with other options, is not what this route's results are corrected from: it
    may itself be made from these corrections. Nor is what was made for another person under the same UID; an empty
    Patient ID is no other person's within a study.
    image: one of those that the job works on.
    """
    for older in replaced_jobs(ledger, job):
        kept = [(r.path, r.sha256) for r in _one_set(ledger, older) if r.path]
        studies = group([i for i in _readable(archive, kept) if not differences(patient_of(image), patient_of(i))])
        if studies:
            return studies[0]
    return None


def _one_set(ledger: Ledger, job_id: int) -> list[Result]:
    """Of what a job made, one form of it: where there are several, one whose structures are in the fewest objects."""
    sets = [[r for _, r in ledger.results(job_id=job_id, destination=d)] for d in ledger.job(job_id).destinations]
    drawn = [s for s in sets if any(r.kind is Kind.RTSTRUCT for r in s)]
    if drawn:
        return min(drawn, key=lambda s: (sum(r.kind is Kind.RTSTRUCT for r in s), -len({r.kind for r in s})))
    return [r for _, r in ledger.results(job_id=job_id) if not r.fault]


def replaced_jobs(ledger: Ledger, job: Job) -> Iterator[int]:
    """The jobs whose results a job's supersede, nearest first."""
    older = job.supersedes
    while older is not None:
        yield older
        try:
            older = ledger.job(older).supersedes
        except NotFound:
            return


def _readable(archive: Archive, files: list[tuple[str, str]]) -> list[Instance]:
    try:
        return read_instances(archive, files)
    except (OSError, HeaderUnusable):  # deleted at this moment: as good as not there
        return []


@contextmanager
def folder_for(archive: Archive, holder: str) -> Iterator[Path]:
    """An empty folder on the archive's file system that vanishes at the end of the block. Raises DiskFull."""
    try:
        shelf = archive.root / FOLDER
        shelf.mkdir(exist_ok=True)
        made = tempfile.TemporaryDirectory(prefix=f"{quote(holder, safe='')}~", dir=shelf, ignore_cleanup_errors=True)
    except OSError as error:
        raise DiskFull(f"no folder could be made below the archive: {error.strerror}") from error
    with made as folder:
        yield Path(folder)


def sweep(archive: Archive, holder: str) -> int:
    """Delete the folders of processes that are gone (kill -9), and this one's own; returns how many."""
    return _delete(f for f in _folders(archive) if _owner(f) == holder or is_gone(_owner(f)))


def sweep_unheld(ledger: Ledger, archive: Archive) -> int:
    """Delete the folders of whoever holds no job, on whatever machine; returns how many.

    Of a machine or container that is no more nobody can say that its process is gone; but its leases run out.
    """
    found = _folders(archive)  # listed first: whoever had a folder then held a job then
    holders = ledger.holders()
    return _delete(f for f in found if _owner(f) not in holders)


def _folders(archive: Archive) -> list[Path]:
    shelf = archive.root / FOLDER
    return list(shelf.iterdir()) if shelf.is_dir() else []


def _owner(folder: Path) -> str:
    return unquote(folder.name.rpartition("~")[0])


def _delete(folders: Iterable[Path]) -> int:
    count = 0
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
        count += 1
    return count
