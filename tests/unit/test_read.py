"""Series -> volume: round trips in any geometry, and what the pixels mean."""

from __future__ import annotations

import pickle
from pathlib import Path
from tempfile import TemporaryDirectory

import highdicom as hd
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from pipeline.core.errors import GeometryUnusable, PixelsUnreadable
from pipeline.core.uid import derive_uid
from pipeline.datasets.mr_writer import Habit
from pipeline.imaging.read import read_volume
from tests.support.mr import copy_as, edit, make_volume, only_series, rewrite, shuffled, write

degrees = st.floats(-40, 40)
spacing = st.floats(0.2, 7.0)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    plane=st.sampled_from(["axial", "sagittal", "coronal"]),
    turned=st.tuples(degrees, degrees, degrees),
    spacing_mm=st.tuples(spacing, spacing, spacing),
    origin=st.tuples(*[st.floats(-400, 400)] * 3),
    habit=st.sampled_from(list(Habit)),
    seed=st.integers(0, 99),
)
def test_what_is_written_in_any_orientation_is_read_back(plane, turned, spacing_mm, origin, habit, seed) -> None:
    volume = make_volume((4, 6, 5), spacing_mm, plane, turned, origin)
    with TemporaryDirectory() as name:
        write(Path(name), volume, habit)
        read = read_volume(shuffled(only_series(Path(name)), seed))
    assert np.abs(read.volume.affine - volume.affine).max() < 1e-3
    assert np.array_equal(read.volume.array, volume.array)
    assert read.volume.array.dtype == np.float32
    assert len(read.frames) == 4
    assert read.remarks == ()


@pytest.mark.parametrize("habit", list(Habit))
def test_slice_i_is_the_image_that_frame_i_names(tmp_path: Path, habit: Habit) -> None:
    write(tmp_path, make_volume(plane="coronal"), habit)
    read = read_volume(only_series(tmp_path))
    for i, frame in enumerate(read.frames):
        ds = dcmread(frame.path)
        assert ds.SOPInstanceUID == frame.sop_instance_uid
        pixels = ds.pixel_array if frame.frame_number is None else ds.pixel_array[frame.frame_number - 1]
        assert np.array_equal(read.volume.array[i], pixels)
        if frame.frame_number is None:
            where = ds.ImagePositionPatient
        else:
            groups = ds.PerFrameFunctionalGroupsSequence[frame.frame_number - 1]
            where = groups.PlanePositionSequence[0].ImagePositionPatient
        assert np.allclose((read.volume.affine @ [i, 0, 0, 1])[:3], [float(v) for v in where], atol=1e-3)


def test_the_three_axes_are_slice_row_column_and_slices_follow_the_normal(tmp_path: Path) -> None:
    write(tmp_path, make_volume(spacing_mm=(3.0, 2.0, 1.0)))
    affine = read_volume(only_series(tmp_path)).volume.affine
    assert np.allclose(affine[:3, :3], [[0, 0, 1], [0, 2, 0], [3, 0, 0]])
    assert np.linalg.det(affine[:3, :3]) < 0  # left-handed in this order, as Stack says


def test_a_series_written_from_top_to_bottom_is_read_bottom_up(tmp_path: Path) -> None:
    volume = make_volume()
    write(tmp_path, volume.flip_spatial(0))
    read = read_volume(only_series(tmp_path))
    assert np.array_equal(read.volume.array, volume.array)
    assert np.allclose(read.volume.affine, volume.affine)


def test_instance_number_and_slice_location_are_not_believed(tmp_path: Path) -> None:
    paths = write(tmp_path, make_volume())
    for i, path in enumerate(paths):
        edit(path, InstanceNumber=len(paths) - i, SliceLocation="0")
    assert np.array_equal(read_volume(only_series(tmp_path)).volume.array, make_volume().array)


