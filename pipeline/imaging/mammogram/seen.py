"""A whole image as sent, to be drawn: bright is dense, whatever its header says or leaves out."""

from __future__ import annotations

import numpy as np

from pipeline.imaging.mammogram.breast import COARSE_MM, is_inverted
from pipeline.imaging.mammogram.canonical import Floats, coarse
from pipeline.imaging.mammogram.read import LEAST_CONTRAST
from pipeline.imaging.mammogram.spacing import LONG_SIDE_MM
from pipeline.imaging.mammogram.values import Opened


def seen(opened: Opened, spacing_mm: tuple[float, float] | None) -> Floats:
    """(rows, columns) as displayed, 0…1; the values themselves where the header says nothing usable of display: those
    of raw images as attenuation. Images that are inverted and do not say so are turned over, as `read.read_view` does.

    spacing_mm: (down, across), None where nobody knows.
    """
    each = LONG_SIDE_MM / max(opened.tissue.shape)
    if is_inverted(coarse(opened.tissue, spacing_mm or (each, each), COARSE_MM)):
        opened = opened.turned_over()
    if opened.shown is None or np.ptp(np.percentile(opened.shown, (1, 99))) < LEAST_CONTRAST:
        return opened.tissue
    return opened.shown
