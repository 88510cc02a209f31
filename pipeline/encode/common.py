"""What every object made here has in common: who it is about, what made it, and that it is for research only."""

from __future__ import annotations

import colorsys
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from io import BytesIO
from typing import Any

from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian

from pipeline.contract import Found
from pipeline.core.errors import OurFault
from pipeline.core.forms import DEFAULT_FORM, Form
from pipeline.core.result import Kind
from pipeline.core.uid import derive_uid, instance_uid
from pipeline.encode.codes import code_item
from pipeline.encode.modules import IDENTIFYING, PATIENT_AND_STUDY
from pipeline.encode.origin import Origin
from pipeline.encode.text import plain, short
from pipeline.findings import RESEARCH_USE_ONLY, Algorithm, Findings, Lesion
from pipeline.sessions.told import ESTIMATE

EVIDENCE_TIERS = {
    "T0": "tried on synthetic images of the kind it was trained on",
    "T1": "tried on synthetic lesions in real images",
    "T2": "tried on real images with expert labels",
    "T3": "tried in clinical use",
}

_EQUIPMENT = (
    "Manufacturer",
    "InstitutionName",
    "StationName",
    "ManufacturerModelName",
    "DeviceSerialNumber",
    "SoftwareVersions",
)
_IMPLEMENTATION_CLASS_UID = derive_uid("lantern", "implementation class")


class Part(StrEnum):
    """Which of the objects of one run: each has its series, and its UIDs follow from this name."""

    SR = "SR"
    SEG = "SEG"
    RTSTRUCT = "RTSTRUCT"
    REJECTED_SEG = "SEG_REJECTED"  #: the candidates that the false-positive step turned down; on demand
    PROBABILITY = "PM_PROBABILITY"  #: the networks' mean probability, a Parametric Map; on demand
    DOSE_MAP = "PM"  #: estimated dose, a Parametric Map for each treatment session
    RT_DOSE = "RTDOSE"  #: the same as RT Dose, on demand
    PAGE = "SC"  #: the summary for viewers that show nothing else
    CAD_SR = "CADSR"  #: marks on mammograms as a Mammography CAD SR
    OVERLAY = "GSPS"  #: marks to lay over an image, a presentation state for each view
    KEY_OBJECTS = "KO"  #: the images to look at first, a Key Object Selection

    @property
    def kind(self) -> Kind:
        """What sort of object it is."""
        return Kind(self.value.partition("_")[0])

    @property
    def modality(self) -> str:
        """Modality (PS3.3 C.7.3.1.1.1): OT where an object is none of its own."""
        return _MODALITY.get(self.kind, self.kind.value)


_MODALITY = {Kind.PM: "OT", Kind.SC: "OT", Kind.CAD_SR: "SR", Kind.GSPS: "PR"}


_SERIES_NUMBER = {
    Part.SR: 1,
    Part.KEY_OBJECTS: 2,
    Part.SEG: 3,
    Part.CAD_SR: 3,
    Part.RTSTRUCT: 4,
    Part.OVERLAY: 4,
    Part.PROBABILITY: 5,
    Part.DOSE_MAP: 6,
    Part.RT_DOSE: 7,
    Part.PAGE: 8,
    Part.REJECTED_SEG: 9,
}
"""The order in which a hanging protocol that sorts by number shows them. Lesions in a volume and marks on mammograms
never come in one run, so ten numbers are enough for both."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One DICOM object, complete with its file meta information.

    number: 0, or of several in one series which (1, 2, ...); also its Instance Number.
    """

    part: Part
    dataset: Dataset
    number: int = 0

    @property
    def name(self) -> str:
        """Of its file, without suffix: "SEG", "PM_2"."""
        return f"{self.part.value}_{self.number}" if self.number else self.part.value

    @property
    def kind(self) -> Kind:
        """What sort of object it is."""
        return self.part.kind


