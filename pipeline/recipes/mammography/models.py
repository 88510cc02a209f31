"""The detectors of the recipe as one thing: those that ship, those of a fold in training, or small ones in a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.radiomics.classifier import Classifier
from pipeline.recipes.mammography.fuse import Fusion, Maps
from pipeline.recipes.mammography.looks import Look

Heat = NDArray[np.float32]
Partner = Any
"""How the like view of the other breast is laid on this one (`partner.Partner`)."""


class Dense(Protocol):
    """A linear model on deep and hand-made features of every cell."""

    def heat(self, look: Look, other: Look | None, partner: Partner | None) -> Heat:
        """(2, rows, columns) logits of a lesion, and of a malignant one; -inf without tissue."""

    def kinds(self, look: Look, other: Look | None, partner: Partner | None) -> Heat:
        """(3, rows, columns) probabilities of mass, distortion, asymmetry."""


class Pairs(Protocol):
    """A network that compares the breast with the other one."""

    def heat(self, look: Look, other: Look | None, partner: Partner | None, device: str) -> Heat:
        """As that of `Dense`."""


class Specks(Protocol):
    """A network for clusters of calcifications."""

    def heat(self, look: Look, device: str) -> Heat:
        """(2 rows, 2 columns) logits; -inf without tissue."""


@dataclass(frozen=True, slots=True)
class Models:
    """All that `examine` needs.

    register:   lays the like view of the other breast on a view; None where that cannot be done.
    classifier: the false-positive step; None while candidates for it are gathered.
    """

    dense: Dense
    pairs: Pairs
    specks: Specks
    fusion: Fusion
    classifier: Classifier | None
    register: Callable[[Look, Look], Partner | None]

    def maps(self, look: Look, other: Look | None, device: str) -> Maps:
        """What all detectors say of one view. other: the like view of the other breast."""
        partner = None if other is None else self.register(look, other)
        beside = None if partner is None else other
        return Maps(
            dense=self.dense.heat(look, beside, partner),
            pairs=self.pairs.heat(look, beside, partner, device),
            specks=self.specks.heat(look, device),
            kinds=self.dense.kinds(look, beside, partner),
        )
