"""Findings -> Comprehensive 3D SR, or Comprehensive SR, with the Measurement Report template (PS3.16 TID 1500)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import highdicom as hd
from pydicom import Dataset
from pydicom.sr.codedict import codes

from pipeline.core.forms import Coordinates
from pipeline.encode.common import (
    Encoded,
    Stamp,
    statements,
)
from pipeline.encode.corrections import corrected, said_of_corrections
from pipeline.encode.document import (
    NOT_DETECTED,
    evaluations,
    identification,
    observer,
    on_replaced,
    on_verified,
    report_of,
    stub,
)
from pipeline.encode.followup import followed, followed_evaluations, followed_measurements
from pipeline.encode.library import image_library
from pipeline.encode.measurements import definitions, finding_sites, measurements
from pipeline.encode.missed import is_partial, missed_in, not_analysed
from pipeline.encode.named import results
from pipeline.encode.proposal import on_names, said_of_plan
from pipeline.encode.regions import Group, on_filled, placed
from pipeline.encode.rejected import rejected_candidates
from pipeline.encode.sessions import proposed_evaluations, proposed_measurements, proposed_sessions
from pipeline.encode.source import Source
from pipeline.encode.text import plain
from pipeline.findings import Findings, Lesion, Origin


def report(findings: Findings, source: Source, stamp: Stamp, others: tuple[Encoded, ...]) -> Dataset:
    """The SR of `findings`; `others` are the other objects of the same work.

    TID 1500 with one group for each lesion (TID 1411), pointing at its segment or its outlines (`regions.placed`); or,
    without lesions, one group (TID 1501) that says that none was detected. What else is to be read stands under
    Qualitative Evaluations, and proposed treatment sessions and rejected candidates in containers of their own.
    """
    evidence = [*_images(source), *_edited(findings, source), *(e.dataset for e in others)]
    content = _content(findings, source, stamp, others)[0]
    kind = hd.sr.ComprehensiveSR if stamp.form.coordinates is Coordinates.IMAGE else hd.sr.Comprehensive3DSR
    return report_of(kind, evidence, content, source, findings, stamp)


def _content(findings: Findings, source: Source, stamp: Stamp, others: tuple[Encoded, ...]) -> Any:
    places = placed(findings, source, others, stamp.form.coordinates)
    groups = [_lesion_group(lesion, findings, template, place) for lesion, template, place in places]
    content = hd.sr.MeasurementReport(
        observation_context=observer(findings.algorithm),
        procedure_reported=codes.cid100.MRIUnspecifiedBodyRegion
        if source.modality == "MR"
        else codes.cid100.ImagingProcedure,
        title=codes.DCM.ImagingMeasurementReport,
        imaging_measurements=groups or [_empty_group(findings, stamp)],
    )
    items = content[0].ContentSequence
    items.insert(len(items) - 1, image_library(source))
    items.append(_evaluations(findings, source, stamp))
    items.append(not_analysed(missed_in(findings, source)))
    if findings.corrections is not None:
        items.append(corrected(findings.corrections))
    if findings.planned is not None:
        items.append(proposed_sessions(findings, findings.planned, others))
    if findings.follow_up is not None:
        items.append(followed(findings.follow_up))
    if findings.rejected:
        items.append(rejected_candidates(findings, source, others, stamp.form.coordinates))
    items.extend(results(others))
    return content


def _lesion_group(lesion: Lesion, findings: Findings, template: Group, place: Mapping[str, Any]) -> Any:
    return template(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=lesion.tracking_uid, identifier=plain(lesion.label)),
        **place,
        finding_category=findings.sought.category,
        finding_type=findings.sought.finding,
        finding_sites=finding_sites(lesion, findings.sought) or None,
        algorithm_id=identification(findings.algorithm),
        measurements=[
            *measurements(lesion),
            *proposed_measurements(findings, lesion),
            *followed_measurements(findings, lesion),
        ],
        qualitative_evaluations=[*proposed_evaluations(findings, lesion), *followed_evaluations(findings, lesion)]
        or None,
    )


def _empty_group(findings: Findings, stamp: Stamp) -> Any:
    """TID 1501: no Finding, which readers would list as one, but the question and its answer."""
    sought = findings.sought
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(
            uid=stamp.tracking_uid("no lesion"), identifier="No lesion detected"
        ),
        finding_sites=[hd.sr.FindingSite(sought.site)] if sought.site else None,
        algorithm_id=identification(findings.algorithm),
        qualitative_evaluations=[hd.sr.QualitativeEvaluation(sought.finding, NOT_DETECTED)],
    )


def _evaluations(findings: Findings, source: Source, stamp: Stamp) -> Any:
    with_findings, without = _SUMMARY[is_partial(findings, source)]
    return evaluations(with_findings if findings.lesions else without, sentences(findings, source, stamp))


_SUMMARY = {
    False: (codes.DCM.AllAlgorithmsSucceededWithFindings, codes.DCM.AllAlgorithmsSucceededWithoutFindings),
    True: (codes.DCM.NotAllAlgorithmsSucceededWithFindings, codes.DCM.NotAllAlgorithmsSucceededWithoutFindings),
}
"""CID 6047: where images did not show everything, nobody shall read that all is well from the code alone."""


def sentences(findings: Findings, source: Source, stamp: Stamp) -> tuple[str, ...]:
    """What the reader of the report is told, the warning first."""
    count = len(findings.lesions)
    found = f"{counted(findings)}." if count else f"{counted(findings)}. This does not exclude one."
    analysed = f"Images analysed: {source.image_count} of series {source.series_instance_uid}."
    first, *others = statements(findings.algorithm)
    return (
        first,
        found,
        analysed,
        *on_verified(stamp),
        *on_replaced(stamp),
        *on_rejected(findings),
        *definitions(findings),
        *on_names(findings),
        *on_people(findings),
        *(on_filled(findings, source) if stamp.form.coordinates is Coordinates.IMAGE else ()),
        *said_of_corrections(findings.corrections),
        *findings.remarks,
        *said_of_plan(findings),
        *others,
    )


def counted(findings: Findings) -> str:
    """How many lesions there are; those in contours that were sent were found by nobody here."""
    if not findings.lesions:
        return "No lesion found by the algorithm"
    return f"Lesions {'drawn' if findings.corrections else 'found'}: {len(findings.lesions)}"


def on_rejected(findings: Findings) -> tuple[str, ...]:
    """How many candidates the false-positive step rejected; nothing where none."""
    if not findings.rejected:
        return ()
    return (
        f"Candidates that the false-positive step rejected: {len(findings.rejected)}. They are not counted as lesions "
        "and are listed apart, with what spoke against them.",
    )


def on_people(findings: Findings) -> tuple[str, ...]:
    """Whose outlines are not this algorithm's, or not its alone."""
    said = ((Origin.MANUAL, "Outlined by a person"), (Origin.SEMIAUTOMATIC, "Outline changed by a person"))
    names = {origin: [n.short_label for n in findings.lesions if n.origin is origin] for origin, _ in said}
    people = tuple(f"{words}: {', '.join(names[origin])}." for origin, words in said if names[origin])
    return (*people, *_on_other_software(findings))


def _on_other_software(findings: Findings) -> tuple[str, ...]:
    of: dict[str, list[str]] = {}
    for lesion in findings.lesions:
        if lesion.origin is Origin.AUTOMATIC and lesion.drawn_with not in ("", findings.algorithm.name):
            of.setdefault(lesion.drawn_with, []).append(lesion.short_label)
    return tuple(f"Outlined by other software ({tool}): {', '.join(names)}." for tool, names in of.items())


def _images(source: Source) -> list[Dataset]:
    """The source images as evidence: highdicom wants data sets, and takes patient and study from the first."""
    return [stub(source, of_class, uid, source.series_instance_uid) for uid, (of_class, _) in source.instances.items()]


def _edited(findings: Findings, source: Source) -> list[Dataset]:
    edited = findings.corrections
    if edited is None:
        return []
    return [stub(source, edited.sop_class_uid, edited.sop_instance_uid, edited.series_instance_uid)]
