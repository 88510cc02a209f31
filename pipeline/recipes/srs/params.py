"""The thresholds of the recipe, each with its unit and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Params:
    """Chosen on held-out synthetic heads and held-out 2D slices; not on the real volumes of the model card.

    threshold:        a voxel belongs to a lesion from this probability on.
    certain:          a lesion needs at least one voxel of this probability.
    min_voxels:       smaller components are noise (BraTS-METS drops them as well).
    min_volume_mm3:   the smallest lesion that is reported.
    min_slices:       fewest slices of a series that can be read.
    max_slice_mm:     largest distance between slices.
    min_cover_mm:     shortest stack of slices that still holds a brain to speak of.
    head_mm:          smallest and largest extent of what is bright, in the plane of the slices.
    thick_mm:         slices further apart are read in their own plane; thinner ones as axial, coronal and sagittal.
    """

    threshold: float = 0.5
    certain: float = 0.9
    min_voxels: int = 3
    min_volume_mm3: float = 12.0
    min_slices: int = 8
    max_slice_mm: float = 8.0
    min_cover_mm: float = 60.0
    head_mm: tuple[float, float] = (90.0, 330.0)
    thick_mm: float = 2.6


PARAMS = Params()
