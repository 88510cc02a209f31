"""RT Structure Set -> mask on the grid of an image volume."""

from __future__ import annotations

import highdicom as hd
import numpy as np
from pydicom import Dataset

from pipeline.core.errors import GeometryUnusable
from pipeline.evaluation.cases.case import Mask
from pipeline.imaging.structures import structures


def structure_masks(rtstruct: Dataset, image: hd.Volume) -> Mask:
    """The tumours of a structure set as one mask, (slices, rows, columns) of the image.

    Raises GeometryUnusable for contours that do not lie in the planes of the image, and without any ROI to take.
    """
    targets = [s for s in structures(rtstruct) if s.is_target]
    if not targets:
        raise GeometryUnusable("the structure set has no tumour", "give the ROIs of tumours the type GTV")
    mask = np.zeros(image.spatial_shape, bool)
    for target in targets:
        inside, box = target.on(image)
        mask[box] |= inside
    return mask
