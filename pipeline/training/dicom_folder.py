"""A plain 3D DICOM series as an array, for training only; the product reads through `pipeline.imaging.read`."""

from __future__ import annotations

from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pydicom


def read_folder(folder: Path) -> tuple[npt.NDArray[np.float32], tuple[float, float, float]]:
    """(slices to the head, rows to the back, columns to the left) and spacing in mm of the series in a folder."""
    slices = [pydicom.dcmread(p) for p in sorted(folder.rglob("*.dcm"))]
    rows, columns = np.split(np.array(slices[0].ImageOrientationPatient, float), 2)
    normal = np.cross(rows, columns)
    slices.sort(key=lambda s: float(np.dot(normal, s.ImagePositionPatient)))
    first, last = (np.array(slices[i].ImagePositionPatient, float) for i in (0, -1))
    row_mm, column_mm = (float(v) for v in slices[0].PixelSpacing)
    affine = np.eye(4)
    affine[:3, 0] = normal * (np.linalg.norm(last - first) / (len(slices) - 1))
    affine[:3, 1], affine[:3, 2], affine[:3, 3] = columns * row_mm, rows * column_mm, first
    volume = hd.Volume(np.stack([s.pixel_array for s in slices]).astype(np.float32), affine, "PATIENT")
    turned = volume.to_patient_orientation("HPL")
    slice_mm, row_mm, column_mm = (float(s) for s in turned.spacing)
    return np.asarray(turned.array, np.float32), (slice_mm, row_mm, column_mm)
