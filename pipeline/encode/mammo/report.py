"""Marks -> Comprehensive SR with the Measurement Report template (PS3.16 TID 1500), regions as planar SCOORD."""

from __future__ import annotations

from typing import Any

import highdicom as hd
import numpy as np
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from pipeline.encode.codes import (
    FINDING_CATEGORY,
    LEFT,
    REJECTED_CANDIDATE,
    REJECTED_CANDIDATES,
    REJECTED_TYPE,
    RIGHT,
    SCHEME,
    WITHOUT_PLACE,
)
from pipeline.encode.common import Encoded, Stamp
from pipeline.encode.document import (
    NOT_DETECTED,
    evaluations,
    identification,
    observer,
    report_of,
    stub,
)
from pipeline.encode.mammo.cad import findings_summary
from pipeline.encode.mammo.source import Image, MarkedSource, drawn_px
from pipeline.encode.mammo.words import (
    ANALYSES,
    DENSITIES,
    FINDINGS,
    KINDS,
    QUALITY,
    SIDES,
    VIEWS,
    attempted,
    density_words,
    named,
    percent,
    sentences,
    suspicion,
    why_rejected,
)
from pipeline.encode.measurements import number
from pipeline.encode.missed import NOT_ATTEMPTED, Missed, not_analysed
from pipeline.encode.named import results
from pipeline.encode.text import plain
from pipeline.marks import Analysis, Breast, Composite, Kind, Laterality, Mark, MarkedStudy, Outcome, QualityNote, View

BREAST = Code("76752008", "SCT", "Breast")
SUSPICION = Code("SUSPICION", SCHEME, "Suspicion score, no probability")
MEMBER = Code("COMPOSITE_OF", SCHEME, "Tracking UID of a mark on one image")
COMPOSITION = Code("129715009", "SCT", "Breast composition")
ESTIMATED = Code("414135002", "SCT", "Estimated")
_SIDES = {Laterality.LEFT: LEFT, Laterality.RIGHT: RIGHT}
_OUTCOMES = {Outcome.FAILED: codes.cid6042.Failed, Outcome.NOT_ATTEMPTED: NOT_ATTEMPTED}
_CONTAINS = hd.sr.RelationshipTypeValues.CONTAINS
_CONTEXT = hd.sr.RelationshipTypeValues.HAS_ACQ_CONTEXT
_PERCENT = codes.UCUM.Percent


def marked_report(study: MarkedStudy, source: MarkedSource, stamp: Stamp, others: tuple[Encoded, ...]) -> Dataset:
    """The SR; `others` are the other objects of the same work.

    One group for each mark (TID 1410) and each composite (TID 1501), or one for each kind that was looked for and not
    found; then the scores of breasts and views, density and quality. Where there are marks, all groups that have no
    place stand in a container of their own. Rejected marks stand apart, in no group.
    """
    evidence = [*(_evidence(one, source) for one in source.images), *(e.dataset for e in others)]
    content = _content(study, source, stamp, others)[0]
    return report_of(hd.sr.ComprehensiveSR, evidence, content, source, study, stamp)


def _evidence(one: Image, source: MarkedSource) -> Dataset:
    return stub(source, one.view.sop_class_uid, one.view.sop_instance_uid, one.series_instance_uid)


def _content(study: MarkedStudy, source: MarkedSource, stamp: Stamp, others: tuple[Encoded, ...]) -> Any:
    marks = [_mark(m, study, source) for m in study.marks]
    placeless = [
        *(_composite(c, study) for c in study.composites),
        *(_not_found(kind, study, stamp) for kind in _sought(study)),
        *(_breast(b, study, stamp) for b in study.breasts),
        *(_view(one, study, stamp) for one in source.images),
        *(_quality(note, k, study, source, stamp) for k, note in enumerate(study.quality, start=1)),
    ]
    content = hd.sr.MeasurementReport(
        observation_context=observer(study.algorithm),
        procedure_reported=Code("71651007", "SCT", "Mammography"),
        title=codes.DCM.ImagingMeasurementReport,
        imaging_measurements=marks or placeless,
    )
    items = content[0].ContentSequence
    items.insert(len(items) - 1, _library(source))
    if marks:
        items.append(_without_place(placeless))
    items.append(evaluations(findings_summary(study), sentences(study, source, stamp)))
    if missed := _missed(study):
        items.append(not_analysed(missed))
    if study.rejected:
        items.append(_rejected(study, source))
    items.extend(results(others))
    return content


def _missed(study: MarkedStudy) -> list[Missed]:
    """Images that were not read, and what was not tried or failed."""
    return [
        *(Missed(f"Image {u.sop_instance_uid} was not read: {u.why}", image=u.sop_instance_uid) for u in study.unread),
        *(
            Missed(f"{attempted(a)}: {a.why or a.outcome.value}", _OUTCOMES[a.outcome], _tried(a.what))
            for a in study.attempts
            if a.outcome is not Outcome.SUCCEEDED
        ),
    ]


