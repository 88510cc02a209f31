"""Small valid DICOM objects for tests of sending: MR images, a SEG, an SR, a Secondary Capture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    MRImageStorage,
    SecondaryCaptureImageStorage,
    generate_uid,
)

ROWS, COLUMNS = 32, 24


@dataclass(frozen=True, slots=True)
class Sample:
    """A study on disk: MR slices and objects derived from them."""

    study_instance_uid: str
    images: tuple[Path, ...]
    seg: Path
    sr: Path

    @property
    def results(self) -> list[Path]:
        """The SEG and the SR."""
        return [self.seg, self.sr]


def uid_of(path: Path) -> str:
    """SOP Instance UID of a file."""
    return str(dcmread(path, stop_before_pixels=True).SOPInstanceUID)


def write_sample(folder: Path, slices: int = 3) -> Sample:
    """A study of `slices` axial MR images (32 x 24), a SEG with one segment and a TID 1500 SR."""
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    images = [_image(MRImageStorage, study, series, number) for number in range(slices)]
    for number, image in enumerate(images):
        image.Modality = "MR"
        image.FrameOfReferenceUID = frame
        image.ImagePositionPatient = [0, 0, 2.0 * number]
        image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        image.PixelSpacing = [1.0, 1.0]
        image.SliceThickness = 2.0
        image.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
        image.ScanningSequence, image.SequenceVariant, image.ScanOptions = "GR", "SP", ""
        image.MRAcquisitionType, image.EchoTrainLength = "3D", 1
        image.RepetitionTime = image.EchoTime = 8.0
        image.PatientPosition, image.PositionReferenceIndicator, image.Laterality = "HFS", "", ""
    paths = tuple(write(folder / f"mr-{n}.dcm", image) for n, image in enumerate(images))
    seg, sr = write(folder / "seg.dcm", _seg(images)), write(folder / "sr.dcm", _sr(images))
    return Sample(study, paths, seg, sr)


def write_capture(folder: Path, name: str = "sc", syntax: UID = ExplicitVRLittleEndian, pixels: int = 64) -> Path:
    """A Secondary Capture of `pixels` x `pixels` 8-bit grey values, in its own study."""
    capture = _image(SecondaryCaptureImageStorage, generate_uid(), generate_uid(), 0)
    capture.Modality, capture.ConversionType = "OT", "WSD"
    capture.Laterality = capture.PatientOrientation = ""
    capture.Rows = capture.Columns = pixels
    capture.BitsAllocated = capture.BitsStored = 8
    capture.HighBit = 7
    noise = np.random.default_rng(1).integers(0, 255, (pixels, pixels), np.uint8)
    capture.PixelData = noise.tobytes()
    if syntax.is_encapsulated:
        capture.compress(syntax, generate_instance_uid=False)
    capture.file_meta.TransferSyntaxUID = syntax
    return write(folder / f"{name}.dcm", capture)


def write(path: Path, dataset: Dataset) -> Path:
    """Write a data set as a DICOM file in the transfer syntax of its file meta information."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dcmwrite(path, dataset, enforce_file_format=True)
    return path


def _image(sop_class: UID, study: str, series: str, number: int) -> Dataset:
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID, image.SOPInstanceUID = sop_class, generate_uid()
    image.StudyInstanceUID, image.SeriesInstanceUID = study, series
    image.PatientName, image.PatientID = "Test^Sender", "T1"
    image.PatientBirthDate = image.PatientSex = image.AccessionNumber = image.ReferringPhysicianName = ""
    image.StudyDate, image.StudyTime, image.StudyID = "20250102", "030405", "1"
    image.Manufacturer = "Test"
    image.SeriesNumber, image.InstanceNumber = 1, number + 1
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows, image.Columns = ROWS, COLUMNS
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    image.PixelData = np.arange(ROWS * COLUMNS, dtype="<u2").tobytes()
    return image


def _seg(images: list[Dataset]) -> Dataset:
    mask = np.zeros((len(images), ROWS, COLUMNS), dtype=np.uint8)
    mask[1, 8:16, 6:12] = 1
    algorithm = hd.AlgorithmIdentificationSequence("Test", codes.DCM.ArtificialIntelligence, "1")
    lesion = hd.seg.SegmentDescription(
        1,
        "Lesion 1",
        codes.SCT.MorphologicallyAbnormalStructure,
        codes.SCT.Neoplasm,
        hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm,
    )
    return hd.seg.Segmentation(images, mask, hd.seg.SegmentationTypeValues.BINARY, [lesion], **_equipment())


def _sr(images: list[Dataset]) -> Dataset:
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(
            observer_device_context=hd.sr.ObserverContext(
                codes.DCM.Device, hd.sr.DeviceObserverIdentifyingAttributes(generate_uid())
            )
        ),
        procedure_reported=Code("113091006", "SCT", "Magnetic resonance imaging"),
        title=codes.DCM.ImagingMeasurementReport,
        imaging_measurements=[_largest_diameter()],
        referenced_images=images,
    )
    return hd.sr.Comprehensive3DSR(images, content, is_complete=True, **_equipment())


def _largest_diameter() -> hd.sr.MeasurementsAndQualitativeEvaluations:
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(generate_uid(), "Lesion 1"),
        measurements=[hd.sr.Measurement(codes.SCT.Diameter, 8.0, codes.UCUM.Millimeter)],
    )


def _equipment() -> dict[str, object]:
    return {
        "series_instance_uid": generate_uid(),
        "series_number": 100,
        "sop_instance_uid": generate_uid(),
        "instance_number": 1,
        "manufacturer": "Test",
        "manufacturer_model_name": "Test",
        "software_versions": "1",
        "device_serial_number": "1",
    }
