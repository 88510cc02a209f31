"""Brain metastases for stereotactic radiosurgery: from a contrast-enhanced T1 series to contoured lesions."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import highdicom as hd
import numpy as np
import numpy.typing as npt

from pipeline.contract import Declined, Inputs, Runtime
from pipeline.core.errors import ConfigInvalid, GeometryUnusable
from pipeline.core.study import Study
from pipeline.core.uid import derive_uid
from pipeline.findings import Algorithm, Findings, Lesion
from pipeline.imaging.mr_series import Contrast, classify, rank_t1c
from pipeline.imaging.read import read_volume
from pipeline.imaging.regions import RegionMeasure, separate
from pipeline.recipes.srs.params import PARAMS
from pipeline.recipes.srs.segmentation import lesion_mask, lesion_probability
from pipeline.recipes.srs.suitability import why_not
from pipeline.recipes.srs.weights import FOLDER, load_network
from pipeline.weights import manifest

T1C = "t1c"
VERSION = "0.1.0"

OPTIONS: Mapping[str, bool | int] = {"require_contrast": True, "fill_missing_slices": 0}
"""What a route may set, with defaults; whatever is not the default is said in the results.

require_contrast:    false also reads T1 without contrast.
fill_missing_slices: so many single missing slices, each between two that are there, are made up from these.
"""


def check_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options with defaults filled in. Raises ConfigInvalid with every problem, one a line."""
    problems = [f"unknown option {k!r}" for k in sorted(options.keys() - OPTIONS.keys())]
    for key, default in OPTIONS.items():
        value = options.get(key, default)
        if type(value) is not type(default) or (isinstance(value, int) and value < 0):
            wanted = "true or false" if isinstance(default, bool) else "a whole number, 0 or more"
            problems.append(f"{key} must be {wanted}, not {value!r}")
    if problems:
        raise ConfigInvalid("pipeline srs: " + "\n".join(problems), f"options of srs: {', '.join(OPTIONS)}")
    return {**OPTIONS, **options}


@dataclass(frozen=True, slots=True)
class Srs:
    """The pipeline `srs`. A module-level object of it is the entry point; it holds no state."""

    name: str = "srs"
    roles: tuple[str, ...] = (T1C,)

    @property
    def algorithm(self) -> Algorithm:
        """Name, version with the weights' fingerprint, and evidence, as weights.toml has them."""
        about = manifest(FOLDER)
        return Algorithm(
            name="Lantern SRS brain metastases",
            version=f"{VERSION}+{about['sha256'][:8]}",
            weights_sha256=about["sha256"],
            evidence_tier=about["evidence_tier"],
            training=about["training"],
        )

    def select(self, study: Study, options: Mapping[str, Any]) -> Inputs | Declined:
        """The contrast-enhanced T1 series to read, from headers alone. Raises ConfigInvalid for unknown options."""
        ranking = rank_t1c(study.series, require_contrast=check_options(options)["require_contrast"])
        if ranking.best is None:
            return Declined(f"no contrast-enhanced T1 series to read: {ranking.reason}")
        return Inputs({T1C: ranking.best.series}, {T1C: ranking.best.why}, dict(options))

    def run(self, inputs: Inputs, runtime: Runtime) -> Findings | Declined:
        """Read, segment, separate, measure. Labels are on the grid of the series: (slices, rows, columns)."""
        clock = Stopwatch()
        try:
            t1c = read_volume(inputs[T1C], fill_missing=check_options(inputs.options)["fill_missing_slices"])
        except GeometryUnusable as error:  # a normal end: the images are readable, but no volume to measure in
            return Declined(_geometry_reason(error))
        clock.lap("read")
        if not t1c.volume.frame_of_reference_uid:
            return Declined("the images name no Frame of Reference UID, so that contours on them could not be placed")
        if reason := why_not(t1c.volume, PARAMS):
            return Declined(reason)
        network = load_network(runtime.device)
        clock.lap("load")
        probability = lesion_probability(t1c.volume, network, PARAMS, runtime.device, runtime.tile_scale)
        clock.lap("segment")
        mask = lesion_mask(probability, float(np.prod(t1c.volume.spacing)), PARAMS)
        labels, regions = separate(t1c.volume.with_array(mask.astype(np.uint8)), PARAMS.min_voxels)
        lesions = tuple(self._lesion(inputs, region, labels, probability) for region in regions)
        clock.lap("measure")
        remarks = (*t1c.remarks, *_series_remarks(inputs), *runtime.remarks)
        drawn = labels if lesions else None
        return Findings(T1C, self.algorithm, drawn, t1c.frames, lesions, remarks, clock.laps)

    def _lesion(
        self, inputs: Inputs, region: RegionMeasure, labels: hd.Volume, probability: npt.NDArray[np.float32]
    ) -> Lesion:
        # Largest first, as `separate` numbers them: the order in which a physician reads a list of targets.
        inside = labels.array[region.box] == region.number
        place = ",".join(str(round(v)) for v in region.centroid_mm)
        return Lesion(
            number=region.number,
            label=f"BM{region.number:02d}",
            tracking_uid=derive_uid(
                inputs[T1C].series_instance_uid, f"{self.name} {self.algorithm.version}", place, str(region.voxels)
            ),
            centroid_mm=region.centroid_mm,
            volume_mm3=region.volume_mm3,
            long_axis_mm=region.long_axis_mm,
            short_axis_mm=region.short_axis_mm,
            max_diameter_3d_mm=region.max_diameter_3d_mm,
            probability=float(probability[region.box][inside].mean()),
        )


def _geometry_reason(error: GeometryUnusable) -> str:
    if "missing" not in error.message:
        return str(error)
    return f"{error}; or let the option fill_missing_slices make up single slices, which every result then says"


def _series_remarks(inputs: Inputs) -> tuple[str, ...]:
    """What a reader must know of the series that was read before "no lesion" means anything."""
    about = classify(inputs[T1C])
    remarks = []
    if about.is_partial:
        remarks.append("The series covers only a part of the head; nothing is said about the rest.")
    if about.contrast.given is not Contrast.YES:
        no = about.contrast.given is Contrast.NO
        known = "without contrast agent" if no else "not known to have contrast agent"
        remarks.append(
            f"Read on a T1 series {known} ({about.contrast.why}); the model was made for contrast-enhanced T1."
        )
    return tuple(remarks)


class Stopwatch:
    """Seconds from lap to lap, by name."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Write down the time since the last lap."""
        now = time.perf_counter()
        self.laps[name], self._last = round(now - self._last, 3), now


PIPELINE = Srs()
