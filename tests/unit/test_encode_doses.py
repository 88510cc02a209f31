"""Estimated doses as objects: what comes back from their bytes is the plan's, at the plan's places."""

from collections.abc import Iterable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.uid import ParametricMapStorage, RTDoseStorage
from scipy.spatial import cKDTree

from pipeline.core.errors import OurFault
from pipeline.core.uid import is_ours
from pipeline.encode import Encoded, Part, encode, to_bytes
from pipeline.encode.doses import doses
from pipeline.encode.source import read_source
from pipeline.findings import Extra, Findings
from pipeline.sessions.case import Wishes
from pipeline.sessions.dosemap import Grid as BrainGrid
from tests.support.findings import (
    ORIENTATIONS,
    STAMP,
    Grid,
    findings_on,
    planned,
    spheres,
    write_classic,
    write_enhanced,
)

WHOLE = Grid((24, 44, 40))
THICK = Grid((12, 52, 60), (4.0, 0.9, 0.7))


def found(folder: Path, grid: Grid = WHOLE, extras: Iterable[Extra] = Extra, write: object = write_classic) -> Findings:
    at = [tuple(round(c * n) for c, n in zip(c, grid.shape, strict=True)) for c in ((0.3, 0.3, 0.3), (0.7, 0.7, 0.6))]
    labels = spheres(grid, (at[0], 12.0), (at[1], 9.0), ((at[0][0], at[1][1], at[0][2]), 8.0))
    findings = findings_on(write(folder, grid), grid, labels)  # type: ignore[operator]
    return planned(findings, Wishes(sessions=2), extras=extras)


def read_back(findings: Findings, part: Part) -> list[Dataset]:
    return [dcmread(BytesIO(to_bytes(e.dataset))) for e in encode(findings, STAMP) if e.part is part]


