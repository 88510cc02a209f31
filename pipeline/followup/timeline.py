"""Lesions on many dates: sums of longest diameters against baseline and nadir, in the words of RANO-BM."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.followup.change import (
    Before,
    FollowUp,
    Response,
    Size,
    outgrew,
    percent,
    response_of,
    targets_of,
    targets_response,
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A lesion on one date.

    doubtful:      outlined for the first time where its place was as bright before.
    hidden_before: seen for the first time where the images of the date before do not show all of its place.
    """

    label: str
    size: Size
    doubtful: bool = False
    hidden_before: bool = False


@dataclass(frozen=True, slots=True)
class Visit:
    """One date.

    date:    DA (PS3.5 6.2).
    lesions: by tracking UID.
    links:   tracking UIDs that merged or split since the date before: part -> the lesion that it belongs to.
    cut:     tracking UIDs of lesions of another date whose place the images of this one do not show whole; what is
             seen of them is among `lesions`, and is compared with nothing.
    """

    date: str
    study_instance_uid: str
    lesions: Mapping[str, Seen]
    links: Mapping[str, str] = field(default_factory=dict)
    cut: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Assessed:
    """A visit against all before it. The first is the baseline, and has neither percentages nor a response.

    sum_mm:           longest diameters of what is left of the baseline's target lesions, without those that are not
                      imaged, which percentages leave out on all dates.
    baseline_percent: change of the sum since the baseline; nadir_percent: since the smallest sum so far.
    new:              tracking UIDs of lesions that the baseline has nothing of, without those that are doubtful or that
                      earlier images do not show the place of.
    lost:             tracking UIDs that were not imaged on an earlier date, and were not seen since.
    """

    visit: Visit
    sum_mm: float
    baseline_percent: float | None = None
    nadir_percent: float | None = None
    response: Response | None = None
    new: tuple[str, ...] = ()
    lost: frozenset[str] = frozenset()


def targets(visits: Sequence[Visit]) -> frozenset[str]:
    """Tracking UIDs of the baseline's target lesions."""
    first = min(visits, key=lambda v: v.date)
    before = [Before(uid, seen.label, seen.size) for uid, seen in first.lesions.items() if uid not in first.cut]
    return frozenset(b.tracking_uid for b in targets_of(before))


def assess(visits: Sequence[Visit]) -> tuple[Assessed, ...]:
    """Every date, the earliest first, in RANO-BM's words; see Response for what they do not know."""
    ordered = sorted(visits, key=lambda v: (v.date, v.study_instance_uid))
    if not ordered:
        return ()
    chosen = targets(ordered)
    links: dict[str, str] = {}
    doubtful, hidden, lost = set[str](), set[str](), set[str]()
    done: list[Assessed] = []
    for visit in ordered:
        links |= visit.links
        doubtful |= {uid for uid, seen in visit.lesions.items() if seen.doubtful}
        hidden |= {uid for uid, seen in visit.lesions.items() if seen.hidden_before}
        lost = (lost | visit.cut) - visit.lesions.keys()
        done.append(_assessed(visit, done, _Known(chosen, links, doubtful, hidden, frozenset(lost))))
    return tuple(done)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the dates so far tell. doubtful, hidden: tracking UIDs, see Seen; lost: see Assessed."""

    chosen: frozenset[str]
    links: Mapping[str, str]
    doubtful: set[str]
    hidden: set[str]
    lost: frozenset[str]

    def roots(self, uids: Iterable[str]) -> set[str]:
        return {_root(uid, self.links) for uid in uids}


def _assessed(visit: Visit, before: Sequence[Assessed], known: _Known) -> Assessed:
    all_roots = known.roots(known.chosen)
    roots = all_roots - known.roots(visit.cut | known.lost)
    now = _lengths(visit, known.links, roots)
    total = sum(now.values())
    if not before:
        return Assessed(visit, total, lost=known.lost)
    # Of each earlier date that shows all of what is summed today; the baseline is where it was chosen.
    whole = [a for a in before if a is before[0] or not roots & known.roots(a.visit.cut | a.lost)]
    lengths = [_lengths(a.visit, known.links, roots) for a in whole]
    at_nadir = min(lengths, key=lambda at: sum(at.values()))
    first, nadir = sum(lengths[0].values()), sum(at_nadir.values())
    gain = max((now.get(root, 0.0) - at_nadir.get(root, 0.0) for root in roots), default=0.0)
    baseline = before[0].visit
    earlier, there = known.roots(baseline.lesions), known.roots(visit.lesions)
    unsure = known.doubtful | known.hidden
    new = tuple(u for u in visit.lesions if _root(u, known.links) not in earlier and u not in unsure)
    hidden = visit.cut | known.lost | baseline.cut | (known.hidden & visit.lesions.keys())
    response = response_of(
        targets_response(first, nadir, total, gain) if roots == all_roots else None,
        left=len((earlier & there) - known.roots(hidden)),
        new=len(new),
        before=len(earlier),
        present=len(there),
        unclear=bool(hidden) or _others_grew(baseline, visit, known.links, all_roots),
    )
    return Assessed(visit, total, percent(first, total), percent(nadir, total), response, new, known.lost)


def _others_grew(first: Visit, visit: Visit, links: Mapping[str, str], roots: set[str]) -> bool:
    """Whether a lesion of the baseline that is no target outgrew what the targets tell."""
    others = {_root(uid, links) for uid in first.lesions} - roots
    then, now = _lengths(first, links, others), _lengths(visit, links, others)
    return any(outgrew(then[uid], now[uid]) for uid in then.keys() & now.keys())


def _lengths(visit: Visit, links: Mapping[str, str], roots: set[str]) -> dict[str, float]:
    """Longest diameters by target lesion, those of its parts summed up."""
    found: dict[str, float] = {}
    for uid, seen in visit.lesions.items():
        root = _root(uid, links)
        if root in roots:
            found[root] = found.get(root, 0.0) + seen.size.long_axis_mm
    return found


def _root(uid: str, links: Mapping[str, str]) -> str:
    passed = {uid}
    while (belongs_to := links.get(uid)) is not None and belongs_to not in passed:
        uid = belongs_to
        passed.add(uid)
    return uid


def visits_of(follow_up: FollowUp, study_instance_uid: str, date: str) -> tuple[Visit, Visit]:
    """The two dates of one comparison; `date` is today's."""
    both = (*follow_up.changes, *follow_up.gone)
    then = {c.tracking_uid: Seen(c.label, c.then) for c in both if c.then}
    then |= {b.tracking_uid: Seen(b.label, b.size) for c in both for b in c.merged_from}
    now = {
        c.tracking_uid: Seen(c.label, c.now, c.doubtful, c.cut_then and not c.then) for c in follow_up.changes if c.now
    }
    links = {b.tracking_uid: c.tracking_uid for c in both for b in c.merged_from}
    links |= {c.tracking_uid: c.split_from for c in both if c.split_from}
    cut_then = frozenset(uid for c in both if c.cut_then for uid in c.tracking_uids)
    cut_now = frozenset(uid for c in both if c.cut_now for uid in c.tracking_uids)
    return (
        Visit(follow_up.prior_date, follow_up.prior_study_instance_uid, then, {}, cut_then),
        Visit(date, study_instance_uid, now, links, cut_now),
    )
