"""Synthetic studies on disk, as the segmenter meets them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.core.study import Study
from pipeline.datasets.nifti import write_volume
from pipeline.imaging.header import scan
from pipeline.phantom import Phantom, t1c_phantom

THICK = {"shape": (26, 192, 192), "spacing_mm": (6.0, 1.25, 1.25)}
"""Thick axial slices: the quickest whole head there is."""


def phantom_study(folder: Path, seed: int, **options: object) -> tuple[Phantom, Study]:
    """A phantom, and the same as a study of DICOM files in `folder`."""
    made = t1c_phantom(seed, **options)  # type: ignore[arg-type]
    write_volume(made.image, folder)
    (study,) = scan(folder)
    return made, study


def ball_study(folder: Path) -> Study:
    """A bright ball of 6 cm in air: MR with contrast by its header, and no head."""
    made = t1c_phantom(0, lesions=0, shape=(26, 96, 96), spacing_mm=(6.0, 2.5, 2.5))
    grid = np.indices(made.image.spatial_shape).reshape(3, -1)
    centre = (np.array(made.image.spatial_shape) - 1) / 2
    far = np.linalg.norm((grid.T - centre) * made.image.spacing, axis=1).reshape(made.image.spatial_shape)
    write_volume(made.image.with_array(np.where(far < 30, 800, 5).astype(np.int16)), folder)
    (study,) = scan(folder)
    return study
