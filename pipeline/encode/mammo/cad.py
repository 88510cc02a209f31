"""Marks -> Mammography CAD SR (PS3.3 A.35.5) after TID 4000 and the templates that it includes (PS3.16)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import MammographyCADSRStorage

from pipeline.encode.common import Part, Stamp, date_and_time, dress, local_time, parameters, reference
from pipeline.encode.mammo.items import (
    ACQUIRED,
    CONTAINS,
    INFERRED,
    MODIFIED,
    PROPERTY,
    SELECTED,
    coded,
    container,
    coordinates,
    image,
    moment,
    number,
    pointer,
    text,
)
from pipeline.encode.mammo.source import Image, MarkedSource, drawn_px
from pipeline.encode.mammo.words import (
    ANALYSES,
    COLLOCATION,
    ON_ONE_IMAGE,
    ON_TWO_IMAGES,
    SIDES,
    VIEWS,
    attempted,
    combined,
    named,
    sentences,
    suspicion,
    why_rejected,
)
from pipeline.findings import Algorithm
from pipeline.marks import Attempt, Composite, Kind, Laterality, Mark, MarkedStudy, Outcome

_D = codes.DCM
_REQUIRED = codes.cid6034.PresentationRequiredRenderingDeviceIsExpectedToPresent
_OPTIONAL = codes.cid6034.PresentationOptionalRenderingDeviceMayPresent
_DETECTIONS = (
    _D.SummaryOfDetections,
    _D.SuccessfulDetections,
    _D.FailedDetections,
    _D.DetectionPerformed,
)
_ANALYSES = (_D.SummaryOfAnalyses, _D.SuccessfulAnalyses, _D.FailedAnalyses, _D.AnalysisPerformed)
_LIBRARY = 2
"""The Image Library is the second item of the root, so that image k is at 1.2.k."""


def cad_report(study: MarkedStudy, source: MarkedSource, stamp: Stamp) -> Dataset:
    """The object."""
    ds = container("", Code("111036", "DCM", "Mammography CAD Report"), _content(study, source, stamp))
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "4000"
    ds.ContentTemplateSequence = [template]
    ds.SOPClassUID = MammographyCADSRStorage
    ds.ContentDate, ds.ContentTime = date_and_time(local_time(source, stamp))
    ds.CompletionFlag, ds.VerificationFlag, ds.PreliminaryFlag = "COMPLETE", "UNVERIFIED", "PRELIMINARY"
    ds.PerformedProcedureCodeSequence = []
    ds.ReferencedPerformedProcedureStepSequence = []
    ds.CurrentRequestedProcedureEvidenceSequence = [_evidence(source)]
    if stamp.cad_reports:
        ds.PredecessorDocumentsSequence = [_of_study(source, _references(stamp.cad_reports))]
    return dress(ds, Part.CAD_SR, source, study, stamp)


def _evidence(source: MarkedSource) -> Dataset:
    return _of_study(
        source,
        _references(
            (one.view.sop_class_uid, one.view.sop_instance_uid, one.series_instance_uid) for one in source.images
        ),
    )


def _references(objects: Iterable[tuple[str, str, str]]) -> dict[str, list[Dataset]]:
    """(SOP Class UID, SOP Instance UID, Series Instance UID) -> references by series."""
    by_series: dict[str, list[Dataset]] = defaultdict(list)
    for of_class, uid, series in objects:
        by_series[series].append(reference(of_class, uid))
    return by_series


def _of_study(source: MarkedSource, by_series: Mapping[str, list[Dataset]]) -> Dataset:
    """Hierarchical SOP Instance Reference Macro (PS3.3 C.17.2.1)."""
    item = Dataset()
    item.StudyInstanceUID = source.study_instance_uid
    item.ReferencedSeriesSequence = []
    for uid, references in by_series.items():
        series = Dataset()
        series.SeriesInstanceUID, series.ReferencedSOPSequence = uid, references
        item.ReferencedSeriesSequence.append(series)
    return item


def _content(study: MarkedStudy, source: MarkedSource, stamp: Stamp) -> list[Dataset]:
    """TID 4000 rows 2-9."""
    language = Code("en", "RFC5646", "English")
    detected = _runs(study.attempts, source, detections=True)
    analysed = [*_runs(study.attempts, source, detections=False), *_collocation(study)]
    summary = findings_summary(study)
    library = [_entry(one) for one in source.images]
    return [
        coded(MODIFIED, _D.LanguageOfContentItemAndDescendants, language),
        container(CONTAINS, _D.ImageLibrary, library),
        coded(CONTAINS, _D.CADProcessingAndFindingsSummary, summary, _overall(study, source, stamp)),
        _performed(_DETECTIONS, detected, study.algorithm, source),
        _performed(_ANALYSES, analysed, study.algorithm, source),
    ]


@dataclass(frozen=True, slots=True)
class _Run:
    """One detection or analysis. words: which one, and on which images: it tells runs of the same code apart."""

    value: Code
    words: str
    outcome: Outcome
    roles: tuple[str, ...]


def _runs(attempts: tuple[Attempt, ...], source: MarkedSource, *, detections: bool) -> list[_Run]:
    made = []
    for attempt in (a for a in attempts if isinstance(a.what, Kind) == detections):
        value = ON_ONE_IMAGE[attempt.what] if isinstance(attempt.what, Kind) else ANALYSES[attempt.what]
        roles = attempt.roles or tuple(one.view.role for one in source.images)
        made.append(_Run(value, attempted(attempt), attempt.outcome, roles))
    return made


def _collocation(study: MarkedStudy) -> list[_Run]:
    """What made the composites is an analysis too (PS3.17 E.1)."""
    roles = {m.number: m.role for m in study.marks}
    used = tuple(dict.fromkeys(roles[n] for c in study.composites for n in c.marks if n in roles))
    return [_Run(COLLOCATION, "Marks of two views put together", Outcome.SUCCEEDED, used)] if used else []


def _entry(one: Image) -> Dataset:
    """TID 4020."""
    view, header = one.view, one.header
    sent = {"L": Laterality.LEFT, "R": Laterality.RIGHT}.get(str(header.get("ImageLaterality")), view.laterality)
    below = [coded(ACQUIRED, _D.ImageLaterality, SIDES[sent])]
    seen = _view(one)
    if seen is not None:
        below.append(coded(ACQUIRED, _D.ImageView, seen, _modifiers(header)))
    orientation = header.get("PatientOrientation") or []
    if len(orientation) == 2:
        below.append(text(ACQUIRED, _D.PatientOrientationRow, str(orientation[0])))
        below.append(text(ACQUIRED, _D.PatientOrientationColumn, str(orientation[1])))
    for name, keyword in (
        (_D.StudyDate, "StudyDate"),
        (_D.StudyTime, "StudyTime"),
        (_D.ContentDate, "ContentDate"),
        (_D.ContentTime, "ContentTime"),
    ):
        if header.get(keyword):
            below.append(moment(ACQUIRED, name, str(header[keyword].value), of_day=keyword.endswith("Time")))
    return image(CONTAINS, view.sop_class_uid, view.sop_instance_uid, [*below, *_spacing(one)])


def _modifiers(header: Dataset) -> list[Dataset]:
    views = header.get("ViewCodeSequence") or [Dataset()]
    sent = [_sent(item, 4015) for item in views[0].get("ViewModifierCodeSequence") or []]
    return [coded(MODIFIED, _D.ImageViewModifier, code) for code in sent if code is not None]


def _view(one: Image) -> Code | None:
    """What was read as its view; else what the image says."""
    views = one.header.get("ViewCodeSequence") or []
    return VIEWS.get(one.view.view) or (_sent(views[0], 4014) if views else None)


def _sent(item: Dataset, cid: int) -> Code | None:
    """A code of the image, as SCT where it is an older SNOMED one that the group has; None without a code."""
    value, scheme = str(item.get("CodeValue") or ""), str(item.get("CodingSchemeDesignator") or "")
    old = Code(value, "SRT" if scheme in ("SNM3", "99SDM") else scheme, str(item.get("CodeMeaning") or value))
    known = [c for c in getattr(codes, f"cid{cid}").concepts.values() if c == old]
    return known[0] if known else old if value and scheme else None


def _spacing(one: Image) -> list[Dataset]:
    """What the image says, also where it was a guess: rows 11 and 12 call for it then."""
    spacing = one.header.get("ImagerPixelSpacing") or one.header.get("PixelSpacing") or one.view.spacing_mm
    if not spacing:
        return []
    down, across = (float(v) for v in spacing)
    return [
        number(ACQUIRED, _D.HorizontalPixelSpacing, across, codes.UCUM.Millimeter),
        number(ACQUIRED, _D.VerticalPixelSpacing, down, codes.UCUM.Millimeter),
    ]


def findings_summary(study: MarkedStudy) -> Code:
    """CID 6047. Of what was not attempted it says nothing; where no algorithm succeeded, nothing was found."""
    outcomes = {a.outcome for a in study.attempts}
    if Outcome.SUCCEEDED not in outcomes:
        return _D.NoAlgorithmsSucceededWithoutFindings
    if Outcome.FAILED in outcomes:
        found, none = _D.NotAllAlgorithmsSucceededWithFindings, _D.NotAllAlgorithmsSucceededWithoutFindings
    else:
        found, none = _D.AllAlgorithmsSucceededWithFindings, _D.AllAlgorithmsSucceededWithoutFindings
    return found if study.marks else none


def _overall(study: MarkedStudy, source: MarkedSource, stamp: Stamp) -> list[Dataset]:
    """TID 4001 rows 2, 3."""
    by_number = {m.number: m for m in study.marks}
    taken = {n for c in study.composites for n in c.marks}
    alone = [m for m in study.marks if m.number not in taken]
    return [
        *_body(PROPERTY, " ".join(sentences(study, source, stamp)), study.algorithm),
        *(_of_composite(c, [by_number[n] for n in c.marks], study, source) for c in study.composites),
        *(_of_mark(m, _REQUIRED, study, source) for m in alone),
        *(_of_mark(m, _OPTIONAL, study, source) for m in study.rejected),
    ]


def _body(relationship: str, words: str, algorithm: Algorithm) -> list[Dataset]:
    """TID 4002: words and what made them; no assessment, which is for physicians."""
    return [text(relationship, _D.ImpressionDescription, words), *_algorithm(relationship, algorithm)]


def _algorithm(relationship: str, algorithm: Algorithm, *more: str) -> list[Dataset]:
    """TID 4019. more: further parameters."""
    said = [f"{name}={value}" for name, value in parameters(algorithm).items()]
    return [
        text(relationship, _D.AlgorithmName, algorithm.name),
        text(relationship, _D.AlgorithmVersion, algorithm.version),
        text(relationship, Code("122405", "DCM", "Algorithm Manufacturer"), algorithm.manufacturer),
        *(text(relationship, _D.AlgorithmParameters, words) for words in (*said, *more)),
        coded(relationship, _D.AlgorithmFamily, algorithm.family),
    ]


def _of_mark(mark: Mark, intent: Code, study: MarkedStudy, source: MarkedSource) -> Dataset:
    """TID 4003 with one Single Image Finding."""
    words = named(mark)
    if intent == _OPTIONAL:
        words = f"{words}. Not counted as a finding: {why_rejected(mark, study.threshold)}"
    return container(
        INFERRED,
        _D.IndividualImpressionRecommendation,
        [
            coded(MODIFIED, _D.RenderingIntent, intent),
            *_body(CONTAINS, f"{words}. Research use only.", study.algorithm),
            _finding(CONTAINS, mark, intent, study.algorithm, source),
        ],
    )


def _of_composite(composite: Composite, marks: list[Mark], study: MarkedStudy, source: MarkedSource) -> Dataset:
    """TID 4003 with one Composite Feature (TID 4004, 4005) of Single Image Findings."""
    base = [
        coded(MODIFIED, _D.RenderingIntent, _REQUIRED),
        coded(PROPERTY, _D.CompositeType, codes.cid6035.TargetContentItemsAreRelatedSpatially),
        coded(PROPERTY, _D.ScopeOfFeature, _scope(marks)),
        *_algorithm(PROPERTY, study.algorithm),
        number(PROPERTY, _D.CertaintyOfFeature, suspicion(composite.score)),
        *(_finding(INFERRED, mark, _REQUIRED, study.algorithm, source) for mark in marks),
    ]
    return container(
        INFERRED,
        _D.IndividualImpressionRecommendation,
        [
            coded(MODIFIED, _D.RenderingIntent, _REQUIRED),
            *_body(CONTAINS, f"{combined(composite, study)}. Research use only.", study.algorithm),
            coded(CONTAINS, _D.CompositeFeature, ON_TWO_IMAGES[composite.kind], base),
        ],
    )


def _scope(marks: list[Mark]) -> Code:
    if len({mark.role for mark in marks}) > 1:
        return codes.cid6036.FeatureDetectedOnMultipleImages
    return codes.cid6036.FeatureDetectedOnOnlyOneOfTheImages


def _finding(relationship: str, mark: Mark, intent: Code, algorithm: Algorithm, source: MarkedSource) -> Dataset:
    """TID 4006 with TID 4021."""
    one = source.of(mark.role)
    here = (1, _LIBRARY, one.number)
    outline = drawn_px(mark, one.view)
    return coded(
        relationship,
        _D.SingleImageFinding,
        ON_ONE_IMAGE[mark.kind],
        [
            coded(MODIFIED, _D.RenderingIntent, intent),
            *_algorithm(PROPERTY, algorithm, f"kind={mark.kind.value}", f"tracking_uid={mark.tracking_uid}"),
            number(PROPERTY, _D.CertaintyOfFinding, suspicion(mark.score)),
            coordinates(PROPERTY, _D.Center, "POINT", [mark.center_px], [pointer(SELECTED, here)]),
            coordinates(PROPERTY, _D.Outline, "POLYLINE", outline, [pointer(SELECTED, here)]),
        ],
    )


def _performed(names: tuple[Code, ...], runs: list[_Run], algorithm: Algorithm, source: MarkedSource) -> Dataset:
    """TID 4000 rows 6-9 with TID 4015-4018: what was not attempted is not listed, but said in words above."""
    good = [run for run in runs if run.outcome is Outcome.SUCCEEDED]
    bad = [run for run in runs if run.outcome is Outcome.FAILED]
    below = [
        container(INFERRED, box, [_one(names[3], run, algorithm, source) for run in each])
        for box, each in ((names[1], good), (names[2], bad))
        if each
    ]
    return coded(CONTAINS, names[0], _state(bool(good), bool(bad)), below)


def _state(good: bool, bad: bool) -> Code:
    """CID 6042."""
    if good:
        return _D.PartiallySucceeded if bad else _D.Succeeded
    return _D.Failed if bad else _D.NotAttempted


def _one(name: Code, run: _Run, algorithm: Algorithm, source: MarkedSource) -> Dataset:
    """TID 4017, 4018: the images by reference."""
    return coded(
        CONTAINS,
        name,
        run.value,
        [
            *_algorithm(PROPERTY, algorithm, f"{run.words} on {', '.join(run.roles)}"),
            *(pointer(PROPERTY, (1, _LIBRARY, source.of(role).number)) for role in run.roles),
        ],
    )
