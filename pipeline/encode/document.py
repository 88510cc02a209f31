"""What the reports of this house have in common: observer, algorithm, evidence, and the summary with its sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import highdicom as hd
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from pipeline.contract import Found
from pipeline.core.uid import derive_uid
from pipeline.encode.codes import scheme_item
from pipeline.encode.common import Part, Stamp, date_and_time, dress, local_time, parameters, serial_number
from pipeline.encode.origin import Origin
from pipeline.encode.text import plain
from pipeline.findings import Algorithm

NOT_DETECTED = Code("260415000", "SCT", "Not detected")
QUALITATIVE_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")
_CONTAINS = hd.sr.RelationshipTypeValues.CONTAINS


def observer(algorithm: Algorithm) -> Any:
    """TID 1001 with the software alone."""
    return hd.sr.ObservationContext(observer_device_context=device(algorithm))


def device(algorithm: Algorithm) -> Any:
    """TID 1004: the software as a device."""
    attributes = hd.sr.DeviceObserverIdentifyingAttributes(
        uid=derive_uid("device", algorithm.name, algorithm.version, algorithm.weights_sha256),
        name=plain(f"Lantern {algorithm.name.removeprefix('Lantern ')}"),
        manufacturer_name=plain(algorithm.manufacturer),
        model_name=plain(f"{algorithm.name} {algorithm.version}"),
        serial_number=serial_number(algorithm),
    )
    return hd.sr.ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=attributes)


def identification(algorithm: Algorithm) -> Any:
    """TID 4019."""
    return hd.sr.AlgorithmIdentification(
        name=plain(algorithm.name),
        version=plain(algorithm.version),
        parameters=[f"{name}={value}" for name, value in parameters(algorithm).items()],
        family=algorithm.family,
        manufacturer=plain(algorithm.manufacturer),
    )


def evaluations(summary: Code, sentences: Iterable[str]) -> Any:
    """TID 1500 row 12: the summary as a code, and every sentence that the reader should see."""
    box = hd.sr.ContainerContentItem(name=QUALITATIVE_EVALUATIONS, relationship_type=_CONTAINS)
    said = hd.sr.CodeContentItem(
        name=codes.DCM.CADProcessingAndFindingsSummary, value=summary, relationship_type=_CONTAINS
    )
    texts = [
        hd.sr.TextContentItem(name=codes.DCM.Comment, value=plain(sentence), relationship_type=_CONTAINS)
        for sentence in sentences
        if plain(sentence)
    ]
    box.ContentSequence = hd.sr.ContentSequence([said, *texts])
    return box


def on_replaced(stamp: Stamp) -> tuple[str, ...]:
    """Which earlier reports this one supersedes; nothing where none."""
    if not stamp.supersedes:
        return ()
    earlier = ", ".join(uid for _, uid, _ in stamp.supersedes)
    return (f"This report supersedes {len(stamp.supersedes)} earlier report(s) of this study: {earlier}.",)


def on_verified(stamp: Stamp) -> tuple[str, ...]:
    """That nobody could say how many images there are; nothing where somebody could."""
    unverified = "The image count was not verified with the PACS: images may have been missing."
    return () if stamp.verified else (unverified,)


def report_of(
    kind: type[hd.sr.ComprehensiveSR] | type[hd.sr.Comprehensive3DSR],
    evidence: Sequence[Dataset],
    content: Any,
    source: Origin,
    found: Found,
    stamp: Stamp,
) -> Dataset:
    """An SR document of ours around its content. content: the root; evidence: whatever it speaks of."""
    made_at = date_and_time(local_time(source, stamp))
    made = kind(
        evidence=evidence,
        content=content,
        series_instance_uid=stamp.uid(Part.SR, "series"),
        series_number=1,  # `dress` has the last word on series, equipment and patient
        sop_instance_uid=stamp.instance(Part.SR),
        instance_number=1,
        manufacturer="Lantern",
        is_complete=True,
        is_final=False,
        is_verified=False,
        previous_versions=predecessors(source, stamp) or None,
        content_date=made_at[0],
        content_time=made_at[1],
        specific_character_set=None,
    )
    dressed = dress(made, Part.SR, source, found, stamp)
    dressed.CodingSchemeIdentificationSequence = [scheme_item()]
    return dressed


def predecessors(source: Origin, stamp: Stamp) -> list[Dataset]:
    """The reports that this one supersedes, as highdicom wants them."""
    return [stub(source, of_class, uid, series) for of_class, uid, series in stamp.supersedes]


def stub(source: Origin, sop_class_uid: str, sop_instance_uid: str, series_instance_uid: str) -> Dataset:
    """An object of the study as evidence: highdicom wants data sets, and takes patient and study from the first."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class_uid, sop_instance_uid
    ds.StudyInstanceUID, ds.SeriesInstanceUID = source.study_instance_uid, series_instance_uid
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex"):
        setattr(ds, keyword, "")
    for keyword in ("AccessionNumber", "StudyID", "StudyDate", "StudyTime"):
        setattr(ds, keyword, None)
    return ds
