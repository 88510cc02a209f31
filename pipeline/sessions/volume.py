"""The volume of brain that a session lifts to a dose: not linear in who shares it, so counted set by set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.sessions.dosemap import Doses
from pipeline.sessions.problem import FloatArray, IntArray, Mask

MOST_COUNTED = 6_000_000_000
"""Points that are looked at for a table of sets, at some 0.5 ns each; a table of more is not made."""


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """What sets of parts give, in ml at or above the level of a limit.

    doses_gy: (parts, points) of one session of each, at the points that can reach the level at all.
    """

    doses_gy: Doses
    level_gy: float
    voxel_ml: float
    most_ml: float

    def of(self, doses_gy: Doses) -> float:
        """Of a session with these doses, (points,)."""
        return float(np.count_nonzero(doses_gy >= self.level_gy)) * self.voxel_ml

    def sessions_gy(self, groups: IntArray, sessions: int) -> Doses:
        """(sessions, points). groups: (parts,) 0...K-1."""
        return np.asarray(np.eye(sessions, dtype=np.float32)[groups].T @ self.doses_gy, np.float32)

    def each(self, groups: IntArray, sessions: int) -> FloatArray:
        """(sessions,) ml of each."""
        return np.array([self.of(row) for row in self.sessions_gy(groups, sessions)])

    def largest(self, groups: IntArray, sessions: int) -> float:
        """The largest of them."""
        return float(self.each(groups, sessions).max(initial=0.0))

    def beyond(self, cap_ml: float, most: int, apart: Mask) -> Mask | None:
        """(2^parts,) sets, as bit masks, that give more than `cap_ml`; None where it would take too long to count.

        Larger sets than `most`, and those with parts that must be `apart`, are in no session and count as beyond.
        """
        n, points = self.doses_gy.shape
        beyond = np.ones(1 << n, bool)
        beyond[0] = False
        left = MOST_COUNTED // max(points, 1)
        # A part more never lessens the volume: what is beyond stays so, and nothing is built on it.
        waiting = [(0, np.zeros(points, np.float32), 0, 0)]
        while waiting:
            mask, doses, first, size = waiting.pop()
            for i in range(first, n):
                if any(mask >> j & 1 for j in np.flatnonzero(apart[i])):
                    continue
                left -= 1
                more = doses + self.doses_gy[i]
                if self.of(more) > cap_ml:
                    continue
                beyond[mask | 1 << i] = False
                if size + 1 < most:
                    waiting.append((mask | 1 << i, more, i + 1, size + 1))
            if left < 0:
                return None
        return beyond


def volume_of(doses_gy: Doses, level_gy: float, voxel_ml: float, most_ml: float, most: int) -> Volume:
    """doses_gy: (parts, v) at all points of the brain. most: parts that may share a session."""
    highest = doses_gy if len(doses_gy) <= most else np.partition(doses_gy, len(doses_gy) - most, axis=0)[-most:]
    can = highest.sum(axis=0) >= level_gy * (1 - 1e-5)
    return Volume(np.ascontiguousarray(doses_gy[:, can], np.float32), level_gy, voxel_ml, most_ml)
