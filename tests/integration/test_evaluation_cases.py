"""Cases are recognised and read from real files, in the layouts that the readers promise."""

from __future__ import annotations

from pathlib import Path

import highdicom as hd
import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

from pipeline.core.errors import GeometryUnusable, NotFound
from pipeline.evaluation.cases import Case
from pipeline.evaluation.cases.find import find_cases, left_out
from tests.support.mr import make_volume, write

SHAPE = (14, 24, 20)


def save(path: Path, array: NDArray[np.generic], affine: NDArray[np.float64] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, np.eye(4) if affine is None else affine), path)


def image(shape: tuple[int, int, int] = SHAPE) -> NDArray[np.int16]:
    return np.random.default_rng(1).integers(50, 900, shape).astype(np.int16)


def brats(folder: Path, name: str, labels: NDArray[np.uint8] | None = None) -> None:
    seg = np.zeros(SHAPE, np.uint8)
    seg[3:8, 4:9, 5:10] = 3
    seg[5, 6, 7] = 1
    seg[3:8, 9:12, 5:10] = 2
    seg[11, 20, 15] = 4
    save(folder / name / f"{name}-t1c.nii.gz", image())
    save(folder / name / f"{name}-t1n.nii.gz", image())
    save(folder / name / f"{name}-seg.nii.gz", seg if labels is None else labels)


def the_only(folder: Path) -> Case:
    (entry,) = find_cases(folder)
    return entry.load()


def test_brats_folders_give_enhancing_tissue_and_tumour_core(tmp_path: Path) -> None:
    brats(tmp_path, "BraTS-MET-00001-000")
    brats(tmp_path, "BraTS-MET-00001-001")
    entries = find_cases(tmp_path)
    assert [e.name for e in entries] == ["BraTS-MET-00001-000", "BraTS-MET-00001-001"]
    case = entries[0].load()
    assert (case.group, case.tier, case.drawn) == ("BraTS-MET-00001", "T2", "enhancing")
    assert case.truth.sum() == 124  # label 3; neither oedema (2) nor cavity (4)
    assert case.whole.sum() == 125  # with the core (1)
    assert int(case.lesions.max()) == 1
    assert case.image.array.dtype == np.float32


@pytest.mark.parametrize("codes_", ["RAS", "LPS", "AIL", "SRP"])
def test_any_orientation_lands_at_the_same_place_in_the_patient(tmp_path: Path, codes_: str) -> None:
    """A lesion at RAS (+30, -20, +10) mm lies at LPS (-30, +20, +10), however the file stores it."""
    mask = np.zeros((40, 44, 30), np.uint8)
    mask[24:27, 9:12, 19:22] = 1  # centre (25, 10, 20)
    affine = np.diag([1.2, 2.0, 1.5, 1.0])
    affine[:3, 3] = np.array([30.0, -20.0, 10.0]) - affine[:3, :3] @ [25, 10, 20]
    turn = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(affine), nib.orientations.axcodes2ornt(tuple(codes_))
    )
    for name, array in (("p1.nii.gz", image((40, 44, 30))), ("p1_mask.nii.gz", mask)):
        nib.save(nib.Nifti1Image(array, affine).as_reoriented(turn), tmp_path / name)
    case = the_only(tmp_path)
    centre = case.image.affine @ np.append(np.argwhere(case.lesions == 1).mean(axis=0), 1.0)
    assert centre[:3] == pytest.approx((-30.0, 20.0, 10.0), abs=1e-4)
    assert case.truth.sum() == 27


def test_sheared_images_are_refused_with_their_reason(tmp_path: Path) -> None:
    affine = np.eye(4)
    affine[0, 1] = 0.2
    save(tmp_path / "p1.nii.gz", image(), affine)
    save(tmp_path / "p1_seg.nii.gz", np.ones(SHAPE, np.uint8), affine)
    with pytest.raises(GeometryUnusable, match="perpendicular"):
        the_only(tmp_path)


def test_a_mask_on_another_grid_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "p1.nii.gz", image())
    save(tmp_path / "p1_seg.nii.gz", np.ones(SHAPE, np.uint8), np.diag([1.0, 1.0, 2.0, 1.0]))
    with pytest.raises(GeometryUnusable, match="same grid"):
        the_only(tmp_path)


