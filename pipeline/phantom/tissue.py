"""The tissues a T1 image of a head is painted from."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

TissueMap = npt.NDArray[np.uint8]
"""(slices, rows, columns), values of `Tissue`."""


class Tissue(IntEnum):
    """What a voxel is. The values are those of a tissue map."""

    AIR = 0
    FAT = 1
    SKIN = 2
    MUSCLE = 3
    BONE = 4
    MARROW = 5
    MUCOSA = 6
    EYE = 7
    CSF = 8
    VENTRICLE = 9
    CORTEX = 10
    WHITE = 11
    DEEP_GREY = 12
    CEREBELLAR_CORTEX = 13
    CEREBELLAR_WHITE = 14
    BRAINSTEM = 15
    DURA = 16
    SINUS = 17
    CHOROID = 18
    PITUITARY = 19
    ARTERY = 20
    OTHER = 21
    CORD = 22


PARENCHYMA = (
    Tissue.CORTEX,
    Tissue.WHITE,
    Tissue.DEEP_GREY,
    Tissue.CEREBELLAR_CORTEX,
    Tissue.CEREBELLAR_WHITE,
    Tissue.BRAINSTEM,
)
"""Where a brain metastasis may grow."""

INTRACRANIAL = (*PARENCHYMA, Tissue.CSF, Tissue.VENTRICLE, Tissue.CHOROID, Tissue.SINUS, Tissue.ARTERY, Tissue.DURA)
"""What is left of a head after skull stripping."""


def lookup(values: dict[int, float], default: float = 0.0) -> npt.NDArray[np.float32]:
    """A table of 256 entries to be indexed with a tissue map."""
    table = np.full(256, default, np.float32)
    for tissue, value in values.items():
        table[int(tissue)] = value
    return table


def is_any(tissues: TissueMap, wanted: tuple[Tissue, ...]) -> npt.NDArray[np.bool_]:
    """True where the map holds one of `wanted`."""
    table = np.zeros(256, bool)
    table[[int(t) for t in wanted]] = True
    return table[tissues]
