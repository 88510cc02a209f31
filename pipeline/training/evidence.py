"""What the card says of a checkpoint: measured, here, on what it was never trained on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt
import torch

from pipeline.evaluation.srs_cases import Case, Score, btp_cases, score, table
from pipeline.phantom import t1c_phantom
from pipeline.recipes.srs.network import build
from pipeline.recipes.srs.params import PARAMS
from pipeline.recipes.srs.segmentation import lesion_mask, lesion_probability
from pipeline.training.export import Evidence

PHANTOMS: tuple[tuple[str, int, tuple[int, int, int], tuple[float, float, float]], ...] = (
    ("axial", 1, (180, 256, 256), (1.0, 1.0, 1.0)),
    ("oblique", 2, (180, 256, 256), (1.0, 1.0, 1.0)),
    ("sagittal", 3, (180, 256, 256), (1.0, 1.0, 1.0)),
    ("axial", 4, (50, 256, 256), (3.0, 0.94, 0.94)),
    ("axial", 5, (26, 256, 256), (6.0, 0.94, 0.94)),
)
"""Orientation, seed, shape and spacing in mm; the training draws its procedural heads from other seeds."""

Say = Callable[[str], None]


def measure(checkpoint: Path, data: Path, say: Say) -> Evidence:
    """Tables of tier T2 (real scans of glioblastoma, never trained on) and T0 (phantoms)."""
    network = build()
    network.load_state_dict(torch.load(checkpoint, weights_only=True)["averaged"])
    network.eval()

    def segment(image: hd.Volume) -> npt.NDArray[np.bool_]:
        probability = lesion_probability(image, network, PARAMS, "cpu")
        return lesion_mask(probability, float(np.prod(image.spacing)), PARAMS)

    real = _scores(list(btp_cases(data)), segment, say)
    made = _scores(_phantoms(), segment, say)
    return Evidence(_tier(real), f"{T2}\n\n{table(real)}\n\n{T0}\n\n{table(made)}")


T2 = """### T2: real scans with expert masks, never trained on

Glioblastoma on 6 mm slices (Brain-Tumor-Progression, 8 patients on two dates), not metastases. A lesion is found when
any voxel of it is; a false positive touches no lesion. The masks are enhancing tissue only; the model contours gross
tumour, with its core, hence the second Dice."""

T0 = """### T0: phantoms of pipeline.phantom, unseen seeds, the generator of part of the training"""


def _scores(cases: list[Case], segment: Callable[[hd.Volume], npt.NDArray[np.bool_]], say: Say) -> list[Score]:
    scores = []
    for case in cases:
        scores.append(score(case, segment))
        say(table(scores[-1:]).splitlines()[2])
    return scores


def _phantoms() -> list[Case]:
    cases = []
    for orientation, seed, shape, spacing in PHANTOMS:
        made = t1c_phantom(seed, shape=shape, spacing_mm=spacing, orientation=orientation)  # type: ignore[arg-type]
        image = made.image.with_array(made.image.array.astype(np.float32))
        cases.append(Case(f"seed {seed}, {orientation}, {spacing[0]:g} mm", image, made.truth.array > 0, speck_mm3=0.0))
    return cases


def _tier(real: list[Score]) -> str:
    found, lesions = sum(s.found for s in real), sum(s.lesions for s in real)
    wrong, dice = np.mean([s.false_positives for s in real]), np.median([s.dice for s in real])
    return (
        f"T2, limited: {len(real)} real scans of glioblastoma, not metastases ({found} of {lesions} lesions found, "
        f"{wrong:.1f} false positives per scan, median Dice {dice:.2f}); T0 synthetic"
    )
