"""The estimated dose of one session -> RT Dose (PS3.3 A.18), for systems that read no Parametric Map."""

from __future__ import annotations

import numpy as np
from pydicom import Dataset
from pydicom.tag import Tag
from pydicom.uid import RTDoseStorage, RTStructureSetStorage
from pydicom.valuerep import format_number_as_ds

from pipeline.core.result import Kind
from pipeline.encode.common import Part, Stamp, date_and_time, dress, local_time, reference
from pipeline.encode.doses import Dose
from pipeline.encode.source import Source
from pipeline.encode.text import plain, short
from pipeline.findings import Findings
from pipeline.sessions.told import ESTIMATE

_LARGEST = 2**31 - 1
"""Stored value of the highest dose: what also fits a reader that takes 32 bits for signed."""


def rt_dose(dose: Dose, findings: Findings, source: Source, stamp: Stamp) -> Dataset:
    """The RTDOSE of a session: Gy as 32-bit integers, one frame for each slice of the dose along its normal.

    There is no RT Plan and none is named: Dose Summation Type is PLAN_OVERVIEW, whose parameters stand in the object.
    It names the structure set if there is exactly one, which is all that it can name (PS3.3 C.8.8.3).
    """
    form = stamp.form
    in_one_set = not form.per_lesion and Kind.RTSTRUCT not in form.left_out
    ds = Dataset()
    ds.SOPClassUID = RTDoseStorage
    ds.FrameOfReferenceUID = source.frame_of_reference_uid
    ds.PositionReferenceIndicator = source.position_reference_indicator
    ds.OperatorsName = ""
    ds.ImageType = ["DERIVED", "SECONDARY", "DOSE"]
    ds.ContentDate, ds.ContentTime = date_and_time(local_time(source, stamp))
    ds.ImageComments = plain(dose.said)
    ds.DerivationDescription = short(dose.said, 1024)
    _place(ds, dose)
    _pixels(ds, dose)
    ds.DoseUnits, ds.DoseType = "GY", "PHYSICAL"
    ds.DoseComment = short(dose.brief, 64)
    ds.DoseSummationType = "PLAN_OVERVIEW"
    ds.PlanOverviewSequence = [_overview(dose, findings, in_one_set)]
    if in_one_set:
        structures = reference(RTStructureSetStorage, stamp.instance(Part.RTSTRUCT))
        # Of the dose as a whole it belongs to the RT DVH Module, and there are no DVHs (PS3.3 C.8.8.3, C.8.8.4).
        ds.PlanOverviewSequence[0].ReferencedStructureSetSequence = [structures]
    return dress(ds, Part.RT_DOSE, source, findings, stamp, dose.session.number)


def _place(ds: Dataset, dose: Dose) -> None:
    """Image Plane and the planes above it (PS3.3 C.7.6.2, C.8.8.3.2: offsets relative to the first)."""
    volume = dose.volume
    axes = volume.unit_vectors()
    ds.ImagePositionPatient = [_ds(v) for v in volume.position]
    ds.ImageOrientationPatient = [_ds(v) for v in (*axes[2], *axes[1])]
    ds.PixelSpacing = [_ds(v) for v in volume.spacing[1:]]
    ds.SliceThickness = _ds(volume.spacing[0])
    ds.NumberOfFrames = volume.spatial_shape[0]
    ds.FrameIncrementPointer = Tag("GridFrameOffsetVector")
    ds.GridFrameOffsetVector = [_ds(i * volume.spacing[0]) for i in range(volume.spatial_shape[0])]


def _pixels(ds: Dataset, dose: Dose) -> None:
    values = np.asarray(dose.volume.array, np.float64)
    ds.Rows, ds.Columns = values.shape[1:]
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 32, 32, 31
    ds.DoseGridScaling = _ds(max(float(values.max()), 1.0) / _LARGEST)
    ds.PixelData = np.rint(values / float(ds.DoseGridScaling)).astype("<u4").tobytes()
    ds["PixelData"].VR = "OW"


def _overview(dose: Dose, findings: Findings, in_one_set: bool) -> Dataset:
    """What a plan would have to give, of which there is none: so its label is empty."""
    item = Dataset()
    item.PlanOverviewIndex = 1
    item.RTPlanLabel = ""
    item.TreatmentSite, item.TreatmentSiteCodeSequence = ESTIMATE, []
    item.PrescriptionOverviewSequence = _prescribed(dose, findings, in_one_set)
    item.NumberOfFractionsIncluded = 1
    return item


def _prescribed(dose: Dose, findings: Findings, in_one_set: bool) -> list[Dataset]:
    numbers = {n.short_label: n.number for n in findings.lesions}
    items = []
    for name in dose.session.lesions:
        wanted = findings.planned.prescription_of(name) if findings.planned else None
        if wanted:
            item = Dataset()
            if in_one_set:
                item.ReferencedROINumber = numbers[name]
            item.EntityLongLabel = short(name, 64)
            item.TotalPrescriptionDose = wanted.per_session_gy
            items.append(item)
    return items


def _ds(value: float) -> float:
    """To the digits that a DS has room for."""
    return float(format_number_as_ds(float(value)))
