"""What a pipeline found, in the field's words and in patient millimetres; no DICOM objects yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import highdicom as hd
from pydicom.sr.coding import Code

from pipeline.followup.change import FollowUp
from pipeline.imaging.read import FrameRef
from pipeline.sessions.planned import Planned
from pipeline.weights import fingerprint, manifest

RESEARCH_USE_ONLY = "RESEARCH USE ONLY - not a medical device"

NOT_PLANNED = "NOT PLANNED"
"""What a remark begins with that names outlines which may be lesions and are left out: pages say it in red."""

UNSURE_BELOW = 0.7
"""An outline whose agreement is smaller is unsure."""


@dataclass(frozen=True, slots=True)
class Algorithm:
    """What made the findings, and how far it has been tried.

    evidence_tier: T0 synthetic, same generator; T1 synthetic lesions in real MR; T2 real labelled; T3 clinical.
    training:      one sentence on what it was trained with, fit for the user's eyes.
    """

    name: str
    version: str
    weights_sha256: str
    evidence_tier: str
    training: str
    family: Code = field(default_factory=lambda: Code("123110", "DCM", "Artificial Intelligence"))
    manufacturer: str = "Lantern"

    @classmethod
    def shipped(cls, name: str, version: str, folder: Path) -> Algorithm:
        """Of the models beside a recipe: version with their fingerprint, and evidence, as weights.toml has them.

        Raises WeightsCorrupt.
        """
        about, digest = manifest(folder), fingerprint(folder)
        return cls(name, f"{version}+{digest[:8]}", digest, about["evidence_tier"], about["training"])


@dataclass(frozen=True, slots=True)
class Sought:
    """What a pipeline looks for, in codes: the pipeline says it, for nothing else may guess a diagnosis.

    finding:  the type of each finding, e.g. (14799000, SCT, Neoplasm, Secondary); category what kind of thing that is.
    site:     where in the body the pipeline looks; None leaves a finding without a Site of its own unplaced.
    roi_type: RT ROI Interpreted Type (PS3.3 C.8.8.8.1) of each, "GTV" for what is to be irradiated; "" for none.
    """

    finding: Code
    site: Code | None
    roi_type: str = ""
    category: Code = field(default_factory=lambda: Code("49755003", "SCT", "Morphologically Abnormal Structure"))


@dataclass(frozen=True, slots=True)
class Site:
    """Where in the body something lies, in the words of an atlas.

    code:       finding site (SCT), e.g. (113305005, SCT, Cerebellum).
    laterality: (7771000, SCT, Left), (24028007, SCT, Right) or None in the midline and where nobody knows.
    words:      for people: "left cerebellum".
    name:       for labels, in capitals: "L_CEREBELLUM"; short_name the same in at most 11 characters: "L_CEREB".
    """

    code: Code
    laterality: Code | None
    words: str
    name: str
    short_name: str


@dataclass(frozen=True, slots=True)
class Reason:
    """One feature that spoke against a candidate. words: for people; weight: how strongly, larger is more."""

    feature: str
    value: float
    words: str
    weight: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the false-positive step made of a candidate.

    score:     0…1, calibrated probability that it is a lesion.
    threshold: from which score on it is kept.
    against:   the features that spoke most against it, strongest first; at most three.
    barred:    why it is no lesion whatever its score, in words; "" when nothing bars it.
    calibrated: whether the score was calibrated on candidates of the model that found this one.
    """

    score: float
    threshold: float
    against: tuple[Reason, ...] = ()
    barred: str = ""
    calibrated: bool = True

    @property
    def kept(self) -> bool:
        """Whether the candidate stays among the lesions."""
        return not self.barred and self.score >= self.threshold


class Origin(StrEnum):
    """Who drew an outline, in the words of Segment Algorithm Type and ROI Generation Algorithm (PS3.3 C.8.20.2)."""

    AUTOMATIC = "AUTOMATIC"  #: the algorithm
    SEMIAUTOMATIC = "SEMIAUTOMATIC"  #: the algorithm, then a person changed it
    MANUAL = "MANUAL"  #: a person


