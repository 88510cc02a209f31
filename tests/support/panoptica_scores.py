"""What panoptica says of the scenes: run by an interpreter that has panoptica 2.1.7 (it wants numpy < 2.3).

Prints JSON: seed -> [lesions found, false positives, misses, mean Dice of what was found].
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from panoptica import ConnectedComponentsInstanceApproximator, InputType, NaiveThresholdMatching, Panoptica_Evaluator
from panoptica.metrics import Metric

sys.path.insert(0, str(Path(__file__).parent))
from lesion_scenes import scene


def main(seeds: int) -> dict[str, list[float]]:
    """The figures of the first `seeds` scenes."""
    evaluator = Panoptica_Evaluator(
        expected_input=InputType.SEMANTIC,
        instance_approximator=ConnectedComponentsInstanceApproximator(),
        instance_matcher=NaiveThresholdMatching(matching_metric=Metric.IOU, matching_threshold=1e-6),
        instance_metrics=[Metric.DSC],
        global_metrics=[Metric.DSC],
    )
    out = {}
    for seed in range(seeds):
        truth, prediction = scene(seed)
        result = evaluator.evaluate(prediction.astype(np.uint8), truth.astype(np.uint8))["ungrouped"]
        out[str(seed)] = [int(result.tp), int(result.fp), int(result.fn), float(result.sq_dsc)]
    return out


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(main(int(sys.argv[1]))) + "\n")
