"""A synthetic MR series on disk and findings of spheres drawn on it, for tests of what is made from findings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.sr.coding import Code
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage
from pydicom.valuerep import format_number_as_ds
from scipy import ndimage

from pipeline.core.uid import derive_uid
from pipeline.encode import Stamp, encode, to_bytes
from pipeline.findings import Algorithm, Extra, Findings, Lesion, Reason, Site, Verdict
from pipeline.imaging.read import FrameRef
from pipeline.imaging.regions import measure
from pipeline.recipes.srs.recipe import BRAIN_METASTASIS
from pipeline.sessions.case import Case, Wishes
from pipeline.sessions.case import Lesion as PlannedLesion
from pipeline.sessions.choose import plan
from pipeline.sessions.dosemap import brain_grid, target_of
from pipeline.sessions.planned import Planned
from pipeline.sessions.tables import Prescription

ALGORITHM = Algorithm(
    name="srs",
    version="1.2.3",
    weights_sha256="0123456789abcdef" * 4,
    evidence_tier="T1",
    training="Synthetic lesions in 10 synthetic heads; no patient was seen in training.",
)
STAMP = Stamp(seed="a" * 64, made_at=datetime(2026, 11, 22, 20, 15, 30, 123456, UTC), software_version="0.1.0")

_TILT = np.deg2rad(17)
ORIENTATIONS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "axial": ((1, 0, 0), (0, 1, 0)),
    "coronal": ((1, 0, 0), (0, 0, -1)),
    "sagittal": ((0, 1, 0), (0, 0, -1)),
    "feet first": ((-1, 0, 0), (0, 1, 0)),
    "oblique": (
        (float(np.cos(_TILT)), float(np.sin(_TILT)), 0.0),
        (
            float(-np.sin(_TILT) * np.cos(0.4)),
            float(np.cos(_TILT) * np.cos(0.4)),
            float(np.sin(0.4)),
        ),
    ),
}
"""Direction of increasing column index, and of increasing row index."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the voxels are. shape and spacing_mm: (slices, rows, columns)."""

    shape: tuple[int, int, int] = (24, 44, 40)
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    orientation: str = "axial"
    corner_mm: tuple[float, float, float] = (-91.123456, 33.5, -40.25)

    @property
    def cosines(self) -> list[float]:
        """Image Orientation (Patient), with the digits that a DS has room for."""
        return [_ds(v) for direction in ORIENTATIONS[self.orientation] for v in direction]

    @property
    def affine(self) -> NDArray[np.float64]:
        """(slice, row, column) -> LPS mm, of what is written in the headers."""
        along_column, along_row = np.array(self.cosines[:3]), np.array(self.cosines[3:])
        affine = np.eye(4)
        affine[:3, 0] = np.cross(along_column, along_row) * self.spacing_mm[0]
        affine[:3, 1] = along_row * self.spacing_mm[1]
        affine[:3, 2] = along_column * self.spacing_mm[2]
        affine[:3, 3] = self.corner_mm
        return affine

    def position(self, slice_index: int) -> list[float]:
        """Image Position (Patient) of a slice."""
        return [_ds(v) for v in (self.affine @ (slice_index, 0, 0, 1))[:3]]


def _ds(value: float) -> float:
    return float(format_number_as_ds(float(value)))


def spheres(grid: Grid, *wanted: tuple[tuple[float, float, float], float]) -> NDArray[np.uint16]:
    """Labels 1…n: spheres of (centre as fractional index, diameter in mm); voxels whose centre is inside."""
    labels = np.zeros(grid.shape, np.uint16)
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), axis=-1)
    for number, (centre, diameter_mm) in enumerate(wanted, start=1):
        away_mm = np.linalg.norm((index - np.array(centre)) * np.array(grid.spacing_mm), axis=-1)
        labels[away_mm <= diameter_mm / 2] = number
    return labels


_LEFT, _RIGHT = Code("7771000", "SCT", "Left"), Code("24028007", "SCT", "Right")
SITES = (
    Site(Code("113305005", "SCT", "Cerebellum"), _LEFT, "left cerebellum", "L_CEREBELLUM", "L_CEREB"),
    Site(Code("83251001", "SCT", "Frontal lobe"), _RIGHT, "right frontal lobe", "R_FRONTAL_LOBE", "R_FRONTAL"),
    Site(Code("49557009", "SCT", "Pons"), None, "pons", "PONS", "PONS"),
)
DISTANCES_MM = {"brainstem": 12.3456, "optic pathway": 31.0, "left cochlea": 8.25, "right cochlea": 55.5}
AGAINST = (
    Reason("original_shape_Elongation", 0.31, "drawn out like a vessel", 1.9),
    Reason("touches_dura", 1.0, "lies on the dura", 1.2),
    Reason("log-sigma-2-0-mm-3D_firstorder_Mean", -12.5, "darker than its surroundings", 0.4),
)


