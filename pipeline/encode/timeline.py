"""A timeline as a picture: the volume of every lesion against the date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np

from pipeline.encode.common import colour
from pipeline.followup.timeline import Visit

TICKS_ML = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)
_LEAST_TOP_ML = 0.1
_APART = 0.05
"""Of the height of the axis: ticks nearer to each other are left out, and dates likewise of its width."""

_DATE_WIDTH = 0.13
MOST_NAMED = 12
"""Lines beyond the largest so many bear no name."""


def draw_timeline(axis: Any, visits: Sequence[Visit]) -> None:
    """One line for each lesion: volume in ml against the date; on black.

    The axis begins at 0, and heights grow with the cube root, as diameters do: what is stable looks stable, and lesions
    of 0.1 and 20 ml are seen beside each other.

    axis: of matplotlib. Visits without a date are left out. A lesion that is gone ends at the foot of the picture in a
    cross; one that is new begins with an open circle. Where a date's images do not show a lesion there is neither, and
    the line of one that they show in part is dotted.
    """
    dated = sorted((v for v in visits if _day(v.date)), key=lambda v: v.date)
    most_ml = max((seen.size.volume_mm3 / 1000 for v in dated for seen in v.lesions.values()), default=0.0)
    axis.set_facecolor("black")
    uids = list(dict.fromkeys(uid for v in dated for uid in v.lesions))
    largest = sorted(uids, key=lambda u: -max(v.lesions[u].size.volume_mm3 for v in dated if u in v.lesions))
    for number, uid in enumerate(uids, start=1):
        _line(axis, dated, uid, tuple(c / 255 for c in colour(number)), named=uid in largest[:MOST_NAMED])
    _dress(axis, [day for v in dated if (day := _day(v.date))], most_ml)


def _line(axis: Any, visits: Sequence[Visit], uid: str, rgb: tuple[float, ...], *, named: bool) -> None:
    there = [k for k, v in enumerate(visits) if uid in v.lesions]
    ends = range(there[0], min(there[-1] + 2, len(visits)))
    drawn = [k for k in ends if k in there or uid not in visits[k].cut]
    days = [_day(visits[k].date) for k in drawn]
    ml = [visits[k].lesions[uid].size.volume_mm3 / 1000 if k in there else 0.0 for k in drawn]
    in_part = any(uid in visits[k].cut for k in there)
    axis.plot(days, ml, ":" if in_part else "-", color=rgb, linewidth=1.2)
    for k, day, value in zip(drawn, days, ml, strict=True):
        new = k == there[0] and k > 0 and not visits[k].lesions[uid].hidden_before
        axis.plot(
            [day], [value], "o" if k in there else "x", color=rgb, markersize=4, fillstyle="none" if new else "full",
            clip_on=False,
        )  # fmt: skip
    if named:
        last = drawn.index(there[-1])
        label = visits[there[-1]].lesions[uid].label
        axis.annotate(label, (days[last], ml[last]), (4, 0), textcoords="offset points",
                      color=rgb, fontsize=8, va="center")  # fmt: skip


def _dress(axis: Any, days: Sequence[date], most_ml: float) -> None:
    top = 1.15 * max(most_ml, _LEAST_TOP_ML)
    axis.set_yscale("function", functions=(np.cbrt, lambda heights: heights**3))
    axis.set_ylim(0, top)
    ticks = _ticks(top)
    axis.set_yticks(ticks, [f"{ml:g}" for ml in ticks])
    axis.minorticks_off()
    axis.set_ylabel("volume, ml (heights as diameters)", color="white", fontsize=8)
    axis.set_xticks(days, _labels(days))
    axis.tick_params(colors="white", labelsize=8)
    axis.margins(x=0.3)  # for the names
    axis.grid(axis="y", color="#333333", linewidth=0.6)
    axis.set_axisbelow(True)
    for spine in axis.spines.values():
        spine.set_color("grey")


def _ticks(top_ml: float) -> list[float]:
    """0 and round numbers up to the top of the axis, none so near to the one below that their labels would touch."""
    made = [0.0]
    for ml in TICKS_ML:
        if ml <= top_ml and np.cbrt(ml / top_ml) - np.cbrt(made[-1] / top_ml) >= _APART:
            made.append(ml)
    return made


def _labels(days: Sequence[date]) -> list[str]:
    """The dates; of those too near to the last one that is written, none."""
    whole = max((days[-1] - days[0]).days, 1) * 1.6 if days else 1  # with the margins
    made: list[str] = []
    last: date | None = None
    for day in days:
        written = last is None or (day - last).days / whole >= _DATE_WIDTH
        made.append(str(day) if written else "")
        last = day if written else last
    return made


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
