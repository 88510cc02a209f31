"""What a mammogram is made of: who, how, stored values, display; the modules of PS3.3 A.27."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sr.coding import Code
from pydicom.valuerep import format_number_as_ds

from pipeline.core.errors import OurFault
from pipeline.core.uid import derive_uid
from pipeline.datasets.mg_breast import Edge
from pipeline.datasets.mg_codes import MODIFIER_CODES, VIEW_CODES, coded
from pipeline.datasets.mg_habits import (
    MG_STYLES,
    Display,
    MgHabit,
    MgStyle,
    Modifier,
    Syntax,
)
from pipeline.marks import Laterality

Stored = NDArray[Any]


@dataclass(frozen=True, slots=True)
class MgAcquisition:
    """Whose breast is imaged, how, and what the mammograph (or whoever digitised the film) says of it.

    spacing_mm:    (down, across), Imager Pixel Spacing: on the film, or at the front plane of the detector.
    view:          one of VIEWS.
    chest_wall:    None has it seen from the pixels.
    magnification: Estimated Radiographic Magnification Factor.
    implant:       None where nobody knows.
    bits, display, inverted: None is what the habit does.
    for_processing: raw values, proportional to the dose at the detector, made up from the picture.
    lossy:         (ratio, method) of a lossy compression that the picture went through before; None for none.
    study:         images written with the same word lie in one study; empty makes a study of each image's own.
    date:          YYYYMMDD, empty where nobody knows.
    seed:          goes into every UID; equal input and seed make equal files.
    more:          further attributes by keyword, set last.
    """

    laterality: Laterality
    view: str
    spacing_mm: tuple[float, float]
    habit: MgHabit = MgHabit.FILM
    modifiers: tuple[Modifier, ...] = ()
    chest_wall: Edge | None = None
    magnification: float = 1.0
    implant: bool | None = False
    partial: bool = False
    burned_in: bool = False
    for_processing: bool = False
    bits: int | None = None
    display: Display | None = None
    inverted: bool | None = None
    syntax: Syntax = Syntax.NATIVE
    lossy: tuple[float, str] | None = None
    patient_id: str = "LANTERN-TEST"
    patient_name: str = "Phantom^Lantern"
    study: str = ""
    study_description: str = "MAMMOGRAPHY"
    series_description: str = ""
    series_number: int = 1
    instance_number: int = 1
    date: str = ""
    time: str = ""
    comments: str = ""
    seed: str = ""
    more: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def style(self) -> MgStyle:
        """What the maker writes."""
        return MG_STYLES[self.habit]

    @property
    def is_inverted(self) -> bool:
        """Stored as MONOCHROME1."""
        return self.style.inverted if self.inverted is None else self.inverted

    @property
    def shown(self) -> Display:
        """How it is displayed."""
        return Display.NONE if self.for_processing else self.display or self.style.display


@dataclass(frozen=True, slots=True)
class MgContent:
    """A picture made ready to be written. pixels: (rows, columns), as stored; name: what UIDs are derived from."""

    pixels: Stored
    bits: int
    name: str


def prepare(picture: Stored, acquisition: MgAcquisition) -> MgContent:
    """Stored values of a picture in which bright is dense.

    Whole numbers that fit into the bits are stored as they are; all else is scaled to the whole range. A uint8 film
    scan stays one of 8 bits.
    """
    if picture.ndim != 2:
        raise OurFault(f"a mammogram has rows and columns, not {picture.ndim} dimensions")
    eight = picture.dtype == np.uint8 and acquisition.habit is MgHabit.FILM and not acquisition.for_processing
    bits = acquisition.bits or (8 if eight else acquisition.style.bits)
    values, top = _to_range(picture, bits), 2**bits - 1
    if acquisition.for_processing:
        values = np.rint(top * np.exp(-4.0 * values / top))
    if acquisition.is_inverted:
        values = top - values
    odd = acquisition.syntax is Syntax.JPEG_LOSSLESS and picture.size % 2  # GDCM encodes no odd number of bytes
    pixels = np.ascontiguousarray(values.astype("<u1" if bits <= 8 and not odd else "<u2"))
    digest = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
    return MgContent(pixels, bits, f"{digest} {acquisition!r}")


def _to_range(picture: Stored, bits: int) -> Stored:
    top = 2**bits - 1
    whole = np.issubdtype(picture.dtype, np.integer)
    if whole and int(picture.min()) >= 0 and int(picture.max()) <= top:
        return picture.astype(np.float64) if bits < 16 else picture.astype(np.int64)
    values = np.nan_to_num(picture.astype(np.float64))
    low, high = float(values.min()), float(values.max())
    return np.rint((values - low) / max(high - low, 1e-12) * top)


def orientation(acquisition: MgAcquisition, wall: Edge) -> list[str]:
    """Patient Orientation (PS3.3 C.7.6.1.1.1): where columns and where rows grow; head or lateral side up."""
    across = "A" if wall is Edge.LEFT else "P"
    other = "R" if acquisition.laterality is Laterality.LEFT else "L"
    if acquisition.view in ("CC", "FB", "XCCL", "XCCM"):
        return [across, other]
    return [across, "F" if acquisition.view in ("ML", "LM") else f"F{other}"]


def patient_to_series(content: MgContent, acquisition: MgAcquisition) -> Dataset:
    """Patient, study, DX and mammography series, equipment (PS3.3 C.7.1-C.7.5, C.8.11.1, C.8.11.6)."""
    study = f"{acquisition.study} {acquisition.patient_id}" if acquisition.study else content.name
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.PatientName, ds.PatientID = acquisition.patient_name, acquisition.patient_id
    ds.PatientBirthDate, ds.PatientSex = "", "F"
    ds.StudyInstanceUID = derive_uid("lantern mg study", acquisition.seed, study)
    ds.SeriesInstanceUID = derive_uid("lantern mg series", acquisition.seed, study, str(acquisition.series_number))
    ds.StudyDate, ds.StudyTime = acquisition.date, acquisition.time
    ds.AccessionNumber = ds.ReferringPhysicianName = ""
    ds.StudyID, ds.StudyDescription = "1", acquisition.study_description
    ds.Modality, ds.SeriesNumber, ds.InstanceNumber = "MG", acquisition.series_number, acquisition.instance_number
    ds.PresentationIntentType = "FOR PROCESSING" if acquisition.for_processing else "FOR PRESENTATION"
    views = " ".join((acquisition.laterality.value, acquisition.view, *acquisition.modifiers))
    ds.SeriesDescription = (acquisition.series_description or views)[:64].rstrip()
    for keyword, value in acquisition.style.equipment.items():
        setattr(ds, keyword, value)
    return ds


def anatomy_and_view(ds: Dataset, acquisition: MgAcquisition, wall: Edge) -> None:
    """DX anatomy imaged and mammography image modules (PS3.3 C.8.11.2, C.8.11.7)."""
    ds.PatientOrientation = orientation(acquisition, wall)
    ds.ImageLaterality, ds.BodyPartExamined, ds.OrganExposed = acquisition.laterality.value, "BREAST", "BREAST"
    ds.AnatomicRegionSequence = [coded(Code("76752008", "SCT", "Breast"))]
    ds.ViewPosition = acquisition.view
    view = coded(VIEW_CODES[acquisition.view])
    view.ViewModifierCodeSequence = [coded(MODIFIER_CODES[m]) for m in acquisition.modifiers]
    ds.ViewCodeSequence = [view]
    ds.PositionerType = "NONE" if acquisition.habit is MgHabit.FILM else "MAMMOGRAPHIC"
    ds.BreastImplantPresent = {True: "YES", False: "NO", None: ""}[acquisition.implant]
    ds.PartialView = "YES" if acquisition.partial else "NO"
    ds.ImagerPixelSpacing = [str(format_number_as_ds(float(v))) for v in acquisition.spacing_mm]
    if acquisition.habit is not MgHabit.FILM or acquisition.magnification != 1.0:
        ds.EstimatedRadiographicMagnificationFactor = str(format_number_as_ds(acquisition.magnification))
    ds.AcquisitionContextSequence = []


def image_and_pixels(ds: Dataset, content: MgContent, acquisition: MgAcquisition) -> None:
    """General image, image pixel, DX image (PS3.3 C.7.6.1, C.7.6.3, C.8.11.3)."""
    derived = not acquisition.for_processing
    ds.ImageType = ["DERIVED" if derived else "ORIGINAL", "PRIMARY", ""]
    ds.ContentDate, ds.ContentTime = acquisition.date, acquisition.time
    ds.SamplesPerPixel, ds.PixelRepresentation = 1, 0
    ds.PhotometricInterpretation = "MONOCHROME1" if acquisition.is_inverted else "MONOCHROME2"
    ds.Rows, ds.Columns = content.pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = content.pixels.itemsize * 8, content.bits, content.bits - 1
    ds.BurnedInAnnotation = "YES" if acquisition.burned_in else "NO"
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"
    ds.PixelIntensityRelationship = "LIN" if acquisition.for_processing else "LOG"
    ds.PixelIntensityRelationshipSign = 1 if acquisition.for_processing != acquisition.is_inverted else -1
    _lossy(ds, acquisition)
    ds.PresentationLUTShape = "INVERSE" if acquisition.is_inverted else "IDENTITY"
    if acquisition.comments:
        ds.ImageComments = acquisition.comments[:1024]
    ds.PixelData = content.pixels.tobytes() + b"\0" * (content.pixels.nbytes % 2)


def _lossy(ds: Dataset, acquisition: MgAcquisition) -> None:
    ds.LossyImageCompression = "01" if acquisition.lossy else "00"
    if acquisition.lossy:
        ratio, method = acquisition.lossy
        ds.LossyImageCompressionRatio, ds.LossyImageCompressionMethod = f"{ratio:.3g}", method


def display(ds: Dataset, content: MgContent, acquisition: MgAcquisition) -> None:
    """VOI LUT (PS3.3 C.11.2): windows over the whole range, or tables."""
    top = 2**content.bits - 1
    match acquisition.shown:
        case Display.NONE:
            return
        case Display.TABLE:
            ds.VOILUTSequence = [_table(content.bits, word, g) for word, g in _TABLES]
        case Display.WINDOW:
            ds.WindowCenter, ds.WindowWidth = str((top + 1) // 2), str(top + 1)
        case Display.WINDOW_EXACT:
            ds.WindowCenter, ds.WindowWidth, ds.VOILUTFunction = f"{top / 2:g}", str(top), "LINEAR_EXACT"
        case Display.SIGMOID:
            ds.WindowCenter, ds.WindowWidth, ds.VOILUTFunction = str(top // 2), str(top // 2), "SIGMOID"


_TABLES = (("NORMAL", 4.0), ("HARDER", 6.0), ("SOFTER", 2.5))


def _table(bits: int, words: str, steepness: float) -> Dataset:
    """An S-shaped table over all stored values; its output has as many bits."""
    count = 2**bits
    s = 1 / (1 + np.exp(-steepness * (np.arange(count) / (count - 1) * 2 - 1)))
    values = np.rint((s - s[0]) / (s[-1] - s[0]) * (count - 1)).astype("<u2")
    item = Dataset()
    item.LUTDescriptor = [count % 65536, 0, bits]
    item.LUTExplanation = words
    item.add_new("LUTData", "OW", values.tobytes())
    return item
