"""From which is which to what became of each: tracking UIDs carried on, sizes compared, target lesions summed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.core.uid import derive_uid
from pipeline.followup.change import (
    Before,
    Change,
    Response,
    Size,
    Status,
    outgrew,
    percent,
    response_of,
    status_of,
    targets_of,
    targets_response,
)
from pipeline.followup.match import Matched


@dataclass(frozen=True, slots=True)
class Now:
    """A lesion of the later date.

    tracking_uid:  the one it has where no earlier lesion hands on another.
    bright_before: whether its place was as bright on the earlier date.
    """

    tracking_uid: str
    label: str
    size: Size
    bright_before: bool = False


@dataclass(frozen=True, slots=True)
class Compared:
    """See FollowUp."""

    changes: tuple[Change, ...]
    gone: tuple[Change, ...]
    sum_then_mm: float
    sum_now_mm: float
    response: Response
    of_targets: Response | None


@dataclass(frozen=True, slots=True)
class _Group:
    """A lesion, in one or several parts on either date; the first of each are matched with each other."""

    then: tuple[int, ...]
    now: tuple[int, ...]
    cut_then: bool = False
    cut_now: bool = False

    @property
    def cut(self) -> bool:
        """Whether the images of either date do not show all of it."""
        return self.cut_then or self.cut_now


def _cut(group: _Group, cut_then: Collection[int], cut_now: Collection[int]) -> _Group:
    return replace(group, cut_then=any(k in cut_then for k in group.now), cut_now=any(e in cut_now for e in group.then))


def compare(
    matched: Matched,
    then: Mapping[int, Before],
    now: Mapping[int, Now],
    *,
    cut_then: Collection[int] = (),
    cut_now: Collection[int] = (),
) -> Compared:
    """What became of every lesion; `then` and `now` by label.

    cut_then: lesions of now whose place the earlier images do not show whole; cut_now: earlier lesions whose place the
    images of now do not show whole. These are Status.NOT_IMAGED, with all that merged with them or split from them.
    """
    groups = [_cut(group, cut_then, cut_now) for group in _groups(matched)]
    of = {k: group for group in groups for k in group.now}
    uids = _uids(matched, then, now)
    chosen = targets_of([b for e, b in then.items() if not any(g.cut_then and e in g.then for g in groups)])
    targets = {b.tracking_uid for b in chosen}
    alone = {k: _Group((), (k,), cut_then=k in cut_then) for k in matched.new}
    changes = tuple(_change(k, of.get(k) or alone[k], matched, then, now, uids[k], targets) for k in sorted(now))
    gone = tuple(_gone(then[e], targets, cut=e in cut_now) for e in matched.gone)
    return Compared(changes, gone, *_judged(groups, (*changes, *gone), then, now, targets))


def _judged(
    groups: Sequence[_Group],
    changes: Sequence[Change],
    then: Mapping[int, Before],
    now: Mapping[int, Now],
    targets: set[str],
) -> tuple[float, float, Response, Response | None]:
    """Sums of the target lesions then and now, and the words for all lesions and for the targets."""
    lost = [c.then.long_axis_mm for c in changes if c.target and c.then and not c.now]
    sums = [*(_sums(g, then, now, targets) for g in groups if not g.cut), *((mm, 0.0) for mm in lost)]
    sum_then, sum_now = sum(before for before, _ in sums), sum(after for _, after in sums)
    of_targets = targets_response(sum_then, sum_then, sum_now, max((b - a for a, b in sums), default=0.0))
    counted = [c for c in changes if c.status is not Status.NOT_IMAGED]
    kept = {b.tracking_uid for b in then.values()} & {uid for c in counted if c.now for uid in c.tracking_uids}
    summed = {uid for c in counted if c.target for uid in c.tracking_uids}
    whole = of_targets if targets <= summed else None
    response = response_of(
        whole,
        left=len(kept),
        new=sum(c.status is Status.NEW and not c.doubtful for c in counted),
        before=len(then),
        present=len(now),
        unclear=len(counted) < len(changes) or any(_outgrew(c) for c in counted),
    )
    return sum_then, sum_now, response, whole


def _outgrew(change: Change) -> bool:
    if change.target or change.then is None or change.now is None:
        return False
    return outgrew(change.then.long_axis_mm, change.now.long_axis_mm)


def _groups(matched: Matched) -> list[_Group]:
    """Whatever merged or split did so with a matched pair: two that nobody else claims would be a pair themselves."""
    return [
        _Group(
            (e, *(m for m, into in matched.merged.items() if into == k)),
            (k, *(s for s, source in matched.split.items() if source == e)),
        )
        for k, e in matched.pairs.items()
    ]


def _uids(matched: Matched, then: Mapping[int, Before], now: Mapping[int, Now]) -> dict[int, str]:
    """Of the earlier lesion where there is one; else a lesion's own, or one made from it: none is used twice."""
    uids = {k: then[e].tracking_uid for k, e in matched.pairs.items()}
    taken = {b.tracking_uid for b in then.values()}
    for k in sorted(now.keys() - uids.keys()):
        uid = now[k].tracking_uid
        while uid in taken:
            uid = derive_uid(uid, "another lesion at the place of an earlier one")
        taken.add(uid)
        uids[k] = uid
    return uids


def _change(
    number: int,
    group: _Group,
    matched: Matched,
    then: Mapping[int, Before],
    now: Mapping[int, Now],
    uid: str,
    targets: set[str],
) -> Change:
    lesion = now[number]
    if not group.then:
        status = Status.NOT_IMAGED if group.cut else Status.NEW
        doubtful = lesion.bright_before and not group.cut
        return Change(uid, lesion.label, status, None, lesion.size, doubtful=doubtful, cut_then=group.cut)
    before = [then[e].size for e in group.then]
    after = [now[k].size for k in group.now]
    own = matched.pairs.get(number)
    return Change(
        tracking_uid=uid,
        label=lesion.label,
        status=Status.NOT_IMAGED if group.cut else status_of(before, after),
        then=then[own].size if own is not None else None,
        now=lesion.size,
        volume_percent=None if group.cut else percent(*(sum(s.volume_mm3 for s in x) for x in (before, after))),
        diameter_percent=None if group.cut else percent(*(sum(s.long_axis_mm for s in x) for x in (before, after))),
        merged_from=tuple(then[e] for e in group.then[1:]) if own is not None else (),
        split_from="" if own is not None else then[group.then[0]].tracking_uid,
        target=not group.cut and any(then[e].tracking_uid in targets for e in group.then),
        cut_then=group.cut_then,
        cut_now=group.cut_now,
    )


def _gone(lesion: Before, targets: set[str], *, cut: bool) -> Change:
    return Change(
        tracking_uid=lesion.tracking_uid,
        label=lesion.label,
        status=Status.NOT_IMAGED if cut else Status.GONE,
        then=lesion.size,
        now=None,
        volume_percent=None if cut else -100.0,
        diameter_percent=None if cut else -100.0,
        target=not cut and lesion.tracking_uid in targets,
        cut_now=cut,
    )


def _sums(group: _Group, then: Mapping[int, Before], now: Mapping[int, Now], targets: set[str]) -> tuple[float, float]:
    """Longest diameters of the target lesions in a group, then and now; of what it fell into, those of all parts."""
    before = [then[e] for e in group.then if then[e].tracking_uid in targets]
    if not before:
        return 0.0, 0.0
    return sum(b.size.long_axis_mm for b in before), sum(now[k].size.long_axis_mm for k in group.now)
