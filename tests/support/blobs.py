"""Small MR series with bright balls in them, as a scanner would have written them: quick to send, exact to check."""

from __future__ import annotations

from pathlib import Path

import highdicom as hd
import numpy as np

from pipeline.datasets.mr_writer import Acquisition, write_volume


def blobs_volume(seed: int = 0, *, shape: tuple[int, int, int] = (8, 48, 48), balls: int = 2) -> hd.Volume:
    """(slices, rows, columns) of 2 x 1 x 1 mm: noise around 100, balls of 1000 with 4 mm radius."""
    random = np.random.default_rng(seed)
    array = random.normal(100, 10, shape).clip(0)
    z, y, x = np.indices(shape)
    for n in range(balls):
        centre = (shape[0] // 2, 12 + 20 * (n // 2), 12 + 20 * (n % 2))
        inside = ((z - centre[0]) * 2) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 <= 16
        array[inside] = 1000
    affine = np.array([[0, 0, 1, -24], [0, 1, 0, -24], [2, 0, 0, 10], [0, 0, 0, 1]], float)
    return hd.Volume(array.round().astype(np.int16), affine, "PATIENT")


def write_blobs(folder: Path, seed: int = 0, *, study: str = "", balls: int = 2, **more: str) -> list[Path]:
    """A series of its own study, or of the study that the word `study` stands for."""
    return write_volume(blobs_volume(seed, balls=balls), folder, Acquisition(study=study, seed=str(seed), **more))
