"""The page of a comparison with an earlier study: volumes over the dates, and what became of each lesion."""

from __future__ import annotations

from datetime import date

from pipeline.encode.page.flow import Flow, Row, Table
from pipeline.encode.page.model import AMBER, GREY, MARGIN, RGB, TOP, WHITE, WIDTH, Box, Course, Sheet
from pipeline.followup.change import Change, FollowUp, Size, Status
from pipeline.followup.timeline import visits_of

_COLUMNS = (("lesion", 280.0), ("what became of it", 200.0), ("volume then, ml", 170.0), ("now", 100.0),
            ("change", 110.0), ("long axis then, mm", 200.0), ("now", 100.0), ("change", 110.0),
            ("remark", 290.0))  # fmt: skip
_COURSE = 430.0


def change_sheets(of: FollowUp, study_instance_uid: str, today: str) -> tuple[Sheet, ...]:
    """today: DA of the study itself. Without both dates there is no picture, and the table stands alone."""
    flow = Flow("Compared with one earlier study")
    if _is_date(of.prior_date) and _is_date(today):
        box = Box(MARGIN + 70, TOP + 6, WIDTH - 2 * MARGIN - 80, _COURSE)
        flow.put(Course(box, visits_of(of, study_instance_uid, today)))
        flow.y = TOP + _COURSE + 50
    changes = (*of.changes, *of.gone)
    if changes:
        flow.table(Table(_COLUMNS, tuple(_row(c) for c in changes)))
    flow.say(of.words, AMBER)
    flow.say(of.drawn_by, GREY)
    return flow.sheets


def _row(c: Change) -> Row:
    remark = [
        *([c.cuts] if c.cuts else []),
        *([f"merged with {', '.join(b.label for b in c.merged_from)}"] if c.merged_from else []),
        *(["split from one lesion"] if c.split_from else []),
        *(["as bright before: doubtful"] if c.doubtful else []),
        *(["target"] if c.target else []),
    ]
    cells = (
        c.label,
        c.status.value,
        _ml(c.then),
        _ml(c.now),
        _percent(c.volume_percent),
        _mm(c.then),
        _mm(c.now),
        _percent(c.diameter_percent),
        "; ".join(remark) or "-",
    )
    return Row(cells, _RGB.get(c.status, WHITE))


_RGB: dict[Status, RGB] = {Status.NEW: AMBER, Status.GROWN: AMBER, Status.NOT_IMAGED: AMBER}


def _ml(size: Size | None) -> str:
    return "-" if size is None else f"{size.volume_mm3 / 1000:.2f}"


def _mm(size: Size | None) -> str:
    return "-" if size is None else f"{size.long_axis_mm:.1f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:+.0f} %"


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
