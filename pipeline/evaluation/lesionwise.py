"""The lesion-wise metrics of BraTS-METS, on one scan.

After the organisers' `metrics_MET.py` (BraTS-2024-Metrics), written anew: 26-connected components; those of the truth
that one dilation links are one lesion; a prediction matches a lesion when it overlaps the lesion dilated once; all that
match, together, against the undilated lesion give Dice, HD95 and NSD; lesions of 2 mm3 or less are left out, and what
matches them is no false positive. The score of a scan is the sum over its lesions over (lesions + false positives).

Three things differ. Predictions are merged as the truth is, and those of 2 voxels or less are dropped: the organisers
do neither, so that they count more false positives. And a miss costs the image's diagonal as HD95 (theirs: 374 mm).

The dilation (`generate_binary_structure(3, 2)`) counts voxels, not millimetres, as the organisers' does. On 1 mm images
it reaches 1 mm. On 6 mm slices it reaches 6 mm across the slices and under 1 mm in them: lesions on neighbouring
slices, or with one free slice between, merge, and a prediction one slice off still matches. Figures of thick slices
are therefore kinder in finding and harsher in counting, and are not to be compared with those of 1 mm images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipeline.evaluation.surface import Mask, Spacing, surfaces

Labels = npt.NDArray[np.int32]

SMALLEST_PREDICTION_VOXELS = 3
IGNORED_MM3 = 2.0
TOLERANCES_MM = (0.5, 1.0)

_TOUCHING = np.ones((3, 3, 3), bool)
_DILATION = ndimage.generate_binary_structure(3, 2)


@dataclass(frozen=True, slots=True)
class LesionScore:
    """One lesion of the truth against all predictions that match it. A miss has Dice and NSD 0, no distances.

    number:  of the lesion after merging; volume_mm3 of the truth, predicted_mm3 of what matches.
    matches: numbers of the (merged) predictions.
    hd95_mm: the image diagonal for a miss.
    """

    number: int
    volume_mm3: float
    predicted_mm3: float
    matches: tuple[int, ...]
    dice: float
    hd95_mm: float
    nsd: tuple[float, float]

    @property
    def found(self) -> bool:
        """Whether any prediction matches."""
        return bool(self.matches)


@dataclass(frozen=True, slots=True)
class ScanScore:
    """A scan: its lesions, false positives, and the lesion-wise (lw) means; nsd at TOLERANCES_MM."""

    lesions: tuple[LesionScore, ...]
    false_positives: int
    lw_dice: float
    lw_hd95_mm: float
    lw_nsd: tuple[float, float]

    @property
    def found(self) -> int:
        """Lesions that a prediction matches."""
        return sum(lesion.found for lesion in self.lesions)


def lesionwise(truth: Mask, prediction: Mask, spacing_mm: Spacing) -> ScanScore:
    """Score a prediction. truth, prediction: (slices, rows, columns) on one grid; spacing_mm in the same order."""
    lesions, n = merged_components(truth)
    predicted, m = merged_components(prediction, SMALLEST_PREDICTION_VOXELS)
    diagonal = float(np.linalg.norm(np.array(truth.shape) * spacing_mm))
    boxes = ndimage.find_objects(lesions, n)
    scored = [_lesion(lesions, k, box, predicted, spacing_mm, diagonal) for k, box in enumerate(boxes, start=1)]
    matched = {p for s in scored for p in s.matches}
    counted = tuple(s for s in scored if s.volume_mm3 > IGNORED_MM3)
    wrong = m - len(matched)
    return ScanScore(
        counted,
        wrong,
        _mean([s.dice for s in counted], wrong, 0.0, empty=1.0),
        _mean([s.hd95_mm for s in counted], wrong, diagonal, empty=0.0),
        (
            _mean([s.nsd[0] for s in counted], wrong, 0.0, empty=1.0),
            _mean([s.nsd[1] for s in counted], wrong, 0.0, empty=1.0),
        ),
    )


def merged_components(mask: Mask, min_voxels: int = 1) -> tuple[Labels, int]:
    """26-connected components, those that one dilation links merged: labels 1…n without a gap, and n.

    Merged components of fewer than `min_voxels` voxels are dropped.
    """
    groups, n = ndimage.label(ndimage.binary_dilation(mask, _DILATION), _TOUCHING)
    groups = np.where(mask, groups, 0)
    sizes = np.bincount(groups.ravel(), minlength=n + 1)
    keep = sizes >= min_voxels
    keep[0] = False
    renumbered = np.zeros(n + 1, np.int32)
    renumbered[keep] = np.arange(1, int(keep.sum()) + 1)
    return renumbered[groups], int(keep.sum())


def dilated_once(mask: Mask) -> Mask:
    """The mask grown by the structure of the metric."""
    return np.asarray(ndimage.binary_dilation(mask, _DILATION))


def dice(a: Mask, b: Mask) -> float:
    """2 |A and B| / (|A| + |B|); 1 when both are empty."""
    total = int(a.sum()) + int(b.sum())
    return float(2 * int((a & b).sum()) / total) if total else 1.0


def numbers_on(mask: Mask, box: tuple[slice, ...], labels: npt.NDArray[Any]) -> tuple[int, ...]:
    """The labels above 0 that a mask overlaps when it is dilated once; `box` is where the mask lies."""
    wider = tuple(slice(max(0, s.start - 1), s.stop + 1) for s in box)
    hits = np.unique(labels[wider][dilated_once(mask[wider])])
    return tuple(int(h) for h in hits if h > 0)


def _lesion(
    lesions: Labels,
    number: int,
    box: tuple[slice, ...],
    predicted: Labels,
    spacing_mm: Spacing,
    diagonal_mm: float,
) -> LesionScore:
    own = lesions == number
    voxel_mm3 = float(np.prod(spacing_mm))
    volume = int(own.sum()) * voxel_mm3
    hits = numbers_on(own, box, predicted)
    if not hits:
        return LesionScore(number, volume, 0.0, (), 0.0, diagonal_mm, (0.0, 0.0))
    matched = np.isin(predicted, hits)
    between = surfaces(own, matched, spacing_mm)
    near, nearer = (between.within(t) for t in TOLERANCES_MM)
    return LesionScore(
        number,
        volume,
        int(matched.sum()) * voxel_mm3,
        hits,
        dice(own, matched),
        between.percentile_mm(95),
        (near, nearer),
    )


def _mean(values: list[float], false_positives: int, each_false: float, *, empty: float) -> float:
    count = len(values) + false_positives
    return (sum(values) + false_positives * each_false) / count if count else empty
