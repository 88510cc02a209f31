"""Drawings of ours that come back changed, under the SOP Instance UID that we gave them.

Whoever changes an object is to give it a new one (PS3.3 C.12.1.1). Some editors overwrite instead, and a correction
that came under a known UID would pass for a copy.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pydicom import Dataset, dcmread

from pipeline.core.errors import HeaderUnusable
from pipeline.core.uid import derive_uid
from pipeline.imaging.header import MALFORMED, content_digest


def give_own_uid(path: Path, at: datetime) -> None:
    """Give the object in a file the SOP Instance UID that its editor should have given it, in place.

    It follows from the old one and the content, so that the same edit is the same object. What it replaces stands in
    Original Attributes Sequence (PS3.3 C.12.1.1.9). Raises HeaderUnusable.
    """
    try:
        ds = dcmread(path)
        new = derive_uid(str(ds.SOPInstanceUID), "edited", content_digest(path))
        ds.OriginalAttributesSequence = [*(ds.get("OriginalAttributesSequence") or []), _replaced(ds, at)]
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = new
        ds.save_as(path, enforce_file_format=True)
    except MALFORMED as error:
        raise HeaderUnusable(
            f"a changed copy of an object that was made here, which cannot be read: {type(error).__name__}",
            "save it under a new SOP Instance UID, and send it again",
        ) from error


def _replaced(ds: Dataset, at: datetime) -> Dataset:
    before, item = Dataset(), Dataset()
    before.SOPInstanceUID = ds.SOPInstanceUID
    item.ModifiedAttributesSequence = [before]
    item.AttributeModificationDateTime = at.strftime("%Y%m%d%H%M%S.%f%z")
    item.ModifyingSystem = "Lantern"
    item.SourceOfPreviousValues = ""
    item.ReasonForTheAttributeModification = "CORRECT"
    return item
