"""Headers of made-up images: nobody's, with every attribute that results copy, or with as few as are allowed."""

from __future__ import annotations

from pydicom import Dataset
from pydicom.datadict import dictionary_VM, dictionary_VR, tag_for_keyword

from pipeline.core.uid import derive_uid
from pipeline.encode.modules import IDENTIFYING, PATIENT_AND_STUDY

EQUIPMENT = ("Manufacturer", "InstitutionName", "StationName", "ManufacturerModelName", "DeviceSerialNumber")
LOSSY = {"LossyImageCompression": "01", "LossyImageCompressionRatio": 8.5, "LossyImageCompressionMethod": "ISO_15444_1"}

_VALUES = {
    "AS": "04{n}Y",
    "CS": "MADE_UP_{n}",
    "DA": "2026010{n}",
    "DS": "6{n}.5",
    "IS": "{n}",
    "PN": "Made^Up{n}",
    "TM": "10{n}000",
    "UI": "2.25.{n}",
}
"""By value representation; all others are text."""


def fill(image: Dataset, number: int) -> None:
    """Give it every patient and study attribute, and equipment; with another `number` other values."""
    for keyword in PATIENT_AND_STUDY - {"StudyInstanceUID"}:
        tag = tag_for_keyword(keyword)
        if tag is not None:
            setattr(image, keyword, _value(keyword, dictionary_VR(tag), dictionary_VM(tag), number))
    for keyword in EQUIPMENT:
        setattr(image, keyword, f"{keyword[:20]} {number}")
    image.SoftwareVersions = [f"{number}.0"]
    image.SpecificCharacterSet = "ISO_IR 100" if number % 2 else "ISO_IR 192"
    image.TimezoneOffsetFromUTC = f"+0{number}00"
    image.SeriesNumber = number
    image.PositionReferenceIndicator = f"PLACE {number}"
    for keyword, value in LOSSY.items() if number % 2 == 0 else ():
        setattr(image, keyword, value)


def empty(image: Dataset, number: int) -> None:
    """Leave it what identifies patient and study, empty where the standard allows that, and no equipment."""
    more = ("SpecificCharacterSet", "TimezoneOffsetFromUTC", "SeriesNumber", "SoftwareVersions", *LOSSY)
    for keyword in (*PATIENT_AND_STUDY, *EQUIPMENT, *more):
        if keyword in image and keyword != "StudyInstanceUID":
            delattr(image, keyword)
    for keyword in IDENTIFYING:
        if keyword not in image:
            setattr(image, keyword, f"MADE-UP-{number}" if keyword == "PatientID" else "")
    image.PositionReferenceIndicator = ""
    if number % 2:
        image.Manufacturer = f"Maker {number}"


def _value(keyword: str, vr: str, vm: str, number: int) -> object:
    if vr == "SQ":
        return [_coded(number) if "Code" in keyword else _referenced(number)]
    if vr == "US":
        return number
    text = _VALUES.get(vr, f"{keyword[:8]} {{n}}").format(n=number)
    return text if vm.startswith("1") else [text, text]


def _coded(number: int) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = f"M{number}", "99MADEUP", "Made up"
    return item


def _referenced(number: int) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"
    item.ReferencedSOPInstanceUID = derive_uid("made up", str(number))
    return item