@pytest.mark.parametrize(
    ("scan", "mask", "group"),
    [
        ("p1.nii.gz", "p1_mask.nii.gz", "p1"),
        ("p1_t1c.nii", "p1-seg.nii", "p1_t1c"),
        ("imagesTr/BM_001_0000.nii.gz", "labelsTr/BM_001.nii.gz", "imagesTr/BM_001_0000"),
        ("images/p1.nii.gz", "labels/p1.nii.gz", "images/p1"),
        ("patient7/scan.nii.gz", "patient7/gtv.nii.gz", "patient7"),
        ("patient7/week3/T1_post_gad.nii.gz", "patient7/week3/tumour_label.nii.gz", "patient7"),
    ],
)
def test_pairs_are_recognised_by_their_names(tmp_path: Path, scan: str, mask: str, group: str) -> None:
    truth = np.zeros(SHAPE, np.uint8)
    truth[3:6, 3:6, 3:6] = 1
    save(tmp_path / scan, image())
    save(tmp_path / mask, truth)
    case = the_only(tmp_path)
    assert (case.truth.sum(), case.group, case.drawn) == (27, group, "tumour")


def test_one_image_is_not_taken_for_anothers_mask(tmp_path: Path) -> None:
    truth = np.zeros(SHAPE, np.uint8)
    truth[3:6, 3:6, 3:6] = 1
    for name in ("p1", "p10"):
        save(tmp_path / f"{name}.nii.gz", image())
    save(tmp_path / "p10_mask.nii.gz", truth)
    assert [e.name for e in find_cases(tmp_path)] == ["p10"]


