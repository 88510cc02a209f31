"""The image library of a report (PS3.16 TID 1600): which images were looked at, and what they share."""

from __future__ import annotations

from typing import Any

import highdicom as hd
import numpy as np
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from pipeline.encode.source import Source

_CONTEXT = hd.sr.RelationshipTypeValues.HAS_ACQ_CONTEXT
_CONTAINS = hd.sr.RelationshipTypeValues.CONTAINS
_MODALITIES = {"MR": codes.cid29.MagneticResonance, "CT": codes.cid29.ComputedTomography}
_RATIO = Code("{-1:1}", "UCUM", "{-1:1}")


def image_library(source: Source) -> Any:
    """One group: the descriptors once (TID 1602, 1604), then a reference to each image.

    highdicom's own ImageLibrary repeats 17 descriptors for every image, which makes an SR of megabytes.
    """
    group = hd.sr.ContainerContentItem(name=codes.DCM.ImageLibraryGroup, relationship_type=_CONTAINS)
    group.ContentSequence = hd.sr.ContentSequence([*_descriptors(source), *_images(source)])
    library = hd.sr.ContainerContentItem(name=codes.DCM.ImageLibrary, relationship_type=_CONTAINS)
    library.ContentSequence = hd.sr.ContentSequence([group])
    return library


def _images(source: Source) -> list[Any]:
    return [
        hd.sr.ImageContentItem(
            name=Code("260753009", "SCT", "Source"),
            referenced_sop_class_uid=of_class,
            referenced_sop_instance_uid=uid,
            referenced_frame_numbers=list(numbers) or None,
            relationship_type=_CONTAINS,
        )
        for uid, (of_class, numbers) in source.instances.items()
    ]


def _descriptors(source: Source) -> list[Any]:
    frame = source.frames[0]
    found: list[Any] = []
    if source.modality in _MODALITIES:
        found.append(
            hd.sr.CodeContentItem(codes.DCM.Modality, _MODALITIES[source.modality], relationship_type=_CONTEXT)
        )
    if source.frame_of_reference_uid:
        found.append(
            hd.sr.UIDRefContentItem(
                codes.DCM.FrameOfReferenceUID, source.frame_of_reference_uid, relationship_type=_CONTEXT
            )
        )
    numbers = (
        (codes.DCM.HorizontalPixelSpacing, frame.spacing_mm[1], codes.UCUM.Millimeter),
        (codes.DCM.VerticalPixelSpacing, frame.spacing_mm[0], codes.UCUM.Millimeter),
        (codes.DCM.ImageOrientationPatientRowX, frame.cosines[0], _RATIO),
        (codes.DCM.ImageOrientationPatientRowY, frame.cosines[1], _RATIO),
        (codes.DCM.ImageOrientationPatientRowZ, frame.cosines[2], _RATIO),
        (codes.DCM.ImageOrientationPatientColumnX, frame.cosines[3], _RATIO),
        (codes.DCM.ImageOrientationPatientColumnY, frame.cosines[4], _RATIO),
        (codes.DCM.ImageOrientationPatientColumnZ, frame.cosines[5], _RATIO),
    )
    apart_mm = _apart_mm(source)
    between = [(codes.DCM.SpacingBetweenSlices, apart_mm, codes.UCUM.Millimeter)] if apart_mm else []
    for name, value, unit in (*numbers, *between):
        found.append(hd.sr.NumContentItem(name, float(value), unit, relationship_type=_CONTEXT))
    return found


def _apart_mm(source: Source) -> float:
    """From one image to the next; 0 for a lone image. Readers need it to know which lesions are measurable."""
    places = np.array([frame.position for frame in source.frames])
    steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
    return round(float(np.median(steps)), 4) if len(steps) else 0.0
