"""From the probability of every voxel to candidates: outlined, separated, measured; nothing is turned down here."""

from __future__ import annotations

from dataclasses import dataclass

import highdicom as hd
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipeline.imaging.regions import RegionMeasure, separate
from pipeline.recipes.srs.params import Params
from pipeline.recipes.srs.segmentation import Reading

FloatArray = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Box = tuple[slice, slice, slice]

_TOUCHING = np.ones((3, 3, 3), bool)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One region that may be a lesion.

    peak:                 highest certainty inside.
    mean:                 mean probability inside.
    slices_peak:          highest probability inside, in the mean of the readings slice by slice; NaN without any;
    volume_peak:          in the mean of the readings as a volume.
    agreement:            0…1, mean Dice of its outline with that at the same threshold in every single reading; None
                          if it was read once.
    enhancing_volume_mm3: of what in it is brighter than the brain around.
    at_brain:             whether a part of it worth the name lies in or at the brain; an eyeball only touches it.
    """

    region: RegionMeasure
    peak: float
    mean: float
    slices_peak: float
    volume_peak: float
    agreement: float | None
    enhancing_volume_mm3: float
    at_brain: bool


def find_candidates(
    t1c: hd.Volume, brain: Mask, reading: Reading, params: Params
) -> tuple[hd.Volume, tuple[Candidate, ...]]:
    """All that may be a lesion, largest first, and their labels 1…n (uint16, on the grid of `t1c`)."""
    near = _grown(brain, t1c.spacing, params.beyond_brain_mm)
    around = _grown(brain, t1c.spacing, params.centre_beyond_brain_mm)
    mask = outline(reading, near, t1c.spacing, params)
    labels, regions = separate(t1c.with_array(mask.astype(np.uint8)), params.min_voxels)
    image = np.asarray(t1c.array, np.float32)
    return labels, tuple(_candidate(image, (brain, near, around), labels, r, reading, params) for r in regions)


def outline(reading: Reading, near: Mask, spacing_mm: tuple[float, ...], params: Params) -> Mask:
    """Voxels of candidates: components of likely voxels with a sure one, each cut at a share of its peak, holes filled.

    The peak is the highest probability of a sure voxel: a likelier neighbour that nobody is sure of must not cut away
    what made the component a candidate. A hole in a slice of a lesion is its necrotic core, and part of a gross tumour
    volume.

    near: the brain and what lies about it; components that do not touch it are left out.
    """
    probability = reading.probability
    mask = probability >= params.likely
    labels, _ = ndimage.label(mask, _TOUCHING)
    kept = np.zeros(mask.shape, bool)
    smallest = max(params.min_voxels, params.min_volume_mm3 / float(np.prod(spacing_mm)))
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        inside = labels[box] == number
        if inside.sum() < smallest or not (near[box] & inside).any():
            continue
        sure = inside & (reading.certainty[box] >= params.candidate)
        if not sure.any():
            continue
        kept[box] |= _filled(inside & (probability[box] >= params.outline_share * probability[box][sure].max()))
    return _worth(kept, reading.certainty, smallest, params.candidate)


def _filled(mask: Mask) -> Mask:
    """Without holes in any slice."""
    return np.stack([ndimage.binary_fill_holes(plane) for plane in mask])


ENHANCES = 0.1
"""What lies this far on the way from the brain around a lesion to the lesion's bright part counts as enhancing: on the
expert masks of btp_t1c, filled, this gives the masks back with a median Dice of 0.97."""


def enhancing(image: FloatArray, inside: Mask, around: Mask) -> Mask:
    """The part of a region that enhances: what is brighter than the brain around it; its core is not."""
    if not inside.any() or not around.any():
        return inside
    normal, bright = float(np.median(image[around])), float(np.percentile(image[inside], 70))
    return inside & (image > normal + ENHANCES * (bright - normal))


def _worth(mask: Mask, certainty: FloatArray, smallest: float, least: float) -> Mask:
    """Without the crumbs that the cut at a share of the peak leaves behind: too small, or with no sure voxel."""
    labels, count = ndimage.label(mask, _TOUCHING)
    keep = np.bincount(labels.ravel(), minlength=count + 1) >= smallest
    keep[1:] &= np.asarray(ndimage.maximum(certainty, labels, np.arange(1, count + 1))) >= least
    keep[0] = False
    return np.asarray(keep[labels])


def _at_brain(inside: Mask, near: Mask, around: Mask, least_share: float) -> bool:
    """Whether enough of a region lies at the brain, or its centre not far from it."""
    share = float((inside & near).sum() / inside.sum())
    centre = tuple(round(float(v)) for v in ndimage.center_of_mass(inside))
    return share >= least_share or bool(around[centre])


def _grown(brain: Mask, spacing_mm: tuple[float, ...], reach_mm: float) -> Mask:
    """The brain and what lies within `reach_mm` of it, for lesions at its surface and holes in the brain mask."""
    steps = [2 * int(reach_mm / mm) + 1 for mm in spacing_mm]
    return np.asarray(ndimage.maximum_filter(brain.astype(np.uint8), steps) > 0)


def _candidate(
    image: FloatArray,
    head: tuple[Mask, Mask, Mask],
    labels: hd.Volume,
    region: RegionMeasure,
    reading: Reading,
    params: Params,
) -> Candidate:
    """head: the brain, what is near it, and what is about it."""
    box = _wider(region.box, labels.spatial_shape, [int(np.ceil(6 / mm)) for mm in labels.spacing])
    inside = labels.array[box] == region.number
    probability = reading.probability[box][inside]
    level = params.outline_share * float(probability.max())
    by_slices, by_volume = ([_within(s, reading.box, box) for s in r] for r in (reading.by_slices, reading.by_volume))
    overlaps = [_dice(inside, _filled(_connected(single >= level, inside))) for single in (*by_volume, *by_slices)]
    brain, near, around = (mask[box] for mask in head)
    bright = enhancing(image[box], inside, brain & (labels.array[box] == 0))
    return Candidate(
        region=region,
        peak=float(reading.certainty[box][inside].max()),
        mean=float(probability.mean()),
        slices_peak=_peak(by_slices, inside),
        volume_peak=_peak(by_volume, inside),
        agreement=float(np.mean(overlaps)) if overlaps else None,
        enhancing_volume_mm3=float(bright.sum() * np.prod(labels.spacing)),
        at_brain=_at_brain(inside, near, around, params.near_share),
    )


def _within(single: npt.NDArray[np.float16], read: Box, box: Box) -> npt.NDArray[np.float16]:
    """The part of a single reading, which covers `read`, that lies in `box`; 0 where nothing was read."""
    out = np.zeros([s.stop - s.start for s in box], np.float16)
    both = [(max(r.start, b.start), min(r.stop, b.stop)) for r, b in zip(read, box, strict=True)]
    if all(low < high for low, high in both):
        there = tuple(slice(low - b.start, high - b.start) for (low, high), b in zip(both, box, strict=True))
        here = tuple(slice(low - r.start, high - r.start) for (low, high), r in zip(both, read, strict=True))
        out[there] = single[here]
    return out


def _peak(readings: list[npt.NDArray[np.float16]], inside: Mask) -> float:
    if not readings:
        return float("nan")
    return float(np.mean([single[inside] for single in readings], axis=0, dtype=np.float32).max())


def _connected(found: Mask, inside: Mask) -> Mask:
    """The parts of `found` that touch `inside`: a neighbouring lesion is no disagreement."""
    parts, _ = ndimage.label(found, _TOUCHING)
    touching = np.unique(parts[inside])
    return np.isin(parts, touching[touching > 0])


def _dice(a: Mask, b: Mask) -> float:
    return float(2 * (a & b).sum() / max(int(a.sum() + b.sum()), 1))


def _wider(box: Box, shape: tuple[int, ...], by: list[int]) -> Box:
    first, second, third = (
        slice(max(0, s.start - k), min(n, s.stop + k)) for s, n, k in zip(box, shape, by, strict=True)
    )
    return first, second, third
