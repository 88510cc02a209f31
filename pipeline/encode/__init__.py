"""Findings -> DICOM: a Segmentation, an RT Structure Set and a Structured Report that know of each other."""

from __future__ import annotations

from pipeline.core.result import Kind
from pipeline.encode.common import Encoded, Stamp, to_bytes
from pipeline.encode.rtstruct import structure_set
from pipeline.encode.seg import segmentation
from pipeline.encode.source import check_frame_of_reference, labels_of, read_source
from pipeline.encode.sr import report
from pipeline.findings import Findings

__all__ = ["Encoded", "Stamp", "encode", "to_bytes"]


def encode(findings: Findings, stamp: Stamp) -> tuple[Encoded, ...]:
    """The objects of one run: SEG, RTSTRUCT, SR; without lesions the SR alone, which says so.

    The images that `findings.frames` names are read again, headers only. Raises HeaderUnusable (an image without
    what results need to be placed by), NotFound (an image is gone), OurFault (findings that contradict themselves
    or their images).
    """
    source = read_source(findings)
    if not findings.lesions:
        return (Encoded(Kind.SR, report(findings, source, stamp, ())),)
    check_frame_of_reference(source)
    labels = labels_of(findings, source)
    seg = segmentation(findings, labels, source, stamp)
    rtstruct = structure_set(findings, labels, source, stamp)
    sr = report(findings, source, stamp, (seg, rtstruct))
    return Encoded(Kind.SEG, seg), Encoded(Kind.RTSTRUCT, rtstruct), Encoded(Kind.SR, sr)
