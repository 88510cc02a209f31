"""Words for breasts and for images of them, that whoever reads, finds or reports shares."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Laterality(StrEnum):
    """Of a breast: Image Laterality (0020,0062)."""

    LEFT = "L"
    RIGHT = "R"

    @property
    def other(self) -> Laterality:
        """The other breast."""
        return Laterality.RIGHT if self is Laterality.LEFT else Laterality.LEFT

    @property
    def word(self) -> str:
        """As people write it."""
        return "left" if self is Laterality.LEFT else "right"


class Density(StrEnum):
    """How dense a breast is; letters of the ACR's atlas, from almost entirely fat (a) to extremely dense (d)."""

    A = "a"
    B = "b"
    C = "c"
    D = "d"


class Shortcoming(StrEnum):
    """What is not as it should be with a view or a study."""

    MOTION = "motion"
    CLIPPED = "clipped"  #: values cut off inside the breast
    CUT_OFF = "cut off"  #: breast cut off by the edge of the image
    NO_NIPPLE = "no nipple"
    MISSING_VIEW = "missing view"
    SIDE_IN_DOUBT = "side in doubt"  #: headers and pixels disagree
    VIEW_IN_DOUBT = "view in doubt"
    INVERTED = "inverted"  #: dark is dense, and the header does not say so; it was turned over
    FEW_GREYS = "few grey values"  #: 8 bits and not a film: a picture made from the mammogram
    IMPLANT = "implant"  #: there is one, out of view or nearly so


class Guess(StrEnum):
    """What nobody said of a picture before it became DICOM: Image Comments (0020,4000) then hold these words."""

    SIDE = "The side was guessed from the pixels"
    VIEW = "The view was guessed from the pixels"
    SIZE = "The pixel spacing was guessed"


@dataclass(frozen=True, slots=True)
class QualityNote:
    """One shortcoming. role: of the view, or of the one that is missing; words: for people, with what was measured."""

    shortcoming: Shortcoming
    role: str
    words: str


@dataclass(frozen=True, slots=True)
class Unread:
    """An image of the study that was not looked at, and why, in words that a radiologist understands."""

    sop_instance_uid: str
    sop_class_uid: str
    path: Path
    why: str
