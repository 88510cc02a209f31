"""Looks at studies that have fallen quiet, asks the routes, and opens jobs.

A study is never complete in DICOM, only quiet. Three signals decide when a route looks at it: the quiet period, the
roles that must be there, and, when a peer is asked for it, the number of images that the PACS has.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from node.loop import notify
from node.work_key import work_key
from pipeline import registry
from pipeline.contract import Follower, Inputs, Pipeline, algorithm_of
from pipeline.core.clock import Clock, utc_now
from pipeline.core.errors import LanternError, LedgerUnavailable, place_of
from pipeline.core.job import Decision, Outcome, Work
from pipeline.core.route import LateImages, Match, Peer, Route, match
from pipeline.core.study import Instance, Reception, Study, group
from pipeline.imaging.header import content_digest, read_header
from storage import Archive, Ledger

log = logging.getLogger(__name__)

ASK_PEER_EVERY_S = 5.0
"""Seconds between two questions to a peer about the same study."""
SETTLE_S = 1.0
"""Seconds without an image before a peer is asked: a study still pouring in is not worth a question."""

SILENT_S = 30.0
"""Seconds for which a peer that gave no answer is asked about no study: each question may cost its whole time limit."""
DRAWN_QUIET_S = 2.0
"""Seconds without a further object before contours or doses on images that were decided on are looked at: a person
waits for the answer, and what a planning system exports comes at once."""
LOOK_AGAIN_S = 5.0
"""Seconds before a study that could not be decided is read again, unless an image comes: reading it costs."""
TROUBLE_S = 30.0
"""The same for a study that could not even be looked at."""

CountInstances = Callable[[Peer, str], int | None]
"""Asks a peer how many images a study has; None when it does not know the study. May raise LanternError."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Whether a route may look at a study now, whether its image count was verified, and why not when not."""

    now: bool
    verified: bool = True
    waits_for: str = ""


@dataclass(frozen=True, slots=True)
class Desk:
    """What intake works with.

    also_destinations: by peer, the names of the destinations that are the same system.
    listening_since: when this node began to listen. Before that no image could come, which is no quiet: a sender that
    met a closed port tries again. None counts from the last image alone.
    """

    ledger: Ledger
    archive: Archive
    routes: tuple[Route, ...]
    peers: Mapping[str, Peer]
    count_instances: CountInstances
    max_attempts: int
    is_gone: Callable[[str], bool]
    clock: Clock = utc_now
    listening_since: datetime | None = None
    also_destinations: Mapping[str, frozenset[str]] = field(default_factory=dict)


_Key = tuple[str, str]  # Study Instance UID, called AE title


