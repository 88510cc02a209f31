"""Structures as a person draws them: closed contours of round things, on planes of any direction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage

from pipeline.core.uid import derive_uid
from pipeline.imaging.structures import Structure

Contours = tuple[np.ndarray, ...]


def ball(
    centre_mm: Sequence[float], diameter_mm: float, step_mm: float = 1.0, axes: np.ndarray | None = None
) -> Contours:
    """Circles of 60 points. axes: rows are normal and two directions in the plane; axial when None."""
    turn = np.eye(3)[[2, 0, 1]] if axes is None else axes
    radius, made = diameter_mm / 2, []
    round_ = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    for out in np.arange(-np.floor(radius / step_mm) + 0.5, radius / step_mm) * step_mm:
        if abs(out) < radius:
            r = np.sqrt(radius**2 - out**2)
            flat = np.stack([np.full(60, out), r * np.cos(round_), r * np.sin(round_)], 1)
            made.append(flat @ turn + np.asarray(centre_mm, float))
    return tuple(made)


def structure(name: str, contours: Contours, kind: str = "ORGAN", number: int = 1) -> Structure:
    """One ROI."""
    return Structure(number, name, kind, "", False, contours)


def structure_set(found: Sequence[Structure], frame_of_reference_uid: str) -> Dataset:
    """As another vendor's RTSTRUCT."""
    uid = derive_uid("drawn", frame_of_reference_uid, *(s.name for s in found))
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = RTStructureSetStorage, uid, "RTSTRUCT"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.PatientID = "1.2.3", derive_uid("series", uid), ""
    ds.ReferencedFrameOfReferenceSequence = [Dataset()]
    ds.ReferencedFrameOfReferenceSequence[0].FrameOfReferenceUID = frame_of_reference_uid
    ds.StructureSetROISequence, ds.ROIContourSequence, ds.RTROIObservationsSequence = [], [], []
    for number, one in enumerate(found, start=1):
        roi, outline, seen = Dataset(), Dataset(), Dataset()
        roi.ROINumber, roi.ROIName = number, one.name
        roi.ReferencedFrameOfReferenceUID = frame_of_reference_uid
        seen.ObservationNumber, seen.ReferencedROINumber, seen.RTROIInterpretedType = number, number, one.kind
        outline.ReferencedROINumber, outline.ContourSequence = number, []
        for points in one.contours:
            contour = Dataset()
            contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", len(points)
            contour.ContourData = [f"{v:.3f}" for v in points.ravel()]
            outline.ContourSequence.append(contour)
        ds.StructureSetROISequence.append(roi)
        ds.ROIContourSequence.append(outline)
        ds.RTROIObservationsSequence.append(seen)
    return ds