@dataclass(frozen=True, slots=True)
class Stamp:
    """What an object says about its making. Equal findings and stamps make byte-identical objects.

    seed:             the key of the work; every UID follows from it.
    made_at:          with a time zone. Dates and times are written in the zone of the source images where they name
                      one (TimezoneOffsetFromUTC), else in that of `made_at`: hand over the hospital's local time.
    software_version: of Lantern.
    supersedes:       (SOP Class UID, SOP Instance UID, Series Instance UID) of the SRs of the same study that this
                      run replaces, the nearest first.
    cad_reports:      likewise of the Mammography CAD SRs of these runs, which a CAD SR names as its predecessors.
    replaces:         likewise of the SEGs of the nearest of these runs.
    verified:         False when a PACS was to be asked for the number of images and did not answer.
    form:             how the objects are written. Objects that are the same in two forms have the same UIDs.
    """

    seed: str
    made_at: datetime
    software_version: str
    supersedes: tuple[tuple[str, str, str], ...] = ()
    verified: bool = True
    replaces: tuple[tuple[str, str, str], ...] = ()
    cad_reports: tuple[tuple[str, str, str], ...] = ()
    form: Form = DEFAULT_FORM

    def __post_init__(self) -> None:
        if self.made_at.tzinfo is None:
            raise OurFault("Stamp.made_at has no time zone")

    def uid(self, part: Part, what: str) -> str:
        """The UID of `what` in that object."""
        token = self.form.token(part.kind)
        return derive_uid(self.seed, part.value, what, *([token] if token else []))

    def tracking_uid(self, what: str) -> str:
        """The UID by which an observation of the report is told from others, whatever the form of the report."""
        return derive_uid(self.seed, Part.SR.value, what)

    def instance(self, part: Part, number: int = 0) -> str:
        """Its SOP Instance UID, by which our own objects are known again: `pipeline.core.uid.is_ours`."""
        return instance_uid(self.uid(part, "series"), number)


def statements(algorithm: Algorithm) -> tuple[str, ...]:
    """What every object says: research only, the model, its weights, how far it was tried, what it learned from."""
    tier = EVIDENCE_TIERS.get(algorithm.evidence_tier, "")  # a tier that says more explains itself
    return tuple(
        plain(sentence)
        for sentence in (
            f"{RESEARCH_USE_ONLY}.",
            f"Algorithm {algorithm.name} {algorithm.version}, weights SHA-256 {algorithm.weights_sha256 or 'none'}.",
            f"Evidence tier {algorithm.evidence_tier}{': ' + tier if tier else ''}.",
            f"Training: {algorithm.training}",
        )
    )


def said_of_all(findings: Found) -> str:
    """The statements; right behind the warning stands what holds of this study alone, safe from being cut off."""
    warning, *others = statements(findings.algorithm)
    planned = findings.planned if isinstance(findings, Findings) else None
    estimate = () if planned is None else (f"Sessions and doses: {ESTIMATE}.",)
    return " ".join((warning, *estimate, *(plain(remark) for remark in findings.remarks), *others))


def described(lesion: Lesion) -> tuple[str, ...]:
    """What is known of a lesion or rejected candidate, for objects that have a text and no numbers."""
    return (
        f"Tracking UID {lesion.tracking_uid}",
        lesion.label,
        *([lesion.site.words] if lesion.site else []),
        *_certain(lesion),
        *([] if lesion.agreement is None else [f"agreement {lesion.agreement:.2f}"]),
        f"long axis {lesion.long_axis_mm:.1f} mm, short axis {lesion.short_axis_mm:.1f} mm",
    )


def _certain(lesion: Lesion) -> list[str]:
    if lesion.probability is None:
        return [f"outline {lesion.origin.value.lower()}, no probability"]
    kept = [f"kept from {lesion.verdict.threshold:.3f}"] if lesion.verdict else []
    return [f"probability {lesion.probability:.3f}{' (calibrated)' if lesion.is_calibrated else ''}", *kept]


