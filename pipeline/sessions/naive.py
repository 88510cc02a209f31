"""Groupings that need no doses, to compare with: what a planner might do at first sight."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.intp]


def by_size(volumes_mm3: npt.NDArray[np.float64], sessions: int) -> IntArray:
    """(n,) session of each: from the largest to the smallest, dealt out one by one."""
    order = np.argsort(-volumes_mm3, kind="stable")
    dealt = np.empty(len(order), np.intp)
    dealt[order] = np.arange(len(order)) % sessions
    return dealt


def by_place(centres_mm: npt.NDArray[np.float64], sessions: int) -> IntArray:
    """(n,) session of each: neighbours together (k-means), as for one isocentre a session."""
    from sklearn.cluster import KMeans  # noqa: PLC0415  (seconds to import)

    if len(centres_mm) <= sessions:
        return np.arange(len(centres_mm), dtype=np.intp)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # places that coincide
        found = KMeans(sessions, n_init=4, random_state=0).fit_predict(centres_mm)
    return np.asarray(found, np.intp)