@dataclass(frozen=True, slots=True)
class Lesion:
    """One lesion or rejected candidate: label `number` in its label volume, and what was measured on it.

    number:                 1…n without a gap; also the segment number and the ROI number.
    label:                  as a physician would say it ("BM03_L_CEREBELLUM"); short_label in at most 16 characters, as
                            planning systems want ROI names ("BM03_L_CEREB").
    tracking_uid:           the same for the same lesion in every object and at every repeat.
    centroid_mm:            (x, y, z) in LPS patient coordinates.
    volume_mm3:             voxels times voxel volume.
    long_axis_mm:           largest in-plane diameter on any slice; short_axis_mm the largest perpendicular to it there.
    max_diameter_3d_mm:     largest distance between any two of its voxels' corners.
    probability:            0…1, that it is a lesion: of the verdict where there is one, else the network's mean; None
                            where a person drew it.
    site:                   where it lies, None when the head could not be placed in the atlas.
    distances_mm:           from its surface to organs at risk, by name ("brainstem", "optic pathway", "left cochlea").
    agreement:              0…1, mean overlap (Dice) of its outline with that in each single reading; None if it was
                            read once.
    enhancing_volume_mm3:   the part of its volume that enhances, None when not measured.
    verdict:                of the false-positive step, None when there was none.
    origin:                 who drew its outline.
    name:                   the ROI's name, where people gave it another than `label` and `site` make.
    drawn_with:             the algorithm that drew it, as the object that it came in calls it; "" for that of the
                            findings, and for what a person drew.
    """

    number: int
    label: str
    tracking_uid: str
    centroid_mm: tuple[float, float, float]
    volume_mm3: float
    long_axis_mm: float
    short_axis_mm: float
    max_diameter_3d_mm: float
    probability: float | None
    site: Site | None = None
    distances_mm: Mapping[str, float] = field(default_factory=dict)
    agreement: float | None = None
    enhancing_volume_mm3: float | None = None
    verdict: Verdict | None = None
    origin: Origin = Origin.AUTOMATIC
    name: str = ""
    drawn_with: str = ""

    @property
    def is_calibrated(self) -> bool:
        """Whether of lesions with this probability about that share should be lesions."""
        return self.verdict is not None and self.verdict.calibrated

    @property
    def is_unsure(self) -> bool:
        """Whether repeated readings drew its outline differently."""
        return self.agreement is not None and self.agreement < UNSURE_BELOW

    @property
    def short_label(self) -> str:
        """The ROI's name: `name`, or `label` in at most 16 characters."""
        if self.name:
            return self.name
        return f"{self.label.split('_')[0]}_{self.site.short_name}"[:16] if self.site else self.label[:16]


class Edit(StrEnum):
    """What a person did to an outline that was made here."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"  #: moved or redrawn, perhaps renamed too
    RENAMED = "renamed"
    ADDED = "added"
    DELETED = "deleted"
    LEFT_OUT = "left out"  #: drawn, but nothing says that it is a lesion: not planned


@dataclass(frozen=True, slots=True)
class Correction:
    """What became of one outline. label: its name now, or that of a deleted one; words: for people; drawn_with: as in
    `Lesion`.
    """

    edit: Edit
    label: str
    tracking_uid: str
    origin: Origin
    words: str
    drawn_with: str = ""


@dataclass(frozen=True, slots=True)
class Corrections:
    """What a person changed, and in which object.

    by:       who, with what and when, as that object says.
    changes:  one for each lesion of the findings, in their order, then those that were deleted, then those left out.
    compared: whether there was something to compare with; without it every outline counts as added.
    """

    by: str
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    changes: tuple[Correction, ...]
    compared: bool


class Extra(StrEnum):
    """What is written beside SEG, RTSTRUCT and SR where it is wanted."""

    DOSE_MAP = "dose_map"  #: estimated dose of each session as a Parametric Map
    RT_DOSE = "rt_dose"  #: the same as RT Dose, for systems that read no Parametric Map
    PROBABILITY_MAP = "probability_map"  #: the networks' probability, voxel by voxel, as a Parametric Map
    PAGE = "page"  #: a summary to look at, as a Secondary Capture


@dataclass(frozen=True, slots=True)
class Findings:
    """All that one run of a pipeline has to say.

    drawn_on:  the role of the series that `labels` is drawn on.
    sought:    what kind of finding its lesions are.
    labels:    (slices, rows, columns) uint16 in the geometry of that series, 0 is background; None without lesions.
    frames:    frames[i] is the image that slice i of `labels` lies on.
    remarks:   sentences for the reader of the results (what was left out, which fallback was used).
    timings_s: seconds per stage.
    rejected:  candidates that the false-positive step turned down, numbered 1…m; never lost.
    rejected_labels: of the rejected; given only when a second segmentation of them is wanted.
    corrections: what a person changed since earlier findings; None where nobody did.
    extras:    which further objects are wanted.
    planned:   how the lesions could be split over treatment sessions; None where no plan was wanted or none is to plan.
    probability: 0…1, float16, that a voxel belongs to a lesion, as the networks have it; on the grid of the series, cut
               to the smallest box with all from 0.05 on; None where nobody wants it, and where no network was asked.
    follow_up: what became of the lesions of an earlier study; None where there was none, or none that could be used.
    """

    drawn_on: str
    algorithm: Algorithm
    sought: Sought
    labels: hd.Volume | None
    frames: tuple[FrameRef, ...]
    lesions: tuple[Lesion, ...]
    remarks: tuple[str, ...] = ()
    timings_s: Mapping[str, float] = field(default_factory=dict)
    rejected: tuple[Lesion, ...] = ()
    rejected_labels: hd.Volume | None = None
    planned: Planned | None = None
    corrections: Corrections | None = None
    extras: frozenset[Extra] = frozenset()
    follow_up: FollowUp | None = None
    probability: hd.Volume | None = None

    @property
    def count(self) -> int:
        """Of the lesions."""
        return len(self.lesions)
