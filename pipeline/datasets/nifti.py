"""NIfTI -> volumes in LPS mm, and -> DICOM MR as a scanner would have written it."""

from __future__ import annotations

import zlib
from enum import StrEnum
from pathlib import Path
from typing import Any

import highdicom as hd
import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from pipeline.core.errors import GeometryUnusable, PixelsUnreadable
from pipeline.datasets.mr_writer import Acquisition, Habit, write_volume

__all__ = [
    "Acquisition",
    "Habit",
    "Plane",
    "to_lps_volume",
    "without_blank_ends",
    "write_series",
    "write_volume",
]

Affine = NDArray[np.float64]

MAX_SHEAR = 0.01
"""How far from perpendicular the axes of an affine may be (a cosine); registration tools leave small shears."""

CLEARLY_THICKER = 1.5
"""So many times the spacing along k another axis has, where it holds the slices of a 2D series."""


class Plane(StrEnum):
    """How the head is sliced. The letters say where slices, rows and columns grow (hd.Volume)."""

    AXIAL = "HPL"
    SAGITTAL = "RFP"
    CORONAL = "PFL"


def to_lps_volume(
    image: Path | nib.Nifti1Image | tuple[NDArray[Any], Affine],
    spacing_mm: tuple[float, float, float] | None = None,
    plane: Plane | None = None,
) -> hd.Volume:
    """A NIfTI image as a volume in DICOM's frame.

    image:      a file, a nibabel image, or (array, affine): array (i, j, k), affine to RAS mm as NIfTI has it.
    spacing_mm: of the axes (i, j, k), where the header's are wrong; direction and origin stay.
    plane:      turn and flip (exactly, no resampling) to this plane; None makes the clearly thickest axis the slices,
                as they were scanned, else k; of the others the later is the rows.
    returns:    (slices, rows, columns), the file's numbers; affine to LPS mm, made exactly orthogonal. Equal
                arguments give a scan and its mask the same geometry.

    Raises GeometryUnusable when the axes are not perpendicular (more than MAX_SHEAR), PixelsUnreadable for a file that
    is damaged or no NIfTI.
    """
    try:
        array, ras = _array_and_affine(image)
    except (ImageFileError, OSError, EOFError, ValueError, zlib.error) as error:
        of = image.name if isinstance(image, Path) else "the NIfTI image"
        raise PixelsUnreadable(f"{of} cannot be read: {error}", "give a whole .nii or .nii.gz file") from error
    columns = _orthogonal(ras[:3, :3], spacing_mm)
    affine = np.eye(4)
    affine[:3, :3] = columns[:, ::-1]  # (i, j, k) -> (k, j, i): slices, rows, columns
    affine[:3, 3] = ras[:3, 3]
    affine[:2] *= -1  # RAS -> LPS
    volume = hd.Volume(np.ascontiguousarray(array.transpose(2, 1, 0)), affine, "PATIENT")
    return volume.to_patient_orientation(plane.value) if plane else _sliced_as_scanned(volume)


def _sliced_as_scanned(volume: hd.Volume) -> hd.Volume:
    """Thick slices first: tools that reorient to RAS store sagittal and coronal series with them on another axis."""
    thickest = int(np.argmax(volume.spacing))
    if volume.spacing[thickest] < CLEARLY_THICKER * volume.spacing[0]:
        return volume
    return volume.permute_spatial_axes([thickest, *(axis for axis in range(3) if axis != thickest)])


def write_series(
    image: Path | nib.Nifti1Image | tuple[NDArray[Any], Affine],
    folder: Path,
    acquisition: Acquisition | None = None,
    *,
    spacing_mm: tuple[float, float, float] | None = None,
    plane: Plane | None = None,
    drop_blank: bool = True,
) -> list[Path]:
    """Write a NIfTI image as a DICOM MR series into `folder`; gives the files, in slice order.

    image, spacing_mm, plane: as in `to_lps_volume`. acquisition: who and how, see there.
    drop_blank: leave out slices without any signal at either end, which no scanner would have sent.
    """
    volume = to_lps_volume(image, spacing_mm, plane)
    return write_volume(without_blank_ends(volume) if drop_blank else volume, folder, acquisition)


def without_blank_ends(volume: hd.Volume) -> hd.Volume:
    """The volume without all-equal slices at its two ends; the affine follows. An empty volume stays as it is."""
    array = np.asarray(volume.array)
    filled = np.flatnonzero(array.max(axis=(1, 2)) > array.min(axis=(1, 2)))
    return volume[filled[0] : filled[-1] + 1] if filled.size else volume


def _array_and_affine(image: Path | nib.Nifti1Image | tuple[NDArray[Any], Affine]) -> tuple[NDArray[Any], Affine]:
    if isinstance(image, tuple):
        array, affine = image
    else:
        loaded = nib.load(image) if isinstance(image, Path) else image
        array, affine = np.asanyarray(loaded.dataobj), np.asarray(loaded.affine)
    array = array[..., 0] if array.ndim == 4 and array.shape[3] == 1 else array
    if array.ndim != 3:
        raise GeometryUnusable(f"a NIfTI image with {array.ndim} dimensions is not one volume")
    return array, np.asarray(affine, np.float64)


def _orthogonal(columns: Affine, spacing_mm: tuple[float, float, float] | None) -> Affine:
    """The nearest perpendicular axes, with the lengths of the old ones or of `spacing_mm`."""
    lengths = np.linalg.norm(columns, axis=0)
    if not lengths.all():
        raise GeometryUnusable("the affine of the NIfTI image has an axis of length 0")
    unit = columns / lengths
    if np.abs(unit.T @ unit - np.eye(3)).max() > MAX_SHEAR:
        raise GeometryUnusable("the axes of the NIfTI image are not perpendicular")
    u, _, v = np.linalg.svd(unit)
    nearest: Affine = u @ v * (np.array(spacing_mm) if spacing_mm else lengths)
    return nearest
