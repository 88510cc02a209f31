"""A scan with its truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import highdicom as hd
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipeline.core.errors import GeometryUnusable
from pipeline.evaluation.lesionwise import IGNORED_MM3, merged_components

Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.uint16]
Tier = Literal["T0", "T1", "T2"]
Drawn = Literal["enhancing", "tumour"]


@dataclass(frozen=True, slots=True)
class Case:
    """One scan and what an expert (or the generator) says is in it.

    group:    the patient or anatomy; scans of one group are not independent.
    image:    float32 (slices, rows, columns), LPS mm. All masks are on its grid.
    truth:    bool, as it was drawn: enhancing tissue or whole tumour, which `drawn` says.
    whole:    bool, the truth with necrotic cores: the gross tumour volume.
    lesions:  uint16, 1…n, the parts of `whole` that count; parts too small to count are 0 here.
    """

    name: str
    group: str
    tier: Tier
    image: hd.Volume
    truth: Mask
    whole: Mask
    lesions: Labels
    drawn: Drawn
    remarks: tuple[str, ...] = ()

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Between slices, rows, columns."""
        slices, rows, columns = (float(s) for s in self.image.spacing)
        return slices, rows, columns


@dataclass(frozen=True, slots=True)
class Entry:
    """A case that can be loaded when its turn comes."""

    name: str
    tier: Tier
    load: Callable[[], Case]


def make_case(  # noqa: PLR0913  (a plain record: everything after the masks is by name)
    name: str,
    group: str,
    tier: Tier,
    image: hd.Volume,
    truth: npt.NDArray[Any],
    *,
    drawn: Drawn,
    whole: npt.NDArray[Any] | None = None,
    apart_mm: float = 0.0,
    ignored_mm3: float = IGNORED_MM3,
    remarks: tuple[str, ...] = (),
) -> Case:
    """A case from masks (anything above 0).

    whole:       None fills the holes of an enhancing truth, slice by slice and in 3D, and leaves a drawn tumour alone.
    apart_mm:    parts nearer than this to each other are one lesion; 0 merges as BraTS-METS does, by one dilation.
    ignored_mm3: parts of this volume or less do not count.

    Raises GeometryUnusable when the grids differ.
    """
    if truth.shape != image.spatial_shape:
        raise GeometryUnusable(f"{name}: the truth has {truth.shape} voxels, the image {image.spatial_shape}")
    drawn_mask = np.asarray(truth > 0, np.bool_)
    if whole is None:
        whole = _filled(drawn_mask) if drawn == "enhancing" else drawn_mask
    tumour = np.asarray(whole > 0, np.bool_) | drawn_mask
    pixels = image.with_array(np.ascontiguousarray(image.array, np.float32))
    lesions = _lesions(tumour, tuple(image.spacing), apart_mm, ignored_mm3)
    return Case(name, group, tier, pixels, drawn_mask, tumour, lesions, drawn, remarks)


def _filled(mask: Mask) -> Mask:
    out = ndimage.binary_fill_holes(mask)
    for index in np.flatnonzero(mask.any(axis=(1, 2))):
        out[index] |= ndimage.binary_fill_holes(mask[index])
    return np.asarray(out, np.bool_)


def _lesions(mask: Mask, spacing_mm: tuple[float, ...], apart_mm: float, ignored_mm3: float) -> Labels:
    if apart_mm > 0 and mask.any():
        near = ndimage.distance_transform_edt(~mask, sampling=spacing_mm) <= apart_mm / 2
        labels = np.where(mask, ndimage.label(near, np.ones((3, 3, 3)))[0], 0)
    else:
        labels = merged_components(mask)[0]
    sizes = np.bincount(labels.ravel()) * float(np.prod(spacing_mm))
    keep = sizes > ignored_mm3
    keep[0] = False
    table = np.zeros(len(sizes), np.uint16)
    table[keep] = np.arange(1, int(keep.sum()) + 1)
    return table[labels]
