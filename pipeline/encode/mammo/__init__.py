"""Marks on mammograms -> DICOM: CAD SR, presentation states, pages, and a report that knows of them."""

from __future__ import annotations

from dataclasses import replace

from pipeline.encode.common import Encoded, Part, Stamp
from pipeline.encode.mammo.cad import cad_report
from pipeline.encode.mammo.keyobjects import marked_key_objects
from pipeline.encode.mammo.overlay import overlays
from pipeline.encode.mammo.page import marked_captures
from pipeline.encode.mammo.report import marked_report
from pipeline.encode.mammo.source import read_marked_source
from pipeline.encode.page import drawn_pages
from pipeline.marks import MarkedStudy, Shown

__all__ = ["encode_marked"]


def encode_marked(study: MarkedStudy, stamp: Stamp) -> tuple[Encoded, ...]:
    """Of marks on single images: a Mammography CAD SR, a presentation state for each view with a mark, pages, KO, SR.

    Of these KO only with marks; the first three only where `study.wanted` has them.

    Where pages cannot be drawn they are left out, and the reports say so. The images of `study.views` are read again,
    headers, and for pages pixels. Raises HeaderUnusable, NotFound (an image is gone), OurFault (marks that contradict
    each other or their images).
    """
    source = read_marked_source(study)
    shown, failed = (
        drawn_pages(lambda: marked_captures(study, source, stamp), source) if Shown.PAGE in study.wanted else ((), ())
    )
    study = replace(study, remarks=(*study.remarks, *failed))
    cad = (Encoded(Part.CAD_SR, cad_report(study, source, stamp)),) if Shown.CAD_SR in study.wanted else ()
    drawn = overlays(study, source, stamp) if Shown.GSPS in study.wanted else ()
    over = tuple(Encoded(Part.OVERLAY, ds, k) for k, ds in enumerate(drawn, start=1))
    others = (*cad, *over, *shown)
    others = (*others, *marked_key_objects(study, source, stamp, others))
    return (*others, Encoded(Part.SR, marked_report(study, source, stamp, others)))
