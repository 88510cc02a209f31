"""What a SEG, RTSTRUCT or RTDOSE says that it belongs to."""

from __future__ import annotations

from pydicom import Dataset


def frames_of_reference(rtstruct: Dataset) -> frozenset[str]:
    """Frame of Reference UIDs that the structure set names, wherever its vendor writes them (PS3.3 C.8.8.5)."""
    named = {str(i.get("FrameOfReferenceUID") or "") for i in rtstruct.get("ReferencedFrameOfReferenceSequence") or ()}
    named |= {str(i.get("ReferencedFrameOfReferenceUID") or "") for i in rtstruct.get("StructureSetROISequence") or ()}
    named.add(str(rtstruct.get("FrameOfReferenceUID") or ""))
    return frozenset(named - {""})


def series_named(ds: Dataset) -> frozenset[str]:
    """Series Instance UIDs that a SEG (PS3.3 C.12.2) or an RTSTRUCT (C.8.8.5) refers to."""
    found = [i.get("SeriesInstanceUID") for i in ds.get("ReferencedSeriesSequence") or ()]
    for frame in ds.get("ReferencedFrameOfReferenceSequence") or ():
        for study in frame.get("RTReferencedStudySequence") or ():
            found += [s.get("SeriesInstanceUID") for s in study.get("RTReferencedSeriesSequence") or ()]
    return frozenset(str(uid) for uid in found if uid)
