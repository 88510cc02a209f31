"""CBIS-DDSM: DDSM again as DICOM, with masks by a radiologist and CSV tables; some masks and crops are swapped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import HeaderUnusable
from pipeline.datasets.mammo.case import Case, Collection, Drawn, Finding, Pathology, around, worst
from pipeline.datasets.mammo.ddsm_overlay import kind_of
from pipeline.datasets.mammo.pictures import read_dicom, read_header, spacing_of
from pipeline.datasets.mammo.tables import Row, read_table
from pipeline.marks import Density, Laterality

_NEEDED = (
    "patient_id",
    "left or right breast",
    "image view",
    "pathology",
    "image file path",
    "roi mask file path",
)
_PATHOLOGIES = {
    "MALIGNANT": Pathology.MALIGNANT,
    "BENIGN": Pathology.BENIGN,
    "BENIGN_WITHOUT_CALLBACK": Pathology.BENIGN,
}
_DENSITIES = dict(zip("1234", Density, strict=True))

_SPLIT = " split"
"""Beside the columns of a table; no column's name begins with a space."""
_BOTH_SPLITS = "One table has this film for training, another one for test: it is taken to be for training."

SAME_SHAPE = 0.02
"""A mask may have another size than its image, but the proportions are the same within this share."""

Folders = Mapping[str, list[Path]]


def cases(folder: Path) -> Iterator[Case]:
    """The images of all tables under `folder` (mass_case_description_train_set.csv …).

    Images and masks are found by the first folder of the paths in the tables ("Mass-Training_P_00001_LEFT_CC"): what
    lies below has other names in every download. Raises HeaderUnusable when there is no table, or no image of one.
    """
    tables = sorted(folder.rglob("*_case_description_*.csv"))
    if not tables:
        raise HeaderUnusable(
            f"no table of CBIS-DDSM (mass_case_description_train_set.csv …) is in {folder}",
            "put the CSV tables of TCIA beside the images",
        )
    folders = _folders(folder)
    made = 0
    for rows in _by_film(row for table in tables for row in _rows(table)).values():
        for case in _case(rows, folders):
            made += 1
            yield case
    if not made:
        raise HeaderUnusable(f"none of the images that the tables name is in {folder}", "fetch the images from TCIA")


def _folders(folder: Path) -> Folders:
    """DICOM files by the name of the folder that CBIS-DDSM's own names begin at, above or below other folders."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*.dcm")):
        named = [part for part in path.relative_to(folder).parts if part.startswith(("Mass-", "Calc-"))]
        if named:
            found.setdefault(named[0], []).append(path)
    return found


def _rows(table: Path) -> list[Row]:
    """Of one table, each with the split that the name of the table says."""
    split = "training" if "train" in table.stem else "test"
    return [{**row, _SPLIT: split} for row in read_table(table, _NEEDED)]


def _by_film(rows: Iterable[Row]) -> dict[tuple[str, str, str], list[Row]]:
    """A film with a mass and calcifications is in two tables, under two names; there is one for each side and view."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        film = row["patient_id"], row["left or right breast"].upper(), row["image view"].upper()
        found.setdefault(film, []).append(row)
    return found


def _top(path: str) -> str:
    return PurePosixPath(path.strip().strip('"').replace("\\", "/")).parts[0] if path.strip() else ""


def _case(rows: Sequence[Row], folders: Folders) -> Iterator[Case]:
    """None where the image is not there under any of its names."""
    first = next((row for row in rows if _top(row["image file path"]) in folders), None)
    if first is None:
        return
    name = _top(first["image file path"])
    images, splits = folders[name], {row[_SPLIT] for row in rows}
    density = first.get("breast density", first.get("breast_density", ""))
    yield Case(
        collection=Collection.CBIS,
        name=name,
        patient=first["patient_id"],
        study=first["patient_id"],
        laterality=Laterality.LEFT if first["left or right breast"].upper() == "LEFT" else Laterality.RIGHT,
        view=first["image view"].upper(),
        path=images[0],
        reader=partial(read_dicom, images[0]),
        finder=partial(_findings, images[0], tuple(rows), folders),
        pathology=worst([_PATHOLOGIES.get(row["pathology"].upper(), Pathology.UNKNOWN) for row in rows]),
        spacing_mm=spacing_of(read_header(images[0])),
        density=_DENSITIES.get(density),
        density_words=density,
        split="training" if "training" in splits else "test",
        remarks=(_BOTH_SPLITS,) if len(splits) > 1 else (),
    )


def _findings(image: Path, rows: tuple[Row, ...], folders: Folders) -> tuple[Finding, ...]:
    header = read_header(image)
    shape = (int(header.Rows), int(header.Columns))
    return tuple(_finding(row, shape, folders) for row in rows)


def _finding(row: Row, shape: tuple[int, int], folders: Folders) -> Finding:
    mask = mask_among(folders.get(_top(row["roi mask file path"]), []), shape)
    outline = around(mask) if mask is not None else ()
    words, subtlety = _words(row), row.get("subtlety", "")
    return Finding(
        kind=kind_of([words]),
        words=words,
        drawn=Drawn.OUTLINE if outline else Drawn.NOWHERE,
        outline_px=outline,
        pathology=_PATHOLOGIES.get(row["pathology"].upper(), Pathology.UNKNOWN),
        subtlety=int(subtlety) if subtlety.isdigit() and 1 <= int(subtlety) <= 5 else None,
        assessment=row.get("assessment", ""),
    )


def _words(row: Row) -> str:
    """As DDSM writes it: "MASS SHAPE OVAL MARGINS OBSCURED"."""
    if row.get("abnormality type", "").lower().startswith("calc"):
        return f"CALCIFICATION TYPE {row.get('calc type', '')} DISTRIBUTION {row.get('calc distribution', '')}"
    return f"MASS SHAPE {row.get('mass shape', '')} MARGINS {row.get('mass margins', '')}"


def mask_among(files: list[Path], shape: tuple[int, int]) -> NDArray[np.bool_] | None:
    """The mask of an abnormality in the size of its image; None where none of its files is one.

    A mask has the proportions of the whole image and no more than two values; which of the files is called the crop
    does not count. Where both have the proportions, the larger is the mask.
    """
    for path in sorted(files, key=_pixels, reverse=True):
        header = read_header(path)
        rows, columns = int(header.Rows), int(header.Columns)
        if abs((rows / columns) / (shape[0] / shape[1]) - 1) > SAME_SHAPE:
            continue
        values = read_dicom(path)
        if len(np.unique(values)) <= 2 and values.min() < values.max():
            return _resized(values > values.min(), shape)
    return None


def _pixels(path: Path) -> int:
    header = read_header(path)
    return int(header.get("Rows", 0)) * int(header.get("Columns", 0))


def _resized(mask: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The nearest pixel of the mask for each of the image."""
    if mask.shape == shape:
        return mask
    rows, columns = (
        ((np.arange(wanted) + 0.5) * here / wanted).astype(int) for wanted, here in zip(shape, mask.shape, strict=True)
    )
    return np.asarray(mask[np.ix_(rows, columns)])
