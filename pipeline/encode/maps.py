"""What Parametric Maps have in common: the way their frames run, and the images that these lie on."""

from __future__ import annotations

import highdicom as hd
import numpy as np
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from pipeline.encode.codes import code_item
from pipeline.encode.common import Part, Stamp, reference
from pipeline.encode.source import Source
from pipeline.encode.standin import fix_dimension_organization, name_series
from pipeline.encode.text import plain, short


def along_normal(volume: hd.Volume) -> hd.Volume:
    """The same with slices that follow each other along the normal of rows and columns (PS3.3 C.7.6.2)."""
    affine = np.asarray(volume.affine, np.float64)
    normal = np.cross(affine[:3, 2], affine[:3, 1])
    return volume if normal @ affine[:3, 0] > 0 else volume.flip_spatial(0)


def finish(
    made: Dataset, part: Part, source: Source, stamp: Stamp, *, said: str, derived_by: Code, site: Code | None
) -> None:
    """Put in what highdicom cannot know: the true images, what is seen, and what must be known of the pixels.

    said: for people; derived_by: how the pixels came about; site: where in the body they are, None where nobody knows.
    """
    made.ImageComments = plain(said)
    name_series(made, source)
    if site is not None:
        made.SharedFunctionalGroupsSequence[0].FrameAnatomySequence = [_anatomy(site)]
    for group in made.PerFrameFunctionalGroupsSequence:
        group.DerivationImageSequence = _derivation(group, said, derived_by, source)
    fix_dimension_organization(made, part, stamp)


def _anatomy(site: Code) -> Dataset:
    """Without a side (PS3.3 C.7.6.16.2.8)."""
    item = Dataset()
    item.AnatomicRegionSequence = [code_item(site)]
    item.FrameLaterality = "U"
    return item


def _derivation(group: Dataset, said: str, derived_by: Code, source: Source) -> list[Dataset]:
    """Which image a frame lies on (PS3.3 C.7.6.16.2.6); none where that was interpolated."""
    frame = source.beneath(np.array([float(v) for v in group.PlanePositionSequence[0].ImagePositionPatient]))
    item = Dataset()
    item.DerivationDescription = short(said, 1024)
    item.DerivationCodeSequence = [code_item(derived_by)]
    more = {} if frame.frame_number is None else {"ReferencedFrameNumber": frame.frame_number}
    image = reference(frame.sop_class_uid, frame.sop_instance_uid, **more)
    image.PurposeOfReferenceCodeSequence = [code_item(codes.cid7202.SourceImageForImageProcessingOperation)]
    image.SpatialLocationsPreserved = "NO"
    item.SourceImageSequence = [] if frame.filled else [image]
    return [item]
