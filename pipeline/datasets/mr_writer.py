"""A volume -> MR images, filed and described as a scanner would."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import highdicom as hd
import numpy as np
from pydicom import Dataset
from pydicom.uid import MRImageStorage

from pipeline.core.uid import derive_uid
from pipeline.datasets.mr_enhanced import enhanced_object
from pipeline.datasets.mr_habits import Habit
from pipeline.datasets.mr_parts import (
    Acquisition,
    Content,
    decimal,
    finish,
    orientation,
    position,
    prepare,
    series_level,
)

__all__ = ["Acquisition", "Habit", "write_volume"]


def write_volume(volume: hd.Volume, folder: Path, acquisition: Acquisition | None = None) -> list[Path]:
    """Write a volume as a series of MR images and give the files, in slice order.

    volume:  (slices, rows, columns), any number type, LPS mm. Values below 0 become 0, but for GE's signed
             pixels. Whole numbers that fit are stored as they are; all else is scaled to the stored range, with
             Rescale Slope where the vendor writes it (PHILIPS, ENHANCED).
    returns: one file a slice (MR Image Storage), or the one file of an Enhanced MR object.
    """
    acquisition = acquisition or Acquisition()
    content = prepare(volume, acquisition)
    folder.mkdir(parents=True, exist_ok=True)
    if acquisition.habit is Habit.ENHANCED:
        return [_save(enhanced_object(content, acquisition), folder / "0001.dcm")]
    common = _classic_level(content, acquisition)
    return [
        _save(_slice(common, content, i, acquisition), folder / f"{i + 1:04d}.dcm") for i in range(len(content.pixels))
    ]


def _classic_level(content: Content, acquisition: Acquisition) -> Dataset:
    """Image plane, MR image and VOI LUT modules, as far as all slices share them (PS3.3 A.4.3)."""
    ds = series_level(content, acquisition)
    if acquisition.contrast_agent:
        ds.ContrastBolusAgent = acquisition.contrast_agent
    spacing = content.geometry.spacing
    ds.PixelSpacing = [decimal(v) for v in spacing[1:]]
    ds.SliceThickness = ds.SpacingBetweenSlices = decimal(spacing[0])
    ds.ImageOrientationPatient = orientation(content.geometry)
    ds.EchoTrainLength, ds.NumberOfAverages, ds.ImagedNucleus, ds.EchoNumbers = 1, 1, "1H", 1
    ds.WindowCenter, ds.WindowWidth = (decimal(v) for v in content.window)
    if acquisition.style.rescaled:
        ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", decimal(content.slope), "normalized"
    else:
        ds.WindowCenter, ds.WindowWidth = (decimal(v / content.slope) for v in content.window)
    return ds


def _slice(common: Dataset, content: Content, index: int, acquisition: Acquisition) -> Dataset:
    ds = deepcopy(common)
    ds.InstanceNumber = index + 1
    ds.ImagePositionPatient = position(content.geometry, index)
    normal = np.cross(*np.array(content.geometry.unit_vectors())[[2, 1]])
    ds.SliceLocation = decimal(float(normal @ (content.geometry.affine @ [index, 0, 0, 1])[:3]))
    pixels = content.pixels[index]
    ds.SmallestImagePixelValue, ds.LargestImagePixelValue = int(pixels.min()), int(pixels.max())
    ds.PixelData = pixels.tobytes()
    uid = derive_uid("lantern mr image", acquisition.seed, content.name, str(index))
    return finish(ds, MRImageStorage, uid, acquisition.more)


def _save(ds: Dataset, path: Path) -> Path:
    ds.save_as(path, enforce_file_format=True)
    return path