def test_a_folder_of_something_else_says_what_was_expected(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(NotFound) as error:
        find_cases(tmp_path)
    assert "BraTS-METS" in error.value.hint
    with pytest.raises(NotFound, match="no folder"):
        find_cases(tmp_path / "nowhere")


def test_without_data_there_are_the_phantoms() -> None:
    assert {e.tier for e in find_cases(None)} == {"T0"}
    with pytest.raises(NotFound, match="T2"):
        find_cases(None, ["T2"])


PLANES = [("axial", (0, 0, 0)), ("sagittal", (0, 0, 0)), ("coronal", (8, -5, 12))]


def series(folder: Path, plane: str, turned: tuple[float, float, float]) -> tuple[hd.Volume, list[Dataset]]:
    volume = make_volume((12, 30, 26), (3.0, 0.9, 1.1), plane, turned)
    return volume, [dcmread(p) for p in write(folder, volume)]


def truth_of(volume: hd.Volume) -> NDArray[np.bool_]:
    mask = np.zeros(volume.spatial_shape, bool)
    mask[4:7, 8:14, 5:10] = True
    mask[9, 20:24, 15:19] = True
    return mask


@pytest.mark.parametrize(("plane", "turned"), PLANES)
def test_a_dicom_segmentation_comes_back_voxel_by_voxel(
    tmp_path: Path, plane: str, turned: tuple[float, float, float]
) -> None:
    volume, images = series(tmp_path / "mr", plane, turned)
    mask = truth_of(volume)
    described = hd.seg.SegmentDescription(
        1,
        "GTV",
        codes.SCT.MorphologicallyAbnormalStructure,
        codes.SCT.Neoplasm,
        hd.seg.SegmentAlgorithmTypeValues.MANUAL,
    )
    seg = hd.seg.Segmentation(
        source_images=images,
        pixel_array=mask.astype(np.uint8),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[described],
        series_instance_uid=generate_uid(),
        series_number=9,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="Test",
        manufacturer_model_name="Test",
        software_versions="1",
        device_serial_number="1",
    )
    seg.save_as(tmp_path / "truth.dcm")
    case = the_only(tmp_path)
    assert case.image.geometry_equal(volume, tol=1e-3)
    assert np.array_equal(case.truth, mask)
    assert (case.group, int(case.lesions.max())) == ("patient-1", 2)
    assert "LANTERN" not in case.name


def rtstruct(volume: hd.Volume, images: list[Dataset], contours: list[NDArray[np.float64]], **types: str) -> Dataset:
    """ROI 1 is the tumour, ROI 2 the head; contours: (n, 3) fractional (slice, row, column) of ROI 1."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = RTStructureSetStorage, generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = images[0].StudyInstanceUID, generate_uid()
    ds.PatientID, ds.Modality = images[0].PatientID, "RTSTRUCT"
    reference, study, of_series = Dataset(), Dataset(), Dataset()
    of_series.SeriesInstanceUID = images[0].SeriesInstanceUID
    study.RTReferencedSeriesSequence = [of_series]
    reference.RTReferencedStudySequence = [study]
    ds.ReferencedFrameOfReferenceSequence = [reference]
    slab = np.array([[0, 0, 0], [0, 29, 0], [0, 29, 25], [0, 0, 25]], float)
    ds.StructureSetROISequence, ds.ROIContourSequence, ds.RTROIObservationsSequence = [], [], []
    for number, (name, kind, polygons) in enumerate(
        (("GTV 1", types.get("tumour", "GTV"), contours), ("External", "EXTERNAL", [slab])), start=1
    ):
        roi, drawn, observed = Dataset(), Dataset(), Dataset()
        roi.ROINumber, roi.ROIName = number, name
        drawn.ReferencedROINumber = observed.ReferencedROINumber = number
        observed.RTROIInterpretedType = kind
        drawn.ContourSequence = [_contour(volume, p) for p in polygons]
        ds.StructureSetROISequence.append(roi)
        ds.ROIContourSequence.append(drawn)
        ds.RTROIObservationsSequence.append(observed)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds


def _contour(volume: hd.Volume, index: NDArray[np.float64]) -> Dataset:
    points = index @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    item = Dataset()
    item.ContourGeometricType, item.NumberOfContourPoints = "CLOSED_PLANAR", len(points)
    item.ContourData = [f"{v:.6f}" for v in points.ravel()]
    return item


def square(number: float, first: float, last: float) -> NDArray[np.float64]:
    return np.array([[number, first, first], [number, first, last], [number, last, last], [number, last, first]])


@pytest.mark.parametrize(("plane", "turned"), PLANES)
def test_contours_become_the_voxels_whose_centres_they_enclose(
    tmp_path: Path, plane: str, turned: tuple[float, float, float]
) -> None:
    volume, images = series(tmp_path / "mr", plane, turned)
    contours = [square(4, 4.5, 14.5), square(4, 7.5, 10.5), square(5, 4.6, 14.4)]
    rtstruct(volume, images, contours).save_as(tmp_path / "rs.dcm", enforce_file_format=True)
    case = the_only(tmp_path)
    expected = np.zeros(volume.spatial_shape, bool)
    expected[4:6, 5:15, 5:15] = True
    expected[4, 8:11, 8:11] = False  # an inner contour is a hole
    assert np.array_equal(case.truth, expected)


def test_the_outline_of_the_head_is_no_tumour(tmp_path: Path) -> None:
    volume, images = series(tmp_path / "mr", "axial", (0, 0, 0))
    rtstruct(volume, images, [square(4, 4.5, 9.5)], tumour="").save_as(tmp_path / "rs.dcm", enforce_file_format=True)
    assert the_only(tmp_path).truth.sum() == 25


def test_a_contour_across_slices_is_refused(tmp_path: Path) -> None:
    volume, images = series(tmp_path / "mr", "axial", (0, 0, 0))
    tilted = square(4, 4.5, 9.5) + np.array([[0, 0, 0], [2, 0, 0], [2, 0, 0], [0, 0, 0]])
    rtstruct(volume, images, [tilted]).save_as(tmp_path / "rs.dcm", enforce_file_format=True)
    with pytest.raises(GeometryUnusable, match="does not lie in a slice"):
        the_only(tmp_path)


def test_the_glioblastoma_scans_have_their_true_spacing(shared_data: Path) -> None:
    entries = [e for e in find_cases(shared_data, ["T2"]) if e.name.startswith("btp-")]
    assert len(entries) == 16
    case = entries[0].load()
    assert case.spacing_mm == pytest.approx((6.0, 0.9375, 0.9375))
    assert case.drawn == "enhancing"
    assert case.group == "btp-01"
    assert case.whole.sum() >= case.truth.sum() > 0


def test_lesions_are_put_into_the_scans_that_have_none(shared_data: Path) -> None:
    entries = {e.name: e for e in find_cases(shared_data, ["T1"])}
    untouched = entries["t1c-without"].load()
    assert int(untouched.lesions.max()) == 0
    drawn = entries["t1c-draw2"].load()
    assert int(drawn.lesions.max()) >= 6
    assert drawn.group == "t1c"


def test_images_without_a_mask_are_named(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.ones((4, 4, 4), np.uint8), np.eye(4))
    for name in ("p1.nii.gz", "p1_mask.nii.gz", "p3.nii.gz"):
        nib.save(image, tmp_path / name)
    assert left_out(tmp_path) == ["p3"]
    assert left_out(None) == []
