"""Studies that lie as DICOM, with their truth as SR beside them: what `lantern convert` writes of a data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydicom import Dataset, dcmread
from pydicom.uid import ComprehensiveSRStorage

from pipeline.core.breast import Unread
from pipeline.core.study import Study
from pipeline.datasets.mammo import Drawn, Finding, Pathology
from pipeline.datasets.mammo.case import given
from pipeline.datasets.mammo.truth import COMPOSITION, DENSITY_CODES, KIND_CODES, PATHOLOGY, PATHOLOGY_CODES
from pipeline.evaluation.mammography.studies import StudyEntry, ViewEntry, density_words
from pipeline.imaging.header import scan
from pipeline.imaging.mammogram.image import MgImage
from pipeline.imaging.mammogram.read import MammogramPixels, read_view
from pipeline.imaging.mammogram.study import select_views

T = TypeVar("T")

MEASUREMENT_GROUP, COMMENT, FINDING = "125007", "121106", "121071"
"""DCM codes of TID 1500."""

_KINDS = {code.value: kind for kind, code in KIND_CODES.items()}
_PATHOLOGIES = {code.value: pathology for pathology, code in PATHOLOGY_CODES.items()}
_DENSITIES = {code.value: density for density, code in DENSITY_CODES.items()}


@dataclass(frozen=True, slots=True)
class Truth:
    """What the SR of one image says. name, woman: the data set's words for image and patient."""

    image_uid: str
    name: str
    woman: str
    pathology: Pathology
    density: str
    findings: tuple[Finding, ...]


def dicom_studies(folder: Path) -> tuple[list[StudyEntry], list[str]]:
    """The studies of which an image has a truth, and the images that have none, or are not read, with the reason."""
    entries, left = [], []
    for study in scan(folder):
        truths = {t.image_uid: t for t in _truths(study)}
        selected = select_views(study)
        left += [f"…{u.sop_instance_uid[-12:]}: {u.why}" for u in selected.unread]
        known = {role: (image, truths.get(image.instance.sop_instance_uid)) for role, image in selected.views.items()}
        left += [f"…{i.instance.sop_instance_uid[-12:]}: no truth" for i, truth in known.values() if truth is None]
        views = tuple(_view(role, image, truth) for role, (image, truth) in known.items() if truth is not None)
        if views:
            woman = next(truth.woman for _, truth in known.values() if truth is not None)
            name = f"{woman} …{study.study_instance_uid[-12:]}"
            entries.append(StudyEntry(name, woman, "T2", "converted DICOM", views))
    return entries, left


def _view(role: str, image: MgImage, truth: Truth) -> ViewEntry:
    header = dcmread(image.instance.path, stop_before_pixels=True, specific_tags=["DerivationDescription"])
    return ViewEntry(
        name=truth.name,
        role=role,
        laterality=image.laterality,
        view=image.view,
        pathology=truth.pathology,
        density=truth.density,
        is_film=str(header.get("DerivationDescription") or "").startswith("Film"),
        spacing_mm=image.spacing.mm,
        load=partial(_load, image, role),
        finder=partial(given, truth.findings),
    )


def _load(image: MgImage, role: str) -> MammogramPixels | str:
    found = read_view(image, role=role)
    return found.why if isinstance(found, Unread) else found


def _truths(study: Study) -> Iterator[Truth]:
    for instance in study.instances:
        if instance.sop_class_uid == ComprehensiveSRStorage:
            ds = dcmread(instance.path)
            if str(ds.get("SeriesDescription") or "").startswith("TRUTH of "):
                yield read_truth(ds)


def read_truth(ds: Dataset) -> Truth:
    """What one SR of `pipeline.datasets.mammo.truth.report` says."""
    evidence = ds.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    items = list(_items(ds))
    groups = [item for item in items if _name(item) == MEASUREMENT_GROUP]
    texts = [str(item.TextValue) for item in items if item.ValueType == "TEXT" and _name(item) == COMMENT]
    name, woman = _who(texts, str(evidence.ReferencedSOPInstanceUID))
    whole = next(g for g in groups if _is_whole(g))
    letter = _coded(whole, COMPOSITION.value, _DENSITIES)
    words = next((t.partition(": ")[2].rstrip(".") for t in texts if t.startswith("Density in its own words: ")), "")
    return Truth(
        str(evidence.ReferencedSOPInstanceUID),
        name,
        woman,
        _coded(whole, PATHOLOGY.value, _PATHOLOGIES) or Pathology.UNKNOWN,
        density_words(letter.value if letter else "", words),
        tuple(_finding(g) for g in groups if not _is_whole(g)),
    )


def _finding(group: Dataset) -> Finding:
    code = next(i.ConceptCodeSequence[0].CodeValue for i in _items(group) if _name(i) == FINDING)
    pathology = _coded(group, PATHOLOGY.value, _PATHOLOGIES) or Pathology.UNKNOWN
    words = _identifier(group).partition(": ")[2]
    region = next((i for i in _items(group) if i.ValueType == "SCOORD"), None)
    if region is None:
        return Finding(_KINDS[code], words, Drawn.NOWHERE, pathology=pathology)
    numbers = [float(v) for v in region.GraphicData]
    points = tuple(zip(numbers[::2], numbers[1::2], strict=True))
    if region.GraphicType == "POINT":
        return Finding(_KINDS[code], words, Drawn.POINT, points, pathology)
    return Finding(_KINDS[code], words, Drawn.OUTLINE, points[:-1], pathology)


def _who(texts: list[str], uid: str) -> tuple[str, str]:
    """From "Image mdb001 of patient mias001 of the data set."."""
    for text in texts:
        if text.startswith("Image ") and " of patient " in text:
            name, _, rest = text.removeprefix("Image ").partition(" of patient ")
            return name, rest.removesuffix(" of the data set.")
    return f"…{uid[-12:]}", f"…{uid[-12:]}"


def _items(ds: Dataset) -> Iterator[Dataset]:
    """All content items below, depth first."""
    for item in ds.get("ContentSequence") or ():
        yield item
        yield from _items(item)


def _name(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeValue) if item.get("ConceptNameCodeSequence") else ""


def _identifier(group: Dataset) -> str:
    return next((str(i.TextValue) for i in _items(group) if _name(i) == "112039"), "")


def _is_whole(group: Dataset) -> bool:
    return _identifier(group).endswith(" whole")


def _coded(group: Dataset, name: str, meanings: Mapping[str, T]) -> T | None:
    codes = (i.ConceptCodeSequence[0].CodeValue for i in _items(group) if _name(i) == name)
    return next((meanings[c] for c in codes if c in meanings), None)