def gray_at_points(ds: Dataset) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """(Gy of each pixel, its LPS mm, ml that it stands for), from the attributes of the object alone."""
    if ds.SOPClassUID == ParametricMapStorage:
        shared, frames = ds.SharedFunctionalGroupsSequence[0], ds.PerFrameFunctionalGroupsSequence
        (measures,), (plane,) = shared.PixelMeasuresSequence, shared.PlaneOrientationSequence
        (mapping,) = shared.RealWorldValueMappingSequence
        assert (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == (1, 0)
        gy = np.frombuffer(ds.FloatPixelData, "<f4").astype(float).reshape(len(frames), ds.Rows, ds.Columns)
        first = np.array([f.PlanePositionSequence[0].ImagePositionPatient for f in frames], float)
        spacing, cosines, apart = measures.PixelSpacing, plane.ImageOrientationPatient, measures.SpacingBetweenSlices
        assert measures.SliceThickness == apart
    else:
        gy = ds.pixel_array * float(ds.DoseGridScaling)
        spacing, cosines = ds.PixelSpacing, ds.ImageOrientationPatient
        normal = np.cross(cosines[:3], cosines[3:])
        offsets = np.array(ds.GridFrameOffsetVector, float)
        apart = float(np.diff(offsets).mean())
        first = np.array(ds.ImagePositionPatient, float) + offsets[:, None] * normal
    rows, columns = np.arange(ds.Rows) * float(spacing[0]), np.arange(ds.Columns) * float(spacing[1])
    along_row, along_column = np.array(cosines[:3], float), np.array(cosines[3:], float)
    inside = rows[:, None, None] * along_column + columns[:, None] * along_row
    points = first[:, None, None] + inside
    return gy.ravel(), points.reshape(-1, 3), float(apart) * float(spacing[0]) * float(spacing[1]) / 1000


def v12_in_report(findings: Findings) -> list[float]:
    (report,) = read_back(findings, Part.SR)
    (box,) = [n for n in report.ContentSequence if n.ConceptNameCodeSequence[0].CodeValue == "SESSIONS_ALL"]
    sessions = [n for n in box.ContentSequence if n.ConceptNameCodeSequence[0].CodeValue == "SESSION_ONE"]
    rows = [n for s in sessions for n in s.ContentSequence if n.ConceptNameCodeSequence[0].CodeValue == "V12"]
    assert {n.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue for n in rows} == {"cm3"}
    return [float(n.MeasuredValueSequence[0].NumericValue) for n in rows]


@pytest.mark.parametrize("part", [Part.DOSE_MAP, Part.RT_DOSE])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("grid", [WHOLE, THICK], ids=["1 mm", "4 mm slices"])
def test_read_back_each_point_of_the_brain_has_its_dose_and_each_session_the_reports_v12(
    tmp_path: Path, grid: Grid, orientation: str, part: Part
) -> None:
    findings = found(tmp_path, replace(grid, orientation=orientation))
    assert findings.planned is not None
    case, plan = findings.planned.case, findings.planned.plan
    each, _ = case.brain_doses()
    rows = {n.name: k for k, n in enumerate(case.lesions)}
    for session, ds, v12_ml in zip(plan.sessions, read_back(findings, part), v12_in_report(findings), strict=True):
        gy, points, voxel_ml = gray_at_points(ds)
        away, where = cKDTree(points).query(case.brain_mm)
        assert away.max() < 1e-3
        wanted = each[[rows[name] for name in session.lesions]].sum(axis=0)
        assert gy[where] == pytest.approx(wanted, abs=1e-5)
        assert not np.delete(gy, where).any()
        assert np.count_nonzero(gy >= 12) * voxel_ml == pytest.approx(v12_ml, rel=0.01)
        assert v12_ml == pytest.approx(session.v12_ml, abs=5e-4)
        assert v12_ml > 0.3


def test_highdicom_reads_the_maps_in_gray(tmp_path: Path) -> None:
    findings = found(tmp_path, replace(THICK, orientation="oblique"))
    assert findings.planned is not None
    grid = findings.planned.case.grid
    assert grid is not None
    for wanted, ds in zip(findings.planned.maps_gy(), read_back(findings, Part.DOSE_MAP), strict=True):
        read = hd.pm.ParametricMap.from_dataset(ds)
        assert read.ContentQualification == "RESEARCH"
        volume = read.get_volume().flip_spatial(0)  # highdicom counts slices against the normal
        first = np.linalg.solve(grid.affine[:3, :3], np.array(volume.position) - grid.affine[:3, 3])
        box = tuple(slice(round(f), round(f) + n) for f, n in zip(first, volume.spatial_shape, strict=True))
        assert np.array_equal(volume.array, wanted[box])
        assert wanted[box].sum() == wanted.sum()
        assert volume.affine[:3, :3] == pytest.approx(grid.affine[:3, :3], abs=1e-6)


@pytest.mark.parametrize("orientation", ["axial", "coronal", "oblique"])
def test_another_reader_finds_the_rt_dose_at_the_same_place(tmp_path: Path, orientation: str) -> None:
    findings = found(tmp_path / "images", replace(WHOLE, orientation=orientation))
    made = next(e for e in encode(findings, STAMP) if e.part is Part.RT_DOSE)
    (tmp_path / "dose.dcm").write_bytes(to_bytes(made.dataset))
    image = sitk.ReadImage(str(tmp_path / "dose.dcm"))
    values = sitk.GetArrayFromImage(image) * float(made.dataset.DoseGridScaling)
    k, j, i = (int(v) for v in np.unravel_index(values.argmax(), values.shape))
    gy, points, voxel_ml = gray_at_points(dcmread(tmp_path / "dose.dcm"))
    assert image.TransformIndexToPhysicalPoint((i, j, k)) == pytest.approx(tuple(points[gy.argmax()]), abs=1e-3)
    assert np.prod(image.GetSpacing()) / 1000 == pytest.approx(voxel_ml, rel=1e-6)


@pytest.mark.parametrize("write", [write_classic, write_enhanced], ids=["classic", "enhanced"])
def test_each_frame_of_a_map_names_the_image_that_it_lies_on(tmp_path: Path, write: object) -> None:
    findings = found(tmp_path, replace(WHOLE, orientation="oblique"), write=write)
    source = read_source(findings)
    planes = {(f.sop_instance_uid, f.frame_number): f for f in source.frames}
    normal = np.cross(source.frames[0].cosines[:3], source.frames[0].cosines[3:])
    for ds in read_back(findings, Part.DOSE_MAP):
        assert ds.ReferencedSeriesSequence[0].SeriesInstanceUID == source.series_instance_uid
        for group in ds.PerFrameFunctionalGroupsSequence:
            (image,) = group.DerivationImageSequence[0].SourceImageSequence
            frame = planes[str(image.ReferencedSOPInstanceUID), image.get("ReferencedFrameNumber")]
            here = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
            assert abs(normal @ (here - frame.position)) < 1e-3


def test_slices_that_run_against_the_normal_are_turned_round(tmp_path: Path) -> None:
    findings = found(tmp_path)
    assert findings.planned is not None
    case = findings.planned.case
    assert case.grid is not None
    affine = case.grid.affine.copy()
    affine[:3, 3] += affine[:3, 0] * (case.grid.brain.shape[0] - 1)
    affine[:3, 0] *= -1
    turned = BrainGrid(np.ascontiguousarray(case.grid.brain[::-1]), affine)
    other = replace(findings.planned, case=replace(case, grid=turned, brain_mm=turned.points_mm))
    source = read_source(findings)
    for one, two in zip(doses(findings.planned, source), doses(other, source), strict=True):
        assert two.volume.affine == pytest.approx(one.volume.affine)
        assert two.volume.array == pytest.approx(one.volume.array, abs=1e-5)


@pytest.mark.parametrize("part", [Part.DOSE_MAP, Part.RT_DOSE])
def test_doses_are_one_series_that_says_estimate_first_and_that_nothing_is_known_outside_the_brain(
    tmp_path: Path, part: Part
) -> None:
    first, second = read_back(found(tmp_path), part)
    assert first.SeriesInstanceUID == second.SeriesInstanceUID
    assert (first.InstanceNumber, second.InstanceNumber) == (1, 2)
    for ds in (first, second):
        assert is_ours(ds.SOPInstanceUID, ds.SeriesInstanceUID)
        assert str(ds.SeriesDescription).startswith("ESTIMATE - NOT FOR TREATMENT")
        assert "RESEARCH USE ONLY" in ds.SeriesDescription
        assert "Outside the brain it is 0 because no dose is estimated there" in ds.ImageComments
        assert "BM01" in first.ImageComments
    words = first.ContentDescription if part is Part.DOSE_MAP else first.DoseComment
    assert words == "ESTIMATE - NOT FOR TREATMENT: dose of session 1 of 2"


def test_a_parametric_map_is_absorbed_dose_in_gray(tmp_path: Path) -> None:
    ds = read_back(found(tmp_path), Part.DOSE_MAP)[0]
    (mapping,) = ds.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "Gy"
    assert mapping.QuantityDefinitionSequence[0].ConceptCodeSequence[0].CodeMeaning == "Absorbed Dose"
    assert mapping.DoubleFloatRealWorldValueLastValueMapped == np.frombuffer(ds.FloatPixelData, "<f4").max()
    assert "PixelData" not in ds


def test_an_rt_dose_names_no_plan_and_says_what_one_would_have_to_give(tmp_path: Path) -> None:
    findings = found(tmp_path)
    made = {e.name: e.dataset for e in encode(findings, STAMP)}
    ds = dcmread(BytesIO(to_bytes(made["RTDOSE_1"])))
    assert ds.SOPClassUID == RTDoseStorage
    assert "ReferencedRTPlanSequence" not in ds
    assert (ds.DoseSummationType, ds.DoseType, ds.DoseUnits) == ("PLAN_OVERVIEW", "PHYSICAL", "GY")
    assert ds.FrameIncrementPointer == 0x3004000C
    assert ds.GridFrameOffsetVector[0] == 0
    assert len(ds.GridFrameOffsetVector) == ds.NumberOfFrames
    (overview,) = ds.PlanOverviewSequence
    (structures,) = overview.ReferencedStructureSetSequence
    assert structures.ReferencedSOPInstanceUID == made["RTSTRUCT"].SOPInstanceUID
    assert "ReferencedStructureSetSequence" not in ds
    assert {(p.EntityLongLabel, p.TotalPrescriptionDose) for p in overview.PrescriptionOverviewSequence} == {
        (name, 20.0)
        for name in findings.planned.plan.sessions[0].lesions  # type: ignore[union-attr]
    }


def test_what_is_not_wanted_or_not_planned_is_not_made(tmp_path: Path) -> None:
    everything = found(tmp_path)

    def names(findings: Findings) -> list[str]:
        return [e.name for e in encode(findings, STAMP)]

    assert names(everything) == ["SEG", "RTSTRUCT", "PM_1", "PM_2", "RTDOSE_1", "RTDOSE_2", "SC_1", "SC_2", "KO", "SR"]
    assert names(replace(everything, extras=frozenset({Extra.DOSE_MAP})))[2:] == ["PM_1", "PM_2", "KO", "SR"]
    assert names(replace(everything, extras=frozenset())) == ["SEG", "RTSTRUCT", "KO", "SR"]
    assert names(replace(everything, planned=None)) == ["SEG", "RTSTRUCT", "SC_1", "KO", "SR"]


def test_equal_plans_and_stamps_make_the_same_bytes(tmp_path: Path) -> None:
    findings = found(tmp_path)

    def made(each: tuple[Encoded, ...]) -> list[bytes]:
        return [to_bytes(e.dataset) for e in each]

    assert made(encode(findings, STAMP)) == made(encode(findings, STAMP))


def test_the_report_has_all_others_as_evidence_and_each_session_its_doses(tmp_path: Path) -> None:
    *others, report = (e.dataset for e in encode(found(tmp_path), STAMP))
    named = {
        str(item.ReferencedSOPInstanceUID)
        for keyword in ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence")
        for study in report.get(keyword, [])
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    assert named >= {ds.SOPInstanceUID for ds in others}


def test_a_plan_for_lesions_that_are_not_there_is_refused(tmp_path: Path) -> None:
    findings = found(tmp_path)
    renamed = tuple(replace(n, name=f"other {n.number}") for n in findings.lesions)
    with pytest.raises(OurFault, match="plan and lesions differ"):
        encode(replace(findings, lesions=renamed), STAMP)
