"""What the measuring is told, and the hash by which a model knows its own table again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

REVISION = 1
"""Of the code that computes the features; raised whenever a value would change with the same settings."""


@dataclass(frozen=True, slots=True)
class RadiomicsParams:
    """How candidates are measured.

    dimensions:     3 for volumes, 2 for single slices (each candidate on the slice that shows most of it).
    spacing_mm:     grid on which everything but voxel counts and probabilities is measured, same in all directions.
    pad_mm:         image kept around a candidate; at least four times the largest sigma of the LoG.
    texture_voxels: below so many voxels texture is not a number.
    scale, offset:  the image becomes scale x (value - mean inside the organ) / deviation + offset.
    tube_sigmas_mm: scales at which tubes are looked for.
    mirror:         compare with the other side of the body; of no sense for one breast.
    """

    dimensions: int = 3
    spacing_mm: float = 1.0
    pad_mm: float = 12.0
    texture_voxels: int = 8
    scale: float = 100.0
    offset: float = 300.0
    tube_sigmas_mm: tuple[float, ...] = (1.0, 2.0, 3.0)
    mirror: bool = True

    def __post_init__(self) -> None:
        if self.dimensions not in (2, 3):
            raise ValueError("dimensions are 2 or 3")
        if self.pad_mm < 4 * max(self.tube_sigmas_mm) or self.spacing_mm <= 0:
            raise ValueError("pad_mm must be at least four times the largest sigma, spacing_mm above 0")

    @property
    def settings_file(self) -> Path:
        """The shipped settings of pyradiomics."""
        return Path(__file__).with_name("volume.yaml" if self.dimensions == 3 else "slice.yaml")

    @property
    def settings_sha256(self) -> str:
        """Of the settings file, of these parameters and of the code's revision, together."""
        own = json.dumps({**asdict(self), "revision": REVISION}, sort_keys=True)
        return hashlib.sha256(self.settings_file.read_bytes() + own.encode()).hexdigest()
