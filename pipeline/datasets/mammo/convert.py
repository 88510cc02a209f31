"""A data set -> DICOM mammograms with their truth, one image at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.sr.coding import Code

from pipeline.core.breast import Guess
from pipeline.core.errors import HeaderUnusable
from pipeline.datasets.mammo import guess
from pipeline.datasets.mammo.case import Case, Collection, Picture
from pipeline.datasets.mammo.ddsm import BITS
from pipeline.datasets.mammo.pictures import read_header
from pipeline.datasets.mammo.truth import report, segmentation
from pipeline.datasets.mg_codes import coded
from pipeline.datasets.mg_habits import VIEWS, Display, MgHabit, Modifier, Syntax
from pipeline.datasets.mg_parts import MgAcquisition
from pipeline.datasets.mg_writer import write_mammogram

_KEPT = (
    "Manufacturer",
    "ManufacturerModelName",
    "DetectorType",
    "WindowCenter",
    "WindowWidth",
    "WindowCenterWidthExplanation",
    "VOILUTFunction",
    "VOILUTSequence",
    "BodyPartThickness",
    "CompressionForce",
    "KVP",
    "PositionerPrimaryAngle",
)
"""What a converted image keeps of a DICOM source, where it is there."""

MIAS_SIDES = "Side as Info.txt has it; markers on these films read mirrored and name the other side."

_LOSSY = {".jpg": "ISO_10918_1", ".jpeg": "ISO_10918_1"}


@dataclass(frozen=True, slots=True)
class Written:
    """The files that one image became. truth: SEG and SR, as far as there is any. remarks: what was guessed."""

    case: Case
    image: Path
    truth: tuple[Path, ...]
    remarks: tuple[str, ...]


def convert(
    case: Case,
    out: Path,
    *,
    number: int = 1,
    syntax: Syntax = Syntax.NATIVE,
    spacing_mm: tuple[float, float] | None = None,
    burned_in: bool = False,
) -> Written:
    """Write one image and its truth under `out`/PATIENT.

    number:     Instance Number.
    spacing_mm: (down, across), in place of what the case says; without either the size of an 18 x 24 cm film is
                taken, and remarked.
    burned_in:  whether names or dates can be read in the picture.

    Raises HeaderUnusable for a view that DICOM has no code for, PixelsUnreadable.
    """
    picture = case.picture()
    spacing, remarks = _spacing(case, picture, spacing_mm)
    acquisition = _acquisition(case, picture, spacing, remarks, number, syntax, burned_in)
    folder = out / _safe(case.patient)
    image = folder / f"{_safe(case.name)}.dcm"
    written = write_mammogram(picture, image, acquisition)
    truth = () if case.collection is Collection.FILM else _write_truth(case, written, image)
    return Written(case, image, truth, remarks)


def _write_truth(case: Case, image: Dataset, path: Path) -> tuple[Path, ...]:
    findings = case.findings()
    made = {"SEG": segmentation(case, findings, image), "SR": report(case, findings, image)}
    paths = []
    for kind, ds in made.items():
        if ds is not None:
            paths.append(path.with_suffix(f".truth.{kind}.dcm"))
            ds.save_as(paths[-1], enforce_file_format=True)
    return tuple(paths)


def _spacing(
    case: Case, picture: Picture, asked: tuple[float, float] | None
) -> tuple[tuple[float, float], tuple[str, ...]]:
    known = asked or case.spacing_mm
    if known:
        return known, case.remarks
    guessed = guess.spacing_mm((picture.shape[0], picture.shape[1]))
    said = f"{Guess.SIZE} ({guessed[0]:g} mm: a long side of {guess.FILM_MM:g} mm). Do not measure by it."
    return guessed, (*case.remarks, said)


def _acquisition(
    case: Case,
    picture: Picture,
    spacing_mm: tuple[float, float],
    remarks: tuple[str, ...],
    number: int,
    syntax: Syntax,
    burned_in: bool,
) -> MgAcquisition:
    view, modifiers = ("MLO", (Modifier.AXILLARY_TAIL,)) if case.view == "AT" else (case.view, ())
    if view not in VIEWS:
        raise HeaderUnusable(f"{case.name}: no view is called {case.view}", f"views are {', '.join(VIEWS)}")
    source = _film(case, picture) if case.is_film else _digital(case)
    method = _LOSSY.get(case.path.suffix.lower())
    return MgAcquisition(
        laterality=case.laterality,
        view=view,
        modifiers=modifiers,
        spacing_mm=spacing_mm,
        implant=case.implant or None,  # no data set says of every film that there is none
        burned_in=burned_in,
        syntax=syntax,
        lossy=(max(picture.nbytes / case.path.stat().st_size, 1.0), method) if method else None,
        patient_id=case.patient,
        patient_name=_name(case),
        study=f"{case.collection.value} {case.study}",
        date=case.date,
        study_description=f"{case.collection.words}, research use only",
        instance_number=number,
        comments=" ".join((_origin(case), *remarks)),
        seed=case.collection.value,
        **source,
    )


def _name(case: Case) -> str:
    """Nobody's. Of a film the Patient ID again: what reads a presentation state asks for a name (PS3.3 C.7.1.1)."""
    if case.collection is Collection.FILM:
        return re.sub(r"[\\^=]", " ", case.patient)  # these part the components and groups of a name
    return f"{case.collection.words}^{case.patient}"


