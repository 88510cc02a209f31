"""Marks on mammograms -> DICOM: CAD SR, presentation states, pages, and a report that knows of them."""

from __future__ import annotations

from dataclasses import replace

from pipeline.core.result import Kind
from pipeline.encode.common import Encoded, Part, Stamp
from pipeline.encode.fitted import for_marks, on_left_out
from pipeline.encode.mammo.cad import cad_report
from pipeline.encode.mammo.keyobjects import marked_key_objects
from pipeline.encode.mammo.overlay import overlays
from pipeline.encode.mammo.page import marked_captures
from pipeline.encode.mammo.report import marked_report
from pipeline.encode.mammo.source import MarkedSource, read_marked_source
from pipeline.encode.page import drawn_pages
from pipeline.marks import MarkedStudy, Shown

__all__ = ["encode_marked"]


def encode_marked(study: MarkedStudy, stamp: Stamp) -> tuple[Encoded, ...]:
    """Of marks on single images: a Mammography CAD SR, a presentation state for each view with a mark, pages, KO, SR.

    KO only with marks; all but the SR only where `study.wanted` has them, or `stamp.form` a page; none that the form
    leaves out.

    Where pages cannot be drawn they are left out, and the reports say so, as they say what the form leaves out. The
    images of `study.views` are read again, headers, and for pages pixels. Raises HeaderUnusable, NotFound (an image is
    gone), OurFault (marks that contradict each other or their images).
    """
    source = read_marked_source(study)
    stamp = replace(stamp, form=for_marks(stamp.form, study))
    left_out = stamp.form.left_out
    over: tuple[Encoded, ...] = ()
    if Shown.GSPS in study.wanted and Kind.GSPS not in left_out:
        over = tuple(Encoded(Part.OVERLAY, ds, k) for k, ds in enumerate(overlays(study, source, stamp), start=1))
    shown, failed = _pages(study, source, stamp)
    study = replace(study, remarks=(*study.remarks, *failed, *on_left_out(left_out)))
    cad: tuple[Encoded, ...] = ()
    if Shown.CAD_SR in study.wanted and Kind.CAD_SR not in left_out:
        cad = (Encoded(Part.CAD_SR, cad_report(study, source, stamp)),)
    others = (*cad, *over, *shown)
    if Kind.KO not in left_out:
        others = (*others, *marked_key_objects(study, source, stamp, others))
    if Kind.SR in left_out:
        return others
    return (*others, Encoded(Part.SR, marked_report(study, source, stamp, others)))


def _pages(study: MarkedStudy, source: MarkedSource, stamp: Stamp) -> tuple[tuple[Encoded, ...], tuple[str, ...]]:
    """The pages, and what the reports say where there are none although they were wanted."""
    wanted = Shown.PAGE in study.wanted or stamp.form.page
    if not wanted or Kind.SC in stamp.form.left_out:
        return (), ()
    return drawn_pages(lambda: marked_captures(study, source, stamp), source)
