"""Deletes what need not be kept any longer: images, results, and files that nothing refers to."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from node.recall import sweep_unheld
from pipeline.core.clock import Clock, utc_now
from storage import Archive, Ledger

log = logging.getLogger(__name__)

ORPHAN_AFTER = timedelta(hours=1)
"""How old a file must be before it counts as an orphan: one just written may not have its row yet."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what is kept; None is for ever.

    images:  a study's images, counted from its last image, once no job needs them.
    failed:  the same for a study with a failed job, counted from the failure.
    results: delivered results, counted from when they were made.
    """

    images: timedelta | None
    failed: timedelta | None
    results: timedelta | None


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What one cleaning deleted."""

    studies: int = 0
    results: int = 0
    files: int = 0


def clean(ledger: Ledger, archive: Archive, retention: Retention, clock: Clock = utc_now) -> Cleaned:
    """Delete once. Rows go first and files after: a crash in between leaves orphans, which the next cleaning finds.

    A study that is sent again meanwhile keeps its files: each is asked about once more when it is deleted.
    """
    now = clock()
    limits = _before(now, retention.images), _before(now, retention.failed)
    studies, files = 0, 0
    for study in ledger.forgettable_studies(*limits):
        paths = ledger.forget_study(study, *limits)
        files += _remove(ledger, archive, paths)
        if paths:
            studies += 1
            log.info("study %s: images deleted, their time is over", study)
    sweep_unheld(ledger, archive)
    results = ledger.forget_results(_before(now, retention.results))
    files += _remove(ledger, archive, results)
    return Cleaned(studies, len(results), files + _remove_orphans(ledger, archive, now))


def _remove(ledger: Ledger, archive: Archive, paths: Iterable[str]) -> int:
    return sum(archive.remove_unless(path, ledger.refers_to) for path in paths)


def _before(now: datetime, keep: timedelta | None) -> datetime:
    return now - keep if keep is not None else datetime.fromtimestamp(0, now.tzinfo)


def _remove_orphans(ledger: Ledger, archive: Archive, now: datetime) -> int:
    limit = (now - ORPHAN_AFTER).timestamp()
    old = [path for path, modified in archive.stored() if modified < limit]
    referred = ledger.referred_paths() if old else set()
    return _remove(ledger, archive, (path for path in old if path not in referred)) + archive.sweep_incoming(limit)
