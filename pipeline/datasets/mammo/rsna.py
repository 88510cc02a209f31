"""RSNA Screening Mammography Breast Cancer Detection, 2023: DICOM and train.csv; cancers are not outlined."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pipeline.core.errors import HeaderUnusable
from pipeline.datasets.mammo.birads import category, density
from pipeline.datasets.mammo.case import Case, Collection, Drawn, Finding, Pathology, given
from pipeline.datasets.mammo.pictures import read_dicom, read_header, spacing_of
from pipeline.datasets.mammo.tables import Row, read_table
from pipeline.marks import Laterality


def cases(folder: Path) -> Iterator[Case]:
    """The images of train.csv that are there. Raises HeaderUnusable without the table or any of its images."""
    tables = sorted(folder.rglob("train.csv"))
    if not tables:
        raise HeaderUnusable(f"train.csv of RSNA 2023 is not in {folder}", "give the folder as it was downloaded")
    files = {(p.parent.name, p.stem): p for p in sorted(folder.rglob("*.dcm"))}
    rows = read_table(tables[0], ("patient_id", "image_id", "laterality", "view", "cancer"))
    found = [row for row in rows if (row["patient_id"], row["image_id"]) in files]
    if not found:
        raise HeaderUnusable(f"none of the images of train.csv is in {folder}", "fetch its folder train_images")
    for row in found:
        yield _case(row, files[row["patient_id"], row["image_id"]])


def _case(row: Row, path: Path) -> Case:
    truth = _pathology(row)
    cancer = Finding(None, "cancer of this breast, place not given", Drawn.NOWHERE, pathology=truth)
    return Case(
        collection=Collection.RSNA,
        name=f"{row['patient_id']}_{row['image_id']}",
        patient=row["patient_id"],
        study=row["patient_id"],
        laterality=Laterality(row["laterality"]),
        view=row["view"],
        path=path,
        reader=partial(read_dicom, path),
        finder=partial(given, (cancer,) if truth is Pathology.MALIGNANT else ()),
        pathology=truth,
        spacing_mm=spacing_of(read_header(path)),
        density=density(row.get("density", "")),
        density_words=row.get("density", ""),
        assessment=category(row.get("birads", "")),
        implant=row.get("implant") in ("1", "True"),
        is_film=False,
    )


def _pathology(row: Row) -> Pathology:
    """Cancer as the table says; a biopsy without cancer is benign; no cancer and no biopsy is normal."""
    if row["cancer"] == "1":
        return Pathology.MALIGNANT
    return Pathology.BENIGN if row.get("biopsy") == "1" else Pathology.NORMAL
