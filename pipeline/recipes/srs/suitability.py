"""Is this a scan that the model was made for? Asked of the geometry and the pixels, before the network runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import highdicom as hd
import numpy as np

from pipeline.recipes.srs.params import Params

if TYPE_CHECKING:
    from pipeline.recipes.srs.anatomy import Anatomy

AIR_HU = -400.0
"""MR signal is not that far below zero; air in CT is."""

WHOLE_HEAD_MM = 120.0
"""A series that covers this much along every axis, and the head with it, shows the brain as a whole."""

SMALL_BRAIN_ML = 300.0
"""A whole brain is never smaller: that of a newborn has about this volume."""

LARGEST_BRAIN_ML = 2400.0

FLAT_RELIEF = 0.035
"""Ventricles, sulci and grey matter give a brain several times this contrast; a bottle has noise alone."""

POOR_FIT = 0.45
"""Below this, what was found has not the shape of a brain."""

POOR_WHOLE_FIT = 0.70
"""The same for whole heads: real ones, with glioblastoma too, had 0.77-0.88, a quality phantom with inserts 0.68."""


NO_BRAIN = "no brain was found in the images"


def why_not(t1c: hd.Volume, params: Params) -> str:
    """A sentence that a radiologist understands, or "" when the volume can be read."""
    return _unlike_in_size(t1c, params) or _unlike_in_values(t1c, params)


def _unlike_in_size(t1c: hd.Volume, params: Params) -> str:
    n, distance, coarsest = t1c.spatial_shape[0], t1c.spacing_between_slices, max(t1c.pixel_spacing)
    if n < params.min_slices:
        return f"the series has {n} slices; the model needs at least {params.min_slices}"
    if distance > params.max_slice_mm:
        return f"the slices are {distance:.1f} mm apart; the model was made for up to {params.max_slice_mm:.0f} mm"
    if coarsest > params.max_pixel_mm:
        return f"the pixels are {coarsest:.1f} mm wide; the model was made for up to {params.max_pixel_mm:.0f} mm"
    if n * distance < params.min_cover_mm:
        return (
            f"the series covers {n * distance:.0f} mm of the head; the model needs {params.min_cover_mm:.0f} mm or more"
        )
    return ""


def _unlike_in_values(t1c: hd.Volume, params: Params) -> str:
    if not np.isfinite(t1c.array).all():
        return "some pixel values are no numbers (NaN or infinite)"
    low, high = (float(v) for v in np.percentile(t1c.array[:: max(1, len(t1c.array) // 40), ::2, ::2], (1, 99.5)))
    if not high > low:
        return "the images are empty: every pixel has the same value"
    if low < AIR_HU:
        return f"the pixel values go down to {low:.0f}, as Hounsfield units do; the model was made for MR images"
    return _not_a_head(t1c, low + 0.15 * (high - low), params)


def why_not_brain(anatomy: Anatomy | None, t1c: hd.Volume, params: Params) -> str:
    """A sentence that a radiologist understands, or "" when a brain was found in the volume.

    anatomy: what `anatomy_of` found in it. Slabs that show a part of a brain are let through.
    """
    if anatomy is None:
        return NO_BRAIN
    if anatomy.relief < FLAT_RELIEF:
        return "what is imaged is uniform inside, like a test phantom; no brain was found in it"
    extents = [n * s for n, s in zip(t1c.spatial_shape, t1c.spacing, strict=True)]
    whole = min(extents) >= WHOLE_HEAD_MM
    if whole and anatomy.brain_ml < SMALL_BRAIN_ML:
        return (
            f"only {anatomy.brain_ml:.0f} ml of brain were found, though the series covers {min(extents):.0f} mm; "
            "this is no image of a whole head"
        )
    if anatomy.brain_ml > LARGEST_BRAIN_ML:
        return f"what looks like a brain has {anatomy.brain_ml:.0f} ml, more than a brain can have"
    if anatomy.fit < (POOR_WHOLE_FIT if whole else POOR_FIT) or not 0.05 < anatomy.sides < 0.95:
        return "what is imaged has not the shape of a brain"
    return ""


def _not_a_head(t1c: hd.Volume, bright: float, params: Params) -> str:
    smallest, largest = params.head_mm
    seen = (t1c.array > bright).mean(axis=0) > 0.05
    for axis, spacing in enumerate(t1c.pixel_spacing):
        extent = float(np.ptp(np.flatnonzero(seen.any(axis=1 - axis)))) * spacing if seen.any() else 0.0
        if extent < smallest:
            return f"what is imaged is {extent:.0f} mm across; a head is at least {smallest:.0f} mm"
        if extent > largest:
            return f"what is imaged is {extent:.0f} mm across; that is no head"
    return ""
