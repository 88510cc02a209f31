from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, config, dcmread
from pydicom.uid import ImplicitVRLittleEndian

from pipeline.core.errors import OurFault
from pipeline.core.result import Kind
from pipeline.encode import encode, rtstruct, to_bytes
from pipeline.findings import Findings
from tests.support.findings import (
    ORIENTATIONS,
    STAMP,
    Grid,
    findings_on,
    spheres,
    write_classic,
    write_enhanced,
)
from tests.support.polygons import masks_of_structure_set

DIAMETERS_MM = (20.0, 12.0, 8.0, 5.0, 4.0, 3.0)
CENTRES = ((0.3, 0.3, 0.3), (0.3, 0.7, 0.7), (0.7, 0.3, 0.7), (0.7, 0.7, 0.3), (0.5, 0.5, 0.15), (0.8, 0.8, 0.8))


def structure_set_of(findings: Findings) -> Dataset:
    made = {e.kind: e.dataset for e in encode(findings, STAMP)}
    return dcmread(BytesIO(to_bytes(made[Kind.RTSTRUCT])))


def six_spheres(grid: Grid) -> np.ndarray:
    at = [tuple(round(c * n) for c, n in zip(centre, grid.shape, strict=True)) for centre in CENTRES]
    return spheres(grid, *zip(at, DIAMETERS_MM, strict=True))


def test_a_contour_too_long_for_explicit_vr_stays_numbers_in_implicit_vr(tmp_path: Path) -> None:
    grid = Grid((3, 120, 120))
    labels = np.zeros(grid.shape, np.uint16)
    labels[1, 10:110, 10:110] = 1
    labels[1, 12:108:3, 12:108:3] = 0
    findings = findings_on(write_classic(tmp_path, grid), grid, labels)
    structures = structure_set_of(findings)
    (contour,) = structures.ROIContourSequence[0].ContourSequence
    element = contour.get_item("ContourData")
    assert structures.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    assert element.length > 0xFFFF
    masks = masks_of_structure_set(structures, [f.path for f in findings.frames])
    assert np.array_equal(masks[1], labels == 1)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("grid", [Grid((60, 70, 64)), Grid((24, 78, 90), (2.5, 0.9, 0.7))], ids=["1 mm", "anisotropic"])
def test_contours_drawn_again_are_the_mask_for_spheres_of_3_to_20_mm(
    tmp_path: Path, orientation: str, grid: Grid
) -> None:
    grid = replace(grid, orientation=orientation)
    labels = six_spheres(grid)
    findings = findings_on(write_classic(tmp_path, grid), grid, labels)
    masks = masks_of_structure_set(structure_set_of(findings), [f.path for f in findings.frames])
    for lesion in findings.lesions:
        assert np.array_equal(masks[lesion.number], labels == lesion.number)