def _origin(case: Case) -> str:
    what = "film scan" if case.is_film else "digital mammogram"
    note = MIAS_SIDES if case.collection is Collection.MIAS else ""
    return f"Converted from {case.collection.words}, {what} {case.name}. {note}".rstrip()


def _is_dicom(path: Path) -> bool:
    return path.suffix.lower() in (".dcm", ".dicom")


def _film(case: Case, picture: Picture) -> Mapping[str, Any]:
    """A film digitiser is equipment that contributed (PS3.16 CID 7005); the mammograph behind the film is unknown."""
    more: dict[str, Any] = {"DerivationDescription": "Film, digitised"}
    if case.collection is Collection.DDSM:
        more["DerivationDescription"] = "Film, digitised; grey levels calibrated to optical density, inverted"
    if case.digitiser:
        digitiser = Dataset()
        digitiser.PurposeOfReferenceCodeSequence = [coded(Code("FILMD", "DCM", "Film Digitizer"))]
        digitiser.Manufacturer = case.digitiser
        more["ContributingEquipmentSequence"] = [digitiser]
    return {"habit": MgHabit.FILM, "bits": _bits(case, picture), "more": more}


def _bits(case: Case, picture: Picture) -> int:
    """As few as hold all images of the data set; of a scan of one's own, this one: its values stay what they are."""
    if case.collection is Collection.DDSM:
        return BITS
    if _is_dicom(case.path):
        return int(read_header(case.path).get("BitsStored", 16))
    if picture.dtype == np.uint8:
        return 8
    return next((bits for bits in (12, 14) if int(picture.max()) < 2**bits), 16)


def _digital(case: Case) -> Mapping[str, Any]:
    """Stored values, polarity and windows as they were sent."""
    header = read_header(case.path)
    more = {keyword: header[keyword].value for keyword in _KEPT if keyword in header}
    return {
        "habit": MgHabit.SIEMENS,
        "bits": int(header.get("BitsStored", 16)),
        "inverted": header.get("PhotometricInterpretation") == "MONOCHROME1",
        "display": Display.NONE if {"WindowCenter", "VOILUTSequence"} & set(more) else Display.WINDOW,
        "more": {"Manufacturer": "", "ManufacturerModelName": "", "DetectorType": "", **more},
    }


def _safe(name: str) -> str:
    """As a name of a file: what a table says must not lead out of the folder."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip(".") or "unnamed"
