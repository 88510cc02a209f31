"""Outlines without a type that a person added to a structure set of ours: which of them are meant as lesions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import highdicom as hd
import numpy as np
import numpy.typing as npt

from pipeline.core.errors import GeometryUnusable
from pipeline.imaging.structures import Structure
from pipeline.recipes.srs.contours import Box, Drawn, region
from pipeline.recipes.srs.organs import is_something_else

Mask = npt.NDArray[np.bool_]
Brain = Callable[[], Mask | None]
"""The brain on the grid of the image, or None where none was found: a network works on it, so it is asked for last."""

OURS = 0.5
"""A set is our own, edited, where more than this share of its tumours has a tracking UID or a name of ours."""

IN_BRAIN = 0.5
"""An outline is in the brain with more than this share of its voxels."""

WITHIN = 0.5
"""With more than this share in tumours, or with so much of one, it is a part or a margin of these."""

MOST_ML = 100.0
"""What is larger is a lobe or a hemisphere."""


def meant_as_lesions(
    unexplained: Sequence[Structure], tumours: Sequence[Structure], ours: Drawn, image: hd.Volume, brain: Brain
) -> tuple[Structure, ...]:
    """Those without a known other name that lie in the brain and apart from the tumours, in a set that is ours.

    ours: the outlines that were made here. A set of anybody else's says what its ROIs are, or is not understood.
    """
    known = [s for s in (*tumours, *unexplained) if s.tracking_uid in _uids(ours) or s.name in ours.names]
    asked = [s for s in unexplained if s not in known and not is_something_else(s.name)]
    if not asked or len(known) <= OURS * len({*known, *tumours}):
        return ()
    inside = brain()
    if inside is None:
        return ()
    others = [mask for s in tumours if (mask := _whole(s, image)) is not None]
    return tuple(s for s in asked if _is_apart(_whole(s, image), others, inside, _voxel_ml(image)))


def _uids(ours: Drawn) -> set[str]:
    return {uid for uid in ours.tracking_uids if uid}


def _voxel_ml(image: hd.Volume) -> float:
    return float(np.prod(image.spacing)) / 1000


def _whole(structure: Structure, image: hd.Volume) -> tuple[Mask, Box] | None:
    try:
        mask, box, _ = region(structure, image)
    except GeometryUnusable:
        return None
    return (mask, box) if mask.any() else None


def _is_apart(one: tuple[Mask, Box] | None, others: Sequence[tuple[Mask, Box]], brain: Mask, voxel_ml: float) -> bool:
    if one is None:
        return False
    mask, box = one
    voxels = int(mask.sum())
    if voxels * voxel_ml > MOST_ML or (mask & brain[box]).sum() <= IN_BRAIN * voxels:
        return False
    here = np.zeros(brain.shape, bool)
    here[box] = mask
    shared = [int((there & here[place]).sum()) for there, place in others]
    holds = any(s > WITHIN * int(there.sum()) for s, (there, _) in zip(shared, others, strict=True))
    return not holds and sum(shared) <= WITHIN * voxels
