"""Lobes and small organs in MNI coordinates, by rules of thumb: good to about a gyrus.

All coordinates are MNI millimetres in LPS axes: x to the left, y to the back, z to the head.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pipeline.recipes.srs.anatomy.atlas import Lobe

FloatArray = npt.NDArray[np.float32]
TUBE_MM = 2.5
"""Radius of optic nerves, chiasm and tracts."""


def lobes(z: FloatArray, y: FloatArray, x: FloatArray) -> npt.NDArray[np.uint8]:
    """The lobe that each place belongs to, if it is cerebrum at all; values of `Lobe`.

    Borders: the central sulcus as a plane from (|x| 8, y 28, z 72) to (58, 6, 18); the lateral sulcus as a plane that
    rises from (y -15, z -8) to (y 40, z 18) and dips towards the midline, where the temporal lobe lies lower; the line
    from the parieto-occipital sulcus (y 75, z 45) to the preoccipital notch (y 60, z -10).
    """
    side = np.abs(x)
    central = 7 + 0.40 * (z - 18)
    lateral = -1 + 0.45 * (y - 0) - 0.4 * np.clip(40 - side, 0, 30)
    lateral = np.where(y < 0, -1 + 0.35 * y - 0.5 * np.clip(40 - side, 0, 30), lateral)
    occipital = y > 60 + 0.40 * np.clip(z - 8, 0, None)
    temporal = (z < np.minimum(lateral, 20)) & (side > 10) & (y > -24)
    found = np.where(y < central, int(Lobe.FRONTAL), int(Lobe.PARIETAL))
    # Below the splenium lies the temporal lobe's base, never the parietal.
    found[(y > central) & (z < -2)] = int(Lobe.TEMPORAL)
    found[(y < central) & (z < -2) & (y > 12) & (side > 14)] = int(Lobe.TEMPORAL)
    found[temporal] = int(Lobe.TEMPORAL)
    island = (side > 30) & (side < 42 - 0.1 * np.abs(y)) & (y > -22) & (y < 22) & (z > lateral - 4) & (z < 17)
    found[island] = int(Lobe.INSULA)
    found[occipital] = int(Lobe.OCCIPITAL)
    return found.astype(np.uint8)


def optic_path_mm(chiasm: tuple[float, float, float], eye: tuple[float, float, float]) -> FloatArray:
    """Points (n, 3) as (x, y, z), 1 mm apart, that fill optic nerves, chiasm and tracts of both sides.

    chiasm, eye: centres as (z, y, |x|). The nerve leaves the globe 12 mm behind its centre, passes the optic canal
    (|x| 15, y -22, z -23 in MNI) and meets the other in the chiasm; the tract winds around the cerebral peduncle to
    the lateral geniculate body (|x| 23, y 23, z -6).
    """
    z, y, _ = chiasm
    ez, ey, ex = eye
    line = np.array(
        [
            (ex - 2, ey + 12, ez),
            (15, -22, -23),
            (3, y - 1, z),
            (0, y, z),
            (3, y + 1, z),
            (11, 3, -13),
            (18, 14, -9),
            (23, 23, -6),
        ],
        np.float32,
    )
    steps = [np.linspace(a, b, max(2, int(np.linalg.norm(b - a)) + 1)) for a, b in pairwise(line)]
    middle = np.concatenate(steps)
    both = np.concatenate([middle, middle * (-1, 1, 1)])
    return _filled(both, TUBE_MM)


def sphere_mm(centre: tuple[float, float, float], radius_mm: float = 4.0) -> FloatArray:
    """Points (n, 3) as (x, y, z), 1 mm apart, that fill a sphere around a centre given as (z, y, x)."""
    return _filled(np.array([centre[::-1]], np.float32), radius_mm)


def _filled(centres: npt.NDArray[np.floating], radius_mm: float) -> FloatArray:
    reach = np.arange(-np.ceil(radius_mm), np.ceil(radius_mm) + 1)
    ball = np.stack(np.meshgrid(reach, reach, reach, indexing="ij"), -1).reshape(-1, 3)
    ball = ball[np.linalg.norm(ball, axis=1) <= radius_mm]
    points = (np.rint(centres)[:, None] + ball).reshape(-1, 3)
    return np.unique(points, axis=0).astype(np.float32)
