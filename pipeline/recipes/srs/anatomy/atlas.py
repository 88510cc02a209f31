"""The atlas: structures, lobes and small organs in MNI coordinates (LPS axes), as the training workshop made them."""

from __future__ import annotations

import io
from dataclasses import dataclass, fields
from enum import IntEnum
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipeline.core.errors import WeightsCorrupt
from pipeline.recipes.srs.anatomy.network import Structure
from pipeline.weights import checked_bytes

FOLDER = Path(__file__).parent
ATLAS_FILE = "atlas.npz"
NETWORK_FILE = "structures.safetensors"
STEP_MM = 2.0
"""Voxel size of the atlas."""

CORE_MM = 9.0

S = Structure
ByteArray = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]

ENCODED = (0.0, 0.0, 0.0, 1.0, 0.75, 0.45, 0.3, 0.1, 0.5, 0.35, 1.2)
"""One number per `Structure`, so that a structure map can be registered as an image: sides and neighbours differ."""

GROUPS: tuple[tuple[Structure, ...], ...] = (
    (S.L_CEREBRUM, S.R_CEREBRUM),
    (S.L_DEEP_GREY, S.R_DEEP_GREY),
    (S.VENTRICLE,),
    (S.L_CEREBELLUM, S.R_CEREBELLUM),
    (S.BRAINSTEM,),
)
"""Structures without their side; group g is bit g of `Atlas.possible`."""


class Lobe(IntEnum):
    """Parts of the cerebrum; values of `Atlas.lobes`."""

    FRONTAL = 1
    PARIETAL = 2
    TEMPORAL = 3
    OCCIPITAL = 4
    INSULA = 5


@dataclass(frozen=True, slots=True)
class Atlas:
    """All arrays are (slices to the head, rows to the back, columns to the left), STEP_MM apart.

    first_mm:        MNI coordinates (z, y, x) of the first voxel in LPS axes.
    structures:      the likeliest `Structure`.
    encoded:         mean of ENCODED over the heads, times 200: what patients are registered with.
    possible:        bit g set where a patient may have group g of GROUPS.
    lobes:           `Lobe` of every place, were it cerebrum.
    deep:            1 thalamus, 2 basal ganglia, were it deep grey matter.
    optic_mm, left_cochlea_mm, right_cochlea_mm: points (n, 3) as (x, y, z) that fill the organ.
    """

    first_mm: FloatArray
    structures: ByteArray
    encoded: ByteArray
    possible: ByteArray
    lobes: ByteArray
    deep: ByteArray
    optic_mm: FloatArray
    left_cochlea_mm: FloatArray
    right_cochlea_mm: FloatArray

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """The arrays by name, as they are stored."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def index(self, points_mm: npt.NDArray[np.floating]) -> tuple[npt.NDArray[np.intp], ...]:
        """Indices of the voxels nearest to points (n, 3) given as (x, y, z) in MNI LPS; clipped to the grid."""
        raw = np.rint((np.asarray(points_mm)[:, ::-1] - self.first_mm) / STEP_MM).astype(np.intp)
        limit = np.array(self.structures.shape) - 1
        return tuple(np.clip(raw, 0, limit).T)

    def holds(self, points_mm: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
        """Which of the points (n, 3), (x, y, z) in MNI LPS, lie on the atlas' grid."""
        index = (np.asarray(points_mm)[:, ::-1] - self.first_mm) / STEP_MM
        return np.asarray(((index >= 0) & (index <= np.array(self.structures.shape) - 1)).all(1))

    def core(self) -> npt.NDArray[np.bool_]:
        """The brain, CORE_MM inside its surface: what lies there is brain in every head that the atlas fits."""
        inside = ndimage.binary_closing(np.pad(self.structures > Structure.CSF, 4), iterations=3)[4:-4, 4:-4, 4:-4]
        return np.asarray(ndimage.distance_transform_edt(inside) * STEP_MM > CORE_MM)

    def points_mm(self, indices: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
        """MNI LPS coordinates (x, y, z) of voxels given as (n, 3) indices (slice, row, column)."""
        return np.asarray((indices * STEP_MM + self.first_mm)[:, ::-1], np.float64)


def shipped(model: str) -> bytes:
    """A file of this package, as the recipe's weights.toml names it. Raises WeightsCorrupt."""
    return checked_bytes(FOLDER.parent, model)


@lru_cache(maxsize=1)
def load_atlas() -> Atlas:
    """The atlas that ships; kept for the life of the process. Raises WeightsCorrupt when its file is not sound."""
    try:
        with np.load(io.BytesIO(shipped("atlas")), allow_pickle=False) as stored:
            return Atlas(**{f.name: stored[f.name] for f in fields(Atlas)})
    except (ValueError, KeyError, OSError) as error:
        raise WeightsCorrupt(f"the atlas {ATLAS_FILE} cannot be read: {error}") from error
