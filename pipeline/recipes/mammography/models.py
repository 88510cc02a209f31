"""The detectors of the recipe as one thing: those that ship, those of a fold in training, or small ones in a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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

    def describe(self, look: Look) -> Any:
        """The slow part, once for each view."""

    def heat_of(self, one: Any, other: Any | None, partner: Partner | None) -> Heat:
        """(2, rows, columns) logits of a lesion, and of a malignant one; -inf without tissue. Of described views."""


class Pairs(Protocol):
    """A network that compares the breast with the other one."""

    def heat(self, look: Look, other: Look | None, partner: Partner | None, device: str) -> Heat:
        """(2, rows, columns) logits as those of `Dense`."""


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

    def maps(self, looks: Mapping[str, Look], others: Mapping[str, str | None], device: str) -> dict[str, Maps]:
        """What all detectors say of each view. others: name of the like view of the other breast, for each."""
        described = {name: self.dense.describe(look) for name, look in looks.items()}
        made = {}
        for name, look in looks.items():
            like = others[name]
            partner = None if like is None else self.register(look, looks[like])
            other = None if like is None or partner is None else like
            made[name] = Maps(
                dense=self.dense.heat_of(described[name], described[other] if other else None, partner),
                pairs=self.pairs.heat(look, looks[other] if other else None, partner, device),
                specks=self.specks.heat(look, device),
            )
        return made
