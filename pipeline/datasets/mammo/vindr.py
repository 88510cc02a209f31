"""VinDr-Mammo: 5000 exams of four views as DICOM, boxes and BI-RADS categories in CSV tables."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pipeline.core.errors import HeaderUnusable
from pipeline.datasets.mammo.birads import category, density, pathology
from pipeline.datasets.mammo.case import Case, Collection, Drawn, Finding, box, given
from pipeline.datasets.mammo.pictures import read_dicom, read_header, spacing_of
from pipeline.datasets.mammo.tables import Row, read_table
from pipeline.marks import Kind, Laterality

_NEEDED = ("study_id", "image_id", "laterality", "view_position")
_KINDS = (
    ("mass", Kind.MASS),
    ("calcification", Kind.CALCIFICATIONS),
    ("distortion", Kind.DISTORTION),
    ("asymmetry", Kind.ASYMMETRY),
)


def cases(folder: Path) -> Iterator[Case]:
    """The images of breast-level_annotations.csv that are there, with the boxes of finding_annotations.csv.

    Raises HeaderUnusable without the tables, or where none of their images is there.
    """
    breasts = read_table(_only(folder, "breast-level_annotations.csv"), (*_NEEDED, "breast_birads", "breast_density"))
    boxes: dict[str, list[Row]] = {}
    for row in read_table(_only(folder, "finding_annotations.csv"), ("image_id", "finding_categories", "xmin")):
        boxes.setdefault(row["image_id"], []).append(row)
    files = {p.stem: p for p in sorted(folder.rglob("*")) if p.suffix.lower() in (".dicom", ".dcm")}
    found = [row for row in breasts if row["image_id"] in files]
    if not found:
        raise HeaderUnusable(f"none of the images of VinDr-Mammo's tables is in {folder}", "fetch its folder images")
    for row in found:
        yield _case(row, files[row["image_id"]], boxes.get(row["image_id"], []))


def _only(folder: Path, name: str) -> Path:
    for path in sorted(folder.rglob(name)):
        return path
    raise HeaderUnusable(f"{name} of VinDr-Mammo is not in {folder}", "give the folder as it was downloaded")


def _case(row: Row, path: Path, boxes: list[Row]) -> Case:
    assessment = category(row["breast_birads"])
    findings = tuple(_finding(b) for b in boxes if "No Finding" not in b["finding_categories"])
    return Case(
        collection=Collection.VINDR,
        name=row["image_id"],
        patient=row["study_id"],
        study=row["study_id"],
        laterality=Laterality(row["laterality"]),
        view=row["view_position"],
        path=path,
        reader=partial(read_dicom, path),
        finder=partial(given, findings),
        pathology=pathology(assessment),
        spacing_mm=spacing_of(read_header(path)),
        density=density(row["breast_density"]),
        density_words=row["breast_density"],
        assessment=assessment,
        split=row.get("split", ""),
        is_film=False,
    )


def _finding(row: Row) -> Finding:
    """A box may have several categories, written as a Python list: the first of ours is its kind."""
    words = row["finding_categories"].strip("[]").replace("'", "").replace('"', "")
    kind = next((k for word in words.lower().split(",") for name, k in _KINDS if name in word), None)
    assessment = category(row.get("finding_birads", ""))
    sides = [row.get(side, "") for side in ("xmin", "ymin", "xmax", "ymax")]
    if not all(sides):
        return Finding(kind, words, Drawn.NOWHERE, pathology=pathology(assessment), assessment=assessment)
    outline = box(*(float(side) for side in sides))
    return Finding(kind, words, Drawn.BOX, outline, pathology(assessment), assessment=assessment)
