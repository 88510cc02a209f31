"""Two dates of real patients (brain/btp_t1c of the shared data, glioblastoma on 6 mm slices), as DICOM studies."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt

from pipeline.core.study import Study
from pipeline.datasets.nifti import Acquisition, write_volume
from pipeline.evaluation.cases import Case
from pipeline.evaluation.cases.nifti import btp_entries
from pipeline.imaging.header import scan

HOW_MANY = int(os.environ.get("LANTERN_REAL_SERIES", "2")) // 2
"""Patients: one by default, so that the tests are quick; LANTERN_REAL_SERIES=16 (`make real`) takes all eight."""

AGREES = 0.15

MISJUDGED = {
    "02": "most of the tumour of the first date, faint along the dura, is not found by model 1",
    "07": "the experts drew 1.5 ml of faint rim on the first date, and all of it, 6.4 ml, on the second",
}
"""Tumours whose change in the models' own outlines does not agree with the masks', and why."""


@dataclass(frozen=True, slots=True)
class Date:
    """One scan: truth is enhancing tissue, lesions the parts of the tumour that count, on the grid of the series."""

    study: Study
    truth: npt.NDArray[np.bool_]
    lesions: npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Patient:
    name: str
    first: Date
    second: Date
    folder: Path


def _date(case: Case, folder: Path, day: str) -> Date:
    array = np.asarray(case.image.array)
    filled = np.flatnonzero(array.max(axis=(1, 2)) > array.min(axis=(1, 2)))
    kept = slice(filled[0], filled[-1] + 1)
    write_volume(case.image[kept], folder / "t1c", Acquisition(patient_id=case.group, date=day, study=case.name))
    (study,) = scan(folder)
    return Date(study, case.truth[kept], case.lesions[kept])


def written_patients(shared_data: Path, home: Path) -> list[Patient]:
    """Both dates of HOW_MANY patients, in folders below `home`: PATIENT/1 and PATIENT/2."""
    entries = {e.name: e for e in btp_entries(shared_data)}
    names = sorted({name.split("-")[1] for name in entries})
    # Those come first in which models and masks agree.
    chosen = ["08", "09", *(name for name in names if name not in ("08", "09"))][: max(1, HOW_MANY)]
    return [
        Patient(
            name,
            _date(entries[f"btp-{name}-Pre"].load(), home / name / "1", "20260101"),
            _date(entries[f"btp-{name}-Post"].load(), home / name / "2", "20260301"),
            home / name / "1",
        )
        for name in chosen
    ]


def tumour(date: Date, labels: hd.Volume) -> tuple[int, float]:
    """The label that holds most of the largest tumour of the mask, and the enhancing volume of that tumour in ml."""
    sizes = np.bincount(date.lesions.ravel())[1:]
    mask = date.lesions == int(sizes.argmax()) + 1
    label = int(np.bincount(np.asarray(labels.array)[mask], minlength=2)[1:].argmax()) + 1
    return label, float((mask & date.truth).sum() * np.prod(labels.spacing)) / 1000