def sited(findings: Findings) -> Findings:
    """The same with all that atlas, repeated readings and false-positive step have to say of every lesion."""

    def told(lesion: Lesion) -> Lesion:
        site = SITES[(lesion.number - 1) % len(SITES)]
        return replace(
            lesion,
            label=f"BM{lesion.number:02d}_{site.name}",
            site=site,
            distances_mm=DISTANCES_MM,
            agreement=0.9 - 0.3 * (lesion.number % 2),
            enhancing_volume_mm3=0.75 * lesion.volume_mm3,
            verdict=Verdict(lesion.probability, 0.35),
        )

    return replace(findings, lesions=tuple(told(lesion) for lesion in findings.lesions))


def planned(
    findings: Findings,
    wishes: Wishes | None = None,
    *,
    gy: Mapping[str, tuple[float, int]] | None = None,
    step_mm: float = 2.0,
    extras: Iterable[Extra] = Extra,
) -> Findings:
    """The same with a plan: a brain that fills the grid but for its rim, and two organs at risk in it.

    gy: (dose, fractions) of lesions by name; 20 Gy in one otherwise.
    """
    labels = findings.labels
    assert labels is not None
    brain = np.zeros(labels.spatial_shape, bool)
    brain[1:-1, 2:-2, 3:-3] = True
    brain |= labels.array > 0
    grid = brain_grid(brain, labels.affine, step_mm)
    boxes = ndimage.find_objects(labels.array)
    case = Case(
        tuple(
            PlannedLesion(
                n.short_label,
                target_of(labels, n.number, boxes[n.number - 1]),
                Prescription(99, *(gy or {}).get(n.short_label, (20.0, 1)), "a table of the test"),
            )
            for n in findings.lesions
        ),
        grid.points_mm,
        grid.voxel_ml,
        {"brainstem": grid.points_mm[:40], "left cochlea": grid.points_mm[-3:]},
        grid=grid,
    )
    return replace(findings, planned=Planned(plan(case, wishes), case), extras=frozenset(extras))


def write_planned(folder: Path) -> list[Path]:
    """All objects of two lesions in two sessions as files: SEG, RTSTRUCT, SR, and two each of PM, RTDOSE and SC."""
    grid = Grid((12, 40, 36), (2.0, 1.0, 1.0))
    labels = spheres(grid, ((5, 12, 12), 9.0), ((8, 28, 24), 7.0))
    made = planned(findings_on(write_classic(folder / "images", grid), grid, labels), Wishes(sessions=2))
    paths = []
    for encoded in encode(made, STAMP):
        paths.append(folder / f"{encoded.name}.dcm")
        paths[-1].write_bytes(to_bytes(encoded.dataset))
    return paths


def with_rejected(findings: Findings, grid: Grid, labels: NDArray[np.uint16], *, drawn: bool = False) -> Findings:
    """The same with rejected candidates, those of `labels`; drawn: with a label volume of them."""
    candidates = findings_on(findings.frames, grid, labels)
    rejected = tuple(
        replace(
            c,
            label=f"FP{c.number:02d}_{SITES[0].name}",
            tracking_uid=derive_uid("candidate", str(c.number)),
            probability=0.1 / c.number,
            site=SITES[0],
            verdict=Verdict(0.1 / c.number, 0.35, AGAINST),
        )
        for c in candidates.lesions
    )
    return replace(findings, rejected=rejected, rejected_labels=candidates.labels if drawn else None)


def findings_on(frames: tuple[FrameRef, ...], grid: Grid, labels: NDArray[np.uint16], **more: Any) -> Findings:
    """Findings with the lesions of `labels`, measured by the imaging room."""
    uid = derive_uid("frame of reference")
    return findings_of(frames, hd.Volume(labels, grid.affine, "PATIENT", frame_of_reference_uid=uid), **more)


def findings_of(frames: tuple[FrameRef, ...], volume: hd.Volume, **more: Any) -> Findings:
    """Findings with the lesions of a label volume, measured by the imaging room."""
    lesions = tuple(
        Lesion(
            number=m.number,
            label=f"BM{m.number:02d}",
            tracking_uid=derive_uid("lesion", str(m.number)),
            centroid_mm=m.centroid_mm,
            volume_mm3=m.volume_mm3,
            long_axis_mm=m.long_axis_mm,
            short_axis_mm=m.short_axis_mm,
            max_diameter_3d_mm=m.max_diameter_3d_mm,
            probability=0.5 + 0.4 / m.number,
        )
        for m in measure(volume)
    )
    said = {
        "remarks": ("One duplicate image was left out.",),
        "algorithm": ALGORITHM,
        "sought": BRAIN_METASTASIS,
        "drawn_on": "t1c",
    } | more
    return Findings(labels=volume if lesions else None, frames=frames, lesions=lesions, **said)


