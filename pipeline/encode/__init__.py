"""What a pipeline says -> DICOM: objects that know of each other, of findings in space or of marks on single images."""

from __future__ import annotations

from dataclasses import replace

from pipeline.contract import Found
from pipeline.core.result import Kind
from pipeline.encode.common import Encoded, Part, Stamp, to_bytes
from pipeline.encode.dosemap import parametric_map
from pipeline.encode.doses import doses
from pipeline.encode.fitted import bounded, for_findings, on_left_out
from pipeline.encode.keyobjects import key_objects
from pipeline.encode.mammo import encode_marked
from pipeline.encode.page import captures, drawn_pages
from pipeline.encode.probability import probability_map
from pipeline.encode.proposal import check_plan
from pipeline.encode.rtdose import rt_dose
from pipeline.encode.rtstruct import structure_sets
from pipeline.encode.seg import segmentations
from pipeline.encode.source import Source, check_frame_of_reference, checked, read_source
from pipeline.encode.sr import report
from pipeline.findings import Extra, Findings
from pipeline.marks import MarkedStudy

__all__ = ["Encoded", "Part", "Stamp", "encode", "encode_findings", "encode_marked", "to_bytes"]


def encode(findings: Found, stamp: Stamp) -> tuple[Encoded, ...]:
    """The objects of one run, the report last: see `encode_findings` and `mammo.encode_marked`."""
    return encode_marked(findings, stamp) if isinstance(findings, MarkedStudy) else encode_findings(findings, stamp)


def encode_findings(findings: Findings, stamp: Stamp) -> tuple[Encoded, ...]:
    """Of findings in space: SEG, RTSTRUCT, KO, SR; without lesions the SR alone, which says so.

    Rejected candidates stand in the SR; where `findings.rejected_labels` holds them, a second SEG, before the SR,
    shows them. Where `findings.extras` asks for it, the probability of every voxel is a Parametric Map, and with a plan
    the estimated dose of each session, as Parametric Maps, then as RT Doses. Pages to look at come next, where they are
    wanted; the key objects come last before the SR.

    Where these cannot be drawn they are left out, and the SR says so. `stamp.form` says how all are written, and which
    are not made; what of it would be too large is written in the default form, which the SR says too.

    The images that `findings.frames` names are read again, headers only; of those that pages show, pixels too. Raises
    HeaderUnusable (an image without what results need to be placed by), NotFound (an image is gone), OurFault
    (findings that contradict themselves or their images).
    """
    check_plan(findings)
    source = read_source(findings)
    form = for_findings(stamp.form, findings)
    written, too_large = bounded(form, findings)
    of_all, of_report = replace(stamp, form=written), replace(stamp, form=form)
    drawn = (*_lesions(findings, source, of_all), *_rejected(findings, source, of_all))
    shown, failed = _pages(findings, source, of_all)
    drawn = (*drawn, *_probability(findings, source, of_all), *_doses(findings, source, of_all), *shown)
    said = (*failed, *too_large, *on_left_out(form.left_out))
    findings = replace(findings, remarks=(*findings.remarks, *said))
    if Kind.KO not in form.left_out:
        drawn = (*drawn, *key_objects(findings, source, of_report, drawn))
    return (*drawn, *_report(findings, source, of_report, drawn))


def _report(findings: Findings, source: Source, stamp: Stamp, drawn: tuple[Encoded, ...]) -> tuple[Encoded, ...]:
    return () if Kind.SR in stamp.form.left_out else (Encoded(Part.SR, report(findings, source, stamp, drawn)),)


def _lesions(findings: Findings, source: Source, stamp: Stamp) -> tuple[Encoded, ...]:
    if not findings.lesions:
        return ()
    check_frame_of_reference(source)
    labels = checked(findings.labels, findings.lesions, source)
    left_out = stamp.form.left_out
    return (
        *(() if Kind.SEG in left_out else segmentations(Part.SEG, findings, labels, source, stamp)),
        *(() if Kind.RTSTRUCT in left_out else structure_sets(findings, labels, source, stamp)),
    )


def _rejected(findings: Findings, source: Source, stamp: Stamp) -> tuple[Encoded, ...]:
    if not findings.rejected or findings.rejected_labels is None:
        return ()
    check_frame_of_reference(source)
    labels = checked(findings.rejected_labels, findings.rejected, source)
    if Kind.SEG in stamp.form.left_out:
        return ()
    return segmentations(Part.REJECTED_SEG, findings, labels, source, stamp)


def _probability(findings: Findings, source: Source, stamp: Stamp) -> tuple[Encoded, ...]:
    if findings.probability is None or Extra.PROBABILITY_MAP not in findings.extras or Kind.PM in stamp.form.left_out:
        return ()
    check_frame_of_reference(source)
    return (Encoded(Part.PROBABILITY, probability_map(findings, findings.probability, source, stamp)),)


def _doses(findings: Findings, source: Source, stamp: Stamp) -> tuple[Encoded, ...]:
    left_out = stamp.form.left_out
    wanted = [(e, p, make) for e, p, make in _DOSE_OBJECTS if e in findings.extras and p.kind not in left_out]
    if findings.planned is None or not findings.lesions or not wanted:
        return ()
    each = doses(findings.planned, source)
    return tuple(
        Encoded(part, make(dose, findings, source, stamp), dose.session.number)
        for _, part, make in wanted
        for dose in each
    )


def _pages(findings: Findings, source: Source, stamp: Stamp) -> tuple[tuple[Encoded, ...], tuple[str, ...]]:
    """The pages, and what the report says where there are none although they were wanted."""
    wanted = Extra.PAGE in findings.extras or stamp.form.page
    if not wanted or Kind.SC in stamp.form.left_out:
        return (), ()
    return drawn_pages(lambda: captures(findings, source, stamp), source)


_DOSE_OBJECTS = ((Extra.DOSE_MAP, Part.DOSE_MAP, parametric_map), (Extra.RT_DOSE, Part.RT_DOSE, rt_dose))
