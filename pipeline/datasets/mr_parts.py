"""What classic and Enhanced MR objects have in common: who, how, stored values, UIDs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian
from pydicom.valuerep import format_number_as_ds

from pipeline.core.uid import derive_uid
from pipeline.datasets.mr_habits import PLANAR_FROM_MM, STYLES, Habit, Style

Stored = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Acquisition:
    """Who is scanned, how, and what the scanner calls it.

    habit:              whose headers; see `Habit`.
    contrast_agent:     Contrast/Bolus Agent; empty for a series without contrast.
    series_description: empty for what the vendor would write.
    study:              series written with the same word lie in one study and one frame of reference; empty
                        makes a study of each volume's own.
    seed:               goes into every UID; equal input and seed make equal files.
    more:               further attributes by keyword, set last, in every object.
    """

    habit: Habit = Habit.SIEMENS
    contrast_agent: str = "Gadobutrol"
    patient_id: str = "LANTERN-TEST"
    patient_name: str = "Phantom^Lantern"
    study_description: str = "MR HEAD"
    series_description: str = ""
    series_number: int = 5
    date: str = "20260115"
    time: str = "101500"
    study: str = ""
    seed: str = ""
    more: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def style(self) -> Style:
        """What the vendor writes."""
        return STYLES[self.habit]


@dataclass(frozen=True, slots=True)
class Content:
    """A volume made ready to be written.

    pixels: (slices, rows, columns), little-endian uint16 or int16.
    slope:  real value = slope x stored value.
    name:   what the UIDs are derived from: a digest of pixels, affine and acquisition.
    """

    pixels: Stored
    slope: float
    geometry: hd.VolumeGeometry
    name: str

    @property
    def is_planar(self) -> bool:
        """Slices too far apart for a 3D sequence."""
        return bool(self.geometry.spacing_between_slices >= PLANAR_FROM_MM)

    @property
    def window(self) -> tuple[float, float]:
        """Window centre and width, in real values: the whole range up to the 99.5th percentile."""
        top = float(np.percentile(self.pixels[self.pixels > 0], 99.5)) if (self.pixels > 0).any() else 1.0
        return top * self.slope / 2, max(top * self.slope, 1.0)


def prepare(volume: hd.Volume, acquisition: Acquisition) -> Content:
    """Stored values and UIDs for a volume; whole numbers in range stay, all else is scaled to the range."""
    style = acquisition.style
    values = np.nan_to_num(np.asarray(volume.array, np.float64))
    lowest = -style.highest - 1 if style.signed else 0
    values = np.clip(values, lowest if style.signed else 0, None)
    top = float(np.abs(values).max()) or 1.0
    fits = top <= style.highest and bool(np.all(values == np.rint(values)))
    slope = 1.0 if fits else float(format_number_as_ds(top / style.highest))
    pixels = np.clip(np.rint(values / slope), lowest, style.highest).astype("<i2" if style.signed else "<u2")
    digest = hashlib.sha256(pixels.tobytes() + np.round(volume.affine, 6).tobytes())
    name = f"{digest.hexdigest()} {acquisition!r}"
    return Content(pixels, slope, volume.get_geometry(), name)


def series_level(content: Content, acquisition: Acquisition) -> Dataset:
    """Patient, study, series, frame of reference, equipment, sequence and contrast: the same in every object."""
    ds = Dataset()
    ds.update(_patient_and_study(content, acquisition))
    for keyword, value in {**acquisition.style.equipment, **_sequence(content, acquisition)}.items():
        setattr(ds, keyword, value)
    words = acquisition.style.with_words if acquisition.contrast_agent else ""
    ds.SeriesDescription = acquisition.series_description or f"{ds.SeriesDescription}{words}"
    ds.ProtocolName = acquisition.study_description if acquisition.habit is Habit.GE else ds.SeriesDescription
    rows, columns = content.pixels.shape[1:]
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = rows, columns, 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored = 16, acquisition.style.bits
    ds.HighBit, ds.PixelRepresentation = acquisition.style.bits - 1, int(acquisition.style.signed)
    return ds


def _sequence(content: Content, acquisition: Acquisition) -> Mapping[str, Any]:
    return acquisition.style.planar if content.is_planar else acquisition.style.volumetric


def _patient_and_study(content: Content, acquisition: Acquisition) -> Dataset:
    study = f"{acquisition.study} {acquisition.patient_id}" if acquisition.study else content.name
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.PatientName, ds.PatientID = acquisition.patient_name, acquisition.patient_id
    ds.PatientBirthDate, ds.PatientSex = "", "O"
    ds.StudyInstanceUID = derive_uid("lantern mr study", acquisition.seed, study)
    ds.FrameOfReferenceUID = derive_uid("lantern mr frame of reference", acquisition.seed, study)
    ds.SeriesInstanceUID = derive_uid("lantern mr series", acquisition.seed, content.name)
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = acquisition.date
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = acquisition.time
    ds.AccessionNumber = ds.ReferringPhysicianName = ds.PositionReferenceIndicator = ""
    ds.StudyID, ds.StudyDescription = "1", acquisition.study_description
    ds.Modality, ds.SeriesNumber, ds.PatientPosition = "MR", acquisition.series_number, "HFS"
    ds.BodyPartExamined, ds.AcquisitionNumber = "BRAIN", 1
    ds.DeviceSerialNumber = "0"
    return ds


def finish(ds: Dataset, sop_class_uid: UID, sop_instance_uid: str, more: Mapping[str, Any]) -> Dataset:
    """SOP common attributes, file meta information, and what the caller wants changed last."""
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class_uid, sop_instance_uid
    for keyword, value in more.items():
        setattr(ds, keyword, value)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return ds


def decimal(value: float) -> str:
    """A number as a Decimal String of at most 16 characters (PS3.5 6.2)."""
    return str(format_number_as_ds(float(value)))


def orientation(geometry: hd.VolumeGeometry) -> list[str]:
    """Image Orientation (Patient): where the column index grows, then where the row index grows."""
    _, down, across = geometry.unit_vectors()
    return [decimal(v) for v in (*across, *down)]


def position(geometry: hd.VolumeGeometry, index: int) -> list[str]:
    """Image Position (Patient) of a slice: LPS mm of the centre of its first voxel."""
    return [decimal(v) for v in geometry.affine[:3, 3] + index * geometry.affine[:3, 0]]