def write_classic(folder: Path, grid: Grid, **elements: Any) -> tuple[FrameRef, ...]:
    """One MR Image Storage file a slice; `elements` are set in each, None removes."""
    folder.mkdir(parents=True, exist_ok=True)
    refs = []
    for i in range(grid.shape[0]):
        ds = _common(grid, MRImageStorage, derive_uid("image", str(i)))
        ds.InstanceNumber = i + 1
        ds.ImageType = ["ORIGINAL", "PRIMARY", "M"]
        ds.ImagePositionPatient, ds.ImageOrientationPatient = grid.position(i), grid.cosines
        ds.PixelSpacing, ds.SliceThickness = list(grid.spacing_mm[1:]), grid.spacing_mm[0]
        ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions, ds.MRAcquisitionType = "GR", "SP", "", "3D"
        ds.EchoTime, ds.RepetitionTime, ds.EchoTrainLength = 3, 8, 1
        ds.PixelData = _pixels(grid, i)
        refs.append(FrameRef(str(ds.SOPInstanceUID), None, _write(ds, folder / f"{i:03d}.dcm", elements)))
    return tuple(refs)


def write_enhanced(folder: Path, grid: Grid, extra: int = 0, **elements: Any) -> tuple[FrameRef, ...]:
    """One Enhanced MR file with all slices; `extra` frames at the place of the first stand before them."""
    folder.mkdir(parents=True, exist_ok=True)
    ds = _common(grid, EnhancedMRImageStorage, derive_uid("image", "enhanced"))
    ds.InstanceNumber, ds.ImageType = 1, ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    slices = [0] * extra + list(range(grid.shape[0]))
    ds.NumberOfFrames = len(slices)
    shared = Dataset()
    shared.PixelMeasuresSequence = [Dataset()]
    shared.PixelMeasuresSequence[0].PixelSpacing = list(grid.spacing_mm[1:])
    shared.PixelMeasuresSequence[0].SliceThickness = grid.spacing_mm[0]
    shared.PlaneOrientationSequence = [Dataset()]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = grid.cosines
    ds.SharedFunctionalGroupsSequence = [shared]
    ds.PerFrameFunctionalGroupsSequence = [_plane_position(grid, i) for i in slices]
    ds.PixelData = b"".join(_pixels(grid, i) for i in slices)
    path = _write(ds, folder / "enhanced.dcm", elements)
    return tuple(FrameRef(str(ds.SOPInstanceUID), extra + i + 1, path) for i in range(grid.shape[0]))


def _plane_position(grid: Grid, i: int) -> Dataset:
    item = Dataset()
    item.PlanePositionSequence = [Dataset()]
    item.PlanePositionSequence[0].ImagePositionPatient = grid.position(i)
    return item


def _common(grid: Grid, sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class_uid, sop_instance_uid
    ds.StudyInstanceUID, ds.SeriesInstanceUID = derive_uid("study"), derive_uid("series")
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = derive_uid("frame of reference"), ""
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Müller^Jürgen", "LAN 0042", "19570131", "M"
    ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = "20261120", "081500", "", "A-77"
    ds.ReferringPhysicianName, ds.StudyDescription, ds.PatientAge = "", "MRT Schädel", "069Y"
    ds.Modality, ds.SeriesNumber, ds.SeriesDescription = "MR", 7, "t1_mprage_km"
    ds.SeriesDate, ds.SeriesTime, ds.ContentDate, ds.ContentTime = "20261120", "082000", "20261120", "082000"
    ds.Manufacturer, ds.ManufacturerModelName, ds.DeviceSerialNumber = "Maker", "Scanner 3T", "12345"
    ds.SoftwareVersions, ds.InstitutionName, ds.AcquisitionNumber = "syngo 1", "Klinik Süd", 1
    ds.BodyPartExamined = "BRAIN"
    ds.Rows, ds.Columns = grid.shape[1:]
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds


def _pixels(grid: Grid, i: int) -> bytes:
    rows, columns = grid.shape[1:]
    return ((np.arange(rows * columns) * 7 + i * 31) % 4096).astype("<u2").tobytes()


def _write(ds: Dataset, path: Path, elements: dict[str, Any]) -> Path:
    for keyword, value in elements.items():
        if value is not None:
            setattr(ds, keyword, value)
        elif keyword in ds:
            delattr(ds, keyword)
    dcmwrite(path, ds, enforce_file_format=True)
    return path