def test_rescale_differs_from_slice_to_slice(tmp_path: Path) -> None:
    paths = write(tmp_path, make_volume(), Habit.PHILIPS)
    for i, path in enumerate(paths):
        edit(path, RescaleSlope=str(i + 1), RescaleIntercept=str(-10 * i))
    array = read_volume(only_series(tmp_path)).volume.array
    factor = np.arange(1, 7)[:, None, None]
    assert np.allclose(array, make_volume().array * factor - 10 * (factor - 1))


def test_negative_values_of_signed_pixels_survive(tmp_path: Path) -> None:
    volume = make_volume()
    volume.array = volume.array - 100
    write(tmp_path, volume, Habit.GE)
    assert np.array_equal(read_volume(only_series(tmp_path)).volume.array, volume.array)


def test_monochrome1_is_inverted_and_said(tmp_path: Path) -> None:
    edit(write(tmp_path, make_volume()), PhotometricInterpretation="MONOCHROME1")
    read = read_volume(only_series(tmp_path))
    assert np.array_equal(read.volume.array, 4095 - make_volume().array)
    assert "MONOCHROME1" in read.remarks[0]


def test_eight_bit_pixels_are_read(tmp_path: Path) -> None:
    def narrow(ds) -> None:
        ds.PixelData = (ds.pixel_array % 256).astype(np.uint8).tobytes() + b"\0"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
        ds["PixelData"].VR = "OB"

    rewrite(write(tmp_path, make_volume()), narrow)
    assert np.array_equal(read_volume(only_series(tmp_path)).volume.array, make_volume().array % 256)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize("habit", [Habit.SIEMENS, Habit.ENHANCED])
def test_compressed_pixels_equal_the_plain_ones(tmp_path: Path, syntax: str, habit: Habit) -> None:
    volume = make_volume((3, 32, 32))
    rewrite(write(tmp_path, volume, habit), lambda ds: ds.compress(syntax, generate_instance_uid=False))
    assert np.array_equal(read_volume(only_series(tmp_path)).volume.array, volume.array)


@pytest.mark.parametrize("habit", [Habit.SIEMENS, Habit.ENHANCED])
def test_deflated_files_are_read(tmp_path: Path, habit: Habit) -> None:
    def deflate(ds: Dataset) -> None:
        ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian

    rewrite(write(tmp_path, habit=habit), deflate)
    assert np.array_equal(read_volume(only_series(tmp_path)).volume.array, make_volume().array)


def test_enhanced_objects_of_one_frame_each_are_read_frame_by_frame(tmp_path: Path) -> None:
    (path,) = write(tmp_path, habit=Habit.ENHANCED)
    ds = dcmread(path)
    path.unlink()
    del ds.SharedFunctionalGroupsSequence[0].MRImageFrameTypeSequence
    pixels, groups = ds.pixel_array, list(ds.PerFrameFunctionalGroupsSequence)
    for i, group in enumerate(groups):
        ds.NumberOfFrames, ds.PerFrameFunctionalGroupsSequence, ds.PixelData = 1, [group], pixels[i].tobytes()
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = derive_uid("single frame", str(i))
        ds.save_as(tmp_path / f"{i}.dcm")
    read = read_volume(only_series(tmp_path))
    assert np.array_equal(read.volume.array, make_volume().array)
    assert {f.frame_number for f in read.frames} == {1}


def test_a_legacy_converted_enhanced_object_is_read(tmp_path: Path) -> None:
    legacy = "1.2.840.10008.5.1.4.1.1.4.4"
    edit(write(tmp_path, make_volume(), Habit.ENHANCED), SOPClassUID=legacy)
    read = read_volume(only_series(tmp_path))
    assert np.array_equal(read.volume.array, make_volume().array)
    assert [f.frame_number for f in read.frames] == [1, 2, 3, 4, 5, 6]


def test_frames_of_an_enhanced_object_in_any_order(tmp_path: Path) -> None:
    def reverse(ds) -> None:
        ds.PerFrameFunctionalGroupsSequence = list(reversed(ds.PerFrameFunctionalGroupsSequence))
        ds.PixelData = ds.pixel_array[::-1].tobytes()

    rewrite(write(tmp_path, make_volume(), Habit.ENHANCED), reverse)
    read = read_volume(only_series(tmp_path))
    assert np.array_equal(read.volume.array, make_volume().array)
    assert [f.frame_number for f in read.frames] == [6, 5, 4, 3, 2, 1]


