"""Bright things with everything said of them, the smallest of them rejected: a pipeline with a false-positive step.

Named "tests.support.judged:PIPELINE". Option: rejected_seg, a second segmentation shows what was rejected.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pipeline.contract import Declined, Inputs, Runtime
from pipeline.findings import Findings, Verdict
from tests.support.bright import Bright
from tests.support.findings import AGAINST, sited

NAME = "tests.support.judged:PIPELINE"


@dataclass(frozen=True)
class Judged(Bright):
    name: str = "judged"

    def run(self, inputs: Inputs, runtime: Runtime) -> Findings | Declined:
        found = super().run(inputs, runtime)
        if isinstance(found, Declined) or found.labels is None:
            return found
        *kept, last = found.lesions
        judged = replace(
            last,
            number=1,
            label="FP01",
            probability=0.02,
            verdict=Verdict(0.02, 0.35, AGAINST),
        )
        labels = found.labels.array
        rejected = found.labels.with_array((labels == last.number).astype(np.uint16))
        return sited(
            replace(
                found,
                labels=found.labels.with_array(np.where(labels == last.number, 0, labels)) if kept else None,
                lesions=tuple(kept),
                rejected=(judged,),
                rejected_labels=rejected if inputs.options.get("rejected_seg") else None,
            )
        )


PIPELINE = Judged()
