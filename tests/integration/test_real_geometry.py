"""Every real series of shared/data/geometry is read as its headers define, or declined by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from pipeline.core.errors import GeometryUnusable, LanternError, PixelsUnreadable
from pipeline.imaging.header import scan
from pipeline.imaging.mr_series import Contrast, Weighting, classify, rank_t1c
from pipeline.imaging.read import read_volume
from tests.support.mr import expected_affine, only_series

READ = {
    "anatomical/001": (4, 256, 256),
    "ge/anatomical/001": (4, 256, 256),
    "generic/anatomical/001": (4, 256, 256),
    "generic/anatomical/002_non_isotropic": (4, 28, 64),
    "generic/compressed/001": (4, 256, 256),
    "generic/compressed_j2k/001": (4, 256, 256),
    "generic/compressed_jpeg/001": (4, 256, 256),
    "generic/compressed_jpegls/001": (4, 256, 256),
    "generic/compressed_rle/001": (4, 256, 256),
    "hitachi/anatomical/001": (4, 64, 64),
    "hyperfine/anatomical/001": (8, 138, 112),
    "philips/anatomical/001": (4, 240, 240),
    "philips_enhanced/anatomical/001": (8, 256, 256),
    "siemens/anatomical/001": (4, 256, 256),
    "siemens_multiframe/anatomical/001": (8, 256, 256),
}
DECLINED: dict[str, tuple[type[LanternError], str]] = {
    "failing/gantrytilting/001": (GeometryUnusable, "gantry tilt: the slices are stacked 14.0 degrees"),
    "failing/notavolume/001": (GeometryUnusable, "not a volume"),
    "failing/slicecount/001": (GeometryUnusable, "only 2 slices"),
    "failing/sliceincrement/001": (GeometryUnusable, "1 slice is missing: 1 between slice 3 and slice 4"),
    "failing/sliceincrement/002": (GeometryUnusable, "1 slice is missing: 1 between slice 3 and slice 4"),
    "failing/sliceorientation/001": (GeometryUnusable, "2 different orientations"),
    "ge/anatomical/001_single_slice": (GeometryUnusable, "a single slice"),
    "generic/rgb/001": (PixelsUnreadable, "in colour"),
}
TENTH_OF_A_MM = 0.1


@pytest.fixture
def geometry(shared_data: Path) -> Path:
    return shared_data / "geometry"


def test_every_folder_has_an_expected_outcome(geometry: Path) -> None:
    folders = {str(p.parent.relative_to(geometry)) for p in geometry.rglob("*") if p.is_file()}
    assert folders == READ.keys() | DECLINED.keys()


@pytest.mark.parametrize(
    "name", [n for n in READ if "enhanced" not in n and "multiframe" not in n and "hyper" not in n]
)
def test_a_classic_series_is_read_as_its_headers_define(geometry: Path, name: str) -> None:
    paths = sorted(p for p in (geometry / name).iterdir() if p.is_file())
    read = read_volume(only_series(geometry / name))
    expected = expected_affine(paths)
    assert read.volume.array.shape == READ[name]
    corners = np.array([[i, r, c, 1] for i in (0, READ[name][0] - 1) for r in (0, 255) for c in (0, 255)])
    assert np.abs(corners @ (read.volume.affine - expected).T).max() < TENTH_OF_A_MM
    for i, frame in enumerate(read.frames):
        ds = dcmread(frame.path)
        slope, intercept = float(ds.get("RescaleSlope", 1)), float(ds.get("RescaleIntercept", 0))
        assert np.allclose(read.volume.array[i], ds.pixel_array * slope + intercept, rtol=1e-5)
        assert np.allclose(expected[:3] @ [i, 0, 0, 1], [float(v) for v in ds.ImagePositionPatient], atol=0.01)


@pytest.mark.parametrize("name", [n for n in READ if "enhanced" in n or "multiframe" in n or "hyper" in n])
def test_a_multi_frame_series_is_read_as_its_functional_groups_define(geometry: Path, name: str) -> None:
    (path,) = (p for p in (geometry / name).iterdir() if p.is_file())
    read = read_volume(only_series(geometry / name))
    ds = dcmread(path)
    assert read.volume.array.shape == READ[name]
    for i, ref in enumerate(read.frames):
        frame = ds.PerFrameFunctionalGroupsSequence[ref.frame_number - 1]
        where = [float(v) for v in frame.PlanePositionSequence[0].ImagePositionPatient]
        groups = {**dict_of(*ds.get("SharedFunctionalGroupsSequence", [])), **dict_of(frame)}
        cosines = np.array([float(v) for v in groups["PlaneOrientationSequence"].ImageOrientationPatient])
        rows, columns = (float(v) for v in groups["PixelMeasuresSequence"].PixelSpacing)
        change = groups["PixelValueTransformationSequence"]
        for row, column in ((0, 0), (100, 0), (0, 100)):
            expected = np.array(where) + cosines[3:] * rows * row + cosines[:3] * columns * column
            assert np.allclose((read.volume.affine @ [i, row, column, 1])[:3], expected, atol=TENTH_OF_A_MM)
        pixels = ds.pixel_array[ref.frame_number - 1] * float(change.RescaleSlope) + float(change.RescaleIntercept)
        assert np.allclose(read.volume.array[i], pixels, rtol=1e-5)


def dict_of(*items) -> dict:
    return {e.keyword: e.value[0] for item in items for e in item if e.VR == "SQ" and e.value and e.keyword}


@pytest.mark.parametrize("name", DECLINED)
def test_a_failing_series_is_declined_by_name(geometry: Path, name: str) -> None:
    kind, said = DECLINED[name]
    with pytest.raises(kind) as caught:
        read_volume(only_series(geometry / name))
    assert said in caught.value.message
    assert caught.value.hint


def test_compression_changes_nothing(geometry: Path) -> None:
    plain = read_volume(only_series(geometry / "generic/compressed_rle/001")).volume.array
    for name in ("compressed", "compressed_j2k", "compressed_jpegls", "compressed_jpeg"):
        other = read_volume(only_series(geometry / "generic" / name / "001")).volume.array
        assert np.array_equal(plain, other), name


@pytest.mark.parametrize(
    ("name", "weighting"),
    [
        ("ge/anatomical/001", Weighting.T1),
        ("philips_enhanced/anatomical/001", Weighting.T1),
        ("siemens/anatomical/001", Weighting.FLAIR),
        ("philips/anatomical/001", Weighting.FLAIR),
        ("hyperfine/anatomical/001", Weighting.FLAIR),
        ("hitachi/anatomical/001", Weighting.PD),
    ],
)
def test_real_series_are_recognised_by_their_timing(geometry: Path, name: str, weighting: Weighting) -> None:
    about = classify(only_series(geometry / name))
    assert about.weighting is weighting
    assert about.contrast.given is Contrast.NO


def test_a_ct_is_declined_as_one(geometry: Path) -> None:
    ranking = rank_t1c([only_series(geometry / "failing/gantrytilting/001")])
    assert ranking.best is None
    assert "is CT; this pipeline reads MR" in ranking.reason


def test_the_siemens_trio_series_is_t1_without_contrast(shared_data: Path) -> None:
    (study,) = scan(shared_data / "brain/t1_dicom_siemens_trio")
    (series,) = study.series
    about = classify(series)
    assert (about.weighting, about.acquisition, about.plane) == (Weighting.T1, "3D", "sagittal")
    assert about.isotropic
    assert about.contrast.given is Contrast.NO
    assert rank_t1c(study.series).best is None
    assert "has no contrast agent" in rank_t1c(study.series).reason
    assert rank_t1c(study.series, require_contrast=False).best is not None


def test_the_siemens_trio_series_lacks_one_slice_and_is_read_when_told_to_fill_it(shared_data: Path) -> None:
    series = only_series(shared_data / "brain/t1_dicom_siemens_trio")
    with pytest.raises(GeometryUnusable, match="1 slice is missing: 1 between slice 114 and slice 115"):
        read_volume(series)
    read = read_volume(series, fill_missing=1)
    assert read.volume.array.shape == (176, 192, 192)
    assert "Slice(s) 115 of" in read.remarks[0]
    paths = [i.path for i in series.instances]
    expected = expected_affine(paths)
    expected[:3, 0] *= 174 / 175  # 175 files, 176 places
    assert np.allclose(read.volume.affine, expected, atol=1e-3)
