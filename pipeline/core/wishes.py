"""Wishes: what a hospital wants one destination to get, whatever else that destination would take."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pipeline.core.forms import Holes


class SegmentsWish(StrEnum):
    """How segmentations are written."""

    AUTO = "auto"  #: binary, or a label map where only that is taken
    BINARY = "binary"
    LABELMAP = "labelmap"
    NONE = "none"  #: not at all


class FramesWish(StrEnum):
    """Which frames a segmentation has."""

    SPARSE = "sparse"  #: those with a segment
    FULL = "full"  #: one for every image of the series


class ObjectsWish(StrEnum):
    """How many segmentations and structure sets there are."""

    STUDY = "study"  #: one of each
    LESION = "lesion"  #: one of each for every lesion


class CoordinatesWish(StrEnum):
    """Where a report points."""

    AUTO = "auto"  #: in space, or on images where only that is taken
    SPACE = "3d"
    IMAGE = "2d"


class PageWish(StrEnum):
    """Whether there are pages to look at (Secondary Capture), although no pipeline was asked for them."""

    AUTO = "auto"  #: where little else is taken
    ALWAYS = "always"
    NEVER = "never"


class Validate(StrEnum):
    """What becomes of an object in which the checks of DICOM's rules find something."""

    OFF = "off"  #: sent; nobody is told
    WARN = "warn"  #: sent; what was found stands beside the delivery
    BLOCK = "block"  #: quarantined, with what was found


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the configuration says about the objects for one destination. An object that is wrong is sent nowhere."""

    segments: SegmentsWish = SegmentsWish.AUTO
    frames: FramesWish = FramesWish.SPARSE
    objects: ObjectsWish = ObjectsWish.STUDY
    holes: Holes = Holes.KEYHOLE
    coordinates: CoordinatesWish = CoordinatesWish.AUTO
    page: PageWish = PageWish.AUTO
    validate: Validate = Validate.WARN