def revision(findings: Found, stamp: Stamp) -> str:
    """What sets an object apart from those of the same study that it replaces: "rev 2, corrected"; "" for the first."""
    if not stamp.supersedes:
        return ""
    return f"rev {len(stamp.supersedes) + 1}{', corrected' if _is_corrected(findings) else ''}"


def _is_corrected(findings: Found) -> bool:
    return isinstance(findings, Findings) and findings.corrections is not None


def brief(algorithm: Algorithm, which: str = "") -> str:
    """The same in 64 characters or less; the warning comes first, so that no list of a viewer cuts it off.

    which: of several revisions (see `revision`).

    Without the evidence tier: cut short it would claim too much, and "T1" reads as a weighting.
    """
    version = algorithm.version.partition("+")[0]  # the weights' digest is in the other statements
    return short(f"RESEARCH USE ONLY{f', {which}' if which else ''}: {algorithm.name} {version}", 64)


def parameters(algorithm: Algorithm) -> dict[str, str]:
    """Algorithm parameters as names and values, for the algorithm identification macros."""
    return {"evidence_tier": algorithm.evidence_tier, "weights_sha256": algorithm.weights_sha256 or "none"}


def serial_number(algorithm: Algorithm) -> str:
    """DeviceSerialNumber: weights are what makes one copy of the software differ from another."""
    return short(algorithm.weights_sha256 or algorithm.version or "none", 64)


def software_versions(algorithm: Algorithm, stamp: Stamp) -> list[str]:
    """SoftwareVersions: Lantern's own, and the algorithm's."""
    return [short(f"Lantern {stamp.software_version}", 64), short(f"{algorithm.name} {algorithm.version}", 64)]


def colour(number: int) -> tuple[int, int, int]:
    """RGB, 0…255, of lesion `number`: steps of the golden angle keep neighbours apart, three tiers the rest."""
    hue = (number - 1) * 0.618033988749895 % 1.0
    value = (1.0, 0.8, 0.6)[(number - 1) // 12 % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def series_number(source: Origin, part: Part) -> int:
    """90000 + 10 x the source's number + 1 (SR), 2 (KO), 3 (SEG), ...: after all images, together."""
    number = source.series_number if 0 <= source.series_number < 1_000_000 else 0
    return 90_000 + 10 * number + _SERIES_NUMBER[part]


def local_time(source: Origin, stamp: Stamp) -> datetime:
    """`stamp.made_at` on the clock that the source images use."""
    offset = source.timezone_offset
    if not offset:
        return stamp.made_at
    ahead = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:]))
    return stamp.made_at.astimezone(timezone(-ahead if offset[0] == "-" else ahead))


def date_and_time(moment: datetime) -> tuple[str, str]:
    """A moment as DA and TM (PS3.5 6.2)."""
    return moment.strftime("%Y%m%d"), moment.strftime("%H%M%S.%f")


def dress(made: Dataset, part: Part, source: Origin, findings: Found, stamp: Stamp, number: int = 0) -> Dataset:
    """`made` as a plain data set, with the modules that all objects share, in place of any it had.

    Patient, General Study, Patient Study, Clinical Trial: as they stand in the source (PS3.3 C.7.1, C.7.2);
    General Series, General Equipment, SOP Common (C.7.3.1, C.7.5.1, C.12.1) and the file meta information.

    number: which of several in its series.
    """
    ds = Dataset({element.tag: element for element in made if element.keyword not in PATIENT_AND_STUDY})
    ds.update({tag: deepcopy(element) for tag, element in source.patient_and_study.items()})
    for keyword in IDENTIFYING:
        if keyword not in ds:
            setattr(ds, keyword, "")
    _series(ds, part, source, findings, stamp)
    _equipment(ds, source, findings, stamp)
    _sop_common(ds, part, source, stamp, number)
    ds.file_meta = _file_meta(ds)
    return ds


