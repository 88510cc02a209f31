"""A small real pipeline whose only model is the user's own: option `bundle`, its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.bundle import describe, load_bundle
from pipeline.contract import Declined, Inputs, Runtime
from pipeline.core.errors import ConfigInvalid
from pipeline.core.study import Study
from pipeline.core.uid import derive_uid
from pipeline.findings import Algorithm, Findings, Lesion
from pipeline.imaging.read import read_volume
from pipeline.imaging.regions import separate
from tests.support.bright import SOUGHT

NAME = "tests.support.bundled:PIPELINE"


@dataclass(frozen=True)
class Bundled:
    name: str = "bundled"
    roles: tuple[str, ...] = ("mr",)

    @property
    def algorithm(self) -> Algorithm:
        return Algorithm("Nothing of its own", "1.0", "", "none", "none")

    def algorithm_with(self, options: Mapping[str, Any]) -> Algorithm:
        if not options.get("bundle"):
            raise ConfigInvalid("bundle is missing", "name the folder of a model")
        return describe(Path(options["bundle"])).algorithm(self.algorithm)

    def select(self, study: Study, options: Mapping[str, Any]) -> Inputs | Declined:
        self.algorithm_with(options)
        found = [s for s in study.series if s.modality == "MR"]
        return Inputs({"mr": found[0]}, {}, dict(options)) if found else Declined("the study has no MR series")

    def run(self, inputs: Inputs, runtime: Runtime) -> Findings | Declined:
        mr = read_volume(inputs["mr"])
        model = load_bundle(Path(inputs.options["bundle"]), runtime.device)
        probability = model.probability(mr.volume, runtime.device, runtime.tile_scale)
        mask = probability >= model.card.output.threshold
        labels, regions = separate(mr.volume.with_array(mask.astype(np.uint8)))
        algorithm = self.algorithm_with(inputs.options)
        lesions = tuple(
            Lesion(
                r.number, f"BM{r.number:02d}", derive_uid(algorithm.version, str(r.centroid_mm)), r.centroid_mm,
                r.volume_mm3, r.long_axis_mm, r.short_axis_mm, r.max_diameter_3d_mm,
                float(probability[r.box][labels.array[r.box] == r.number].mean()),
            )
            for r in regions
        )  # fmt: skip
        return Findings("mr", algorithm, SOUGHT, labels if lesions else None, mr.frames, lesions, runtime.remarks)


PIPELINE = Bundled()
