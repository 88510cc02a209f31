"""What the values of created objects mean, where watching alone does not tell; by keyword, at the top level."""

from __future__ import annotations

from pipeline.encode.common import serial_number, series_number, software_versions
from pipeline.findings import RESEARCH_USE_ONLY

_UID = "under 2.25, made from images, pipeline and version: the same work gives the same object"


def _first_line(of: object) -> str:
    return (of.__doc__ or "").partition("\n")[0]


NOTES = {
    "SOPInstanceUID": _UID,
    "SeriesInstanceUID": _UID,
    "SeriesNumber": _first_line(series_number),
    "InstanceNumber": "its place in the series",
    "SeriesDescription": f'kind of object, revision, "{RESEARCH_USE_ONLY.partition(" -")[0]}", pipeline and version',
    "ContentDescription": "the warning, pipeline and version, in 64 characters",
    "Manufacturer": "of the pipeline; Lantern for those that come with it",
    "ManufacturerModelName": "name of the pipeline",
    "SoftwareVersions": _first_line(software_versions).partition(": ")[2],
    "DeviceSerialNumber": _first_line(serial_number).partition(": ")[2],
    "SpecificCharacterSet": "that of the images; text of our own is ASCII, which all of them can carry",
    "TimezoneOffsetFromUTC": "that of the images; all dates and times are in it",
    "SeriesDate": "of the job",
    "SeriesTime": "of the job",
    "InstanceCreationDate": "of the job",
    "InstanceCreationTime": "of the job",
    "ContentDate": "of the job",
    "ContentTime": "of the job",
    "ContributingEquipmentSequence": "the scanner (109101, DCM) as in the images; this software (109102, DCM)",
}
