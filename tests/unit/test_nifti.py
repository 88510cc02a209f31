"""NIfTI -> LPS volumes and DICOM MR that a validator and our own reader accept."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from scipy.spatial.transform import Rotation

from pipeline.core.errors import GeometryUnusable
from pipeline.datasets.nifti import Acquisition, Habit, Plane, to_lps_volume, without_blank_ends, write_series
from pipeline.imaging.mr_series import Contrast, Weighting, classify, rank_t1c
from pipeline.imaging.read import read_volume
from tests.support.mr import make_volume, only_series, write

DCIODVFY = Path("/usr/bin/dciodvfy")


def ras(spacing=(0.9375, 0.9375, 6.0), turned=(0.0, 0.0, 0.0)) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", turned, degrees=True).as_matrix() * spacing
    affine[:3, 3] = (-80.0, 70.0, 40.0)
    return affine


def values(shape=(7, 9, 12)) -> np.ndarray:
    return np.arange(np.prod(shape)).reshape(shape)


@settings(max_examples=50, deadline=None)
@given(
    turned=st.tuples(*[st.floats(-180, 180)] * 3),
    spacing=st.tuples(*[st.floats(0.3, 6)] * 3),
    plane=st.sampled_from([None, *Plane]),
)
def test_every_voxel_keeps_its_place(turned, spacing, plane) -> None:
    array, affine = values((3, 4, 5)), ras(spacing, turned)
    volume = to_lps_volume((array, affine), plane=plane)
    for index in np.argwhere(volume.array >= 0)[::7]:
        i, j, k = np.argwhere(array == volume.array[tuple(index)])[0]
        expected = (affine @ [i, j, k, 1])[:3] * [-1, -1, 1]
        assert np.allclose((volume.affine @ [*index, 1])[:3], expected, atol=1e-6)


def test_axes_are_slices_rows_columns() -> None:
    volume = to_lps_volume((values(), ras()))
    assert volume.array.shape == (12, 9, 7)
    assert volume.spacing == pytest.approx((6.0, 0.9375, 0.9375))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_thick_slices_are_slices_wherever_a_tool_has_put_them(axis: int) -> None:
    spacing = [0.9, 0.9, 0.9]
    spacing[axis] = 5.0
    volume = to_lps_volume((values(), ras(tuple(spacing))))
    assert volume.spacing == pytest.approx((5.0, 0.9, 0.9))
    assert volume.array.shape[0] == values().shape[axis]


@pytest.mark.parametrize("plane", list(Plane))
def test_a_plane_is_made_by_turning(plane: Plane, tmp_path: Path) -> None:
    write_series((values(), ras((1, 1, 1), (8, -5, 3))), tmp_path, plane=plane)
    assert classify(only_series(tmp_path)).plane == plane.name.lower()


def test_a_wrong_spacing_is_overridden_and_scan_and_mask_stay_together() -> None:
    scan, mask = (values(), np.diag([-1.0, -1.0, 1.0, 1.0])), (values() % 2, np.diag([-1.0, -1.0, 1.0, 1.0]))
    one, other = (to_lps_volume(x, (0.9375, 0.9375, 6.0)) for x in (scan, mask))
    assert one.spacing == pytest.approx((6.0, 0.9375, 0.9375))
    assert one.geometry_equal(other)


def test_blank_slices_at_the_ends_are_dropped_and_the_rest_stays_in_place(tmp_path: Path) -> None:
    array = values()
    array[..., :2] = array[..., 10:] = 0
    whole = to_lps_volume((array, ras()))
    kept = without_blank_ends(whole)
    assert kept.array.shape[0] == 8
    assert np.allclose(kept.affine @ [0, 0, 0, 1], whole.affine @ [2, 0, 0, 1])
    assert len(write_series((array, ras()), tmp_path / "a")) == 8
    assert len(write_series((array, ras()), tmp_path / "b", drop_blank=False)) == 12


def test_a_file_and_its_parts_give_the_same_volume(tmp_path: Path) -> None:
    path = tmp_path / "x.nii.gz"
    nib.save(nib.Nifti1Image(values().astype(np.int16), ras()), path)
    from_file, from_parts = to_lps_volume(path), to_lps_volume((values(), ras()))
    assert np.array_equal(from_file.array, from_parts.array)
    assert np.allclose(from_file.affine, from_parts.affine, atol=1e-5)


@pytest.mark.parametrize("bad", ["sheared", "flat", "four"])
def test_what_is_no_volume_is_named(bad: str) -> None:
    affine, array = ras(), values()
    if bad == "sheared":
        affine[0, 1] = 0.5
    elif bad == "flat":
        affine[:3, 2] = 0
    else:
        array = np.stack([array, array], axis=-1)
    with pytest.raises(GeometryUnusable):
        to_lps_volume((array, affine))


@pytest.mark.parametrize("habit", list(Habit))
@pytest.mark.parametrize("agent", ["Gadobutrol", ""])
@pytest.mark.parametrize("step_mm", [1.0, 6.0])
def test_the_classifier_knows_what_was_written(tmp_path: Path, habit: Habit, agent: str, step_mm: float) -> None:
    write(tmp_path, make_volume((12, 9, 7), (step_mm, 1.0, 1.0)), habit, contrast_agent=agent)
    series = only_series(tmp_path)
    about = classify(series)
    assert about.weighting is Weighting.T1
    assert about.contrast.given is (Contrast.YES if agent else Contrast.NO)
    assert (about.n_slices, about.thickness_mm, about.body_part) == (12, pytest.approx(step_mm), "head")
    assert about.acquisition == ("3D" if step_mm == 1.0 else "2D")
    assert (rank_t1c([series]).best is not None) is bool(agent)


@pytest.mark.parametrize("habit", list(Habit))
def test_large_and_fractional_values_are_scaled_in_proportion(tmp_path: Path, habit: Habit) -> None:
    volume = make_volume((4, 9, 7))
    volume.array = np.random.default_rng(0).random(volume.shape) * 90000.0
    write(tmp_path, volume, habit)
    read = read_volume(only_series(tmp_path)).volume.array
    scale = float((read * volume.array).sum() / (volume.array**2).sum())
    assert np.abs(read / scale - volume.array).max() < 90000 / 4095
    if habit in (Habit.PHILIPS, Habit.ENHANCED):
        assert scale == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("habit", list(Habit))
def test_equal_input_makes_equal_files_and_another_seed_other_uids(tmp_path: Path, habit: Habit) -> None:
    first, second = write(tmp_path / "a", habit=habit), write(tmp_path / "b", habit=habit)
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    other = write(tmp_path / "c", habit=habit, seed="2")
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert dcmread(first[0])[keyword].value != dcmread(other[0])[keyword].value


def test_series_of_one_study_share_it_and_its_frame_of_reference(tmp_path: Path) -> None:
    one = dcmread(write(tmp_path / "a", study="visit")[0])
    two = dcmread(write(tmp_path / "b", make_volume(plane="coronal"), study="visit", series_number=6)[0])
    assert (one.StudyInstanceUID, one.FrameOfReferenceUID) == (two.StudyInstanceUID, two.FrameOfReferenceUID)
    assert one.SeriesInstanceUID != two.SeriesInstanceUID


def test_what_the_caller_wants_is_set_last(tmp_path: Path) -> None:
    more = {"PatientID": "X1", "ImageType": ["DERIVED", "SECONDARY"]}
    (path, *_) = write_series((values(), ras()), tmp_path, Acquisition(more=more, patient_name="A^B"))
    ds = dcmread(path)
    assert (ds.PatientID, ds.PatientName, list(ds.ImageType)) == ("X1", "A^B", ["DERIVED", "SECONDARY"])


@pytest.mark.real("dicom3tools")
@pytest.mark.parametrize("habit", list(Habit))
@pytest.mark.parametrize("agent", ["Gadobutrol", ""])
@pytest.mark.parametrize("step_mm", [1.0, 6.0])
def test_dciodvfy_finds_no_errors(tmp_path: Path, habit: Habit, agent: str, step_mm: float) -> None:
    if not DCIODVFY.exists() and os.environ.get("CI") != "true":
        pytest.skip(f"no {DCIODVFY}: install dicom3tools")
    volume = make_volume((4, 32, 32), (step_mm, 0.9, 0.9), turned_deg=(5, 3, -2))
    path = write(tmp_path, volume, habit, contrast_agent=agent)[-1]
    done = subprocess.run([DCIODVFY, path], capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).splitlines()
    assert any("MRImage" in line or "EnhancedMRImage" in line for line in said)
    assert [line for line in said if line.startswith("Error")] == []


def test_the_real_thick_slice_series_are_written_and_read_back(shared_data: Path, tmp_path: Path) -> None:
    scan = shared_data / "brain/btp_t1c/01/Post_Scan_T1.nii.gz"
    mask = shared_data / "brain/btp_t1c/01/Post_Mask.nii.gz"
    spacing = (0.9375, 0.9375, 6.0)
    write_series(scan, tmp_path, Acquisition(habit=Habit.PHILIPS), spacing_mm=spacing)
    series = only_series(tmp_path)
    read = read_volume(series).volume
    assert rank_t1c([series]).best is not None
    assert read.array.shape == (20, 256, 256)
    whole, drawn = to_lps_volume(scan, spacing), to_lps_volume(mask, spacing)
    assert whole.geometry_equal(drawn)
    first = np.linalg.inv(whole.affine) @ read.affine @ [0, 0, 0, 1]
    assert np.allclose(first[1:3], 0, atol=1e-6)
    start = round(first[0])
    assert np.abs(read.array - whole.array[start : start + 20]).max() <= 9356 / 4095  # one stored step
    assert drawn.array.sum() == drawn.array[start : start + 20].sum() > 1000
