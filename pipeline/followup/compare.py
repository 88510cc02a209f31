"""From which is which to what became of each: tracking UIDs carried on, sizes compared, target lesions summed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class _Group:
    """A lesion, in one or several parts on either date; the first of each are matched with each other."""

    then: tuple[int, ...]
    now: tuple[int, ...]


def compare(
    matched: Matched,
    then: Mapping[int, Before],
    now: Mapping[int, Now],
    *,
    unseen_then: Collection[int] = (),
    unseen_now: Collection[int] = (),
) -> Compared:
    """What became of every lesion; `then` and `now` by label. unseen: where the other date shows nothing."""
    groups = _groups(matched)
    of = {k: group for group in groups for k in group.now}
    uids = _uids(matched, then, now)
    targets = {b.tracking_uid for b in targets_of(tuple(then.values()))}
    changes = tuple(_change(k, of.get(k), matched, then, now, uids[k], targets) for k in sorted(now))
    gone = tuple(_gone(then[e], targets) for e in matched.gone)
    sums = [_sums(group, then, now, targets) for group in groups]
    lost_mm = sum(then[e].size.long_axis_mm for e in matched.gone if then[e].tracking_uid in targets)
    sum_then, sum_now = sum(before for before, _ in sums) + lost_mm, sum(after for _, after in sums)
    response = response_of(
        sum_then,
        sum_then,
        sum_now,
        max((after - before for before, after in sums), default=0.0),
        left=len(then) - len(matched.gone),
        new=sum(not now[k].bright_before and k not in unseen_now for k in matched.new),
        before=len(then),
        present=len(now),
        unclear=bool(unseen_then or unseen_now) or any(_outgrew(c) for c in changes),
    )
    return Compared(changes, gone, sum_then, sum_now, response)


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
    group: _Group | None,
    matched: Matched,
    then: Mapping[int, Before],
    now: Mapping[int, Now],
    uid: str,
    targets: set[str],
) -> Change:
    lesion = now[number]
    if group is None:
        return Change(uid, lesion.label, Status.NEW, None, lesion.size, doubtful=lesion.bright_before)
    before = [then[e].size for e in group.then]
    after = [now[k].size for k in group.now]
    own = matched.pairs.get(number)
    return Change(
        tracking_uid=uid,
        label=lesion.label,
        status=status_of(before, after),
        then=then[own].size if own is not None else None,
        now=lesion.size,
        volume_percent=percent(sum(s.volume_mm3 for s in before), sum(s.volume_mm3 for s in after)),
        diameter_percent=percent(sum(s.long_axis_mm for s in before), sum(s.long_axis_mm for s in after)),
        merged_from=tuple(then[e] for e in group.then[1:]) if own is not None else (),
        split_from="" if own is not None else then[group.then[0]].tracking_uid,
        target=any(then[e].tracking_uid in targets for e in group.then),
    )


def _gone(lesion: Before, targets: set[str]) -> Change:
    return Change(
        tracking_uid=lesion.tracking_uid,
        label=lesion.label,
        status=Status.GONE,
        then=lesion.size,
        now=None,
        volume_percent=-100.0,
        diameter_percent=-100.0,
        target=lesion.tracking_uid in targets,
    )


def _sums(group: _Group, then: Mapping[int, Before], now: Mapping[int, Now], targets: set[str]) -> tuple[float, float]:
    """Longest diameters of the target lesions in a group, then and now; of what it fell into, those of all parts."""
    before = [then[e] for e in group.then if then[e].tracking_uid in targets]
    if not before:
        return 0.0, 0.0
    return sum(b.size.long_axis_mm for b in before), sum(now[k].size.long_axis_mm for k in group.now)
