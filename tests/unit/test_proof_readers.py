"""The readers of the proof against shapes whose size a formula tells, in objects that were made without our encoder."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, RTStructureSetStorage

from pipeline.encode import to_bytes
from pipeline.findings import Findings
from pipeline.proof import agreements, prove
from pipeline.proof.polygon import area_and_centre, inside
from tests.support.findings import ORIENTATIONS, Grid, findings_on, spheres, write_classic

FINE = Grid((48, 64, 60), (1.0, 0.8, 0.9), "oblique")
RADIUS_MM = 16.0
CENTRE = (23.0, 31.0, 30.0)


def ball(folder: Path, grid: Grid = FINE) -> Findings:
    return findings_on(write_classic(folder, grid), grid, spheres(grid, (CENTRE, 2 * RADIUS_MM)))


def segmentation(findings: Findings, mask: NDArray[np.generic], kind: str, **more: object) -> bytes:
    """As highdicom writes it from the images themselves."""
    described = [
        hd.seg.SegmentDescription(
            n.number, n.label, findings.sought.category, findings.sought.finding,
            hd.seg.SegmentAlgorithmTypeValues.MANUAL, tracking_uid=n.tracking_uid, tracking_id=n.label,
        )
        for n in findings.lesions
    ]  # fmt: skip
    images = [dcmread(ref.path) for ref in findings.frames]
    for image in images:
        image.PatientAge = None
    made = hd.seg.Segmentation(
        images, mask, kind, described, hd.UID(), 1, hd.UID(), 1, "Other", "Other", "1", "1", **more
    )
    buffer = BytesIO()
    made.save_as(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("BINARY", {}),
        ("BINARY", {"omit_empty_frames": False}),
        ("FRACTIONAL", {"max_fractional_value": 200}),
        ("LABELMAP", {}),
        ("LABELMAP", {"omit_empty_frames": False, "transfer_syntax_uid": RLELossless}),
    ],
    ids=["binary", "binary, all frames", "fractional", "label map", "label map, RLE, all frames"],
)
def test_a_ball_in_any_segmentation_has_its_centre_and_volume(
    tmp_path: Path, kind: str, more: dict[str, object]
) -> None:
    findings = ball(tmp_path)
    assert findings.labels is not None
    mask = findings.labels.array == 1
    data = segmentation(findings, mask.astype(float) if kind == "FRACTIONAL" else mask.astype(np.uint8), kind, **more)
    assert prove([data], findings) == ()
    (found,) = agreements([data], findings)
    assert found.off_voxels < 1e-3
    analytic = 4 / 3 * np.pi * RADIUS_MM**3
    assert found.volume_ratio * findings.lesions[0].volume_mm3 == pytest.approx(analytic, rel=0.01)


def test_a_ball_one_voxel_smaller_or_elsewhere_is_not_the_ball(tmp_path: Path) -> None:
    findings = ball(tmp_path)
    for centre, radius_mm, words in (
        (CENTRE, RADIUS_MM - 0.9, "was found with"),
        ((24.0, 31.0, 30.0), RADIUS_MM, "lesion 1 is drawn 1.0 voxels from where it was found"),
    ):
        other = (spheres(FINE, (centre, 2 * radius_mm)) == 1).astype(np.uint8)
        for kind in ("BINARY", "LABELMAP"):
            said = [fault.words for fault in prove([segmentation(findings, other, kind)], findings)]
            assert any(words in sentence.lower() for sentence in said), said


def circles(findings: Findings, grid: Grid, *, shift_mm: float = 0.0, corners: int = 400) -> bytes:
    """A structure set of a ball as circles of a formula, with the digits that a planning system writes."""
    ds = _structure_set(findings)
    centre = grid.affine @ (*CENTRE, 1)
    across, down = grid.affine[:3, 2] / grid.spacing_mm[2], grid.affine[:3, 1] / grid.spacing_mm[1]
    for k in range(grid.shape[0]):
        above = (k - CENTRE[0]) * grid.spacing_mm[0]
        if abs(above) >= RADIUS_MM:
            continue
        angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)[:, None]
        middle = centre[:3] + (k - CENTRE[0]) * grid.affine[:3, 0] + shift_mm * across
        edge = middle + np.sqrt(RADIUS_MM**2 - above**2) * (np.cos(angle) * across + np.sin(angle) * down)
        _add(ds, edge, findings.frames[k].sop_instance_uid)
    return to_bytes(ds)


def _structure_set(findings: Findings) -> Dataset:
    image = dcmread(findings.frames[0].path)
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = RTStructureSetStorage, hd.UID()
    ds.StudyInstanceUID = image.StudyInstanceUID
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"):
        ds.add(image[keyword])
    for keyword in ("StudyDate", "StudyID", "AccessionNumber"):
        if keyword in image:
            ds.add(image[keyword])
    ds.SpecificCharacterSet = image.get("SpecificCharacterSet")
    roi, drawn, seen = Dataset(), Dataset(), Dataset()
    roi.ROINumber = drawn.ReferencedROINumber = seen.ReferencedROINumber = 1
    roi.ROIName, roi.ReferencedFrameOfReferenceUID = findings.lesions[0].short_label, image.FrameOfReferenceUID
    roi.ROIDescription = f"Tracking UID {findings.lesions[0].tracking_uid}"
    seen.RTROIInterpretedType = findings.sought.roi_type
    drawn.ContourSequence = []
    ds.StructureSetROISequence, ds.ROIContourSequence, ds.RTROIObservationsSequence = [roi], [drawn], [seen]
    return ds


def _add(ds: Dataset, points: NDArray[np.float64], uid: str, kind: str = "CLOSED_PLANAR") -> None:
    contour, image = Dataset(), Dataset()
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", uid
    contour.ContourImageSequence = [image]
    contour.ContourGeometricType, contour.NumberOfContourPoints = kind, len(points)
    contour.ContourData = [f"{v:.4f}" for v in points.ravel()]
    ds.ROIContourSequence[0].ContourSequence.append(contour)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_circles_of_a_formula_have_the_centre_and_volume_of_the_ball(tmp_path: Path, orientation: str) -> None:
    grid = replace(FINE, orientation=orientation)
    findings = ball(tmp_path, grid)
    (found,) = agreements([circles(findings, grid)], findings)
    analytic = 4 / 3 * np.pi * RADIUS_MM**3
    assert found.off_voxels < 0.01
    assert found.volume_ratio * findings.lesions[0].volume_mm3 == pytest.approx(analytic, rel=0.002)


def test_circles_that_are_shifted_are_told(tmp_path: Path) -> None:
    findings = ball(tmp_path)
    (found,) = agreements([circles(findings, FINE, shift_mm=0.63)], findings)
    assert found.off_voxels == pytest.approx(0.7, abs=0.01)
    assert any("0.7 voxels from where" in f.words for f in prove([circles(findings, FINE, shift_mm=0.63)], findings))


def square(low: float, high: float) -> NDArray[np.float64]:
    """(row, column) corners, between the pixels low ... high - 1."""
    a, b = low - 0.5, high - 0.5
    return np.array([[a, a], [a, b], [b, b], [b, a]])


def nested(folder: Path, *, xor: bool, island: bool = True, hole: bool = True) -> tuple[Findings, bytes]:
    """A square with a square hole with an island in it, as contours within contours or as one with a way in."""
    grid = Grid((6, 24, 20), (2.0, 0.9, 0.7), "coronal")
    labels = np.zeros(grid.shape, np.uint16)
    labels[2, 4:16, 4:16], labels[2, 6:14, 6:14], labels[2, 9:11, 9:11] = 1, 0, 1
    findings = findings_on(write_classic(folder, grid), grid, labels)
    ds = _structure_set(findings)
    outer, inner, last = square(4, 16), square(6, 14), square(9, 11)
    polygons = [outer, *([inner] if hole else [])]
    if not xor:
        polygons = [np.concatenate([outer, outer[:1], inner[[0, 3, 2, 1]], inner[:1]])]
    for polygon in [*polygons, *([last] if island else [])]:
        points = np.c_[np.full(len(polygon), 2), polygon, np.ones(len(polygon))] @ grid.affine[:3].T
        _add(ds, points, findings.frames[2].sop_instance_uid, "CLOSEDPLANAR_XOR" if xor else "CLOSED_PLANAR")
    return findings, to_bytes(ds)


@pytest.mark.parametrize("xor", [False, True], ids=["keyhole", "XOR"])
def test_holes_and_what_lies_in_them_are_read_in_both_forms(tmp_path: Path, xor: bool) -> None:
    findings, data = nested(tmp_path, xor=xor)
    assert prove([data], findings) == ()
    (found,) = agreements([data], findings)
    assert found.off_voxels < 1e-3
    assert found.volume_ratio == pytest.approx(1, abs=1e-5)


def test_a_hole_or_an_island_that_is_lost_is_told_in_xor_too(tmp_path: Path) -> None:
    for folder, lost, words in (("h", {"hole": False}, "filled in"), ("i", {"island": False}, "4 of its voxels are")):
        findings, data = nested(tmp_path / folder, xor=True, **lost)
        assert any(words in fault.words for fault in prove([data], findings))


def test_plain_contours_within_each_other_are_told_since_systems_read_them_differently(tmp_path: Path) -> None:
    findings, data = nested(tmp_path, xor=True)
    ds = dcmread(BytesIO(data))
    for contour in ds.ROIContourSequence[0].ContourSequence:
        contour.ContourGeometricType = "CLOSED_PLANAR"
    assert any("lie within each other" in fault.words for fault in prove([to_bytes(ds)], findings))


def test_polygons_have_the_area_centre_and_pixels_of_a_formula() -> None:
    angle = np.linspace(0, 2 * np.pi, 3000, endpoint=False)
    ellipse = np.stack([1000.3 + 20 * np.cos(angle), -500.2 + 8 * np.sin(angle)], axis=1)
    area, centre = area_and_centre(ellipse)
    assert area == pytest.approx(np.pi * 160, rel=1e-5)
    assert centre == pytest.approx((1000.3, -500.2), abs=1e-6)
    window = slice(975, 1026), slice(-512, -488)
    rows, columns = np.mgrid[window]
    wanted = ((rows - 1000.3) / 20) ** 2 + ((columns + 500.2) / 8) ** 2 < 1
    assert np.array_equal(inside(ellipse, window), wanted)
    assert np.array_equal(inside(ellipse[::-1], window), wanted)
