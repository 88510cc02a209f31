"""Whose an object is, in which frame of reference, and whether all that it refers to is there."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom import Dataset
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.uid import RTDoseStorage, RTStructureSetStorage, SegmentationStorage

from pipeline.proof.images import Identity

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
_NAMED = "ReferencedSOPInstanceUID"
_WANTED = frozenset({*_FRAMES, _NAMED})
_STUDY = "RTReferencedStudySequence"
"""Its items name the study as if it were an object."""


Uid = tuple[str, str, tuple[str, ...]]
"""Keyword and value of a UID that refers to something, and the keywords of the sequences above it."""


def check_identity(ds: Dataset, known: frozenset[str], source: Identity) -> Iterator[str]:
    """Patient, study and every frame of reference are the images', and every object that is named exists.

    known: SOP Instance UIDs of images of the study, objects of this set, and what the findings name.
    """
    if str(ds.get("PatientID") or "") != source.patient_id:
        yield "it has another Patient ID than the images"
    if str(ds.get("StudyInstanceUID") or "") != source.study_instance_uid:
        yield "it belongs to another study than the images"
    uids = list(_uids(ds))
    frames = {value for keyword, value, _ in uids if keyword in _FRAMES}
    if str(ds.SOPClassUID) in _IN_SPACE and not frames:
        yield "it names no frame of reference"
    if frames - {source.frame_of_reference_uid}:
        yield "it lies in another frame of reference than the images: viewers will not show it on them"
    yield from _lost(uids, known, source)


def _lost(uids: list[Uid], known: frozenset[str], source: Identity) -> Iterator[str]:
    lost: dict[str, None] = {}
    for keyword, uid, above in uids:
        if keyword == _NAMED and above[-1:] == (_STUDY,):
            if uid != source.study_instance_uid:
                yield "it refers to another study than that of the images"
        elif keyword == _NAMED and uid not in known and _ELSEWHERE.isdisjoint(above):
            lost[uid] = None
    if lost:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        yield f"it refers to {next(iter(lost))}{more}, which is no image of the findings and no object of this set"


def _uids(ds: Dataset, above: tuple[str, ...] = ()) -> Iterator[Uid]:
    """All references, and nothing else is decoded on the way."""
    for tag in list(ds.keys()):
        keyword = keyword_for_tag(tag)
        if keyword in _WANTED:
            yield keyword, str(ds[tag].value or ""), above
        elif keyword and _is_sequence(ds.get_item(tag)):
            for item in ds[tag].value or []:
                yield from _uids(item, (*above, keyword))


def _is_sequence(element: object) -> bool:
    vr = getattr(element, "VR", None)
    if vr is None and isinstance(element, RawDataElement):
        vr = dictionary_VR(element.tag)  # Implicit VR
    return bool(vr == "SQ")
