"""Segmentations made here come back on the grid of their images, voxel by voxel."""

from __future__ import annotations

from pathlib import Path

import highdicom as hd
import numpy as np
import pytest

from pipeline.core.errors import GeometryUnusable
from pipeline.encode import Part, encode, to_bytes
from pipeline.followup.drawn import drawn_in
from tests.support.findings import STAMP, Grid, findings_on, spheres, write_classic

BALLS = (((6, 20, 20), 8.0), ((12, 30, 10), 6.0), ((3, 8, 30), 5.0))


def seg(folder: Path, grid: Grid, labels: np.ndarray) -> Path:
    made = {e.part: e.dataset for e in encode(findings_on(write_classic(folder / "images", grid), grid, labels), STAMP)}
    (folder / "SEG.dcm").write_bytes(to_bytes(made[Part.SEG]))
    return folder / "SEG.dcm"


@pytest.mark.parametrize("orientation", ["axial", "sagittal", "oblique", "feet first"])
@pytest.mark.parametrize("lesions", [1, 3])
def test_labels_uids_and_names_come_back(tmp_path: Path, orientation: str, lesions: int) -> None:
    grid = Grid((24, 44, 40), (2.0, 0.9, 0.7), orientation)
    labels = spheres(grid, *BALLS[:lesions])
    path = seg(tmp_path, grid, labels)
    drawn = drawn_in(path, hd.Volume(np.zeros(grid.shape, np.float32), grid.affine, "PATIENT"))
    assert np.array_equal(drawn.labels.array, labels)
    assert [label for _, label in drawn.names.values()] == ["BM01", "BM02", "BM03"][:lesions]


def test_one_voxel_on_one_slice_comes_back(tmp_path: Path) -> None:
    grid = Grid()
    labels = np.zeros(grid.shape, np.uint16)
    labels[5, 10, 10:13] = 1
    drawn = drawn_in(seg(tmp_path, grid, labels), hd.Volume(np.zeros(grid.shape), grid.affine, "PATIENT"))
    assert np.array_equal(drawn.labels.array, labels)


def test_on_other_images_or_damaged_it_is_refused(tmp_path: Path) -> None:
    grid = Grid()
    path = seg(tmp_path, grid, spheres(grid, BALLS[0]))
    moved = grid.affine.copy()
    moved[:3, 3] += 0.5
    with pytest.raises(GeometryUnusable, match="does not lie"):
        drawn_in(path, hd.Volume(np.zeros(grid.shape), moved, "PATIENT"))
    (tmp_path / "cut.dcm").write_bytes(path.read_bytes()[:3000])
    with pytest.raises(GeometryUnusable, match="cannot be read"):
        drawn_in(tmp_path / "cut.dcm", hd.Volume(np.zeros(grid.shape), grid.affine, "PATIENT"))
