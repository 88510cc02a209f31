"""Is this a scan that the model was made for? Asked of the geometry and the pixels, before the network runs."""

from __future__ import annotations

import highdicom as hd
import numpy as np

from pipeline.recipes.srs.params import Params


def why_not(t1c: hd.Volume, params: Params) -> str:
    """A sentence that a radiologist understands, or "" when the volume can be read."""
    n, distance = t1c.spatial_shape[0], t1c.spacing_between_slices
    if n < params.min_slices:
        return f"the series has {n} slices; the model needs at least {params.min_slices}"
    if distance > params.max_slice_mm:
        return f"the slices are {distance:.1f} mm apart; the model was made for up to {params.max_slice_mm:.0f} mm"
    if n * distance < params.min_cover_mm:
        return (
            f"the series covers {n * distance:.0f} mm of the head; the model needs {params.min_cover_mm:.0f} mm or more"
        )
    low, high = (float(v) for v in np.percentile(t1c.array[:: max(1, n // 40), ::2, ::2], (1, 99.5)))
    if not high > low:
        return "the images are empty: every pixel has the same value"
    return _not_a_head(t1c, low + 0.15 * (high - low), params)


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
