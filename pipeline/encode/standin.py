"""What highdicom is shown in place of the source images, and the true references put in afterwards."""

from __future__ import annotations

import highdicom as hd
import numpy as np
from pydicom import Dataset
from pydicom.uid import MRImageStorage

from pipeline.encode.common import Part, Stamp, reference
from pipeline.encode.origin import LOSSY
from pipeline.encode.source import Frame, Source

SAME_DIGITS = 1e-4
"""Of direction cosines: so little is rounding in headers, and their own digits are kept."""


def stand_in(frame: Frame, source: Source, labels: hd.Volume, uid: str) -> Dataset:
    """An image with a frame's geometry and nothing else of it.

    highdicom matches a SEG's frames to single-frame sources one by one, but to a multi-frame source by position,
    which is ambiguous when that holds several echoes or time points of one place. So it is shown single frames.
    It also refuses a whole study for a malformed birth date; it gets none.
    """
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = MRImageStorage, uid
    ds.StudyInstanceUID, ds.SeriesInstanceUID = source.study_instance_uid, source.series_instance_uid
    ds.FrameOfReferenceUID = source.frame_of_reference_uid
    ds.PositionReferenceIndicator = source.position_reference_indicator
    ds.Modality = "MR"
    ds.Rows, ds.Columns = labels.spatial_shape[1:]
    ds.ImagePositionPatient = frame.position.tolist()
    ds.ImageOrientationPatient = _cosines(source, labels)
    ds.PixelSpacing = list(frame.spacing_mm)
    ds.SliceThickness = frame.thickness_mm or float(labels.spacing[0])
    ds.SpacingBetweenSlices = float(labels.spacing[0])
    for keyword in LOSSY:
        if keyword in source.header:
            ds.add(source.header[keyword])
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex"):
        setattr(ds, keyword, "")
    for keyword in ("AccessionNumber", "StudyID", "StudyDate", "StudyTime"):
        setattr(ds, keyword, None)
    return ds


def _cosines(source: Source, labels: hd.Volume) -> list[float]:
    """One orientation for the whole stack: as its first image has it; where those digits make no right angle, as read.

    The reader takes images for one stack whose cosines differ by rounding; highdicom wants them equal to the digit.
    """
    read, first = np.r_[labels.unit_vectors()[2], labels.unit_vectors()[1]], source.frames[0].cosines
    return [float(c) for c in (first if np.abs(first - read).max() < SAME_DIGITS else read)]


def name_series(made: Dataset, source: Source) -> None:
    """The images that an object was made from, and their series (PS3.3 C.12.2, C.7.6.1.4)."""
    images = [reference(of_class, uid) for uid, (of_class, _) in source.instances.items()]
    series = Dataset()
    series.SeriesInstanceUID = source.series_instance_uid
    series.ReferencedInstanceSequence = images
    made.SourceImageSequence = images
    made.ReferencedSeriesSequence = [series]


def fix_dimension_organization(made: Dataset, part: Part, stamp: Stamp) -> None:
    """The same UID in the same work, where highdicom makes one up."""
    uid = stamp.uid(part, "dimension organization")
    for item in (*made.DimensionOrganizationSequence, *made.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid
