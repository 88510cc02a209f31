"""What a pipeline found, in the field's words and in patient millimetres; no DICOM objects yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import highdicom as hd
from pydicom.sr.coding import Code

from pipeline.imaging.read import FrameRef

RESEARCH_USE_ONLY = "RESEARCH USE ONLY - not a medical device"


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


@dataclass(frozen=True, slots=True)
class Lesion:
    """One lesion: label `number` in `Findings.labels`, and what was measured on it.

    number:                 1…n without a gap; also the segment number and the ROI number.
    label:                  at most 16 characters, as planning systems want ROI names ("BM01").
    tracking_uid:           the same for the same lesion in every object and at every repeat.
    centroid_mm:            (x, y, z) in LPS patient coordinates.
    volume_mm3:             voxels times voxel volume.
    long_axis_mm:           largest in-plane diameter on any slice; short_axis_mm the largest perpendicular to it there.
    max_diameter_3d_mm:     largest distance between any two of its voxels' corners.
    probability:            0…1, mean of the network's probability inside the lesion.
    """

    number: int
    label: str
    tracking_uid: str
    centroid_mm: tuple[float, float, float]
    volume_mm3: float
    long_axis_mm: float
    short_axis_mm: float
    max_diameter_3d_mm: float
    probability: float


@dataclass(frozen=True, slots=True)
class Findings:
    """All that one run of a pipeline has to say.

    drawn_on:  the role of the series that `labels` is drawn on.
    labels:    (slices, rows, columns) uint16 in the geometry of that series, 0 is background; None without lesions.
    frames:    frames[i] is the image that slice i of `labels` lies on.
    remarks:   sentences for the reader of the results (what was left out, which fallback was used).
    timings_s: seconds per stage.
    """

    drawn_on: str
    algorithm: Algorithm
    labels: hd.Volume | None
    frames: tuple[FrameRef, ...]
    lesions: tuple[Lesion, ...]
    remarks: tuple[str, ...] = ()
    timings_s: Mapping[str, float] = field(default_factory=dict)
