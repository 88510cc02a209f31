"""DICOM files put together byte by byte, so that they can break any rule."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from pydicom.datadict import dictionary_VR, tag_for_keyword

LONG = ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "UC", "UN", "UR", "UT")
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"

Elements = Mapping[str, "bytes | tuple[str, bytes]"]

GOOD: dict[str, bytes | tuple[str, bytes]] = {
    "SpecificCharacterSet": b"ISO_IR 100",
    "ImageType": b"DERIVED\\SECONDARY ",
    "SOPClassUID": SECONDARY_CAPTURE.encode() + b"\0",
    "SOPInstanceUID": b"2.25.11\0",
    "StudyDate": b"20261120",
    "StudyTime": b"081500",
    "AccessionNumber": b"",
    "Modality": b"OT",
    "ConversionType": b"WSD ",
    "ReferringPhysicianName": b"",
    "PatientName": "Müller^Jürgen".encode("latin-1") + b" ",
    "PatientID": b"LAN 0042",
    "PatientBirthDate": b"19570131",
    "PatientSex": b"M ",
    "PatientAge": b"069Y",
    "StudyInstanceUID": b"2.25.12\0",
    "SeriesInstanceUID": b"2.25.13\0",
    "StudyID": b"",
    "SeriesNumber": b"7 ",
    "InstanceNumber": b"1 ",
    "PatientOrientation": b"",
    "ImageComments": b"one line\r\nand another ",
    "SamplesPerPixel": struct.pack("<H", 1),
    "PhotometricInterpretation": b"MONOCHROME2 ",
    "Rows": struct.pack("<H", 2),
    "Columns": struct.pack("<H", 3),
    "BitsAllocated": struct.pack("<H", 8),
    "BitsStored": struct.pack("<H", 8),
    "HighBit": struct.pack("<H", 7),
    "PixelRepresentation": struct.pack("<H", 0),
    "PixelSpacing": b"0.5\\0.5 ",
    "PixelData": ("OB", bytes(6)),
}
"""A Secondary Capture without fault: attributes by keyword, with their bytes, or with VR and bytes."""


def element(keyword: str, said: bytes | tuple[str, bytes]) -> tuple[int, bytes]:
    """(tag, explicit VR little endian) of one attribute. keyword: or a tag as eight hexadecimal digits."""
    number = tag_for_keyword(keyword)
    tag = int(keyword, 16) if number is None else int(number)
    vr, raw = said if isinstance(said, tuple) else (dictionary_VR(tag), said)
    length = struct.pack("<HI", 0, len(raw)) if vr in LONG else struct.pack("<H", len(raw))
    return tag, struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode() + length + raw


def data_set(elements: Elements) -> bytes:
    """Attributes in the order of their tags."""
    return b"".join(raw for _, raw in sorted(element(keyword, said) for keyword, said in elements.items()))


def item(elements: Elements) -> bytes:
    """An item of a sequence."""
    inside = data_set(elements)
    return b"\xfe\xff\x00\xe0" + struct.pack("<I", len(inside)) + inside


def file(changed: Elements | None = None, without: tuple[str, ...] = (), meta: Elements | None = None) -> bytes:
    """The good object with some attributes changed, added or left out."""
    elements = {k: v for k, v in (GOOD | dict(changed or {})).items() if k not in without}
    group_2 = {
        "FileMetaInformationVersion": b"\0\1",
        "MediaStorageSOPClassUID": elements.get("SOPClassUID", b"1.2\0"),
        "MediaStorageSOPInstanceUID": elements.get("SOPInstanceUID", b"1.2\0"),
        "TransferSyntaxUID": b"1.2.840.10008.1.2.1\0",
        "ImplementationClassUID": b"2.25.1",
    } | dict(meta or {})
    head = data_set(group_2)
    length = element("FileMetaInformationGroupLength", struct.pack("<I", len(head)))[1]
    return bytes(128) + b"DICM" + length + head + data_set(elements)
