"""Which check belongs to which SOP class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydicom import Dataset
from pydicom.uid import UID

from pipeline.proof import rtstruct, seg
from pipeline.proof.agreement import Drawn
from pipeline.proof.keyobjects import check_key_images, check_key_views
from pipeline.proof.maps import check_dose, check_map
from pipeline.proof.marked import Seen, check_cad, check_marked_report, check_overlay
from pipeline.proof.report import check_report
from pipeline.proof.rtstruct import check_structure_set, rois_of
from pipeline.proof.seg import check_segmentation, segments_of
from pipeline.proof.truth import Truth

_SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
_STRUCTURES = ("1.2.840.10008.5.1.4.1.1.481.3",)
_REPORTS = tuple(f"1.2.840.10008.5.1.4.1.1.88.{n}" for n in ("22", "33", "34"))
_CAD = ("1.2.840.10008.5.1.4.1.1.88.50",)
_MAPS = ("1.2.840.10008.5.1.4.1.1.30",)
_DOSES = ("1.2.840.10008.5.1.4.1.1.481.2",)
_KEY_OBJECTS = ("1.2.840.10008.5.1.4.1.1.88.59",)
_OVERLAYS = ("1.2.840.10008.5.1.4.1.1.11.1",)
_NO_GEOMETRY = (
    "1.2.840.10008.5.1.4.1.1.7",  # Secondary Captures: pictures to look at
    *(f"1.2.840.10008.5.1.4.1.1.7.{n}" for n in "1234"),
)


def check_kind(ds: Dataset, files: Mapping[str, Dataset], truth: Truth | Seen) -> Iterator[str]:
    """What is wrong with an object beside whose it is."""
    kind = str(ds.SOPClassUID)
    if kind in _NO_GEOMETRY:
        return
    checks = _in_space(kind, ds, files, truth) if isinstance(truth, Truth) else _on_images(kind, ds, truth)
    if checks is None:
        yield f"nothing here can prove an object of this kind ({UID(kind).name})"
    else:
        yield from checks


def drawn_in(ds: Dataset, truth: Truth) -> list[Drawn]:
    """What an object draws of each lesion; nothing of those that draw nothing."""
    kind = str(ds.SOPClassUID)
    if kind in _SEGMENTATIONS:
        return segments_of(ds, truth)
    return rois_of(ds, truth) if kind in _STRUCTURES else []


def left_out(ds: Dataset, files: Mapping[str, Dataset], truth: Truth) -> Iterator[str]:
    """Lesions that neither an object nor any other of its kind in the set draws: there may be one for each lesion."""
    kind = str(ds.SOPClassUID)
    if kind not in (*_SEGMENTATIONS, *_STRUCTURES):
        return
    lesions_in = seg.lesions_in if kind in _SEGMENTATIONS else rtstruct.lesions_in
    mine = lesions_in(ds, truth)
    drawn = {uid for other in files.values() if str(other.SOPClassUID) == kind for uid in lesions_in(other, truth)}
    for solids in (truth.solids, truth.rejected):
        if mine & solids.keys():
            lost = [solid.name for uid, solid in solids.items() if uid not in drawn]
            yield from (f"{name} is drawn in no object of this kind" for name in lost)


def _in_space(kind: str, ds: Dataset, files: Mapping[str, Dataset], truth: Truth) -> Iterator[str] | None:
    if kind in _SEGMENTATIONS:
        return check_segmentation(ds, truth)
    if kind in _STRUCTURES:
        return check_structure_set(ds, truth)
    if kind in _REPORTS:
        return check_report(ds, files, truth)
    if kind in _MAPS:
        return check_map(ds, truth)
    if kind in _KEY_OBJECTS:
        return check_key_images(ds, truth)
    return check_dose(ds, truth) if kind in _DOSES else None


def _on_images(kind: str, ds: Dataset, seen: Seen) -> Iterator[str] | None:
    if kind in _REPORTS:
        return check_marked_report(ds, seen)
    if kind in _CAD:
        return check_cad(ds, seen)
    if kind in _KEY_OBJECTS:
        return check_key_views(ds, seen)
    return check_overlay(ds, seen) if kind in _OVERLAYS else None
