"""The dose around one target, estimated from its prescription, its size and how steeply dose falls.

An inverse power of the distance from the middle of a sphere of the target's volume, with a weak exponential far away.
Gamma Knife plans follow V/V0 = (D/D0)^-1.5 (published: -1.50 +- 0.16 for targets of 0.1 to 37 ml), which is the square
of the distance; the smallest radius and the exponential were fitted to published mean brain doses of 10 to 177 targets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

SMALLEST_RADIUS_MM = 2.5
"""Of the volume that the smallest collimator (4 mm) gives the prescription to."""

ATTENUATION_MM = 115.0
"""Distance over which dose far from the target falls to 1/e beside the power law."""

CENTRE_SHARE = 1.6
"""Dose in the middle of a target as a share of that at its edge: prescription to the 62 % isodose."""

STEEPEST_INDEX, SHALLOWEST_INDEX = 2.0, 10.0


@dataclass(frozen=True, slots=True)
class Kernel:
    """How dose falls with distance.

    gradient_index: volume within half the prescription over that within the prescription (Paddick 2006); 2.83, the
                    square law, for Gamma Knife; 3 to 6 for arcs of a linear accelerator.

    Raises ValueError for an index that no machine has.
    """

    gradient_index: float = 2.0**1.5
    attenuation_mm: float = ATTENUATION_MM

    def __post_init__(self) -> None:
        if not STEEPEST_INDEX <= self.gradient_index <= SHALLOWEST_INDEX:
            raise ValueError(f"gradient index {self.gradient_index}: not from {STEEPEST_INDEX} to {SHALLOWEST_INDEX}")

    @property
    def power(self) -> float:
        """p of D = D0 (R/r)^p: a sphere of radius R has its half dose at R 2^(1/p), so GI = 2^(3/p)."""
        return 3 * math.log(2) / math.log(self.gradient_index)

    def dose_gy(self, beyond_mm: npt.ArrayLike, volume_mm3: float, prescription_gy: float) -> FloatArray:
        """The dose where the signed distance from the target's surface is `beyond_mm` (negative inside).

        A target of any shape is taken for the sphere of its volume, grown or shrunk by that distance.
        """
        radius = equivalent_radius_mm(volume_mm3)
        reach = max(radius, SMALLEST_RADIUS_MM)
        r = np.maximum(np.asarray(beyond_mm, np.float64) + radius, 0.0)
        outside = np.maximum(r, reach)
        fall = (reach / outside) ** self.power * np.exp((reach - outside) / self.attenuation_mm)
        rise = 1 + (CENTRE_SHARE - 1) * np.clip(1 - (r / reach) ** 2, 0, 1)
        return np.asarray(prescription_gy * fall * rise)


def equivalent_radius_mm(volume_mm3: float) -> float:
    """Of the sphere of that volume."""
    return float((3 * volume_mm3 / (4 * math.pi)) ** (1 / 3))
