"""The files that `lantern plan` is given, each of which must be whole and hold what it was named for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.errors import HeaderUnusable

if TYPE_CHECKING:
    from pydicom import Dataset

    from pipeline.core.study import Instance, Series


def contours_in(file: Path) -> Dataset:
    """A structure set or a segmentation. Raises HeaderUnusable, naming the file."""
    from pydicom.uid import RTStructureSetStorage, SegmentationStorage

    from pipeline.imaging.whole import read_whole

    ds = read_whole(file)
    if ds.SOPClassUID not in (RTStructureSetStorage, SegmentationStorage):
        what = "is no RT Structure Set and no Segmentation"
        raise HeaderUnusable(f"{file} {what}", "export the contours as RTSTRUCT or SEG")
    return ds


def sent_in(doses: Sequence[Path], organs: Sequence[Path]) -> Mapping[str, Series]:
    """By role. Each place that was named must hold what it was named for; places of doses may hold their plans."""
    from pydicom.uid import RTDoseStorage, RTPlanStorage, RTStructureSetStorage

    from pipeline.core.study import Series

    asked = (("dose", doses, RTDoseStorage, "RT Dose"), ("organs", organs, RTStructureSetStorage, "RT Structure Set"))
    sent = {}
    for role, places, sop_class, what in asked:
        instances = [i for place in places for i in _instances(place, sop_class, what)]
        if instances:
            sent[role] = Series(instances[0].series_instance_uid, tuple(instances))
    if plans := [i for place in doses for i in _all(place, RTPlanStorage)]:
        sent["plans"] = Series(plans[0].series_instance_uid, tuple(plans))
    return sent


def _instances(place: Path, sop_class: str, what: str) -> list[Instance]:
    from pipeline.imaging.whole import read_whole

    found = _all(place, sop_class)
    if found:
        return found
    if place.is_file():
        read_whole(place)  # one that is damaged is said to be
    raise HeaderUnusable(f"{place} holds no {what}", "export it from the planning system as DICOM")


def _all(place: Path, sop_class: str) -> list[Instance]:
    from pipeline.imaging.header import scan

    return [i for study in scan(place) for i in study.instances if i.sop_class_uid == sop_class]


def series_of(folder: Path, contours: Dataset) -> Series:
    """The one that the contours name; the only image series where they name none that is there.

    Raises HeaderUnusable where there is no such series, or a file of it is damaged.
    """
    from pipeline.imaging.whole import read_whole

    found = _named(folder, contours)
    for path in sorted({i.path for i in found.instances}):
        read_whole(path)
    return found


def _named(folder: Path, contours: Dataset) -> Series:
    from pipeline.imaging.header import scan
    from pipeline.imaging.references import series_named

    images = [s for study in scan(folder) for s in study.series if s.modality in ("MR", "CT", "PT")]
    named = [s for s in images if s.series_instance_uid in series_named(contours)]
    if named:
        return named[0]
    if len(images) == 1:
        return images[0]
    raise HeaderUnusable(
        f"none of the {len(images)} image series in {folder} is the one that the contours were drawn on",
        "give the folder of the series itself",
    )
