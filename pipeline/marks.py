"""What a pipeline found on projection images (mammograms): marks in pixels of single images; no DICOM objects yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.core.breast import Density, Laterality, QualityNote, Shortcoming, Unread
from pipeline.findings import Algorithm, Verdict

__all__ = [
    "Analysis",
    "Attempt",
    "Breast",
    "Composite",
    "Density",
    "Kind",
    "Laterality",
    "Mark",
    "MarkedStudy",
    "Outcome",
    "QualityNote",
    "Shortcoming",
    "Shown",
    "Unread",
    "View",
]


class Kind(StrEnum):
    """What a mark shows."""

    MASS = "mass"
    CALCIFICATIONS = "calcifications"  #: a cluster
    DISTORTION = "distortion"  #: of the architecture
    ASYMMETRY = "asymmetry"


class Outcome(StrEnum):
    """How one detection or analysis ended on one view."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    NOT_ATTEMPTED = "not attempted"


@dataclass(frozen=True, slots=True)
class View:
    """One image that was looked at.

    role:       laterality and view, "R-MLO", with "-2" and so on behind it where there are several.
    view:       view position in the words of View Position (0018,5101): "CC", "MLO", "ML", …
    rows, columns, spacing_mm: of the image as sent; spacing (down, across) in the plane of the breast as far as known,
                None where nobody knows.
    nipple_px:  (column, row), None where it was not found.
    score:      0…1, suspicion of the whole image: that there is anything to mark, be it benign.
    malignant:  0…1, suspicion that it is malignant; None where the model has no such score.
    """

    role: str
    laterality: Laterality
    view: str
    sop_instance_uid: str
    sop_class_uid: str
    path: Path
    rows: int
    columns: int
    spacing_mm: tuple[float, float] | None
    score: float
    nipple_px: tuple[float, float] | None = None
    malignant: float | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """One finding on one image.

    number:       1…n over the study, without a gap; label: as people call it, "M1".
    center_px:    (column, row); the top left corner of the top left pixel is (0, 0), its centre (0.5, 0.5)
                  (PS3.3 C.10.5.1.2 and C.18.6.1.2), in the image as it was sent.
    outline_px:   the corners of a polygon around it in the same units, clockwise on the screen, not closed.
    long_axis_mm: its largest diameter, None where the image has no spacing.
    score:        0…1, that it lies on a lesion, as the detector has it.
    tracking_uid: the same for the same mark in every object and at every repeat.
    """

    number: int
    label: str
    role: str
    kind: Kind
    center_px: tuple[float, float]
    outline_px: tuple[tuple[float, float], ...]
    long_axis_mm: float | None
    score: float
    tracking_uid: str
    verdict: Verdict | None = None


class Shown(StrEnum):
    """What is written beside the report where it is wanted."""

    CAD_SR = "cad_sr"  #: Mammography CAD SR
    GSPS = "gsps"  #: a presentation state for each view with a mark
    PAGE = "page"  #: views, heat and marks to look at, as Secondary Captures


@dataclass(frozen=True, slots=True)
class Composite:
    """Marks on two views of one breast that show the same thing. marks: their numbers."""

    number: int
    label: str
    laterality: Laterality
    kind: Kind
    marks: tuple[int, ...]
    score: float
    tracking_uid: str


@dataclass(frozen=True, slots=True)
class Breast:
    """All views of one breast together. score: 0…1; dense_share: of its area, 0…1, None where not measured."""

    laterality: Laterality
    score: float
    density: Density | None = None
    dense_share: float | None = None


class Analysis(StrEnum):
    """What was tried on a view beside detection."""

    DENSITY = "density"
    QUALITY = "quality"


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one detection (of a kind) or one analysis went. why: for people, where it did not succeed."""

    what: Kind | Analysis
    outcome: Outcome
    roles: tuple[str, ...]
    why: str = ""


@dataclass(frozen=True, slots=True)
class MarkedStudy:
    """All that one run of a pipeline has to say of projection images.

    score:     0…1, suspicion of the whole study.
    threshold: marks from this score on are shown; `rejected` are below it or were turned down, and are never lost.
    heat:      by role, (rows, columns) uint8 on a coarser grid that covers the whole image; 255 is a score of 1;
               empty where none is wanted.
    remarks:   sentences for the reader of the results.
    timings_s: seconds per stage.
    wanted:    what is written beside the report (TID 1500), which always is.
    """

    algorithm: Algorithm
    views: tuple[View, ...]
    breasts: tuple[Breast, ...]
    score: float
    marks: tuple[Mark, ...]
    composites: tuple[Composite, ...]
    attempts: tuple[Attempt, ...]
    threshold: float
    rejected: tuple[Mark, ...] = ()
    quality: tuple[QualityNote, ...] = ()
    unread: tuple[Unread, ...] = ()
    heat: Mapping[str, npt.NDArray[np.uint8]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    timings_s: Mapping[str, float] = field(default_factory=dict)
    wanted: frozenset[Shown] = frozenset(Shown)

    @property
    def count(self) -> int:
        """Of the marks."""
        return len(self.marks)