def _series(ds: Dataset, part: Part, source: Origin, findings: Found, stamp: Stamp) -> None:
    algorithm = findings.algorithm
    ds.Modality = part.modality
    ds.SeriesInstanceUID = stamp.uid(part, "series")
    ds.SeriesNumber = series_number(source, part)
    title = f"{_title(part)} {_which(part, findings, stamp)}".strip()
    ds.SeriesDescription = short(f"{title} RESEARCH USE ONLY: {algorithm.name} {algorithm.version}", 64)
    ds.SeriesDate, ds.SeriesTime = date_and_time(local_time(source, stamp))


def _which(part: Part, findings: Found, stamp: Stamp) -> str:
    """The revision; of doses the number alone, for both warnings leave no room for more in 64 characters."""
    which = revision(findings, stamp)
    if part in (Part.DOSE_MAP, Part.RT_DOSE):
        return which.partition(",")[0]
    return f"{which}," if which and part in _TITLES else which


def _title(part: Part) -> str:
    """What a list of series shows first: no viewer must cut off that a dose is an estimate."""
    if part in (Part.DOSE_MAP, Part.RT_DOSE):
        return f"{ESTIMATE} {part.kind.value}"
    return _TITLES.get(part, part.kind.value)


_TITLES = {
    Part.KEY_OBJECTS: "Key images,",
    Part.PROBABILITY: "Probability map,",
    Part.REJECTED_SEG: "SEG rejected candidates,",
    Part.PAGE: "Summary,",
    Part.CAD_SR: "Mammography CAD SR",
    Part.OVERLAY: "Marks,",
}


def _equipment(ds: Dataset, source: Origin, findings: Found, stamp: Stamp) -> None:
    algorithm = findings.algorithm
    ds.Manufacturer = short(algorithm.manufacturer, 64)
    ds.ManufacturerModelName = short(algorithm.name, 64)
    ds.SoftwareVersions = software_versions(algorithm, stamp)
    ds.DeviceSerialNumber = serial_number(algorithm)
    processing = Dataset()
    processing.PurposeOfReferenceCodeSequence = [code_item(Code("109102", "DCM", "Processing Equipment"))]
    for keyword in ("Manufacturer", "ManufacturerModelName", "SoftwareVersions", "DeviceSerialNumber"):
        setattr(processing, keyword, ds[keyword].value)
    processing.ContributionDateTime = local_time(source, stamp).strftime("%Y%m%d%H%M%S.%f")
    processing.ContributionDescription = short(said_of_all(findings), 1024)
    ds.ContributingEquipmentSequence = [*_acquisition(source), processing]


def _acquisition(source: Origin) -> list[Dataset]:
    if not source.header.get("Manufacturer"):
        return []  # type 1 in this sequence (PS3.3 C.12.1)
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [code_item(Code("109101", "DCM", "Acquisition Equipment"))]
    for keyword in _EQUIPMENT:
        if source.header.get(keyword):
            item.add(deepcopy(source.header[keyword]))
    return [item]


def _sop_common(ds: Dataset, part: Part, source: Origin, stamp: Stamp, number: int) -> None:
    ds.SOPInstanceUID = stamp.instance(part, number)
    ds.InstanceNumber = number or 1
    ds.InstanceCreationDate, ds.InstanceCreationTime = date_and_time(local_time(source, stamp))
    for keyword, value in (
        ("SpecificCharacterSet", source.character_set),
        ("TimezoneOffsetFromUTC", source.timezone_offset),
    ):
        if value:
            setattr(ds, keyword, value)
        elif keyword in ds:
            delattr(ds, keyword)


def _file_meta(ds: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = _IMPLEMENTATION_CLASS_UID
    meta.ImplementationVersionName = "LANTERN"
    return meta


def reference(sop_class_uid: str, sop_instance_uid: str, **more: Any) -> Dataset:
    """A reference to a SOP Instance (PS3.3 10.8), with further elements by keyword."""
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class_uid
    item.ReferencedSOPInstanceUID = sop_instance_uid
    for keyword, value in more.items():
        setattr(item, keyword, value)
    return item


def to_bytes(dataset: Dataset) -> bytes:
    """The object as a DICOM file (PS3.10 7): preamble, file meta information, its transfer syntax."""
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()
