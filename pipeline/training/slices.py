"""The real 2D slices of cheng2d_t1c: contrast-enhanced T1 with expert masks."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from pipeline.recipes.srs.network import normalise

BLOCK = 50
"""There are no patient ids: neighbouring ids are one patient's, so whole blocks of ids are held out."""


@dataclass(frozen=True, slots=True)
class RealSlice:
    """image: normalised plus one (rows, columns), about 1 mm; mask: bool of the same shape.

    where_lesion, where_head: (n, 2) pixels (row, column) to look at.
    """

    image: npt.NDArray[np.float32]
    mask: npt.NDArray[np.bool_]
    where_lesion: npt.NDArray[np.intp]
    where_head: npt.NDArray[np.intp]
    tumour: str


def load_slices(data: Path, held_out: bool) -> list[RealSlice]:
    """The slices of the training blocks, or of the one block in seven that is held out."""
    folder = data / "brain" / "cheng2d_t1c"
    found = []
    with (folder / "labels.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if (int(row["id"]) // BLOCK % 7 == 3) is not held_out:
                continue
            # The set is stored transposed: turn image and mask alike.
            image = np.asarray(Image.open(folder / "images" / f"{row['id']}.png").convert("L"), np.float32).T
            mask = np.asarray(Image.open(folder / "masks" / f"{row['id']}.png").convert("L")).T > 0
            signal = normalise(np.ascontiguousarray(image)) + 1
            found.append(_slice(signal, np.ascontiguousarray(mask), row["tumour_type"]))
    return found


BTP_PIXEL_MM = 0.9375
"""The headers of btp_t1c say 1 mm; see the README of the data."""


def load_thick_slices(data: Path, without: tuple[str, ...] = ()) -> list[RealSlice]:
    """The slices of btp_t1c: glioblastoma with expert masks on 16 thick-slice scans, all patients but `without`.

    The masks are of enhancing tissue; the network learns gross tumour, so holes in a slice's mask are filled.
    """
    found = []
    for folder in sorted(p for p in (data / "brain" / "btp_t1c").iterdir() if p.is_dir() and p.name not in without):
        for date in ("Pre", "Post"):
            # Stored as (left, back, head).
            image, mask = (
                np.asarray(nib.load(folder / f"{date}_{what}.nii.gz").dataobj, np.float32).T
                for what in ("Scan_T1", "Mask")
            )
            signal = normalise(image) + 1
            for plane, truth in zip(signal, mask > 0, strict=True):
                if plane.max() > 0.3:
                    filled = ndimage.binary_fill_holes(truth).astype(np.float32)
                    finer = (ndimage.zoom(a, BTP_PIXEL_MM, order=1) for a in (plane, filled))
                    grey, outline = finer
                    found.append(_slice(grey, outline > 0.5, "glioblastoma"))
    return found


def _slice(image: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_], tumour: str) -> RealSlice:
    return RealSlice(image, mask, np.argwhere(mask)[::16], np.argwhere(image > 0.3)[::64], tumour)
