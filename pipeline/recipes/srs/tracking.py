"""Tracking UIDs of lesions: the same for what lies in the same place of the same frame of reference."""

from __future__ import annotations

import highdicom as hd
import numpy as np

from pipeline.core.uid import derive_uid

GRID_MM = 3.0
"""Lesions are tracked by where they lie: a centroid in the same cell of this grid is the same lesion again."""


def tracking_uid(image: hd.Volume, centroid_mm: tuple[float, float, float], taken: set[str]) -> str:
    """Whichever model, option or person found it. taken: UIDs that others have; two small ones may share a cell."""
    cell = ",".join(str(int(np.floor(v / GRID_MM))) for v in centroid_mm)
    while (uid := derive_uid(image.frame_of_reference_uid or "", "brain metastasis", cell)) in taken:
        cell += "'"
    return uid
