"""How four kinds of scanner fill the headers of a T1-weighted head series; for converters, demo and tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any


class Habit(StrEnum):
    """Whose habits the headers follow. ENHANCED writes one Enhanced MR object, the others classic MR images."""

    SIEMENS = "siemens"
    GE = "ge"
    PHILIPS = "philips"
    ENHANCED = "enhanced"


@dataclass(frozen=True, slots=True)
class Style:
    """What a vendor writes.

    equipment:    attributes of the scanner.
    volumetric:   attributes of its 3D T1 sequence; planar: of its 2D T1 spin echo.
    with_words:   what is added to the series description after contrast.
    highest:      the largest stored value; signed: two's complement pixels; rescaled: writes Rescale Slope.
    """

    equipment: Mapping[str, Any]
    volumetric: Mapping[str, Any]
    planar: Mapping[str, Any]
    with_words: str
    highest: int
    bits: int
    signed: bool = False
    rescaled: bool = False


def _frozen(**values: Any) -> Mapping[str, Any]:
    return MappingProxyType(values)


_SIEMENS = Style(
    equipment=_frozen(
        Manufacturer="SIEMENS",
        ManufacturerModelName="Skyra",
        SoftwareVersions="syngo MR E11",
        MagneticFieldStrength=3,
        ImagingFrequency=123.25,
    ),
    volumetric=_frozen(
        ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "NORM"],
        ScanningSequence=["GR", "IR"],
        SequenceVariant=["SK", "SP", "MP"],
        ScanOptions="IR",
        SequenceName="*tfl3d1_16ns",
        MRAcquisitionType="3D",
        RepetitionTime=2300,
        EchoTime=2.32,
        InversionTime=900,
        FlipAngle=8,
        SeriesDescription="t1_mprage_p2_iso",
    ),
    planar=_frozen(
        ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "NORM"],
        ScanningSequence="SE",
        SequenceVariant=["SP", "OSP"],
        ScanOptions="SAT1",
        SequenceName="*se2d1",
        MRAcquisitionType="2D",
        RepetitionTime=600,
        EchoTime=12,
        FlipAngle=90,
        SeriesDescription="t1_se_tra",
    ),
    with_words="_KM",
    highest=4095,
    bits=12,
)
_GE = Style(
    equipment=_frozen(
        Manufacturer="GE MEDICAL SYSTEMS",
        ManufacturerModelName="DISCOVERY MR750w",
        SoftwareVersions="27\\LX\\MR Software release",
        MagneticFieldStrength=3,
        ImagingFrequency=127.7,
    ),
    volumetric=_frozen(
        ImageType=["ORIGINAL", "PRIMARY", "OTHER"],
        ScanningSequence="GR",
        SequenceVariant=["SS", "SP", "SK"],
        ScanOptions=["FAST_GEMS", "EDR_GEMS", "ACC_GEMS"],
        MRAcquisitionType="3D",
        RepetitionTime=8.2,
        EchoTime=3.2,
        FlipAngle=12,
        SeriesDescription="Ax BRAVO",
    ),
    planar=_frozen(
        ImageType=["ORIGINAL", "PRIMARY", "OTHER"],
        ScanningSequence="SE",
        SequenceVariant="SK",
        ScanOptions=["SAT_GEMS", "EDR_GEMS"],
        MRAcquisitionType="2D",
        RepetitionTime=650,
        EchoTime=14,
        FlipAngle=90,
        SeriesDescription="Ax T1",
    ),
    with_words=" +C",
    highest=32767,
    bits=16,
    signed=True,
)
_PHILIPS = Style(
    equipment=_frozen(
        Manufacturer="Philips Medical Systems",
        ManufacturerModelName="Ingenia",
        SoftwareVersions="5.3.1",
        MagneticFieldStrength=1.5,
        ImagingFrequency=63.87,
    ),
    volumetric=_frozen(
        ImageType=["ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"],
        ScanningSequence="GR",
        SequenceVariant="MP",
        ScanOptions="FC",
        MRAcquisitionType="3D",
        RepetitionTime=8.1,
        EchoTime=3.7,
        FlipAngle=8,
        SeriesDescription="sT1W_3D_TFE",
    ),
    planar=_frozen(
        ImageType=["ORIGINAL", "PRIMARY", "M_SE", "M", "SE"],
        ScanningSequence="SE",
        SequenceVariant="SK",
        ScanOptions="OTHER",
        MRAcquisitionType="2D",
        RepetitionTime=550,
        EchoTime=15,
        FlipAngle=69,
        SeriesDescription="T1W_SE",
    ),
    with_words="_CE",
    highest=4095,
    bits=12,
    rescaled=True,
)
_ENHANCED = Style(
    equipment=_PHILIPS.equipment,
    volumetric=_PHILIPS.volumetric,
    planar=_PHILIPS.planar,
    with_words="_CE",
    highest=65535,
    bits=16,
    rescaled=True,
)

STYLES: Mapping[Habit, Style] = MappingProxyType(
    {Habit.SIEMENS: _SIEMENS, Habit.GE: _GE, Habit.PHILIPS: _PHILIPS, Habit.ENHANCED: _ENHANCED}
)
"""The style of each habit."""

PLANAR_FROM_MM = 3.0
"""Slices at least this far apart are written as a 2D spin echo, closer ones as the vendor's 3D T1."""
