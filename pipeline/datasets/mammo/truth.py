"""What a data set says is true -> SEG and SR (PS3.16 TID 1500), which say that no algorithm found it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import highdicom as hd
import numpy as np
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from pipeline.core.uid import derive_uid
from pipeline.datasets.mammo.case import Case, Drawn, Finding, Pathology
from pipeline.encode.text import plain, short
from pipeline.marks import Density, Kind, Laterality

KIND_CODES: Mapping[Kind | None, Code] = MappingProxyType(
    {
        Kind.MASS: Code("129788004", "SCT", "Mammographic breast mass"),
        Kind.CALCIFICATIONS: Code("129769006", "SCT", "Calcification Cluster"),
        Kind.DISTORTION: Code("129792006", "SCT", "Architectural distortion of breast"),
        Kind.ASYMMETRY: Code("129790003", "SCT", "Asymmetric breast tissue"),
        None: Code("111099", "DCM", "Selected region"),
    }
)
"""PS3.16 CID 6014, 6016."""

PATHOLOGY = Code("111042", "DCM", "Pathology")
ASSESSMENT = Code("111005", "DCM", "Assessment Category")
COMPOSITION = Code("129715009", "SCT", "Breast composition")
SUBTLETY = Code("C45992", "NCIt", "Subtlety score")

PATHOLOGY_CODES: Mapping[Pathology, Code] = {
    Pathology.BENIGN: Code("30807003", "SCT", "Benign"),
    Pathology.MALIGNANT: Code("21594007", "SCT", "Malignant"),
    Pathology.NORMAL: Code("17621005", "SCT", "Normal"),
}
DENSITY_CODES: Mapping[Density, Code] = {
    Density.A: Code("129716005", "SCT", "Almost entirely fat"),
    Density.B: Code("129717001", "SCT", "Scattered fibroglandular densities"),
    Density.C: Code("129718006", "SCT", "Heterogeneously dense"),
    Density.D: Code("129719003", "SCT", "Extremely dense"),
}
_CATEGORIES = {
    "0": Code("397138000", "SCT", "0 - Need additional imaging evaluation"),
    "1": Code("397140005", "SCT", "1 - Negative"),
    "2": Code("397141009", "SCT", "2 - Benign finding"),
    "3": Code("397143007", "SCT", "3 - Probably benign finding"),
    "4": Code("397144001", "SCT", "4 - Suspicious abnormality"),
    "5": Code("397145000", "SCT", "5 - Highly suggestive of malignancy"),
}
_BREAST = Code("76752008", "SCT", "Breast")
_SIDES = {Laterality.LEFT: Code("7771000", "SCT", "Left"), Laterality.RIGHT: Code("24028007", "SCT", "Right")}
_ABNORMAL = Code("49755003", "SCT", "Morphologically Abnormal Structure")
_CONTAINS = hd.sr.RelationshipTypeValues.CONTAINS


def said(case: Case) -> str:
    """What every object of truth says of itself first."""
    return f"Ground truth of the data set {case.collection.words} as published, not the result of an algorithm."


def segmentation(case: Case, findings: tuple[Finding, ...], image: Dataset) -> Dataset | None:
    """The SEG of the findings that have an area, in the order of `findings`; None where none has one.

    image: the object that `case` became, with its pixels.
    """
    shape = (int(image.Rows), int(image.Columns))
    drawn = [(n, f, f.mask(shape)) for n, f in enumerate(findings, 1) if f.drawn not in (Drawn.POINT, Drawn.NOWHERE)]
    drawn = [(n, f, mask) for n, f, mask in drawn if mask.any()]
    if not drawn:
        return None
    segments = [_segment(k, n, f, case, image) for k, (n, f, _) in enumerate(drawn, 1)]
    date, time = _moment(case)
    made = hd.seg.Segmentation(
        source_images=[image],
        pixel_array=np.stack([mask for _, _, mask in drawn], axis=-1)[None],
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        series_instance_uid=_uid(image, "SEG series"),
        series_number=901,
        sop_instance_uid=_uid(image, "SEG"),
        instance_number=1,
        manufacturer="Lantern",
        manufacturer_model_name="Lantern dataset converter",
        software_versions="1",
        device_serial_number="none",
        content_label="TRUTH",
        content_description=short(f"Truth of {case.collection.words}, not an algorithm", 64),
        content_date=date,
        content_time=time,
    )
    for item in (*made.DimensionOrganizationSequence, *made.DimensionIndexSequence):
        item.DimensionOrganizationUID = _uid(image, "dimensions")  # highdicom makes one up
    made.PatientOrientation = image.PatientOrientation  # without a frame of reference nothing else says it
    return _named(made, case)


def _segment(number: int, of: int, finding: Finding, case: Case, image: Dataset) -> Any:
    made = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=short(f"{case.role} {of}: {finding.kind or finding.words}", 64),
        segmented_property_category=_ABNORMAL,
        segmented_property_type=KIND_CODES[finding.kind],
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        tracking_uid=_uid(image, f"finding {of}"),
        tracking_id=plain(f"{case.name} {of}"),
        anatomic_regions=[_BREAST],
    )
    made.SegmentDescription = short(f"{said(case)} {finding.words}; {finding.pathology}; {finding.drawn}", 1024)
    return made


def report(case: Case, findings: tuple[Finding, ...], image: Dataset) -> Dataset:
    """The SR: a group for each finding with its region (TID 1410), or without one (TID 1501), and one of the image."""
    groups = [_group(n, f, case, image) for n, f in enumerate(findings, 1)]
    content = hd.sr.MeasurementReport(
        observation_context=_readers(case),
        procedure_reported=Code("71651007", "SCT", "Mammography"),
        title=codes.DCM.ImagingMeasurementReport,
        imaging_measurements=[_of_image(case, image), *groups],
    )
    content[0].ContentSequence.append(_sentences(case, findings))
    date, time = _moment(case)
    made = hd.sr.ComprehensiveSR(
        evidence=[image],
        content=content[0],
        series_instance_uid=_uid(image, "SR series"),
        series_number=902,
        sop_instance_uid=_uid(image, "SR"),
        instance_number=1,
        manufacturer="Lantern",
        is_complete=True,
        is_final=True,
        is_verified=False,
        content_date=date,
        content_time=time,
    )
    return _named(made, case)


def _readers(case: Case) -> Any:
    """TID 1001: people, those of the data set; no device has observed anything."""
    people = hd.sr.PersonObserverIdentifyingAttributes(
        name=plain(f"{case.collection.words}^Readers"), organization_name=plain(case.collection.words)
    )
    return hd.sr.ObservationContext(
        observer_person_context=hd.sr.ObserverContext(
            observer_type=codes.DCM.Person, observer_identifying_attributes=people
        )
    )


def _group(number: int, finding: Finding, case: Case, image: Dataset) -> Any:
    common = {
        "tracking_identifier": hd.sr.TrackingIdentifier(
            uid=_uid(image, f"finding {number}"), identifier=plain(f"{case.name} {number}: {finding.words}")
        ),
        "finding_type": KIND_CODES[finding.kind],
        "finding_sites": [hd.sr.FindingSite(_BREAST, laterality=_SIDES[case.laterality])],
        "measurements": _subtlety(finding) or None,
        "qualitative_evaluations": _judged(finding.pathology, finding.assessment) or None,
    }
    if finding.drawn is Drawn.NOWHERE:
        return hd.sr.MeasurementsAndQualitativeEvaluations(source_images=[_measured(image)], **common)
    return hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(referenced_region=_region(finding, image), **common)


def _of_image(case: Case, image: Dataset) -> Any:
    """What is true of the image, or of the breast, as a whole."""
    judged = _judged(case.pathology, case.assessment)
    if case.density:
        judged.append(hd.sr.QualitativeEvaluation(COMPOSITION, DENSITY_CODES[case.density]))
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=_uid(image, "whole"), identifier=plain(f"{case.name} whole")),
        finding_sites=[hd.sr.FindingSite(_BREAST, laterality=_SIDES[case.laterality])],
        source_images=[_measured(image)],
        qualitative_evaluations=judged or None,
    )


def _region(finding: Finding, image: Dataset) -> Any:
    """An SCOORD; its coordinates are those of our outlines (PS3.3 C.18.6.1.2)."""
    source = hd.sr.SourceImageForRegion(image.SOPClassUID, image.SOPInstanceUID)
    points = np.array(finding.outline_px, np.float32)
    if len(points) < 3:
        return hd.sr.ImageRegion(hd.sr.GraphicTypeValues.POINT, points[:1], source)
    closed = np.concatenate([points, points[:1]])
    return hd.sr.ImageRegion(hd.sr.GraphicTypeValues.POLYLINE, closed, source)


def _measured(image: Dataset) -> Any:
    return hd.sr.SourceImageForMeasurementGroup(image.SOPClassUID, image.SOPInstanceUID)


def _judged(pathology: Pathology, assessment: str) -> list[Any]:
    found = []
    if pathology in PATHOLOGY_CODES:
        found.append(hd.sr.QualitativeEvaluation(PATHOLOGY, PATHOLOGY_CODES[pathology]))
    if assessment[:1] in _CATEGORIES:
        found.append(hd.sr.QualitativeEvaluation(ASSESSMENT, _CATEGORIES[assessment[:1]]))
    return found


def _subtlety(finding: Finding) -> list[Any]:
    if finding.subtlety is None:
        return []
    return [hd.sr.Measurement(name=SUBTLETY, value=finding.subtlety, unit=Code("{score}", "UCUM", "score"))]


def _sentences(case: Case, findings: tuple[Finding, ...]) -> Any:
    """TID 1500 row 12."""
    nowhere = sum(f.drawn is Drawn.NOWHERE for f in findings)
    texts = (
        said(case),
        f"Image {case.name} of patient {case.patient} of the data set.",
        *((f"Findings whose place the data set does not give: {nowhere}.",) if nowhere else ()),
        *((f"Density in its own words: {case.density_words}.",) if case.density_words else ()),
        *case.remarks,
    )
    name = Code("C0034375", "UMLS", "Qualitative Evaluations")
    box = hd.sr.ContainerContentItem(name=name, relationship_type=_CONTAINS)
    box.ContentSequence = hd.sr.ContentSequence(
        hd.sr.TextContentItem(name=codes.DCM.Comment, value=plain(t), relationship_type=_CONTAINS) for t in texts
    )
    return box


def _uid(image: Dataset, what: str) -> str:
    return derive_uid("lantern mg truth", str(image.SOPInstanceUID), what)


def _moment(case: Case) -> tuple[str, str]:
    """When the data set's file was written: equal files make equal objects."""
    at = datetime.fromtimestamp(case.path.stat().st_mtime, UTC)
    return at.strftime("%Y%m%d"), at.strftime("%H%M%S")


def _named(made: Dataset, case: Case) -> Dataset:
    made.SeriesDescription = short(f"TRUTH of {case.collection.words}, not an algorithm", 64)
    date, time = _moment(case)
    made.InstanceCreationDate, made.InstanceCreationTime = date, time
    for equipment in made.get("ContributingEquipmentSequence", ()):  # highdicom names itself, and now
        equipment.ContributionDateTime = date + time
    return made