def _tried(what: Kind | Analysis) -> Code:
    return FINDINGS[what] if isinstance(what, Kind) else ANALYSES[what]


def _without_place(groups: list[Any]) -> Any:
    """Groups that have no region, beside TID 1500, which is extensible: viewers (OHIF 3.12) that draw what is under
    Imaging Measurements fail at a group without coordinates, and then show none of the marks."""
    box = hd.sr.ContainerContentItem(name=WITHOUT_PLACE, relationship_type=_CONTAINS)
    box.ContentSequence = hd.sr.ContentSequence(item for group in groups for item in group)
    return box


def _sought(study: MarkedStudy) -> list[Kind]:
    """What was looked for with success, and is nowhere."""
    looked = {a.what for a in study.attempts if a.outcome is Outcome.SUCCEEDED}
    return [kind for kind in Kind if kind in looked and not any(m.kind is kind for m in study.marks)]


def _mark(mark: Mark, study: MarkedStudy, source: MarkedSource) -> Any:
    """TID 1410 with the outline as its region."""
    view = source.of(mark.role).view
    sizes = [] if mark.long_axis_mm is None else [number(_LONG, mark.long_axis_mm, codes.UCUM.Millimeter)]
    return hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=mark.tracking_uid, identifier=plain(mark.label)),
        referenced_region=hd.sr.ImageRegion(
            graphic_type=hd.sr.GraphicTypeValues.POLYLINE,
            graphic_data=np.array(drawn_px(mark, view)),
            source_image=hd.sr.SourceImageForRegion(view.sop_class_uid, view.sop_instance_uid),
        ),
        finding_type=FINDINGS[mark.kind],
        finding_sites=[_site(view.laterality)],
        algorithm_id=identification(study.algorithm),
        measurements=[number(codes.DCM.CertaintyOfFinding, suspicion(mark.score), _PERCENT), *sizes],
        qualitative_evaluations=_seen_on(view),
    )


_LONG = Code("103339001", "SCT", "Long Axis")


def _seen_on(view: View) -> list[Any] | None:
    return [hd.sr.QualitativeEvaluation(codes.DCM.ImageView, VIEWS[view.view])] if view.view in VIEWS else None


def _site(laterality: Laterality) -> Any:
    return hd.sr.FindingSite(BREAST, laterality=_SIDES[laterality])


def _composite(composite: Composite, study: MarkedStudy) -> Any:
    """TID 1501; the marks that it is made of by their tracking UIDs."""
    group = _group(composite.tracking_uid, composite.label, study, composite.laterality, FINDINGS[composite.kind], [
        number(codes.DCM.CertaintyOfFeature, suspicion(composite.score), _PERCENT)
    ])  # fmt: skip
    group[0].ContentSequence.extend(
        hd.sr.UIDRefContentItem(name=MEMBER, value=m.tracking_uid, relationship_type=_CONTAINS)
        for m in study.marks
        if m.number in composite.marks
    )
    return group


def _group(
    uid: str, label: str, study: MarkedStudy, laterality: Laterality | None, finding: Code | None,
    measured: list[Any], evaluated: list[Any] | None = None, **more: Any
) -> Any:  # fmt: skip
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=uid, identifier=plain(label)),
        finding_type=finding,
        finding_sites=[_site(laterality)] if laterality else [hd.sr.FindingSite(BREAST)],
        algorithm_id=identification(study.algorithm),
        measurements=measured or None,
        qualitative_evaluations=evaluated,
        **more,
    )


def _not_found(kind: Kind, study: MarkedStudy, stamp: Stamp) -> Any:
    """TID 1501: no Finding, which readers would list as one, but the question and its answer."""
    answer = [hd.sr.QualitativeEvaluation(FINDINGS[kind], NOT_DETECTED)]
    return _group(stamp.tracking_uid(f"no {kind.value}"), f"No {KINDS[kind]}", study, None, None, [], answer)


def _breast(breast: Breast, study: MarkedStudy, stamp: Stamp) -> Any:
    """Score, and density: a measured estimate."""
    measured = [number(SUSPICION, suspicion(breast.score), _PERCENT)]
    if breast.dense_share is not None:
        share = Code("111046", "DCM", "Percent Fibroglandular Tissue")
        measured.append(number(share, percent(breast.dense_share), _PERCENT, derivation=ESTIMATED))
    density = [_estimated(DENSITIES[breast.density])] if breast.density else None
    words = density_words(breast)
    label = f"{SIDES[breast.laterality].meaning}{': density is a measured, non-clinical estimate' if words else ''}"
    uid = stamp.tracking_uid(f"breast {breast.laterality.value}")
    return _group(uid, label, study, breast.laterality, None, measured, density)


