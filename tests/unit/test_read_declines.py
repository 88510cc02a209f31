"""Everything that is no volume is declined by its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from pipeline.core.errors import GeometryUnusable
from pipeline.core.study import Series
from pipeline.datasets.mr_writer import Habit
from pipeline.imaging.read import read_volume
from tests.support.mr import copy_as, edit, make_volume, only_series, rewrite, write


def declined(folder: Path) -> str:
    with pytest.raises(GeometryUnusable) as caught:
        read_volume(only_series(folder))
    return caught.value.message


def move(path: Path, by_mm: tuple[float, float, float]) -> None:
    where = [float(v) for v in dcmread(path, stop_before_pixels=True).ImagePositionPatient]
    edit(path, ImagePositionPatient=[f"{a + b:.4f}" for a, b in zip(where, by_mm, strict=True)])


@pytest.mark.parametrize("missing", [(2,), (2, 3), (1, 4)])
def test_missing_slices_are_counted_and_placed(tmp_path: Path, missing: tuple[int, ...]) -> None:
    paths = write(tmp_path, make_volume((9, 5, 5), (2.0, 1.0, 1.0)))
    for i in missing:
        paths[i].unlink()
    said = declined(tmp_path)
    assert said.startswith(f"{len(missing)} slice")
    assert f"between slice {missing[0]} and slice {missing[0] + 1}" in said


def test_a_gap_in_an_enhanced_object_is_found(tmp_path: Path) -> None:
    def drop(ds) -> None:
        keep = [0, 1, 3, 4, 5]
        ds.PixelData = ds.pixel_array[keep].tobytes()
        ds.PerFrameFunctionalGroupsSequence = [ds.PerFrameFunctionalGroupsSequence[i] for i in keep]
        ds.NumberOfFrames = 5

    rewrite(write(tmp_path, make_volume(), Habit.ENHANCED), drop)
    assert "1 slice is missing" in declined(tmp_path)


def test_unequal_distances_are_named(tmp_path: Path) -> None:
    move(write(tmp_path)[3], (0, 0, 0.3))
    assert "unequal distances between slices: 0.700 to 1.300 mm" in declined(tmp_path)


def test_rounding_of_positions_is_tolerated(tmp_path: Path) -> None:
    paths = write(tmp_path, make_volume(spacing_mm=(1.0, 1.0, 1.0)))
    move(paths[3], (0.01, -0.02, 0.02))
    assert read_volume(only_series(tmp_path)).volume.spatial_shape == (6, 9, 7)


@pytest.mark.parametrize("degrees", [3.0, 15.0, -25.0])
def test_gantry_tilt_is_named_with_its_angle(tmp_path: Path, degrees: float) -> None:
    for i, path in enumerate(write(tmp_path, make_volume(spacing_mm=(5.0, 1.0, 1.0)))):
        move(path, (0, 5 * i * float(np.tan(np.radians(degrees))), 0))
    assert f"gantry tilt: the slices are stacked {abs(degrees):.1f} degrees" in declined(tmp_path)


def test_one_slice_out_of_line_is_named(tmp_path: Path) -> None:
    move(write(tmp_path)[2], (2.0, 0, 0))
    assert "displaced sideways by up to 2.00 mm" in declined(tmp_path)


def test_mixed_orientations_are_named(tmp_path: Path) -> None:
    edit(write(tmp_path)[0], ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    assert "2 different orientations" in declined(tmp_path)


def test_a_three_plane_localizer_is_called_one(tmp_path: Path) -> None:
    paths = write(tmp_path, more={"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]})
    edit(paths[:2], ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    assert "a localizer" in declined(tmp_path)


def test_mixed_sizes_are_named(tmp_path: Path) -> None:
    edit(write(tmp_path)[1], Rows=7, Columns=9)
    assert "different sizes: 7 x 9, 9 x 7" in declined(tmp_path)


def test_mixed_pixel_spacing_is_named(tmp_path: Path) -> None:
    edit(write(tmp_path)[1], PixelSpacing=["1.1", "1.1"])
    assert "different Pixel Spacing" in declined(tmp_path)


def test_two_frames_of_reference_are_named(tmp_path: Path) -> None:
    edit(write(tmp_path)[1], FrameOfReferenceUID="1.2.3")
    assert "2 frames of reference" in declined(tmp_path)


@pytest.mark.parametrize(("count", "said"), [(1, "a single slice"), (2, "only 2 slices")])
def test_too_few_slices_are_named(tmp_path: Path, count: int, said: str) -> None:
    write(tmp_path, make_volume((count, 5, 5)))
    assert said in declined(tmp_path)


def test_images_at_one_place_are_no_volume(tmp_path: Path) -> None:
    paths = write(tmp_path, make_volume((3, 5, 5)))
    where = dcmread(paths[0]).ImagePositionPatient
    for i, path in enumerate(paths):
        edit(path, ImagePositionPatient=where, AcquisitionNumber=i + 1)
    assert "not a volume: 3 images at 1 place" in declined(tmp_path)


def test_no_images_are_no_volume() -> None:
    with pytest.raises(GeometryUnusable, match="no images"):
        read_volume(Series("1.2.3", ()))


@pytest.mark.parametrize("keyword", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
def test_an_image_without_a_place_is_named_with_what_it_lacks(tmp_path: Path, keyword: str) -> None:
    edit(write(tmp_path)[1], **{keyword: None})
    assert keyword in declined(tmp_path)


def test_crooked_direction_cosines_are_named(tmp_path: Path) -> None:
    edit(write(tmp_path), ImageOrientationPatient=[1, 0, 0, 0.3, 0.95, 0])
    assert "not two perpendicular unit vectors" in declined(tmp_path)


def test_a_multi_frame_object_without_functional_groups_is_named(tmp_path: Path) -> None:
    edit(write(tmp_path, habit=Habit.ENHANCED), PerFrameFunctionalGroupsSequence=None)
    assert "says nothing about its single frames" in declined(tmp_path)


def second_set(folder: Path, **values: object) -> list[Path]:
    paths = sorted(folder.glob("*.dcm"))
    return [copy_as(p, folder / "again" / p.name, **values) for p in paths]


def test_of_two_acquisitions_the_later_is_read(tmp_path: Path) -> None:
    write(tmp_path)
    rewrite(second_set(tmp_path, AcquisitionNumber=2), lambda ds: setattr(ds, "PixelData", bytes(len(ds.PixelData))))
    read = read_volume(only_series(tmp_path))
    assert not read.volume.array.any()
    assert read.remarks == ("2 acquisitions lie at the same places; the last, number 2, was read",)


def test_of_two_acquisitions_the_later_is_not_read_when_it_is_incomplete(tmp_path: Path) -> None:
    write(tmp_path)
    second_set(tmp_path, AcquisitionNumber=2)[0].unlink()
    read = read_volume(only_series(tmp_path))
    assert "number 1, was read" in read.remarks[0]


def test_acquisitions_that_overlap_in_part_are_named(tmp_path: Path) -> None:
    paths = write(tmp_path)
    again = second_set(tmp_path, AcquisitionNumber=2)
    again[0].unlink()
    paths[5].unlink()
    assert "overlap only in part" in declined(tmp_path)


def test_magnitude_is_read_and_phase_left_out(tmp_path: Path) -> None:
    write(tmp_path)
    second_set(tmp_path, ImageType=["ORIGINAL", "PRIMARY", "P", "ND"])
    read = read_volume(only_series(tmp_path))
    assert np.array_equal(read.volume.array, make_volume().array)
    assert read.remarks == ("6 phase, real or imaginary images were left out, the magnitude images were read",)


@pytest.mark.parametrize(
    ("keyword", "value", "said"),
    [
        ("EchoTime", "80", "2 echoes"),
        ("TemporalPositionIdentifier", 2, "2 time points"),
        ("DiffusionBValue", 1000.0, "2 b-values"),
        ("InversionTime", "2500", "2 inversion times"),
        ("FlipAngle", "26", "2 flip angles"),
        ("SequenceName", "*ep_b1000t", "2 pulse sequences"),
    ],
)
def test_overlapping_dimensions_are_named(tmp_path: Path, keyword: str, value: object, said: str) -> None:
    write(tmp_path)
    second_set(tmp_path, **{keyword: value})
    assert said in declined(tmp_path)


def test_many_acquisitions_are_a_time_series(tmp_path: Path) -> None:
    paths = write(tmp_path)
    for n in range(2, 6):
        for path in paths:
            copy_as(path, tmp_path / str(n) / path.name, AcquisitionNumber=n)
    assert "a time series" in declined(tmp_path)


def test_different_images_that_nothing_tells_apart_are_named(tmp_path: Path) -> None:
    write(tmp_path)
    rewrite(second_set(tmp_path), lambda ds: setattr(ds, "PixelData", bytes(len(ds.PixelData))))
    assert "6 places have several different images" in declined(tmp_path)


def test_echoes_in_an_enhanced_object_are_named(tmp_path: Path) -> None:
    def double(ds) -> None:
        echoes = []
        for echo in (10.0, 90.0):
            for item in ds.PerFrameFunctionalGroupsSequence:
                ds_echo = type(item)()
                ds_echo.EffectiveEchoTime = echo
                frame = type(item)()
                frame.update(item)
                frame.MREchoSequence = [ds_echo]
                echoes.append(frame)
        del ds.SharedFunctionalGroupsSequence[0].MREchoSequence
        ds.PerFrameFunctionalGroupsSequence = echoes
        ds.PixelData = ds.PixelData * 2
        ds.NumberOfFrames = 12

    rewrite(write(tmp_path, habit=Habit.ENHANCED), double)
    assert "2 echoes (10, 90) lie at the same 6 places" in declined(tmp_path)
