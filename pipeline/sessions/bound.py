"""How good any grouping could possibly be: a lower bound that needs no search, so that a gap can be certified."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BLOCK = 16384


def water_filling(doses_gy: npt.NDArray[np.float32], sessions: int, voxel_ml: float) -> float:
    """A lower bound of the integral over the brain of sum_s D_s^2 over all groupings into `sessions`, in Gy2 ml.

    Voxel by voxel, as if each could be grouped for itself: a dose that exceeds the mean of what is left keeps a session
    of its own, the rest is spread evenly over the sessions that remain. Splitting doses can only lower the sum of
    squares, so no grouping of whole lesions is better.

    doses_gy: (n, voxels).
    """
    n = len(doses_gy)
    if n == 0 or sessions < 1:
        return 0.0
    own = min(sessions - 1, n - 1) if n else 0
    total = 0.0
    for start in range(0, doses_gy.shape[1], BLOCK):
        block = doses_gy[:, start : start + BLOCK].astype(np.float64)
        largest = -np.sort(-np.partition(block, n - own - 1, axis=0)[n - own :], axis=0) if own else block[:0]
        rest = block.sum(axis=0)
        squares = np.zeros_like(rest)
        left = np.full_like(rest, sessions)
        alone = np.ones(rest.shape, bool)
        for dose in largest:
            alone &= dose * left > rest
            squares += np.where(alone, dose**2, 0.0)
            rest = rest - np.where(alone, dose, 0.0)
            left = left - alone
        total += float((squares + rest**2 / left).sum())
    return total * voxel_ml