def noise() -> hd.Volume:
    volume = make_volume((3, 128, 128))
    volume.array = np.random.default_rng(0).integers(0, 4096, volume.shape)
    return volume


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize("kept", [0.95, 0.5])
@pytest.mark.parametrize("habit", [Habit.SIEMENS, Habit.ENHANCED])
def test_truncated_files_are_unreadable(tmp_path: Path, syntax: str | None, kept: float, habit: Habit) -> None:
    paths = write(tmp_path, noise(), habit)
    if syntax:
        rewrite(paths, lambda ds: ds.compress(syntax, generate_instance_uid=False))
    content = paths[-1].read_bytes()
    paths[-1].write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(PixelsUnreadable, match="do not decode"):
        read_volume(only_series(tmp_path))


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize("kept", [0.95, 0.5])
def test_a_truncated_code_stream_in_a_whole_file_is_unreadable(tmp_path: Path, syntax: str, kept: float) -> None:
    def cut(ds) -> None:
        (stream,) = generate_frames(ds.PixelData, number_of_frames=1)
        ds.PixelData = encapsulate([stream[: int(len(stream) * kept)]])

    paths = write(tmp_path, noise())
    rewrite(paths, lambda ds: ds.compress(syntax, generate_instance_uid=False))
    rewrite(paths[1], cut)
    with pytest.raises(PixelsUnreadable):
        read_volume(only_series(tmp_path))


def test_an_image_without_pixels_is_unreadable(tmp_path: Path) -> None:
    edit(write(tmp_path)[2], PixelData=None)
    with pytest.raises(PixelsUnreadable):
        read_volume(only_series(tmp_path))


def test_colour_is_unreadable_by_name(tmp_path: Path) -> None:
    edit(write(tmp_path), SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    with pytest.raises(PixelsUnreadable, match="in colour"):
        read_volume(only_series(tmp_path))


def test_one_missing_slice_can_be_filled_on_demand(tmp_path: Path) -> None:
    volume = make_volume((6, 5, 5))
    write(tmp_path, volume)[3].unlink()
    with pytest.raises(GeometryUnusable, match="1 slice is missing"):
        read_volume(only_series(tmp_path))
    read = read_volume(only_series(tmp_path), fill_missing=1)
    assert np.allclose(read.volume.array[3], (volume.array[2] + volume.array[4]) / 2)
    assert np.array_equal(read.volume.array[[0, 1, 2, 4, 5]], volume.array[[0, 1, 2, 4, 5]])
    assert np.allclose(read.volume.affine, volume.affine)
    assert read.frames[3] == read.frames[2]
    assert "Slice(s) 4 of" in read.remarks[0]


def test_two_missing_slices_in_a_row_are_never_filled(tmp_path: Path) -> None:
    paths = write(tmp_path, make_volume((8, 5, 5)))
    paths[3].unlink()
    paths[4].unlink()
    with pytest.raises(GeometryUnusable, match="2 slices are missing"):
        read_volume(only_series(tmp_path), fill_missing=5)


def test_identical_copies_are_left_out_whatever_the_order(tmp_path: Path) -> None:
    paths = write(tmp_path)
    copy_as(paths[2], tmp_path / "copy.dcm")
    first = read_volume(only_series(tmp_path))
    again = read_volume(shuffled(only_series(tmp_path), 7))
    assert np.array_equal(first.volume.array, make_volume().array)
    assert first.remarks == ("1 identical copies of images were left out",)
    assert (first.frames, first.remarks) == (again.frames, again.remarks)
    assert np.array_equal(first.volume.array, again.volume.array)


def test_a_read_volume_pickles(tmp_path: Path) -> None:
    write(tmp_path)
    read = read_volume(only_series(tmp_path))
    assert pickle.loads(pickle.dumps(read)).frames == read.frames
