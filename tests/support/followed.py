"""Findings with the comparison to an earlier study, for tests of what is made from them."""

from __future__ import annotations

from dataclasses import replace

from pipeline.core.uid import derive_uid
from pipeline.findings import Findings
from pipeline.followup.change import Before, FollowUp, Size
from pipeline.followup.compare import Now, compare
from pipeline.followup.match import Matched

PRIOR = derive_uid("prior study")
VOXEL_MM = (1.5, 0.9, 0.7)


def size(mm3: float, long_mm: float) -> Size:
    return Size(mm3, long_mm, 0.8 * long_mm, 4, VOXEL_MM, 0.8 * mm3)


def with_follow_up(findings: Findings) -> Findings:
    """Lesion 1 took in two, lesion 2 fell off it, lesion 3 is new and doubtful; one is gone."""
    then = {k: Before(derive_uid("lesion before", str(k)), f"BM{k:02d}", size(400.0 / k, 14.0 - k)) for k in (1, 2, 3)}
    now = {
        x.number: Now(x.tracking_uid, x.label, size(x.volume_mm3, x.long_axis_mm), x.number == 3)
        for x in findings.lesions
    }
    there = {1: 1} if 1 in now else {}
    matched = Matched(
        pairs=there,
        merged={2: 1} if there else {},
        split={2: 1} if 2 in now else {},
        gone=(3,) if there else (1, 2, 3),
        new=tuple(k for k in now if k > 2),
    )
    c = compare(matched, then, now)
    told = FollowUp(PRIOR, derive_uid("prior series"), "20260801", 111, c.changes, c.gone, 0.83,
                    "as segmented here for the earlier study", c.sum_then_mm, c.sum_now_mm, c.response)  # fmt: skip
    lesions = tuple(
        replace(x, tracking_uid=change.tracking_uid) for x, change in zip(findings.lesions, c.changes, strict=True)
    )
    return replace(findings, lesions=lesions, follow_up=told)
