"""Claims a job, runs its pipeline, encodes what it found, and hands the results to the outbox."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from node.hold import held
from node.intake import arrived, read_instances
from node.loop import BEAT_EVERY_S, Stop, notify
from node.produce import Press, Written, produce
from node.profiles import Profiles
from node.recall import FetchPriors, folder_for, own_results, sweep
from node.retrieve import Fetched
from node.version import VERSION
from node.work_key import recalled_key, result_seed
from pipeline import registry
from pipeline.contract import Declined, Earlier, Executor, Follower, Found, Inputs
from pipeline.core.clock import Clock, utc_now
from pipeline.core.errors import (
    HeaderUnusable,
    LanternError,
    LedgerUnavailable,
    Permanent,
    Retryable,
    place_of,
)
from pipeline.core.job import Job
from pipeline.core.route import Destination
from pipeline.core.study import group
from pipeline.encode import Stamp
from storage import Archive, Ledger

log = logging.getLogger(__name__)

RETRY_AFTER_S = 10.0
"""Seconds before a job is tried again; doubled with every attempt."""


LEASE_PARTS = 4
"""How often in its time a lease is renewed while results are written."""


class Stopping(Exception):
    """This process was asked to end while it computed: the job goes back as if it had not been claimed."""


class JobTaken(Exception):
    """The job is no longer ours: it was cancelled, superseded, or given to another worker."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What a worker works with.

    lease_s: must be longer than the time between two ticks of the executor.
    stop:    asked at every tick of the executor, so that a long computation does not hold up the end of the process.
    fetch_priors: for pipelines that carry on earlier work; None where there is nobody to ask.
    destinations, profiles, dciodvfy: see `node.produce.Press`.
    """

    ledger: Ledger
    archive: Archive
    make_executor: Callable[[Callable[[], None]], Executor]
    holder: str
    lease_s: float
    max_attempts: int
    clock: Clock = utc_now
    stop: Stop = field(default_factory=Stop)
    fetch_priors: FetchPriors | None = None
    destinations: Mapping[str, Destination] = field(default_factory=dict)
    profiles: Profiles | None = None
    dciodvfy: str = ""


class Worker:
    """One job at a time."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._current: Job | None = None
        self._held_until = bench.clock()
        self._beaten_at = -BEAT_EVERY_S
        self._executor = bench.make_executor(self._on_tick)
        self._press = Press(bench.ledger, bench.archive, bench.destinations, bench.profiles, bench.dciodvfy)
        sweep(bench.archive, bench.holder)

    def close(self) -> None:
        """Let go of the executor."""
        self._executor.close()

    def tick(self) -> bool:
        """Do one job; False when there was none."""
        self._held_until = self._until()
        job = self._bench.ledger.claim(self._bench.holder, self._held_until)
        if job is None:
            return False
        log.info("job %d: %s on study %s", job.id, job.work.pipeline, job.work.study_instance_uid)
        self._current = job
        try:
            self._do(job)
        except JobTaken:
            log.warning("job %d: taken away while it ran (cancelled or superseded)", job.id)
        except Stopping:
            log.info("job %d: given back, this worker is ending", job.id)
            self._bench.ledger.put_back(job.id, self._bench.holder)
        except LedgerUnavailable:
            raise  # nothing can be written about the job now; its lease will give it back
        except Retryable as e:
            self._give_back(job, e)
        except Permanent as e:
            log.error("job %d: parked: %s", job.id, e)
            self._bench.ledger.fail(job.id, self._bench.holder, str(e))
        except LanternError as e:
            log.exception("job %d: our own fault", job.id)
            self._bench.ledger.fail(job.id, self._bench.holder, str(e))
        except Exception as e:  # noqa: BLE001  # the edge of the process: one bad study must not stop the others
            # The words of an unforeseen error may quote a data set: its type and place must do.
            log.error("job %d: unexpected %s", job.id, place_of(e))
            self._bench.ledger.fail(job.id, self._bench.holder, f"unexpected {place_of(e)}")
        finally:
            self._current = None
        return True

    def _do(self, job: Job) -> None:
        with folder_for(self._bench.archive, self._bench.holder) as folder:
            self._do_with(job, folder)

    def _do_with(self, job: Job, folder: Path) -> None:
        chosen = self._inputs(job)
        inputs = self._recalled(job, chosen, folder) if isinstance(chosen, Inputs) else chosen
        found = self._executor.run(job.work.pipeline, inputs) if isinstance(inputs, Inputs) else inputs
        if isinstance(found, Declined):
            # Nothing goes back to whoever sent corrections: the log says it loudly.
            loud = isinstance(chosen, Inputs) and chosen.corrects
            log.log(logging.WARNING if loud else logging.INFO, "job %d: declined: %s", job.id, found.reason)
            self._bench.ledger.decline(job.id, self._bench.holder, found.reason)
            return
        self._on_tick()  # an inline run had nobody to call it, and encoding takes its time
        recalled = recalled_key(chosen, inputs) if isinstance(chosen, Inputs) and isinstance(inputs, Inputs) else ""
        made = self._produced(job, found, self._stamp(job, found, recalled))
        if not self._bench.ledger.produced(job.id, self._bench.holder, made.results, made.plan):
            raise JobTaken
        log.info("job %d: %d findings, %d objects", job.id, found.count, len(made.results))
        _log_what_is_held(job, made)

    def _produced(self, job: Job, found: Found, stamp: Stamp) -> Written:
        """Written and judged; meanwhile a thread holds the job, for one object may take longer than the lease.

        That the job was taken the thread keeps to itself: the next tick notices, or at the latest the ledger.
        """

        def tick() -> None:
            moved()
            self._on_tick()

        with held(lambda: self._renewed(job), self._bench.lease_s / LEASE_PARTS) as moved:
            return produce(self._press, job, found, stamp, tick)

    def _recalled(self, job: Job, inputs: Inputs, folder: Path) -> Inputs:
        """With what there is of the patient beside the study, for a pipeline that carries on."""
        pipeline = registry.get(job.work.pipeline)
        if not isinstance(pipeline, Follower):
            return inputs
        fetched, own = Fetched(), None
        if inputs.series:
            study = group([i for s in inputs.series.values() for i in s.instances])[0]
            if self._bench.fetch_priors:
                fetched = self._bench.fetch_priors(job, study, folder, self._on_tick)
            own = own_results(self._bench.ledger, self._bench.archive, job, study.instances[0])
        told = pipeline.recall(inputs, Earlier(own, fetched.studies))
        return replace(told, remarks=(*told.remarks, *fetched.remarks))

    def _inputs(self, job: Job) -> Inputs | Declined:
        files = self._bench.ledger.inputs(job.id)
        at = self._bench.ledger.drawn_at(job.work.study_instance_uid, job.work.called_ae)
        try:
            studies = group(arrived(read_instances(self._bench.archive, files), at))
        except (OSError, HeaderUnusable) as e:
            raise Permanent(
                "an image of the study cannot be read from the archive any more",
                "send it again, then `lantern jobs retry`",
            ) from e
        if not studies:
            raise Permanent(
                "the images of this study are no longer kept", "send the study again, then `lantern jobs retry`"
            )
        return registry.get(job.work.pipeline).select(studies[0], job.work.options)

    def _stamp(self, job: Job, found: Found, recalled: str) -> Stamp:
        return Stamp(
            seed=result_seed(job.work.key, found.algorithm, recalled),
            made_at=job.created_at.astimezone(),  # of the job: an attempt more must make the same bytes
            software_version=VERSION,
            verified=job.work.verified,
        )

    def _give_back(self, job: Job, error: Retryable) -> None:
        wait = timedelta(seconds=RETRY_AFTER_S * 2 ** (job.attempts - 1))
        not_before, limit = self._bench.clock() + wait, self._bench.max_attempts
        state = self._bench.ledger.give_back(job.id, self._bench.holder, str(error), not_before, limit)
        log.error("job %d: %s: %s", job.id, state.value if state else "taken away", error)

    def _until(self) -> datetime:
        return self._bench.clock() + timedelta(seconds=self._bench.lease_s)

    def _on_tick(self) -> None:
        notify("WATCHDOG=1")
        if self._current is None:
            return
        if self._bench.stop.asked:
            raise Stopping
        try:
            self._hold(self._current)
        except LedgerUnavailable as e:
            # A database that restarts costs no computation: until the lease ends the job is nobody else's.
            if self._bench.clock() >= self._held_until:
                raise
            log.warning("job %d: goes on, but its lease could not be renewed: %s", self._current.id, e)

    def _hold(self, job: Job) -> None:
        """Renew the lease, and say that this process is alive: its loop, which says so else, waits for the job."""
        if not self._renewed(job):
            raise JobTaken

    def _renewed(self, job: Job) -> bool:
        notify("WATCHDOG=1")
        until = self._until()
        if not self._bench.ledger.renew(job.id, self._bench.holder, until):
            return False
        self._held_until = until
        if time.monotonic() - self._beaten_at >= BEAT_EVERY_S:
            self._bench.ledger.beat(self._bench.holder)
            self._beaten_at = time.monotonic()
        return True


def _log_what_is_held(job: Job, made: Written) -> None:
    """What stays here although it was made; the reasons name UIDs and places, and nobody."""
    for result in made.results:
        if result.fault:
            log.error("job %d: %s %s quarantined: %s", job.id, result.kind.value, result.sop_instance_uid, result.fault)
    for name, share in made.plan.items():
        if share.note:
            log.warning("job %d: %s", job.id, share.note)
        if blocked := len(set(share.held) - {r.sop_instance_uid for r in made.results if r.fault}):
            log.error("job %d: %d objects quarantined for %s by its settings", job.id, blocked, name)