class Intake:
    """Turns quiet studies into jobs, and takes back jobs of dead workers."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._asked: dict[_Key, tuple[datetime, int | None]] = {}
        self._silent: dict[str, datetime] = {}  # by peer: until when it is not asked
        self._rests: dict[_Key, tuple[datetime, datetime]] = {}  # by study: its last image, until when it is not read

    def tick(self) -> bool:
        """Look once at everything that is open; True when something was decided."""
        gone = [h for h in self._desk.ledger.holders() if self._desk.is_gone(h)]
        for job_id in self._desk.ledger.expire(gone, self._desk.max_attempts):
            log.warning("job %d: its worker is gone; taken back", job_id)
        self._desk.ledger.release(gone)
        decided = [self._look_safely(r) for r in self._desk.ledger.open_receptions()]
        return any(decided)

    def waits_for(self, reception: Reception) -> list[tuple[str, str]]:
        """For each route that has not decided on a study: (its name, what it waits for)."""
        return [(r.name, self._ready(r, reception).waits_for) for r in self._undecided(reception)]

    def _look_safely(self, reception: Reception) -> bool:
        notify("WATCHDOG=1")
        now = self._desk.clock()
        last_at, until = self._rests.get(_key(reception), (None, now))
        if last_at == reception.last_at and now < until:
            return False
        return self._safely(reception, lambda: self._look_at(reception))

    def _safely(self, reception: Reception, look: Callable[[], bool]) -> bool:
        try:
            return look()
        except LedgerUnavailable:
            raise
        except Exception as e:  # noqa: BLE001  # the edge: what one study or pipeline does must not hold up the others
            said = str(e) if isinstance(e, LanternError) else f"unexpected {place_of(e)}"
            log.error("study %s: cannot be decided, looking again later: %s", reception.study_instance_uid, said)
            self._rest(reception, TROUBLE_S)
            return False

    def _rest(self, reception: Reception, seconds: float) -> None:
        last_at, until = self._rests.get(_key(reception), (None, self._desk.clock()))
        wanted = self._desk.clock() + timedelta(seconds=seconds)
        self._rests[_key(reception)] = (
            reception.last_at,
            max(until, wanted) if last_at == reception.last_at else wanted,
        )

    def _look_at(self, reception: Reception) -> bool:
        undecided = self._undecided(reception)
        due = [(r, ready) for r in undecided if (ready := self._ready(r, reception)).now]
        study = self._read(reception) if due else None
        done = [
            self._safely(reception, partial(self._decide, route, ready, reception, study))
            for route, ready in due
            if study
        ]
        if sum(done) == len(undecided):
            self._desk.ledger.settle(reception)
            self._asked.pop(_key(reception), None)
            self._rests.pop(_key(reception), None)
        elif not all(done):
            self._rest(reception, LOOK_AGAIN_S)
        return any(done)

    def _undecided(self, reception: Reception) -> list[Route]:
        decided = {
            d.route
            for d in self._desk.ledger.decisions(reception.study_instance_uid, reception.called_ae)
            if d.revision == reception.revision
        }
        return [r for r in self._desk.routes if r.listens_to(reception.called_ae) and r.name not in decided]

    def _ready(self, route: Route, reception: Reception) -> Ready:
        quiet_s = self._quiet_s(reception)
        if self._only_drawn(route, reception) and quiet_s >= min(DRAWN_QUIET_S, route.quiet_period_s):
            return Ready(True)
        if route.verify_with and quiet_s >= min(SETTLE_S, route.quiet_period_s):
            expected = self._expected(self._desk.peers[route.verify_with], reception)
            if expected is not None:
                return self._counted(route, reception, expected, quiet_s)
        if quiet_s < route.quiet_period_s:
            return Ready(False, waits_for=f"quiet for {quiet_s:.0f} of {route.quiet_period_s:.0f} s")
        return Ready(True, verified=not route.verify_with)

    def _only_drawn(self, route: Route, reception: Reception) -> bool:
        """Whether nothing but derived objects came since an earlier decision: the images are as complete as then."""
        if reception.revision == 1:
            return False
        at = reception.images_at
        return at is None or (self._desk.clock() - at).total_seconds() >= route.quiet_period_s

    def _counted(self, route: Route, reception: Reception, expected: int, quiet_s: float) -> Ready:
        here = reception.instance_count
        if here >= expected:
            return Ready(True)
        if quiet_s >= route.required_within_s:
            return Ready(True, verified=False)
        return Ready(False, waits_for=f"{here} of the {expected} images that {route.verify_with} has are here")

    def _expected(self, peer: Peer, reception: Reception) -> int | None:
        """How many images the peer has, without the results that it got from us; None when it does not say."""
        key, now = _key(reception), self._desk.clock()
        at, count = self._asked.get(key, (None, None))
        if at is None or (now - at).total_seconds() >= ASK_PEER_EVERY_S:
            count = self._ask(peer, reception.study_instance_uid)
            self._asked[key] = (now, count)
        if count is None:
            return None
        there = self._desk.also_destinations.get(peer.name, frozenset())
        ours = self._desk.ledger.results_sent(reception.study_instance_uid, there)
        return max(count - ours, 1)

    def _ask(self, peer: Peer, study_instance_uid: str) -> int | None:
        now = self._desk.clock()
        if now < self._silent.get(peer.name, now):
            return None
        try:
            return self._desk.count_instances(peer, study_instance_uid)
        except LanternError as e:
            log.warning(
                "study %s: %s could not be asked, the quiet period decides: %s", study_instance_uid, peer.name, e
            )
            self._silent[peer.name] = self._desk.clock() + timedelta(seconds=SILENT_S)
            return None

    def _read(self, reception: Reception) -> Study | None:
        return study_of(self._desk.ledger, self._desk.archive, reception.study_instance_uid, reception.called_ae)

    def _decide(self, route: Route, ready: Ready, reception: Reception, study: Study) -> bool:
        """True when the route has decided (or the study changed meanwhile, which the next look will see)."""
        found = match(route, study, calling_ae=reception.calling_ae, called_ae=reception.called_ae)
        if found.taken is None:
            return self._note(route, reception, Outcome.NO_MATCH, _why_none(study))
        pipeline = registry.get(route.pipeline)
        chosen = pipeline.select(found.taken, route.options)
        if self._must_wait(route, reception, chosen.series if isinstance(chosen, Inputs) else {}):
            return False
        instances = inputs_of(chosen, found.taken)
        work = work_of(route, pipeline, reception, instances, verified=ready.verified)
        earlier = [
            d
            for d in self._desk.ledger.decisions(reception.study_instance_uid, reception.called_ae)
            if d.route == route.name and d.outcome is Outcome.RUN and d.job_id
        ]
        changed = earlier and self._desk.ledger.job(earlier[-1].job_id or 0).work.key != work.key
        asked_for = isinstance(chosen, Inputs) and chosen.corrects  # by a person, who waits for the answer
        if changed and not asked_for and route.late_images is not LateImages.RERUN:
            outcome = Outcome.IGNORED if route.late_images is LateImages.IGNORE else Outcome.ALERT
            return self._note(route, reception, outcome, f"images came after job {earlier[-1].job_id} was opened")
        return self._open(route, reception, found, work, instances)

    def _must_wait(self, route: Route, reception: Reception, series: Mapping[str, object]) -> bool:
        missing = [r for r in route.required_roles if r not in series]
        return bool(missing) and self._quiet_s(reception) < route.required_within_s

    def _quiet_s(self, reception: Reception) -> float:
        since = max(reception.last_at, self._desk.listening_since or reception.last_at)
        return (self._desk.clock() - since).total_seconds()

    def _note(self, route: Route, reception: Reception, outcome: Outcome, reason: str) -> bool:
        level = logging.WARNING if outcome is Outcome.ALERT else logging.INFO
        log.log(level, "study %s: route %s: %s: %s", reception.study_instance_uid, route.name, outcome.value, reason)
        decision = Decision(route.name, outcome, reason, reception.revision, self._desk.clock())
        return self._desk.ledger.decide(reception, decision)

    def _open(
        self, route: Route, reception: Reception, found: Match, work: Work, instances: Sequence[Instance]
    ) -> bool:
        taken = len(found.taken.series) if found.taken else 0
        reason = f"{taken} of {len(found.why)} series match" + ("" if work.verified else "; image count not verified")
        decision = Decision(route.name, Outcome.RUN, reason, reception.revision, self._desk.clock())
        uids = [i.sop_instance_uid for i in instances]
        job_id = self._desk.ledger.open_job(reception, decision, work, uids, route.destinations)
        if job_id is not None:
            log.info("study %s: route %s: job %d", reception.study_instance_uid, route.name, job_id)
        return job_id is not None


def _why_none(study: Study) -> str:
    """Why a route takes nothing; images that were let go of while contours were drawn on them are named."""
    here = {s.series_instance_uid for s in study.series}
    missing = sorted({uid for s in study.series for uid in s.drawn_on} - here)
    if missing:
        return f"drawn on images that are not here (any more): send series {', '.join(missing[:3])} again"
    return "no series for which the route's condition holds"


def _key(reception: Reception) -> _Key:
    return reception.study_instance_uid, reception.called_ae


def study_of(ledger: Ledger, archive: Archive, study_instance_uid: str, called_ae: str) -> Study | None:
    """What an AE title has of a study, from the headers; None when that is nothing."""
    files = ledger.instance_files(study_instance_uid, called_ae)
    at = ledger.drawn_at(study_instance_uid, called_ae)
    studies = group(arrived(read_instances(archive, files), at))
    return studies[0] if studies else None


def arrived(instances: Iterable[Instance], at: Mapping[str, datetime]) -> list[Instance]:
    """The same, with the time when each came, as far as that is known; see `Receptions.drawn_at`."""
    return [replace(i, arrived_at=at.get(i.sop_instance_uid)) for i in instances]


def read_instances(archive: Archive, files: Sequence[tuple[str, str]]) -> list[Instance]:
    """The headers of stored files, given as (archive path, sha256)."""
    return [read_header(archive.absolute(path), sha256) for path, sha256 in files]


def inputs_of(chosen: object, taken: Study) -> tuple[Instance, ...]:
    """The instances that a job works on: what the pipeline chose, or everything when it declines.

    With the pipeline's own choice, a series that it does not read (a localizer, a report) that arrives late changes
    nothing, and the study is not computed again.
    """
    if not isinstance(chosen, Inputs) or not chosen.series:
        return taken.instances
    return tuple(i for s in dict.fromkeys(chosen.series.values()) for i in s.instances)


def _priors_asked(route: Route, pipeline: Pipeline) -> str:
    """What decides which earlier studies a job gets: with other settings it is other work."""
    asks = route.priors_from and isinstance(pipeline, Follower)
    return f"{route.most_priors} from {route.priors_from}" if asks else ""


def work_of(
    route: Route, pipeline: Pipeline, reception: Reception, instances: Sequence[Instance], *, verified: bool
) -> Work:
    """The work that a route wants done. Its key depends on the images, the pipeline, its models, and the options."""
    algorithm = algorithm_of(pipeline, route.options)
    content = [content_digest(i.path) for i in instances]
    return Work(
        key=work_key(content, route.pipeline, algorithm, route.options, _priors_asked(route, pipeline)),
        study_instance_uid=reception.study_instance_uid,
        called_ae=reception.called_ae,
        revision=reception.revision,
        pipeline=route.pipeline,
        version=algorithm.version,
        series_instance_uids=tuple(sorted({i.series_instance_uid for i in instances})),
        options=dict(route.options),
        priority=route.priority,
        verified=verified,
    )
