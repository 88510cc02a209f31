"""Whose an object is, in which frame of reference, and whether all that it refers to is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pydicom import Dataset
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.uid import RTDoseStorage, RTStructureSetStorage, SegmentationStorage

from pipeline.proof.fault import few
from pipeline.proof.images import PERSON, Identity, Place, said_of

_IN_SPACE = {
    str(SegmentationStorage),
    "1.2.840.10008.5.1.4.1.1.66.7",  # Label Map Segmentation
    str(RTStructureSetStorage),
    str(RTDoseStorage),
    "1.2.840.10008.5.1.4.1.1.30",  # Parametric Map
}

_ELSEWHERE = frozenset(
    {
        "PredecessorDocumentsSequence",
        "PredecessorStructureSetSequence",
        "ReferencedPatientSequence",
        "ReferencedPerformedProcedureStepSequence",
        "ReferencedRequestSequence",
        "ReferencedStudySequence",
        "ReferencedVisitSequence",
    }
)
"""What is below names earlier objects, or no object that has a file: copied from the images, or of a worklist."""

_FRAMES = ("FrameOfReferenceUID", "ReferencedFrameOfReferenceUID")
_NAMED, _CLASS = "ReferencedSOPInstanceUID", "ReferencedSOPClassUID"
_SERIES, _OF_STUDY = "SeriesInstanceUID", "StudyInstanceUID"
_SERIES_LISTS = frozenset({"ReferencedSeriesSequence", "RTReferencedSeriesSequence"})
_STUDY = "RTReferencedStudySequence"
"""Its items name the study as if it were an object."""

_NAMES = {
    "PatientName": "Patient's Name",
    "PatientID": "Patient ID",
    "IssuerOfPatientID": "Issuer of Patient ID",
    "PatientBirthDate": "Patient's Birth Date",
    "PatientSex": "Patient's Sex",
    "StudyDate": "Study Date",
    "StudyID": "Study ID",
    "AccessionNumber": "Accession Number",
}


@dataclass(frozen=True, slots=True)
class Reference:
    """What one item of a sequence refers to. series, study: of the lists that it stands in; above: their keywords."""

    uid: str
    sop_class: str
    series: str
    study: str
    above: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Named:
    """All UIDs of an object that refer to something. series: of the lists, whether or not there is an object in one."""

    references: list[Reference]
    frames: set[str]
    series: set[str]


def check_identity(ds: Dataset, known: Mapping[str, Place], source: Identity) -> Iterator[str]:
    """Patient, study and every frame of reference are the images', and every object that is named exists as it is.

    known: images of the study, objects of this set, and what the findings name, by SOP Instance UID.
    """
    for keyword in PERSON:
        if said_of(ds, keyword).isdisjoint(source.person[keyword]):
            yield f"it has another {_NAMES[keyword]} than the images"
    if str(ds.get("StudyInstanceUID") or "") != source.study_instance_uid:
        yield "it belongs to another study than the images"
    named = _Named([], set(), set())
    _collect(ds, Reference("", "", "", "", ()), named)
    if str(ds.SOPClassUID) in _IN_SPACE and not named.frames:
        yield "it names no frame of reference"
    if named.frames - {source.frame_of_reference_uid}:
        yield "it lies in another frame of reference than the images: viewers will not show it on them"
    yield from _lost(named.references, known, source)
    yield from few(_misfiled(named, known, source))


def _lost(references: Sequence[Reference], known: Mapping[str, Place], source: Identity) -> Iterator[str]:
    lost: dict[str, None] = {}
    for one in references:
        if one.above[-1:] == (_STUDY,):
            if one.uid != source.study_instance_uid:
                yield "it refers to another study than that of the images"
        elif one.uid not in known and _ELSEWHERE.isdisjoint(one.above):
            lost[one.uid] = None
    if lost:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        yield f"it refers to {next(iter(lost))}{more}, which is no image of the findings and no object of this set"


def _misfiled(named: _Named, known: Mapping[str, Place], source: Identity) -> Iterator[str]:
    """What is named is of the class, series and study that it is named with: a viewer asks the archive by all four."""
    for one in named.references:
        if one.uid not in known or one.above[-1:] == (_STUDY,):
            continue
        of_class, series = known[one.uid]
        if one.sop_class != of_class:
            yield f"it refers to {one.uid} as an object of another SOP class than it is"
        if one.series not in ("", series):
            yield f"it refers to {one.uid} in another series than it is in"
        if one.study not in ("", source.study_instance_uid):
            yield f"it refers to {one.uid} in another study than that of the images"
    told = {one.series for one in named.references}
    if named.series - told - {series for _, series in known.values()}:
        yield "it refers to a series that no image of the findings and no object of this set is in"


def _collect(ds: Dataset, within: Reference, named: _Named) -> None:
    """All references, and nothing else is decoded on the way."""
    if _NAMED in ds:
        uid, sop_class = (str(ds.get(keyword) or "") for keyword in (_NAMED, _CLASS))
        named.references.append(replace(within, uid=uid, sop_class=sop_class))
    if within.above:
        series, study = str(ds.get(_SERIES) or within.series), str(ds.get(_OF_STUDY) or within.study)
        if within.above[-1] in _SERIES_LISTS and _ELSEWHERE.isdisjoint(within.above):
            named.series.add(series)
        within = replace(within, series=series, study=study)
    for tag in list(ds.keys()):
        keyword = keyword_for_tag(tag)
        if keyword in _FRAMES:
            named.frames.add(str(ds[tag].value or ""))
        elif keyword and _is_sequence(ds.get_item(tag)):
            below = replace(within, above=(*within.above, keyword))
            for item in ds[tag].value or []:
                _collect(item, below, named)


def _is_sequence(element: object) -> bool:
    vr = getattr(element, "VR", None)
    if vr is None and isinstance(element, RawDataElement):
        vr = dictionary_VR(element.tag)  # Implicit VR
    return bool(vr == "SQ")