def _estimated(density: Code) -> Any:
    """A composition that no radiologist said: readers of codes alone have to see that it is an estimate."""
    made = hd.sr.QualitativeEvaluation(COMPOSITION, density)
    how = hd.sr.CodeContentItem(
        name=codes.DCM.Derivation, value=ESTIMATED, relationship_type=hd.sr.RelationshipTypeValues.HAS_CONCEPT_MOD
    )
    made[0].ContentSequence = hd.sr.ContentSequence([how])
    return made


def _view(one: Image, study: MarkedStudy, stamp: Stamp) -> Any:
    """The score of one image."""
    measured = [number(SUSPICION, suspicion(one.view.score), _PERCENT)]
    uid = stamp.tracking_uid(f"view {one.view.role}")
    return _group(
        uid, one.view.role, study, one.view.laterality, None, measured, _seen_on(one.view), source_images=[_named(one)]
    )


def _named(one: Image) -> Any:
    return hd.sr.SourceImageForMeasurementGroup(one.view.sop_class_uid, one.view.sop_instance_uid)


def _quality(note: QualityNote, k: int, study: MarkedStudy, source: MarkedSource, stamp: Stamp) -> Any:
    """One shortcoming, of an image where it has one."""
    ours = [one for one in source.images if one.view.role == note.role]
    more = {"source_images": [_named(ours[0])]} if ours else {}
    finding = [hd.sr.QualitativeEvaluation(codes.DCM.QualityFinding, QUALITY[note.shortcoming])]
    label = f"{note.role}: {note.shortcoming.value}"
    laterality = ours[0].view.laterality if ours else None
    return _group(stamp.tracking_uid(f"quality {k}"), label, study, laterality, None, [], finding, **more)


def _library(source: MarkedSource) -> Any:
    """TID 1600: side and view of each image (TID 1603), then the image."""
    library = hd.sr.ContainerContentItem(name=codes.DCM.ImageLibrary, relationship_type=_CONTAINS)
    group = hd.sr.ContainerContentItem(name=codes.DCM.ImageLibraryGroup, relationship_type=_CONTAINS)
    modality = hd.sr.CodeContentItem(codes.DCM.Modality, codes.cid29.Mammography, relationship_type=_CONTEXT)
    group.ContentSequence = hd.sr.ContentSequence([modality, *(_entry(one) for one in source.images)])
    library.ContentSequence = hd.sr.ContentSequence([group])
    return library


def _entry(one: Image) -> Any:
    item = hd.sr.ImageContentItem(
        name=Code("260753009", "SCT", "Source"),
        referenced_sop_class_uid=one.view.sop_class_uid,
        referenced_sop_instance_uid=one.view.sop_instance_uid,
        relationship_type=_CONTAINS,
    )
    known = [(codes.DCM.ImageLaterality, _SIDES[one.view.laterality])]
    if one.view.view in VIEWS:
        known.append((codes.DCM.ImageView, VIEWS[one.view.view]))
    item.ContentSequence = hd.sr.ContentSequence(
        hd.sr.CodeContentItem(name, value, relationship_type=_CONTEXT) for name, value in known
    )
    return item


def _rejected(study: MarkedStudy, source: MarkedSource) -> Any:
    """Beside TID 1500, which is extensible: nothing that counts findings counts these."""
    box = hd.sr.ContainerContentItem(name=REJECTED_CANDIDATES, relationship_type=_CONTAINS)
    box.ContentSequence = hd.sr.ContentSequence(_turned_down(mark, source, study.threshold) for mark in study.rejected)
    return box


def _turned_down(mark: Mark, source: MarkedSource, threshold: float) -> Any:
    item = hd.sr.ContainerContentItem(name=REJECTED_CANDIDATE, relationship_type=_CONTAINS)
    view = source.of(mark.role).view
    center = hd.sr.ScoordContentItem(
        name=codes.DCM.Center,
        graphic_type=hd.sr.GraphicTypeValues.POINT,
        graphic_data=np.array([mark.center_px]),
        relationship_type=_CONTAINS,
    )
    center.ContentSequence = hd.sr.ContentSequence(
        [hd.sr.SourceImageForRegion(view.sop_class_uid, view.sop_instance_uid)]
    )
    content = hd.sr.ContentSequence(hd.sr.TrackingIdentifier(uid=mark.tracking_uid, identifier=plain(mark.label)))
    optional = codes.cid6034.PresentationOptionalRenderingDeviceMayPresent
    for name, value in ((FINDING_CATEGORY, REJECTED_TYPE), (codes.DCM.RenderingIntent, optional)):
        content.append(hd.sr.CodeContentItem(name=name, value=value, relationship_type=_CONTAINS))
    content.append(center)
    content.extend(number(codes.DCM.CertaintyOfFinding, suspicion(mark.score), _PERCENT))
    why = plain(f"{named(mark)}; {why_rejected(mark, threshold)}")
    content.append(hd.sr.TextContentItem(name=codes.DCM.Comment, value=why, relationship_type=_CONTAINS))
    item.ContentSequence = content
    return item
