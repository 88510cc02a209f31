"""Our lesion-wise figures against those of panoptica 2.1.7 on the same scenes.

panoptica wants numpy < 2.3 and rich < 14, and so cannot be installed beside the product. Its figures stand here;
LANTERN_PANOPTICA_PYTHON, the interpreter of a virtual environment that has it, makes them anew and compares.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from pipeline.evaluation.lesionwise import lesionwise
from tests.support.lesion_scenes import scene

SCRIPT = Path(__file__).parents[1] / "support" / "panoptica_scores.py"

PANOPTICA: dict[int, tuple[int, int, int, float]] = {
    0: (11, 3, 2, 0.7144704056912529),
    1: (9, 2, 6, 0.7033312219207875),
    2: (10, 5, 3, 0.7249856332714357),
    3: (14, 3, 3, 0.7214864402019543),
    4: (8, 7, 1, 0.7445098870874474),
    5: (13, 0, 3, 0.6685540200299639),
    6: (5, 3, 8, 0.7110592488354095),
    7: (12, 5, 2, 0.6755246754337634),
    8: (11, 3, 2, 0.7343053739701233),
    9: (11, 5, 2, 0.7010454050747451),
    10: (7, 3, 6, 0.7787157781092444),
    11: (9, 5, 3, 0.6084873228234451),
}
"""Scene -> lesions found, false positives, misses, mean Dice of what was found."""


@pytest.mark.parametrize("seed", PANOPTICA)
def test_counts_and_dice_are_those_of_panoptica(seed: int) -> None:
    found, wrong, missed, dice = PANOPTICA[seed]
    ours = lesionwise(*scene(seed), (1.0, 1.0, 1.0))
    assert (ours.found, ours.false_positives, len(ours.lesions) - ours.found) == (found, wrong, missed)
    assert np.mean([v.dice for v in ours.lesions if v.found]) == pytest.approx(dice, abs=1e-9)
    assert ours.lw_dice == pytest.approx(found * dice / (found + missed + wrong), abs=1e-9)


def test_panoptica_still_says_what_is_written_here() -> None:
    python = os.environ.get("LANTERN_PANOPTICA_PYTHON")
    if not python:
        pytest.skip("LANTERN_PANOPTICA_PYTHON names no interpreter that has panoptica 2.1.7")
    said = subprocess.run([python, SCRIPT, str(len(PANOPTICA))], capture_output=True, text=True, check=True).stdout
    fresh = json.loads(said.strip().splitlines()[-1])
    for seed, figures in PANOPTICA.items():
        assert fresh[str(seed)] == pytest.approx(list(figures), abs=1e-9)
