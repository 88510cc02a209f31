"""Small MR series for tests: any orientation and spacing, classic or Enhanced, and ways to spoil them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.uid import MRImageStorage
from scipy.spatial.transform import Rotation

from pipeline.core.study import Instance, Series
from pipeline.core.uid import derive_uid
from pipeline.datasets.mr_writer import Acquisition, Habit, write_volume
from pipeline.imaging.header import scan

PLANES = {
    "axial": ((0, 0, 1), (0, 1, 0), (1, 0, 0)),
    "sagittal": ((-1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "coronal": ((0, 1, 0), (0, 0, -1), (1, 0, 0)),
}
"""Where slices, rows and columns grow, in LPS."""


def make_volume(
    shape: tuple[int, int, int] = (6, 9, 7),
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0),
    plane: str = "axial",
    turned_deg: Sequence[float] = (0.0, 0.0, 0.0),
    origin_mm: Sequence[float] = (-90.0, -120.5, -60.25),
) -> hd.Volume:
    """A volume in which every voxel has another value (below 4096), turned about x, y and z."""
    axes = Rotation.from_euler("xyz", turned_deg, degrees=True).as_matrix() @ np.array(PLANES[plane], float).T
    affine = np.eye(4)
    affine[:3, :3] = axes * np.array(spacing_mm)
    affine[:3, 3] = origin_mm
    values = (np.arange(np.prod(shape)) % 4096).reshape(shape).astype(np.int32)
    return hd.Volume(values, affine, "PATIENT")


def write(folder: Path, volume: hd.Volume | None = None, habit: Habit = Habit.SIEMENS, **options: Any) -> list[Path]:
    """Write a volume as DICOM; `options` are those of Acquisition."""
    return write_volume(volume or make_volume(), folder, Acquisition(habit=habit, **options))


def rewrite(paths: Path | Sequence[Path], change: Callable[[Dataset], None]) -> None:
    """Change data sets on disk."""
    for path in [paths] if isinstance(paths, Path) else paths:
        ds = dcmread(path)
        change(ds)
        ds.save_as(path)


def edit(paths: Path | Sequence[Path], **values: Any) -> None:
    """Set attributes on disk; None deletes."""

    def change(ds: Dataset) -> None:
        for keyword, value in values.items():
            if value is not None:
                setattr(ds, keyword, value)
            elif keyword in ds:
                delattr(ds, keyword)

    rewrite(paths, change)


def copy_as(path: Path, target: Path, **values: Any) -> Path:
    """A copy of an image under another SOP Instance UID, with some attributes changed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(path.read_bytes())
    uid = derive_uid(str(dcmread(path, stop_before_pixels=True).SOPInstanceUID), str(target))
    edit(target, SOPInstanceUID=uid, **values)
    return target


def only_series(folder: Path) -> Series:
    """The one series in a folder."""
    (study,) = scan(folder)
    (series,) = study.series
    return series


def shuffled(series: Series, seed: int) -> Series:
    """The same series, its instances in another order."""
    instances = list(series.instances)
    random.Random(seed).shuffle(instances)
    return Series(series.series_instance_uid, tuple(instances))


def header_series(n_slices: int = 160, step_mm: float = 1.0, modality: str = "MR", **header: Any) -> Series:
    """An axial series of headers alone, without files."""
    name = repr(sorted(header.items()))
    series_uid = derive_uid("series", name)
    base = {
        "ImageOrientationPatient": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
        "PixelSpacing": (1.0, 1.0),
        "SliceThickness": step_mm,
        "SeriesNumber": 3,
    }
    return Series(
        series_uid,
        tuple(
            Instance(
                derive_uid("image", name, str(i)),
                str(MRImageStorage),
                series_uid,
                derive_uid("study"),
                "1.2.840.10008.1.2.1",
                modality,
                Path("/nowhere") / str(i),
                header={**base, "ImagePositionPatient": (0.0, 0.0, i * step_mm), **header},
            )
            for i in range(n_slices)
        ),
    )


def expected_affine(paths: Sequence[Path]) -> NDArray[np.float64]:
    """The affine that classic headers define, (slice, row, column) -> LPS mm, by PS3.3 equation C.7.6.2.1-1.

    Written without the product's code: slice direction and spacing from the first and last position.
    """
    headers = [dcmread(p, stop_before_pixels=True) for p in paths]
    across = np.array([float(v) for v in headers[0].ImageOrientationPatient[:3]])
    down = np.array([float(v) for v in headers[0].ImageOrientationPatient[3:]])
    normal = np.cross(across, down)
    positions = np.array(sorted(([float(v) for v in h.ImagePositionPatient] for h in headers), key=normal.dot))
    between_rows, between_columns = (float(v) for v in headers[0].PixelSpacing)
    affine = np.eye(4)
    affine[:3, 0] = (positions[-1] - positions[0]) / (len(positions) - 1)
    affine[:3, 1] = down * between_rows
    affine[:3, 2] = across * between_columns
    affine[:3, 3] = positions[0]
    return affine
