"""Synthetic mammograms on disk, and marks on them, for tests of what is made from marks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation as FOR_PRESENTATION
from pydicom.uid import ExplicitVRLittleEndian

from pipeline.core.uid import derive_uid
from pipeline.encode.codes import code_item
from pipeline.encode.mammo.words import VIEWS
from pipeline.findings import Algorithm, Verdict
from pipeline.marks import (
    Analysis,
    Attempt,
    Breast,
    Composite,
    Density,
    Kind,
    Laterality,
    Mark,
    MarkedStudy,
    Outcome,
    QualityNote,
    Shortcoming,
    Unread,
    View,
)

ALGORITHM = Algorithm(
    name="mammography",
    version="0.2.0+abcdef",
    weights_sha256="fedcba9876543210" * 4,
    evidence_tier="T2",
    training="mini-MIAS and generated mammograms.",
)
ROLES = ("R-CC", "L-CC", "R-MLO", "L-MLO")
ROWS, COLUMNS = 96, 64
TOMOSYNTHESIS = "1.2.840.10008.5.1.4.1.1.13.1.3"


def write_view(folder: Path, role: str, *, monochrome1: bool = False, **changed: Any) -> View:
    """One mammogram of 96 x 64 pixels, as a unit writes it For Presentation, and the view that it is."""
    side, position = role.split("-")[:2]
    ds = _headed(role, side, position)
    breast = _breast(side)
    ds.PixelData = (4095 - breast if monochrome1 else breast).astype("<u2").tobytes()
    ds.PhotometricInterpretation = "MONOCHROME1" if monochrome1 else "MONOCHROME2"
    ds.PresentationLUTShape = "INVERSE" if monochrome1 else "IDENTITY"
    for keyword, value in changed.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{role}.dcm"
    dcmwrite(path, ds, enforce_file_format=True)
    spacing = ds.get("ImagerPixelSpacing") or ds.get("PixelSpacing")
    return View(
        role=role,
        laterality=Laterality(side),
        view=position,
        sop_instance_uid=ds.SOPInstanceUID,
        sop_class_uid=FOR_PRESENTATION,
        path=path,
        rows=int(ds.Rows),
        columns=int(ds.Columns),
        spacing_mm=(float(spacing[0]), float(spacing[1])) if spacing else None,
        score=0.25,
    )


def _breast(side: str) -> np.ndarray:
    """A half disc at the chest wall, right breasts at the right edge; brighter towards its middle."""
    y, x = np.mgrid[:ROWS, :COLUMNS]
    away = np.hypot(y - ROWS / 2, x if side == "L" else COLUMNS - 1 - x)
    return np.clip(3500 - 70 * away, 20, 4095).astype(np.uint16)


def _headed(role: str, side: str, position: str) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.SOPClassUID, ds.SOPInstanceUID = FOR_PRESENTATION, derive_uid("mammogram", role)
    ds.StudyInstanceUID, ds.SeriesInstanceUID = derive_uid("mammography study"), derive_uid("mammography", role)
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Test^Mammography", "MG1", "19600101", "F"
    ds.StudyDate, ds.StudyTime, ds.AccessionNumber, ds.StudyID = "20260102", "101112", "A1", "S1"
    ds.ReferringPhysicianName = ""
    ds.ContentDate, ds.ContentTime = "20260102", "101200"
    ds.AcquisitionDate, ds.AcquisitionTime = "20260102", "101200"
    ds.Modality, ds.PresentationIntentType, ds.SeriesNumber, ds.InstanceNumber = "MG", "FOR PRESENTATION", 3, 1
    ds.Manufacturer, ds.ManufacturerModelName, ds.SoftwareVersions = "Maker", "Unit", "1"
    ds.ImageType = ["DERIVED", "PRIMARY", ""]
    ds.ImageLaterality, ds.ViewPosition = side, position
    ds.PatientOrientation = ["A" if side == "L" else "P", "L" if position == "CC" else "FL"]
    ds.ViewCodeSequence = [code_item(VIEWS[position])]
    ds.ViewCodeSequence[0].ViewModifierCodeSequence = []
    ds.ImagerPixelSpacing = [0.1, 0.1]
    ds.Rows, ds.Columns, ds.SamplesPerPixel = ROWS, COLUMNS, 1
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.WindowCenter, ds.WindowWidth, ds.RescaleSlope, ds.RescaleIntercept = 2048, 4096, 1, 0
    ds.RescaleType = "US"
    ds.BurnedInAnnotation, ds.LossyImageCompression = "NO", "00"
    return ds


def write_study(folder: Path, roles: tuple[str, ...] = ROLES, **changed: Any) -> tuple[View, ...]:
    """Four views, or those that are asked for."""
    return tuple(write_view(folder, role, **changed) for role in roles)


def mark(number: int, role: str, kind: Kind = Kind.MASS, center: tuple[float, float] = (31.25, 40.5), **more: Any
         ) -> Mark:  # fmt: skip
    """A mark with an outline of eight corners, at places between pixels."""
    angles = np.linspace(0, 2 * np.pi, 9)[:-1]
    outline = tuple((center[0] + 6.3 * float(np.cos(a)), center[1] + 4.7 * float(np.sin(a))) for a in angles)
    known = {
        "number": number,
        "label": f"M{number}",
        "role": role,
        "kind": kind,
        "center_px": center,
        "outline_px": outline,
        "long_axis_mm": 1.26,
        "score": 0.631,
        "tracking_uid": derive_uid("mark", str(number), role),
    }
    return Mark(**known | more)


def marked(views: tuple[View, ...], **more: Any) -> MarkedStudy:
    """What a pipeline could say of four views: two marks of one mass, calcifications, one rejected, all the rest."""
    marks = (
        mark(1, "R-CC"),
        mark(2, "R-MLO", center=(20.0, 50.125)),
        mark(3, "L-MLO", Kind.CALCIFICATIONS, (12.5, 60.75), score=0.42),
    )
    rejected = (
        mark(1, "L-CC", Kind.DISTORTION, (9.0, 30.0), label="X1", score=0.05,
             verdict=Verdict(0.05, 0.3, barred="lies on the skin")),
    )  # fmt: skip
    study = MarkedStudy(
        algorithm=ALGORITHM,
        views=views,
        breasts=(
            Breast(Laterality.RIGHT, 0.631, Density.C, 0.34),
            Breast(Laterality.LEFT, 0.42, Density.B, 0.183),
        ),
        score=0.631,
        marks=marks,
        composites=(Composite(1, "C1", Laterality.RIGHT, Kind.MASS, (1, 2), 0.631, derive_uid("composite", "1")),),
        attempts=(
            Attempt(Kind.MASS, Outcome.SUCCEEDED, ROLES),
            Attempt(Kind.ASYMMETRY, Outcome.SUCCEEDED, ROLES),
            Attempt(Kind.CALCIFICATIONS, Outcome.SUCCEEDED, ("R-MLO", "L-MLO", "L-CC")),
            Attempt(Kind.CALCIFICATIONS, Outcome.FAILED, ("R-CC",), "out of memory"),
            Attempt(Kind.DISTORTION, Outcome.NOT_ATTEMPTED, ROLES, "the model was not trained for it"),
            Attempt(Analysis.DENSITY, Outcome.SUCCEEDED, ROLES),
            Attempt(Analysis.QUALITY, Outcome.SUCCEEDED, ROLES),
        ),
        threshold=0.3,
        rejected=rejected,
        quality=(
            QualityNote(Shortcoming.MOTION, "L-CC", "Edges are blurred over 0.4 mm."),
            QualityNote(Shortcoming.MISSING_VIEW, "L-ML", "Asked for, and not sent."),
        ),
        unread=(Unread("1.2.3.4", TOMOSYNTHESIS, Path("x.dcm"), "tomosynthesis slices are not read"),),
        heat={role: _heat() for role in ROLES},
        remarks=("Read on the CPU.",),
    )
    return replace(study, **more)


def unmarked(views: tuple[View, ...], **more: Any) -> MarkedStudy:
    """The same with nothing found and nothing amiss."""
    attempts = tuple(
        Attempt(what, Outcome.SUCCEEDED, ROLES) for what in (Kind.MASS, Kind.CALCIFICATIONS, Analysis.DENSITY)
    )
    bare = {"marks": (), "composites": (), "rejected": (), "quality": (), "unread": (), "attempts": attempts}
    return marked(views, **bare | more)


def _heat() -> np.ndarray:
    y, x = np.mgrid[:12, :8]
    return np.clip(255 - 60 * np.hypot(y - 5, x - 4), 0, 255).astype(np.uint8)
