"""What a pipeline says -> DICOM: objects that know of each other, of findings in space or of marks on single images."""

from __future__ import annotations

from dataclasses import replace

from pipeline.contract import Found
from pipeline.encode.common import Encoded, Part, Stamp, to_bytes
from pipeline.encode.dosemap import parametric_map
from pipeline.encode.doses import doses
from pipeline.encode.keyobjects import key_objects
from pipeline.encode.mammo import encode_marked
from pipeline.encode.page import captures, drawn_pages
from pipeline.encode.probability import probability_map
from pipeline.encode.proposal import check_plan
from pipeline.encode.rtdose import rt_dose
from pipeline.encode.rtstruct import structure_set
from pipeline.encode.seg import rejected_segmentation, segmentation
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

    Where these cannot be drawn they are left out, and the SR says so.

    The images that `findings.frames` names are read again, headers only; of those that pages show, pixels too. Raises
    HeaderUnusable (an image without what results need to be placed by), NotFound (an image is gone), OurFault
    (findings that contradict themselves or their images).
    """
    check_plan(findings)
    source = read_source(findings)
    drawn = (*_lesions(findings, source, stamp), *_rejected(findings, source, stamp))
    shown, failed = _pages(findings, source, stamp)
    drawn = (*drawn, *_probability(findings, source, stamp), *_doses(findings, source, stamp), *shown)
    findings = replace(findings, remarks=(*findings.remarks, *failed))
    drawn = (*drawn, *key_objects(findings, source, stamp, drawn))
    return (*drawn, Encoded(Part.SR, report(findings, source, stamp, drawn)))


def _lesions(findings: Findings, source: Source, stamp: Stamp) -> tuple[Encoded, ...]:
    if not findings.lesions:
        return ()
    check_frame_of_reference(source)
    labels = checked(findings.labels, findings.lesions, source)
    return (
        Encoded(Part.SEG, segmentation(findings, labels, source, stamp)),
        Encoded(Part.RTSTRUCT, structure_set(findings, labels, source, stamp)),
    )


def _rejected(findings: Findings, source: Source, stamp: Stamp) -> tuple[Encoded, ...]:
    if not findings.rejected or findings.rejected_labels is None:
        return ()
    check_frame_of_reference(source)
    labels = checked(findings.rejected_labels, findings.rejected, source)
    return (Encoded(Part.REJECTED_SEG, rejected_segmentation(findings, labels, source, stamp)),)


def _probability(findings: Findings, source: Source, stamp: Stamp) -> tuple[Encoded, ...]:
    if findings.probability is None or Extra.PROBABILITY_MAP not in findings.extras:
        return ()
    check_frame_of_reference(source)
    return (Encoded(Part.PROBABILITY, probability_map(findings, findings.probability, source, stamp)),)


def _doses(findings: Findings, source: Source, stamp: Stamp) -> tuple[Encoded, ...]:
    wanted = [(e, p, make) for e, p, make in _DOSE_OBJECTS if e in findings.extras]
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
    if Extra.PAGE not in findings.extras:
        return (), ()
    return drawn_pages(lambda: captures(findings, source, stamp), source)


_DOSE_OBJECTS = ((Extra.DOSE_MAP, Part.DOSE_MAP, parametric_map), (Extra.RT_DOSE, Part.RT_DOSE, rt_dose))
