"""What makers of mammographs write into their images, and what a digitised film says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any


class MgHabit(StrEnum):
    """Whose headers an image gets."""

    FILM = "film"
    GE = "ge"
    HOLOGIC = "hologic"
    SIEMENS = "siemens"
    FUJI = "fuji"
    PHILIPS = "philips"


class Display(StrEnum):
    """How stored values become what is shown (PS3.3 C.11.2)."""

    NONE = "none"
    WINDOW = "linear"
    WINDOW_EXACT = "linear_exact"
    SIGMOID = "sigmoid"
    TABLE = "table"  #: VOI LUT Sequence


class Syntax(StrEnum):
    """How pixels are stored in the file."""

    NATIVE = "native"
    JPEG_LOSSLESS = "jpeg-lossless"  #: process 14, selection value 1
    JPEG_LS = "jpeg-ls"
    JPEG_2000 = "jpeg-2000"  #: lossless only
    RLE = "rle"


class Modifier(StrEnum):
    """What is special about a view (PS3.16 CID 4015)."""

    IMPLANT_DISPLACED = "implant displaced"
    MAGNIFICATION = "magnification"
    SPOT = "spot"
    ROLLED_LATERAL = "rolled lateral"
    ROLLED_MEDIAL = "rolled medial"
    AXILLARY_TAIL = "axillary tail"
    CLEAVAGE = "cleavage"
    TANGENTIAL = "tangential"


VIEWS = ("CC", "MLO", "ML", "LM", "LMO", "FB", "SIO", "ISO", "XCCL", "XCCM")
"""View Position as mammographs write it; FB is from below."""


@dataclass(frozen=True, slots=True)
class MgStyle:
    """What one maker writes; chosen so that the six together cover the forms a reader has to know.

    equipment: attributes of maker and detector.
    bits:      Bits Stored.
    inverted:  MONOCHROME1 with Presentation LUT Shape INVERSE.
    """

    equipment: Mapping[str, Any]
    bits: int
    display: Display
    inverted: bool = False


def _style(bits: int, display: Display, inverted: bool = False, **equipment: Any) -> MgStyle:
    return MgStyle(MappingProxyType(equipment), bits, display, inverted)


MG_STYLES: Mapping[MgHabit, MgStyle] = MappingProxyType(
    {
        MgHabit.FILM: _style(12, Display.WINDOW, Manufacturer="", DetectorType="FILM"),
        MgHabit.GE: _style(
            12,
            Display.TABLE,
            Manufacturer="GE MEDICAL SYSTEMS",
            ManufacturerModelName="Senographe Essential",
            DetectorType="SCINTILLATOR",
        ),
        MgHabit.HOLOGIC: _style(
            12,
            Display.SIGMOID,
            Manufacturer="HOLOGIC, Inc.",
            ManufacturerModelName="Selenia Dimensions",
            DetectorType="DIRECT",
        ),
        MgHabit.SIEMENS: _style(
            12,
            Display.WINDOW,
            Manufacturer="SIEMENS",
            ManufacturerModelName="Mammomat Inspiration",
            DetectorType="DIRECT",
        ),
        MgHabit.FUJI: _style(
            14,
            Display.WINDOW,
            inverted=True,
            Manufacturer="FUJIFILM Corporation",
            ManufacturerModelName="AMULET",
            DetectorType="DIRECT",
        ),
        MgHabit.PHILIPS: _style(
            16,
            Display.WINDOW_EXACT,
            Manufacturer="Philips Digital Mammography Sweden AB",
            ManufacturerModelName="L50",
            DetectorType="DIRECT",
        ),
    }
)
"""The style of each habit."""