def test_the_area_of_the_written_points_is_the_volume_of_the_mask(tmp_path: Path) -> None:
    grid = Grid((60, 70, 64), (1.2, 0.83, 0.83), "oblique")
    findings = findings_on(write_classic(tmp_path, grid), grid, six_spheres(grid))
    structures = structure_set_of(findings)
    for lesion, roi in zip(findings.lesions, structures.ROIContourSequence, strict=True):
        total_mm2 = 0.0
        for contour in roi.ContourSequence:
            points = np.array([float(v) for v in contour.ContourData]).reshape(-1, 3)
            flat = np.linalg.svd(points - points.mean(axis=0))[2][:2] @ (points - points.mean(axis=0)).T
            x, y = flat
            total_mm2 += abs(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2
        assert total_mm2 * grid.spacing_mm[0] == pytest.approx(lesion.volume_mm3, rel=1e-3)


def test_holes_islands_and_several_parts_come_back(tmp_path: Path) -> None:
    grid = Grid((6, 20, 20))
    labels = np.zeros(grid.shape, np.uint16)
    labels[2, 3:14, 3:14] = 1
    labels[2, 5:12, 5:12] = 0
    labels[2, 7:9, 7:9] = 1
    labels[3, 4, 4] = labels[3, 5, 5] = labels[3, 16, 2] = 1
    findings = findings_on(write_classic(tmp_path, grid), grid, labels)
    structures = structure_set_of(findings)
    masks = masks_of_structure_set(structures, [f.path for f in findings.frames])
    assert np.array_equal(masks[1], labels == 1)
    assert len(structures.ROIContourSequence[0].ContourSequence) == 2 + 3


def test_every_number_fits_its_value_representation(tmp_path: Path) -> None:
    grid = Grid(orientation="oblique", spacing_mm=(1.0, 0.9765625, 0.9765625), corner_mm=(-1234.567891, 987.6, -2345.6))
    findings = findings_on(write_classic(tmp_path, grid), grid, spheres(grid, ((10, 20, 20), 9.0)))
    (roi,) = structure_set_of(findings).ROIContourSequence
    for contour in roi.ContourSequence:
        assert all(len(str(v)) <= 16 for v in contour.ContourData)


def test_a_structure_set_can_be_read_with_pydicom_at_its_strictest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = Grid()
    findings = findings_on(write_classic(tmp_path, grid), grid, spheres(grid, ((10, 20, 20), 9.0)))
    data = to_bytes(encode(findings, STAMP)[1].dataset)
    monkeypatch.setattr(config.settings, "reading_validation_mode", config.RAISE)
    assert "LANTERN RESEARCH" in str(dcmread(BytesIO(data)))


def test_each_lesion_is_a_gtv_that_nobody_approved(tmp_path: Path) -> None:
    grid = Grid()
    findings = findings_on(write_classic(tmp_path, grid), grid, spheres(grid, ((8, 12, 12), 7.0), ((15, 30, 30), 6.0)))
    ds = structure_set_of(findings)
    assert ds.ApprovalStatus == "UNAPPROVED"
    for lesion, roi, seen in zip(
        findings.lesions, ds.StructureSetROISequence, ds.RTROIObservationsSequence, strict=True
    ):
        assert (roi.ROINumber, roi.ROIName) == (lesion.number, lesion.label)
        assert roi.ROIGenerationAlgorithm == "AUTOMATIC"
        assert float(roi.ROIVolume) == pytest.approx(lesion.volume_mm3 / 1000)
        assert seen.RTROIInterpretedType == "GTV"
        assert lesion.tracking_uid in roi.ROIDescription
        assert lesion.tracking_uid in seen.ROIObservationDescription
    assert len({tuple(r.ROIDisplayColor) for r in ds.ROIContourSequence}) == 2


def test_a_long_label_is_cut_to_what_planning_systems_take(tmp_path: Path) -> None:
    grid = Grid()
    findings = findings_on(write_classic(tmp_path, grid), grid, spheres(grid, ((8, 12, 12), 7.0)))
    long = replace(findings.lesions[0], label="BM01_L_CEREBELLUM_POSTERIOR")
    (roi,) = structure_set_of(replace(findings, lesions=(long,))).StructureSetROISequence
    assert roi.ROIName == "BM01_L_CEREBELLU"


def test_all_images_of_the_series_are_referenced_and_each_contour_names_its_own(tmp_path: Path) -> None:
    grid = Grid()
    findings = findings_on(write_classic(tmp_path, grid), grid, spheres(grid, ((8, 12, 12), 7.0)))
    ds = structure_set_of(findings)
    (frame_of_reference,) = ds.ReferencedFrameOfReferenceSequence
    (study,) = frame_of_reference.RTReferencedStudySequence
    (series,) = study.RTReferencedSeriesSequence
    referenced = [i.ReferencedSOPInstanceUID for i in series.ContourImageSequence]
    assert referenced == [f.sop_instance_uid for f in findings.frames]
    slices = [c.ContourImageSequence[0].ReferencedSOPInstanceUID for c in ds.ROIContourSequence[0].ContourSequence]
    assert slices == [findings.frames[i].sop_instance_uid for i in range(5, 12)]


def test_contours_on_a_multi_frame_image_name_the_frame(tmp_path: Path) -> None:
    grid = Grid()
    findings = findings_on(write_enhanced(tmp_path, grid, extra=3), grid, spheres(grid, ((8, 12, 12), 7.0)))
    ds = structure_set_of(findings)
    numbers = [c.ContourImageSequence[0].ReferencedFrameNumber for c in ds.ROIContourSequence[0].ContourSequence]
    assert numbers == [3 + i + 1 for i in range(5, 12)]
    study = ds.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    (image,) = study.RTReferencedSeriesSequence[0].ContourImageSequence
    assert list(image.ReferencedFrameNumber) == list(range(4, 4 + grid.shape[0]))


def test_contours_that_lose_volume_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = Grid()
    findings = findings_on(write_classic(tmp_path, grid), grid, spheres(grid, ((8, 12, 12), 7.0)))
    exact = rtstruct.outlines
    monkeypatch.setattr(rtstruct, "outlines", lambda mask: exact(mask)[:-1] if mask.sum() < 20 else exact(mask))
    with pytest.raises(OurFault, match="enclose"):
        encode(findings, STAMP)


def test_contours_come_slice_by_slice_and_name_the_frame_of_reference_of_the_images(tmp_path: Path) -> None:
    grid = Grid(orientation="oblique")
    findings = findings_on(write_classic(tmp_path, grid), grid, spheres(grid, ((8, 12, 12), 7.0), ((15, 30, 30), 6.0)))
    ds = structure_set_of(findings)
    normal = np.asarray(findings.labels.affine)[:3, 0]
    for roi in ds.ROIContourSequence:
        heights = [float(np.array(c.ContourData[:3], float) @ normal) for c in roi.ContourSequence]
        assert heights == sorted(heights)
        assert [c.ContourNumber for c in roi.ContourSequence] == list(range(1, len(heights) + 1))
    named = {r.ReferencedFrameOfReferenceUID for r in ds.StructureSetROISequence}
    assert named == {ds.FrameOfReferenceUID} == {i.FrameOfReferenceUID for i in ds.ReferencedFrameOfReferenceSequence}


def test_no_two_regions_have_one_name_whatever_they_are_called(tmp_path: Path) -> None:
    grid = Grid()
    labels = spheres(grid, *(((8, 6 + 9 * k, 12), 4.0) for k in range(4)))
    findings = findings_on(write_classic(tmp_path, grid), grid, labels)
    names = ("met_4", "MET", "", "met")
    lesions = tuple(replace(n, name=name, label="") for n, name in zip(findings.lesions, names, strict=True))
    ds = structure_set_of(replace(findings, lesions=lesions))
    assert [r.ROIName for r in ds.StructureSetROISequence] == ["met_4", "MET", "LESION_3", "met_4_1"]
    assert [r.ROIObservationLabel for r in ds.RTROIObservationsSequence] == ["met_4", "MET", "LESION_3", "met_4_1"]
