"""What every result takes over from the images it is about: patient, study, time zone, equipment."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import DataElement, Dataset, config, dcmread
from pydicom.valuerep import validate_value

from pipeline.core.errors import HeaderUnusable, NotFound
from pipeline.encode.modules import IDENTIFYING, PATIENT_AND_STUDY
from pipeline.imaging.header import MALFORMED

IDENTITY = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
LOSSY = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
"""What is derived from lossy images says so too (PS3.3 C.7.6.1.1.5)."""

HANDED_ON = (
    *LOSSY,
    "SpecificCharacterSet",
    "TimezoneOffsetFromUTC",
    "Modality",
    "SeriesNumber",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "Manufacturer",
    "InstitutionName",
    "StationName",
    "ManufacturerModelName",
    "DeviceSerialNumber",
    "SoftwareVersions",
    "NumberOfFrames",
)
"""Beside patient and study."""

_STRICT = ("AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI")
"""Value representations with a form that a value can miss (PS3.5 6.2)."""


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Of the first image.

    patient_and_study, header: elements as they stand in it; timezone_offset: +hhmm, -hhmm or empty.
    """

    patient_and_study: Dataset
    header: Dataset
    character_set: Any
    timezone_offset: str
    modality: str
    study_instance_uid: str
    series_instance_uid: str
    series_number: int


def origin_of(first: Dataset) -> dict[str, Any]:
    """The fields of an Origin, by name, from the header of an image."""
    rest = part_of(first, HANDED_ON)
    return {
        "patient_and_study": part_of(first, PATIENT_AND_STUDY),
        "header": rest,
        "character_set": rest.get("SpecificCharacterSet"),
        "timezone_offset": _offset(rest),
        "modality": str(rest.get("Modality") or ""),
        "study_instance_uid": str(first.StudyInstanceUID),
        "series_instance_uid": str(first.SeriesInstanceUID),
        "series_number": int(rest.get("SeriesNumber") or 0),
    }


def read_image_header(path: Path, sop_instance_uid: str, keywords: Iterable[str]) -> Dataset:
    """The header of an image, without pixels. Raises NotFound, HeaderUnusable."""
    wanted = sorted({*keywords, *PATIENT_AND_STUDY, *IDENTITY, *HANDED_ON})
    try:
        ds = dcmread(path, stop_before_pixels=True, specific_tags=wanted, force=True)
    except FileNotFoundError as error:
        raise NotFound(
            f"source image {sop_instance_uid} is no longer there",
            "the archive lost or cleaned it: send the study again",
        ) from error
    except MALFORMED as error:
        raise HeaderUnusable(f"source image {sop_instance_uid}: {type(error).__name__}") from error
    for keyword in IDENTITY:
        if not ds.get(keyword):
            raise HeaderUnusable(f"source image {sop_instance_uid} has no {keyword}")
    return ds


def part_of(ds: Dataset, keywords: Iterable[str]) -> Dataset:
    """Those elements of `ds` that can be read.

    What identifies patient and study stays as it is, right or wrong, or the PACS would file the result elsewhere;
    of the rest, malformed values (an age of "0Y") are not handed on: they would make the result malformed.
    """
    part = Dataset()
    for keyword in keywords:
        with contextlib.suppress(*MALFORMED):  # KeyError among them: absent
            if keyword in IDENTIFYING or _is_well_formed(ds[keyword]):
                part.add(ds[keyword])
    return part


def _offset(header: Dataset) -> str:
    text = str(header.get("TimezoneOffsetFromUTC") or "").strip()
    return text if re.fullmatch(r"[+-](0\d|1[0-4])[0-5]\d", text) else ""


def _is_well_formed(element: DataElement) -> bool:
    if element.VR not in _STRICT:
        return True
    values = element.value if element.VM > 1 else [element.value]
    try:
        for value in values:
            validate_value(element.VR, "" if value is None else str(value), config.RAISE)
    except ValueError:
        return False
    return True
