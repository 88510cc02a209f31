"""The form that the objects of one run are really written in, and what the report says of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pipeline.core.forms import Form, Segments
from pipeline.core.result import Kind
from pipeline.core.uid import MOST_INSTANCES
from pipeline.findings import Extra, Findings
from pipeline.marks import MarkedStudy, Shown

MOST_FRAMES = 6000
"""Of all segmentations of a run that have a frame for every image: measured 3 ms and 30 kB of memory each."""

MOST_FRAME_BYTES = 256_000_000
"""Of their pixels, at one bit each; memory holds them twice while they are written."""

_NAMES = {
    Kind.SEG: "Segmentation",
    Kind.RTSTRUCT: "RT Structure Set",
    Kind.SR: "Structured Report",
    Kind.PM: "Parametric Map",
    Kind.RTDOSE: "RT Dose",
    Kind.SC: "summary page (Secondary Capture)",
    Kind.CAD_SR: "Mammography CAD SR",
    Kind.GSPS: "Presentation State",
    Kind.KO: "Key Object Selection",
}


def for_findings(form: Form, findings: Findings) -> Form:
    """The form without what makes no difference to these findings."""
    never = {Kind.CAD_SR, Kind.GSPS}
    if not findings.lesions:
        never |= {Kind.RTSTRUCT, Kind.RTDOSE, Kind.KO}
    if not findings.lesions and findings.rejected_labels is None:
        never |= {Kind.SEG}
    if findings.planned is None or Extra.RT_DOSE not in findings.extras:
        never |= {Kind.RTDOSE}
    if not findings.extras - {Extra.PAGE, Extra.RT_DOSE}:  # all others are maps
        never |= {Kind.PM}
    return _paged(form, never, asked=Extra.PAGE in findings.extras)


def for_marks(form: Form, study: MarkedStudy) -> Form:
    """The form without what makes no difference to these marks; their report has no coordinates but those in pixels."""
    never = {Kind.SEG, Kind.RTSTRUCT, Kind.RTDOSE, Kind.PM}
    if Shown.CAD_SR not in study.wanted:
        never |= {Kind.CAD_SR}
    if Shown.GSPS not in study.wanted or not study.marks:
        never |= {Kind.GSPS}
    if not study.marks:
        never |= {Kind.KO}
    return replace(_paged(form, never, asked=Shown.PAGE in study.wanted), coordinates=Form().coordinates)


def _paged(form: Form, never: set[Kind], *, asked: bool) -> Form:
    wanted = asked or form.page
    left_out = Kind.SC in form.left_out
    return replace(form.without(never if wanted else {*never, Kind.SC}), page=form.page and not (asked or left_out))


def bounded(form: Form, findings: Findings) -> tuple[Form, tuple[str, ...]]:
    """The form without frames for every image, or an object for each lesion, where that is too much; and sentences."""
    said: list[str] = []
    volumes = [v for v in (findings.labels, findings.rejected_labels) if v is not None]
    counts = (len(findings.lesions), len(findings.rejected) if findings.rejected_labels is not None else 0)
    if form.per_lesion and max(counts) >= MOST_INSTANCES:
        form = replace(form, per_lesion=False)
        said.append("There are too many lesions for an object for each: one object has them all.")
    segments = counts if form.per_lesion or form.segments is Segments.BINARY else tuple(min(n, 1) for n in counts)
    frames = len(findings.frames) * sum(segments)
    size = max((v.spatial_shape[1] * v.spatial_shape[2] for v in volumes), default=0)
    too_large = frames > MOST_FRAMES or frames * size > 8 * MOST_FRAME_BYTES
    if form.all_frames and too_large and Kind.SEG not in form.left_out:
        form = replace(form, all_frames=False)
        said.append(
            "Segmentations have frames only where a lesion is: with one for every image and lesion they would be too "
            "large."
        )
    return form, tuple(said)


def on_left_out(left_out: Iterable[Kind]) -> tuple[str, ...]:
    """What is not made for a destination; nothing where all is."""
    names = [_NAMES[kind] for kind in Kind if kind in {*left_out}]
    return (f"Not made for this destination, which does not take it: {', '.join(names)}.",) if names else ()
