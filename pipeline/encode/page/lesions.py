"""The first page: every lesion on the image where it is largest, and in a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from pipeline.encode.common import EVIDENCE_TIERS, Stamp
from pipeline.encode.corrections import said_of_corrections
from pipeline.encode.page.flow import FULL, Flow, Row, Table, fitted, stacked
from pipeline.encode.page.model import AMBER, GREY, MARGIN, RED, RGB, TOP, WHITE, WIDTH, Box, Picture, Sheet, Text
from pipeline.encode.page.slices import Slice, drawn, zoom_on
from pipeline.encode.proposal import colours, in_order, not_planned, on_names, prescribed, remarked
from pipeline.encode.source import Source, key_slice
from pipeline.encode.sr import counted, on_people, on_rejected
from pipeline.findings import Edit, Findings, Lesion, Origin

MOST_PANELS = 12
_ROOMS = {1: (1, 560.0), 2: (2, 560.0), 3: (3, 500.0), 4: (4, 382.0), 6: (3, 290.0), 8: (4, 290.0), 12: (6, 220.0)}
"""Up to so many pictures: how many stand beside each other, and how high each is; the table still fits below."""

DASHED = "Dashed: repeated readings drew the outline differently (agreement below 70 %)."
_CAPTION = 66
_COLUMNS = (
    ("lesion", 225.0), ("site", 265.0), ("volume ml", 105.0), ("in plane mm", 130.0), ("3D mm", 80.0),
    ("probability", 175.0), ("agreement", 110.0),
)  # fmt: skip
_PLANNED = (("prescription, by 3D (estimate)", 270.0), ("session (estimate)", 200.0))
"""Columns that only a plan fills."""


def about(findings: Findings, stamp: Stamp) -> str:
    """What made the findings, and how far that was tried, in one line; more of that stands below."""
    algorithm = findings.algorithm
    tier = algorithm.evidence_tier.partition(":")[0]
    return f"{algorithm.name} {algorithm.version}, evidence tier {tier}. Lantern {stamp.software_version}"


def lesion_sheets(findings: Findings, source: Source, of: Sequence[Slice], stamp: Stamp) -> tuple[Sheet, ...]:
    """Pictures, the table of all lesions, and every remark of the run."""
    return fitted(lambda scale: _laid_out(findings, of, stamp, scale)).sheets


def _laid_out(findings: Findings, of: Sequence[Slice], stamp: Stamp, scale: float) -> Flow:
    flow = Flow(counted(findings))
    if findings.lesions:
        _panels(flow, findings, of, scale)
        flow.table(_table(findings))
        for words in _legend(findings):
            flow.say(words, GREY)
    else:
        _middle(flow, of, scale)
    for words, rgb in _said(findings, stamp):
        flow.say(words, rgb, bold=rgb is RED)
    return flow


def _legend(findings: Findings) -> tuple[str, ...]:
    rough = any(share(n.probability) and not n.is_calibrated for n in findings.lesions)
    return (
        *(("* not calibrated: of lesions with this probability another share may be lesions.",) if rough else ()),
        *((DASHED,) if any(n.is_unsure for n in findings.lesions) else ()),
        *on_names(findings),
    )


def _said(findings: Findings, stamp: Stamp) -> list[tuple[str, RGB]]:
    tier = EVIDENCE_TIERS.get(findings.algorithm.evidence_tier, "")
    verified = () if stamp.verified else ("The image count was not verified: images may have been missing.",)
    nothing = () if findings.lesions else ("This does not exclude a lesion.",)
    return [
        *((words, AMBER) for words in (*nothing, *verified)),
        *((words, RED) for words in not_planned(findings)),
        *((words, AMBER) for words in remarked(findings)),
        *((words, WHITE) for words in _of_this_study(findings)),
        (f"Evidence tier {findings.algorithm.evidence_tier}{f': {tier}' if tier else ''}.", GREY),
        (f"Training: {findings.algorithm.training}", GREY),
    ]


def _of_this_study(findings: Findings) -> tuple[str, ...]:
    corrections = findings.corrections
    changed = [c.words for c in corrections.changes if c.edit is not Edit.UNCHANGED] if corrections else []
    return (
        *on_rejected(findings),
        *on_people(findings),
        *said_of_corrections(corrections),
        *((f"Changed: {'; '.join(changed)}.",) if changed else ()),
        *(words for words in findings.remarks if words not in not_planned(findings)),
    )


def _panels(flow: Flow, findings: Findings, of: Sequence[Slice], scale: float) -> None:
    shown = sorted(findings.lesions, key=lambda n: (-n.volume_mm3, n.number))[:MOST_PANELS]
    order = {n.number: k for k, n in enumerate(in_order(findings))}
    shown.sort(key=lambda n: order[n.number])
    across, height = next(room for most, room in _ROOMS.items() if len(shown) <= most)
    height *= scale
    pitch = min(FULL.width / across, 1.3 * height)  # a picture stands near its words
    for k, lesion in enumerate(shown):
        row, column = divmod(k, across)
        top = TOP + row * (height + _CAPTION + 8)
        _panel(flow, lesion, findings, of, Box(MARGIN + column * pitch, top, pitch - 8, height))
    flow.y = TOP + -(-len(shown) // across) * (height + _CAPTION + 8) + 6
    left_out = [n.short_label for n in findings.lesions if n not in shown]
    if left_out:
        flow.say(f"Without a picture, the smallest: {', '.join(left_out)}.", GREY)
        flow.skip()


def _panel(flow: Flow, lesion: Lesion, findings: Findings, of: Sequence[Slice], box: Box) -> None:
    assert findings.labels is not None
    labels = np.asarray(findings.labels.array)
    boxes = ndimage.find_objects(labels)
    at = key_slice(labels, lesion.number, boxes[lesion.number - 1], [s.seen for s in of])
    by_number = colours(findings)
    rgb = [by_number[n.number] for n in findings.lesions]
    names = [n.short_label for n in findings.lesions]
    image = of[at].pixels()
    lines = drawn(labels, at, boxes, rgb, names, [n.is_unsure for n in findings.lesions], lesion.number)
    zoom = zoom_on(boxes[lesion.number - 1], of[at], image.shape)
    filled = "" if of[at].seen else " (interpolated)"
    where = f"image {at + 1} of {len(of)}{filled}"
    flow.put(Picture(box, image, of[at].aspect, of[at].marks, lines, zoom))
    below = Box(box.left, box.top + box.height + 4, box.width, _CAPTION)
    flow.put(*stacked(_caption(lesion, findings, where, by_number[lesion.number]), below))


def _caption(lesion: Lesion, findings: Findings, where: str, rgb: RGB) -> list[tuple[str, RGB, bool]]:
    size = f"{lesion.long_axis_mm:.1f} x {lesion.short_axis_mm:.1f} mm"
    sure = f"prob. {share(lesion.probability)}" if share(lesion.probability) else drawn_by(lesion)
    session = _session(lesion, findings)
    return [
        (lesion.short_label, rgb, True),
        (", ".join(p for p in (size, sure) if p), WHITE, False),
        (", ".join(p for p in (session if findings.planned else "", where) if p), WHITE, False),
    ]


def _middle(flow: Flow, of: Sequence[Slice], scale: float) -> None:
    at = len(of) // 2
    box = Box(MARGIN, TOP, WIDTH - 2 * MARGIN, 700 * scale)
    flow.put(Picture(box, of[at].pixels(), of[at].aspect, of[at].marks))
    flow.y = TOP + box.height + 10
    flow.put(Text(MARGIN, flow.y, f"image {at + 1} of {len(of)}, the middle one", rgb=GREY))
    flow.y += 34


def _table(findings: Findings) -> Table:
    by_number = colours(findings)
    rows = []
    for n in in_order(findings):
        cells = (
            n.short_label,
            n.site.words if n.site else "-",
            f"{n.volume_mm3 / 1000:.2f}",
            f"{n.long_axis_mm:.1f} x {n.short_axis_mm:.1f}",
            f"{n.max_diameter_3d_mm:.1f}",
            share(n.probability) + (" *" if share(n.probability) and not n.is_calibrated else "") or drawn_by(n),
            share(n.agreement) or "-",
            *([prescribed(findings.planned, n.short_label), _session(n, findings)] if findings.planned else []),
        )
        rows.append(Row(cells, by_number[n.number]))
    return Table((*_COLUMNS, *_PLANNED) if findings.planned else _COLUMNS, tuple(rows))


def share(value: float | None) -> str:
    """0...1 in percent; "" for None."""
    return "" if value is None else f"{value:.0%}"


def drawn_by(lesion: Lesion) -> str:
    """Who drew it, where that was not the algorithm alone."""
    return {Origin.MANUAL: "by a person", Origin.SEMIAUTOMATIC: "changed by a person"}.get(lesion.origin, "-")


def _session(lesion: Lesion, findings: Findings) -> str:
    if findings.planned is None:
        return "-"
    numbers = findings.planned.session_of(lesion.short_label)
    if not numbers:
        return "excluded"
    many = len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1
    said = f"{numbers[0]}-{numbers[-1]}" if many else ", ".join(map(str, numbers))
    return f"session{'s' if len(numbers) > 1 else ''} {said} of {findings.planned.plan.chosen}"
