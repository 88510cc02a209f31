"""The segmenter of `srs` on real T1c volumes with expert masks that it was never trained on (tier T2)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage

BTP_SPACING_MM = (6.0, 0.9375, 0.9375)
"""The headers of brain/btp_t1c say 1 mm; see the README of the data."""

LESION_MM3 = 260.0
"""A part of a mask below this (50 voxels of a thick-slice scan) is speckle, not a lesion of its own."""

APART_MM = 8.0
"""Parts of a mask nearer than this to each other are one lesion."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Case:
    """image: float32 (slices, rows, columns) LPS mm; truth: same geometry; speck_mm3: parts below are no lesions."""

    name: str
    image: hd.Volume
    truth: Mask
    speck_mm3: float = LESION_MM3


@dataclass(frozen=True, slots=True)
class Score:
    """How one case went. `dice` against the mask as it is, `dice_filled` with the necrotic cores filled in."""

    name: str
    lesions: int
    found: int
    false_positives: int
    dice: float
    dice_filled: float
    seconds: float


def btp_cases(data: Path) -> Iterator[Case]:
    """The 16 scans of brain/btp_t1c: 8 patients with glioblastoma, two dates each."""
    for folder in sorted(p for p in (data / "brain" / "btp_t1c").iterdir() if p.is_dir()):
        for date in ("Pre", "Post"):
            image, truth = (_array(folder / f"{date}_{what}.nii.gz") for what in ("Scan_T1", "Mask"))
            affine = np.zeros((4, 4))
            affine[[2, 1, 0], [0, 1, 2]] = BTP_SPACING_MM
            affine[3, 3] = 1
            yield Case(f"{folder.name}-{date}", hd.Volume(image, affine, "PATIENT"), truth > 0)


def _array(path: Path) -> npt.NDArray[np.float32]:
    """(slices to the head, rows to the back, columns to the left): the set is stored as L, P, S."""
    return np.ascontiguousarray(np.asarray(nib.load(path).dataobj, np.float32).T)


def score(case: Case, segment: Callable[[hd.Volume], Mask]) -> Score:
    """Lesions that are touched by the segmentation, components that touch none, and Dice."""
    started = time.perf_counter()
    mask = segment(case.image)
    seconds = time.perf_counter() - started
    spacing = case.image.spacing
    lesions = _lesions(case.truth, spacing, case.speck_mm3)
    filled = np.stack([ndimage.binary_fill_holes(s) for s in case.truth])
    found = sum(bool(mask[lesion].any()) for lesion in lesions)
    parts, n = ndimage.label(mask, np.ones((3, 3, 3)))
    touching = np.unique(parts[ndimage.binary_dilation(filled, iterations=2)])
    wrong = n - len(touching[touching > 0])
    return Score(case.name, len(lesions), found, wrong, _dice(mask, case.truth), _dice(mask, filled), seconds)


def _lesions(truth: Mask, spacing_mm: tuple[float, ...], speck_mm3: float) -> list[Mask]:
    near = ndimage.distance_transform_edt(~truth, sampling=spacing_mm) <= APART_MM / 2
    groups, n = ndimage.label(near)
    parts = [truth & (groups == k) for k in range(1, n + 1)]
    large = [p for p in parts if p.sum() * float(np.prod(spacing_mm)) >= speck_mm3]
    return large or parts


def _dice(a: Mask, b: Mask) -> float:
    return float(2 * (a & b).sum() / max(int(a.sum() + b.sum()), 1))


def table(scores: list[Score]) -> str:
    """A Markdown table: one row a case, and the sums."""
    rows = [
        "| case | lesions | found | false positives | Dice | Dice, cores filled | s |",
        "|---|---|---|---|---|---|---|",
    ]
    rows += [_row(s.name, s.lesions, s.found, s.false_positives, s.dice, s.dice_filled, s.seconds) for s in scores]
    wrong, seconds = (float(np.mean([getattr(s, k) for s in scores])) for k in ("false_positives", "seconds"))
    dice, filled = (float(np.median([getattr(s, k) for s in scores])) for k in ("dice", "dice_filled"))
    lesions, found = sum(s.lesions for s in scores), sum(s.found for s in scores)
    rows.append(_row(f"**all {len(scores)}: sum, mean, median**", lesions, found, wrong, dice, filled, seconds))
    return "\n".join(rows)


def _row(name: str, lesions: int, found: int, wrong: float, dice: float, filled: float, seconds: float) -> str:
    return f"| {name} | {lesions} | {found} | {wrong:.3g} | {dice:.2f} | {filled:.2f} | {seconds:.1f} |"
