"""A structured report on disk against its templates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.uid import MammographyCADSRStorage

from pipeline.core.errors import HeaderUnusable
from pipeline.imaging.header import MALFORMED
from pipeline.templates import Fault, check_mammography_cad


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found. unseen: images that the report speaks of and that were not given, of so many in all."""

    faults: tuple[Fault, ...]
    unseen: int
    images: int


def checked(report: Path, images: Sequence[Path]) -> Checked:
    """The faults of a report. images: files and folders with the images that it speaks of.

    Raises HeaderUnusable for a file that is no Mammography CAD SR, or no DICOM file at all, and where images were given
    and the report speaks of none of them.
    """
    ds = _read(report)
    if ds is None:
        raise HeaderUnusable(f"{report.name} is not a readable DICOM file")
    sop_class = ds.get("SOPClassUID")
    if sop_class != MammographyCADSRStorage:
        name = getattr(sop_class, "name", sop_class) or "of no SOP Class"
        raise HeaderUnusable(
            f"{report.name} is {name}", "templates are known for Mammography CAD SR alone; dciodvfy checks the rest"
        )
    try:
        headers = list(_headers(images))
        spoken = _spoken_of(ds)
        unseen = spoken - {str(h.get("SOPInstanceUID")) for h in headers}
        if images and spoken and unseen == spoken:
            raise HeaderUnusable(
                f"{report.name} speaks of {len(spoken)} images, none of which is in what --images names",
                "give the study that the report was made from, so that coordinates can be checked",
            )
        return Checked(check_mammography_cad(ds, headers), len(unseen), len(spoken))
    except MALFORMED as error:  # values are decoded when they are looked at
        raise HeaderUnusable(f"{report.name} is malformed: {type(error).__name__}") from error


def _spoken_of(report: Dataset) -> set[str]:
    """SOP Instance UIDs of the evidence (PS3.3 C.17.2.3)."""
    return {
        str(image.ReferencedSOPInstanceUID)
        for study in report.get("CurrentRequestedProcedureEvidenceSequence") or []
        for series in study.get("ReferencedSeriesSequence") or []
        for image in series.get("ReferencedSOPSequence") or []
    }


def _headers(images: Iterable[Path]) -> Iterator[Dataset]:
    for place in images:
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            header = _read(path) if path.is_file() else None
            if header is not None and "Rows" in header:
                yield header


def _read(path: Path) -> Dataset | None:
    try:
        return dcmread(path, stop_before_pixels=True)
    except MALFORMED:
        return None
