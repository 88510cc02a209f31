"""A small real pipeline for tests of the node: finds what is bright in an MR series. Quick, exact, no weights.

Named in a route or on the command line as "tests.support.bright:PIPELINE". Options: threshold; reject, a reason to
decline with; fail, the name of an error to raise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom.sr.coding import Code

from pipeline.contract import Declined, Inputs, Runtime
from pipeline.core import errors
from pipeline.core.study import Study
from pipeline.core.uid import derive_uid
from pipeline.findings import Algorithm, Findings, Lesion, Sought
from pipeline.imaging.read import read_volume
from pipeline.imaging.regions import separate

SOUGHT = Sought(finding=Code("4147007", "SCT", "Mass"), site=None)
NAME = "tests.support.bright:PIPELINE"


@dataclass(frozen=True)
class Bright:
    name: str = "bright"
    roles: tuple[str, ...] = ("mr",)

    @property
    def algorithm(self) -> Algorithm:
        return Algorithm("Bright things", "1.0", "0" * 64, "T0: a test", "Not trained: a threshold.")

    def select(self, study: Study, options: Mapping[str, Any]) -> Inputs | Declined:
        if "reject" in options:
            return Declined(str(options["reject"]))
        found = [s for s in study.series if s.modality == "MR"]
        if not found:
            return Declined("the study has no MR series")
        return Inputs({"mr": found[0]}, {"mr": "the first MR series"}, dict(options))

    def run(self, inputs: Inputs, runtime: Runtime) -> Findings | Declined:
        if "fail" in inputs.options:
            raise getattr(errors, inputs.options["fail"])("it was told to")
        mr = read_volume(inputs["mr"])
        bright = mr.volume.array > inputs.options.get("threshold", 800)
        labels, regions = separate(mr.volume.with_array(bright.astype(np.uint8)))
        lesions = tuple(
            Lesion(
                r.number, f"BM{r.number:02d}",
                derive_uid(inputs["mr"].series_instance_uid, str(r.number), str(r.centroid_mm)),
                r.centroid_mm, r.volume_mm3, r.long_axis_mm, r.short_axis_mm, r.max_diameter_3d_mm, 0.9,
            )
            for r in regions
        )  # fmt: skip
        return Findings("mr", self.algorithm, SOUGHT, labels if lesions else None, mr.frames, lesions, runtime.remarks)


PIPELINE = Bright()
