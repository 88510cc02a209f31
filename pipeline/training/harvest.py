"""Candidates for model 2: the finished model 1 on volumes with known truth, each candidate measured and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipeline.contract import Declined, Runtime
from pipeline.core.clock import Stopwatch
from pipeline.phantom.lesions import Recipe, draw_lesions
from pipeline.phantom.tissue import INTRACRANIAL, PARENCHYMA, is_any
from pipeline.recipes.srs.examine import Gathered, gather
from pipeline.recipes.srs.segmentation import Networks
from pipeline.training.bare_heads import BareHead
from pipeline.training.rejection.candidates import save_candidates
from pipeline.training.vessels import draw_vessels
from pipeline.training.volumes import GREY_PER_UNIT, ONE_MM

Truth = npt.NDArray[np.uint16]

SHARED = 0.1
"""A candidate is a lesion when this share of it, or of a true lesion, is common to both."""


LESIONS = 14
"""In a synthetic head, on average: many, for few heads can be read."""

SLICES_MM = (1.0, 1.0, 1.0, 3.0, 5.0)
"""Slice thicknesses that synthetic heads are taken through in turn."""


@dataclass(frozen=True, slots=True)
class Scan:
    """image: float32, LPS mm; truth: labels 1…n on the same grid, 0 background; group: patient or anatomy."""

    name: str
    group: str
    image: hd.Volume
    truth: Truth


def harvest(
    scans: Iterable[Scan],
    networks: Callable[[Scan], Networks],
    folder: Path,
    runtime: Runtime,
    say: Callable[[str], None],
) -> None:
    """Keep the candidates of every scan in `folder`, one file a scan; a scan that is there already is left out."""
    for scan in scans:
        path = folder / f"{scan.name}.npz"
        if path.exists():
            continue
        found = gather(scan.image, runtime, Stopwatch(), networks=networks(scan))
        if isinstance(found, Declined):
            say(f"{scan.name}: declined, {found.reason}")
            continue
        lesion, diameter_mm = match(found, scan)
        judged = np.array([c.at_brain for c in found.candidates], bool)  # the others model 2 has no word on
        lesion, diameter_mm, features = lesion[judged], diameter_mm[judged], found.features.where(judged)
        save_candidates(path, features, lesion, diameter_mm, scan.group, scan.name)
        hit = len(set(lesion[lesion > 0].tolist()))
        say(f"{scan.name}: {len(lesion)} candidates, {int((lesion == 0).sum())} on none of {hit} lesions")


def match(found: Gathered, scan: Scan) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """For each candidate: the number of its lesion, 0 for none, and the diameter in mm of the true one's sphere."""
    voxel_mm3 = float(np.prod(scan.image.spacing))
    sizes = np.bincount(scan.truth.ravel())
    lesions, diameters = [], []
    for candidate in found.candidates:
        inside = found.labels.array[candidate.region.box] == candidate.region.number
        hits = np.bincount(scan.truth[candidate.region.box][inside], minlength=len(sizes))
        hits[0] = 0
        most = int(hits.argmax())
        real = hits[most] > 0 and hits[most] >= SHARED * min(sizes[most], inside.sum())
        lesions.append(most if real else 0)
        volume = float(sizes[most] * voxel_mm3) if real else candidate.region.volume_mm3
        diameters.append((6 * volume / np.pi) ** (1 / 3))
    return np.array(lesions, np.intp), np.array(diameters, float)


def drawn_scans(heads: Iterable[BareHead], seed: int, slices_mm: tuple[float, ...]) -> Iterator[Scan]:
    """Bare heads with lesions drawn in, on slices of one of these thicknesses in turn; grouped by anatomy."""
    for index, head in enumerate(heads):
        rng = np.random.default_rng((seed, index))
        image = head.image.astype(np.float32) / GREY_PER_UNIT
        within = ndimage.binary_closing(is_any(head.tissues, INTRACRANIAL), iterations=2)
        draw_vessels(rng, image, head.tissues, trees=int(rng.integers(0, 30)))
        sizes = [float(d) for d in np.exp(rng.uniform(np.log(2.5), np.log(20.0), rng.poisson(LESIONS)))]
        recipe = Recipe(contrast=(0.25, 1.4), rough=float(rng.uniform(0.05, 0.35)))
        labels, _ = draw_lesions(rng, image, is_any(head.tissues, PARENCHYMA), within, ONE_MM, sizes, recipe)
        image = ndimage.gaussian_filter(image, rng.uniform(0.3, 0.6))
        image = np.abs(image + 0.02 * rng.standard_normal(image.shape, dtype=np.float32))
        yield _cut_to(
            Scan(head.name, head.group, hd.Volume(image, _HPL, "PATIENT"), labels), slices_mm[index % len(slices_mm)]
        )


_HPL = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])
"""Slices to the head, rows to the back, columns to the left, 1 mm: how the heads are kept."""


def _cut_to(scan: Scan, slice_mm: float) -> Scan:
    """Averaged to thick slices; a thick voxel is lesion when at least half of it is."""
    k = round(slice_mm)
    if k <= 1:
        return scan
    n = scan.image.spatial_shape[0] // k
    image = np.asarray(scan.image.array)[: n * k].reshape(n, k, *scan.truth.shape[1:]).mean(1)
    parts = scan.truth[: n * k].reshape(n, k, *scan.truth.shape[1:])
    truth = np.where((parts > 0).mean(1) >= 0.5, parts.max(1), 0).astype(np.uint16)
    affine = _HPL.copy()
    affine[:3, 0] *= k
    return Scan(f"{scan.name}-{k}mm", scan.group, hd.Volume(image.astype(np.float32), affine, "PATIENT"), truth)
