"""A structured report on disk against its templates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.uid import MammographyCADSRStorage

from pipeline.core.errors import HeaderUnusable
from pipeline.imaging.header import MALFORMED
from pipeline.templates import Fault, check_mammography_cad


def faults_in(report: Path, images: Iterable[Path]) -> tuple[Fault, ...]:
    """The faults of a report. images: files and folders with the images that it speaks of.

    Raises HeaderUnusable for a file that is no Mammography CAD SR, or no DICOM file at all.
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
        return check_mammography_cad(ds, _headers(images))
    except MALFORMED as error:  # values are decoded when they are looked at
        raise HeaderUnusable(f"{report.name} is malformed: {type(error).__name__}") from error


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
