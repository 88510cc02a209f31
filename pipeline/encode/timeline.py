"""A timeline as a picture: the volume of every lesion against the date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from pipeline.encode.common import colour
from pipeline.followup.timeline import Visit

LEAST_ML = 0.01
"""The foot of the axis: where a lesion that is gone is drawn, for a logarithm has no zero."""

MOST_NAMED = 12
"""Lines beyond the largest so many bear no name."""


def draw_timeline(axis: Any, visits: Sequence[Visit]) -> None:
    """One line for each lesion: volume in ml, on a logarithmic scale, against the date; on black.

    axis: of matplotlib. Visits without a date are left out. A lesion that is gone ends at the foot of the picture in a
    cross; one that is new begins with an open circle. Where a date's images do not show a lesion there is neither, and
    the line of one that they show in part is dotted.
    """
    dated = sorted((v for v in visits if _day(v.date)), key=lambda v: v.date)
    axis.set_facecolor("black")
    uids = list(dict.fromkeys(uid for v in dated for uid in v.lesions))
    largest = sorted(uids, key=lambda u: -max(v.lesions[u].size.volume_mm3 for v in dated if u in v.lesions))
    for number, uid in enumerate(uids, start=1):
        _line(axis, dated, uid, tuple(c / 255 for c in colour(number)), named=uid in largest[:MOST_NAMED])
    _dress(axis, [_day(v.date) for v in dated])


def _line(axis: Any, visits: Sequence[Visit], uid: str, rgb: tuple[float, ...], *, named: bool) -> None:
    there = [k for k, v in enumerate(visits) if uid in v.lesions]
    ends = range(there[0], min(there[-1] + 2, len(visits)))
    drawn = [k for k in ends if k in there or uid not in visits[k].cut]
    days = [_day(visits[k].date) for k in drawn]
    ml = [max(visits[k].lesions[uid].size.volume_mm3 / 1000, LEAST_ML) if k in there else LEAST_ML for k in drawn]
    in_part = any(uid in visits[k].cut for k in there)
    axis.plot(days, ml, ":" if in_part else "-", color=rgb, linewidth=1.2)
    for k, day, value in zip(drawn, days, ml, strict=True):
        new = k == there[0] and k > 0 and not visits[k].lesions[uid].hidden_before
        axis.plot(
            [day], [value], "o" if k in there else "x", color=rgb, markersize=4, fillstyle="none" if new else "full"
        )
    if named:
        last = drawn.index(there[-1])
        label = visits[there[-1]].lesions[uid].label
        axis.annotate(label, (days[last], ml[last]), (4, 0), textcoords="offset points",
                      color=rgb, fontsize=6, va="center")  # fmt: skip


def _dress(axis: Any, days: Sequence[date | None]) -> None:
    axis.set_yscale("log")
    axis.set_ylabel("volume, ml", color="white", fontsize=7)
    axis.set_xticks(days, [str(day) for day in days])
    axis.tick_params(colors="white", labelsize=6)
    axis.margins(x=0.3)  # for the names
    axis.yaxis.set_major_formatter("{x:g}")
    for spine in axis.spines.values():
        spine.set_color("grey")


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
