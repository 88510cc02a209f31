"""Lesions on many dates: sums of longest diameters against baseline and nadir, in the words of RANO-BM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.followup.change import Before, FollowUp, Response, Size, outgrew, percent, response_of, targets_of


@dataclass(frozen=True, slots=True)
class Seen:
    """A lesion on one date. doubtful: outlined for the first time where its place was as bright before."""

    label: str
    size: Size
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Visit:
    """One date.

    date:    DA (PS3.5 6.2).
    lesions: by tracking UID.
    links:   tracking UIDs that merged or split since the date before: part -> the lesion that it belongs to.
    """

    date: str
    study_instance_uid: str
    lesions: Mapping[str, Seen]
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Assessed:
    """A visit against all before it. The first is the baseline, and has neither percentages nor a response.

    sum_mm:           longest diameters of what is left of the baseline's target lesions.
    baseline_percent: change of the sum since the baseline; nadir_percent: since the smallest sum so far.
    new:              tracking UIDs of lesions that the baseline has nothing of, doubtful ones left out.
    """

    visit: Visit
    sum_mm: float
    baseline_percent: float | None = None
    nadir_percent: float | None = None
    response: Response | None = None
    new: tuple[str, ...] = ()


def targets(visits: Sequence[Visit]) -> frozenset[str]:
    """Tracking UIDs of the baseline's target lesions."""
    first = min(visits, key=lambda v: v.date)
    before = [Before(uid, seen.label, seen.size) for uid, seen in first.lesions.items()]
    return frozenset(b.tracking_uid for b in targets_of(before))


def assess(visits: Sequence[Visit]) -> tuple[Assessed, ...]:
    """Every date, the earliest first, in RANO-BM's words; see Response for what they do not know."""
    ordered = sorted(visits, key=lambda v: (v.date, v.study_instance_uid))
    if not ordered:
        return ()
    chosen = targets(ordered)
    links: dict[str, str] = {}
    doubtful: set[str] = set()
    done: list[Assessed] = []
    for visit in ordered:
        links |= visit.links
        doubtful |= {uid for uid, seen in visit.lesions.items() if seen.doubtful}
        done.append(_assessed(visit, done, chosen, links, doubtful))
    return tuple(done)


def _assessed(
    visit: Visit, before: Sequence[Assessed], chosen: frozenset[str], links: Mapping[str, str], doubtful: set[str]
) -> Assessed:
    roots = {_root(uid, links) for uid in chosen}
    now = _lengths(visit, links, roots)
    total = sum(now.values())
    if not before:
        return Assessed(visit, total)
    first, nadir = before[0], min(before, key=lambda a: a.sum_mm)
    at_nadir = _lengths(nadir.visit, links, roots)
    known = {_root(uid, links) for uid in first.visit.lesions}
    there = {_root(uid, links) for uid in visit.lesions}
    new = tuple(u for u in visit.lesions if _root(u, links) not in known and u not in doubtful)
    response = response_of(
        first.sum_mm,
        nadir.sum_mm,
        total,
        max((now.get(root, 0.0) - at_nadir.get(root, 0.0) for root in roots), default=0.0),
        left=len(known & there),
        new=len(new),
        before=len(known),
        present=len(there),
        unclear=_others_grew(first.visit, visit, links, roots),
    )
    return Assessed(visit, total, percent(first.sum_mm, total), percent(nadir.sum_mm, total), response, new)


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
    now = {c.tracking_uid: Seen(c.label, c.now, c.doubtful) for c in follow_up.changes if c.now}
    links = {b.tracking_uid: c.tracking_uid for c in both for b in c.merged_from}
    links |= {c.tracking_uid: c.split_from for c in both if c.split_from}
    return (
        Visit(follow_up.prior_date, follow_up.prior_study_instance_uid, then),
        Visit(date, study_instance_uid, now, links),
    )
