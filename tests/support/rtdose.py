"""RT Dose and RT Plan objects as a planning system writes them; doses are painted from a field of Gy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, RTDoseStorage, RTPlanStorage

from pipeline.core.uid import derive_uid

Field = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Gy at LPS points (n, 3)."""

ORIENTATIONS: dict[str, list[float]] = {
    "HFS": [1, 0, 0, 0, 1, 0],
    "HFP": [-1, 0, 0, 0, -1, 0],
    "FFS": [-1, 0, 0, 0, 1, 0],
    "FFP": [1, 0, 0, 0, -1, 0],
    "HFDL": [0, -1, 0, 1, 0, 0],
    "HFDR": [0, 1, 0, -1, 0, 0],
    "FFDL": [0, 1, 0, 1, 0, 0],
    "FFDR": [0, -1, 0, -1, 0, 0],
    "tilted": [0.96, 0.28, 0, -0.168, 0.576, 0.8],
}
"""Image Orientation (Patient) of each Patient Position, as Eclipse writes them, and of a grid along no axis."""


@dataclass(frozen=True, slots=True)
class Lattice:
    """A dose grid about a point. spacing_mm: (planes, rows, columns)."""

    centre_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shape: tuple[int, int, int] = (31, 29, 33)
    spacing_mm: tuple[float, float, float] = (2.0, 2.0, 2.0)
    cosines: Sequence[float] = (1, 0, 0, 0, 1, 0)
    offsets_mm: Sequence[float] | None = None

    @property
    def offsets(self) -> NDArray[np.float64]:
        """Along the normal, from the first plane."""
        given = self.offsets_mm
        return np.arange(self.shape[0]) * self.spacing_mm[0] if given is None else np.asarray(given, float)

    @property
    def axes(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Unit vectors: normal, down the rows, along a row."""
        along_row, down = np.array(self.cosines[:3], float), np.array(self.cosines[3:], float)
        return np.cross(along_row, down), down, along_row

    @property
    def corner_mm(self) -> NDArray[np.float64]:
        """Image Position (Patient), rounded as it is written."""
        half = np.array([(self.offsets.min() + self.offsets.max()) / 2, *((n - 1) / 2 for n in self.shape[1:])])
        half[1:] *= self.spacing_mm[1:]
        return np.round(np.array(self.centre_mm) - np.stack(self.axes, 1) @ half, 6)

    def points_mm(self) -> NDArray[np.float64]:
        """(planes, rows, columns, 3) LPS of every voxel centre, by the words of PS3.3 C.7.6.2.1.1."""
        normal, down, along_row = self.axes
        k, r, c = np.meshgrid(self.offsets, *(np.arange(n) for n in self.shape[1:]), indexing="ij")
        return (
            self.corner_mm
            + k[..., None] * normal
            + r[..., None] * self.spacing_mm[1] * down
            + c[..., None] * self.spacing_mm[2] * along_row
        )


def rt_dose(lattice: Lattice, field: Field, frame_of_reference_uid: str = "2.25.7", **more: Any) -> Dataset:
    """PLAN dose, 32 bits; `more` are elements that are set instead, None removes. bits=16 for the smaller form."""
    bits = more.pop("bits", 32)
    points = lattice.points_mm()
    gy = np.asarray(field(points.reshape(-1, 3)), float).reshape(points.shape[:3])
    scaling = max(float(gy.max()), 1e-9) / (2 ** min(bits, 31) - 1)
    uid = derive_uid("rt dose", str(lattice), str(gy.sum()), str(more))
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = RTDoseStorage, uid
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = RTDoseStorage, uid, "RTDOSE"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3", derive_uid("series", uid)
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Made^Up", "1", "", ""
    ds.FrameOfReferenceUID = frame_of_reference_uid
    ds.Rows, ds.Columns, ds.NumberOfFrames = *lattice.shape[1:], len(lattice.offsets)
    ds.FrameIncrementPointer = Tag("GridFrameOffsetVector")
    ds.ImagePositionPatient = list(lattice.corner_mm)
    ds.ImageOrientationPatient, ds.PixelSpacing = list(lattice.cosines), list(lattice.spacing_mm[1:])
    ds.GridFrameOffsetVector = list(lattice.offsets)
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits, bits, bits - 1
    ds.DoseUnits, ds.DoseType, ds.DoseSummationType, ds.DoseGridScaling = "GY", "PHYSICAL", "PLAN", f"{scaling:.10g}"
    ds.PixelData = np.rint(gy / float(ds.DoseGridScaling)).astype(f"<u{bits // 8}").tobytes()
    for keyword, value in more.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def rt_plan(uid: str, groups: Mapping[int, int], targets_gy: Sequence[float]) -> Dataset:
    """Fraction groups with their numbers of fractions, and one dose reference for each target; an organ besides."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = RTPlanStorage, uid
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = RTPlanStorage, uid, "RTPLAN"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3", derive_uid("series", uid)
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Made^Up", "1", "", ""
    ds.RTPlanLabel, ds.RTPlanGeometry = "Plan", "PATIENT"
    ds.FractionGroupSequence = [_item(FractionGroupNumber=g, NumberOfFractionsPlanned=n) for g, n in groups.items()]
    kinds = [("TARGET", {"TargetPrescriptionDose": gy}) for gy in targets_gy]
    ds.DoseReferenceSequence = [
        _item(DoseReferenceNumber=k, DoseReferenceStructureType="SITE", DoseReferenceType=kind, **more)
        for k, (kind, more) in enumerate([*kinds, ("ORGAN_AT_RISK", {"OrganAtRiskMaximumDose": 8.0})], start=1)
    ]
    return ds


def _item(**elements: Any) -> Dataset:
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


def saved(ds: Dataset, path: Path) -> Path:
    """As a PS3.10 file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return path


def blob(centre_mm: Sequence[float], gy: float = 20.0, sigma_mm: float = 8.0) -> Field:
    """A Gaussian."""
    at = np.asarray(centre_mm, float)
    return lambda points: gy * np.exp(-((points - at) ** 2).sum(axis=1) / (2 * sigma_mm**2))
