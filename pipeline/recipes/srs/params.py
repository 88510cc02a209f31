"""The thresholds of the recipe, each with its unit and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.radiomics.params import RadiomicsParams


@dataclass(frozen=True, slots=True)
class Params:
    """Chosen on four held-out synthetic heads and on t1c_no_lesion, by a network that had not seen it: as it is, and
    with three of the six draws of lesions that tier T1 puts into it. The other scan of that tier (trio) had a part in
    one thing alone: `near_share`, for its two eyes were candidates.

    likely:           voxels of this probability form components.
    candidate:        a component is a candidate when it holds a voxel of this certainty: the operating point of
                      model 1. Every candidate is judged by model 2 and is in the results, as lesion or as rejected.
    slices_start:     added to the logits of the slice network for its certainty; thick_start: where it is alone.
    outline_share:    the outline is drawn at this share of the candidate's highest probability.
    volume_share:     share of the volume network in the mean of thin series; the rest is that of the slice network.
    min_voxels:       smaller components are noise (BraTS-METS drops them as well).
    min_volume_mm3:   the smallest candidate.
    largest_share:    of the brain's volume that all candidates may have; more is a model that does not work here.
    beyond_brain_mm:  a candidate touches the brain mask grown by this (in whole voxels). It is barred from the lesions
                      unless it has there
    near_share:       at least this share of it, or its centre in the mask grown by `centre_beyond_brain_mm`: eyes
                      have 0.01 there and a centre 13 mm away; lesions inserted at the surface 0.05 and 4 mm; a ball
                      of 3 cm that dents a flat brain by 2 mm has 0.04.
    min_slices:       fewest slices of a series that can be read.
    max_slice_mm:     largest distance between slices; max_pixel_mm: largest pixel.
    min_cover_mm:     shortest stack of slices that still holds a brain to speak of.
    head_mm:          smallest and largest extent of what is bright, in the plane of the slices.
    thick_mm:         slices further apart are read in their own plane; thinner ones as a volume and in three planes.
                      The volume network learned from slices of up to 3 mm, and on them finds more than the other
                      (31 and 20 of 46 lesions in three held-out heads).
    """

    likely: float = 0.25
    candidate: float = 0.94
    slices_start: float = 1.0
    thick_start: float = 2.1
    outline_share: float = 0.5
    volume_share: float = 0.65
    min_voxels: int = 3
    min_volume_mm3: float = 8.0
    largest_share: float = 0.3
    beyond_brain_mm: float = 2.0
    near_share: float = 0.03
    centre_beyond_brain_mm: float = 5.0
    min_slices: int = 8
    max_slice_mm: float = 8.0
    max_pixel_mm: float = 3.0
    min_cover_mm: float = 60.0
    head_mm: tuple[float, float] = (90.0, 330.0)
    thick_mm: float = 3.3


PARAMS = Params()

RADIOMICS = RadiomicsParams()
"""How candidates are measured for model 2."""
