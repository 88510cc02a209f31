"""What two lesions add to each other when they are treated in one session: integrals of products of their doses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Doses = npt.NDArray[np.float32]


def gram(doses_gy: Doses, voxel_ml: float) -> FloatArray:
    """G[i, j] = integral over the brain of d_i d_j dV, in Gy2 ml. doses_gy: (n, voxels) of brain outside all targets.

    With complete repair between sessions the brain's BED is sum_s D_s + sum_s D_s^2 / (a/b), D_s the dose of session s.
    The first term does not depend on who is treated with whom, and of the second only products of lesions in one
    session do: 2 / (a/b) sum_{i<j in s} G[i, j].
    """
    # In blocks: the products of a million voxels lose digits in float32.
    total = np.zeros((len(doses_gy), len(doses_gy)))
    for block in np.array_split(doses_gy, max(1, doses_gy.shape[1] // 65536), axis=1):
        total += (block @ block.T).astype(np.float64)
    return np.asarray(total * voxel_ml)


def squared_sum(g: FloatArray, sessions: npt.NDArray[np.bool_]) -> float:
    """Integral over the brain of sum_s D_s^2, in Gy2 ml. sessions: (n, K), who is in which."""
    z = sessions.astype(np.float64)
    return float(np.einsum("is,ij,js->", z, g, z))


def cross_sum(g: FloatArray, sessions: npt.NDArray[np.bool_]) -> float:
    """The part of `squared_sum` that depends on the grouping: pairs in one session, each once."""
    z = sessions.astype(np.float64)
    alone = float((np.diag(g)[:, None] * z).sum())
    return (squared_sum(g, sessions) - alone) / 2
