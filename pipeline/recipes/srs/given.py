"""What a hospital sends beside the images: doses of a planning system, organs and target volumes that a person drew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.uid import RTDoseStorage, RTPlanStorage, RTStructureSetStorage

from pipeline.core.errors import GeometryUnusable, HeaderUnusable, Permanent
from pipeline.core.study import Instance, Series, Study
from pipeline.core.uid import is_ours
from pipeline.imaging.dose import DoseGrid, read_dose
from pipeline.imaging.header import MALFORMED
from pipeline.imaging.references import frames_of_reference
from pipeline.imaging.rtplan import RtPlan, read_plan
from pipeline.imaging.structures import Structure, structures
from pipeline.recipes.srs.organs import is_ptv, kept, organ_named

DOSE, ORGANS, PLANS = "dose", "organs", "plans"
"""Roles of what is given. Each is one `Series` of all instances of that kind, whatever series they were sent in."""

_HEADS = ("FrameOfReferenceUID", "ReferencedFrameOfReferenceSequence", "StructureSetROISequence")
_NAMES = [*_HEADS, "RTROIObservationsSequence", "SOPClassUID"]


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """Doses and drawn structures in the frame of reference of the images, and the plans that doses may be of.

    remarks: on what was sent and is not used.
    """

    doses: tuple[DoseGrid, ...] = ()
    drawn: tuple[Structure, ...] = ()
    plans: tuple[RtPlan, ...] = ()
    remarks: tuple[str, ...] = ()


NOTHING = Given()


def given_in(study: Study, series: Series) -> Mapping[str, Series]:
    """RT Doses, and structure sets with organs or PTVs, of a study that lie in the frame of reference of a series.

    By the roles DOSE and ORGANS, and beside doses all RT Plans by the role PLANS; from headers alone. What was made
    here is left out.
    """
    frame = str(series.get("FrameOfReferenceUID") or "")
    others = [i for i in study.instances if not is_ours(i.sop_instance_uid, i.series_instance_uid)]
    doses = [i for i in others if i.sop_class_uid == RTDoseStorage and frame and i.get("FrameOfReferenceUID") == frame]
    drawn = [i for i in others if i.sop_class_uid == RTStructureSetStorage and frame and _has_organs(i, frame)]
    plans = [i for i in others if i.sop_class_uid == RTPlanStorage and doses]
    return {role: together(found) for role, found in ((DOSE, doses), (ORGANS, drawn), (PLANS, plans)) if found}


def together(found: Iterable[Instance]) -> Series:
    """Instances of any series as the one of a role, under the UID of the first."""
    ordered = tuple(sorted(found, key=lambda i: (i.series_instance_uid, i.sop_instance_uid)))
    return Series(ordered[0].series_instance_uid, ordered)


def read_given(
    sent: Mapping[str, Series], frame_of_reference_uid: str, *, beside: Dataset | None = None, strict: bool = False
) -> Given:
    """Read what has the roles DOSE, ORGANS and PLANS; other roles are passed over.

    beside: a structure set at hand whose organs and PTVs count as well; where it was sent too, it is read once.
    strict: raise HeaderUnusable, GeometryUnusable or PixelsUnreadable for what cannot be used, where otherwise a
            remark says so.
    """
    doses: list[DoseGrid] = []
    drawn = _here(beside, frame_of_reference_uid) if beside is not None else []
    remarks = []
    for path in _files(sent, DOSE):
        try:
            doses.append(_dose(path, frame_of_reference_uid))
        except Permanent as error:
            remarks.append(_unused("dose", error, strict))
    for path in _files(sent, ORGANS, but=str(beside.get("SOPInstanceUID")) if beside is not None else ""):
        try:
            drawn += _structures(path, frame_of_reference_uid)
        except Permanent as error:
            remarks.append(_unused("structure set", error, strict))
    plans: list[RtPlan] = []
    for path in _files(sent, PLANS):
        try:
            plans.append(read_plan(_read(path)))
        except Permanent as error:
            remarks.append(_unused("plan", error, strict))
    return Given(tuple(doses), tuple(drawn), tuple(plans), tuple(remarks))


def _files(sent: Mapping[str, Series], role: str, but: str = "") -> Iterator[Path]:
    return (i.path for i in sent[role].instances if i.sop_instance_uid != but) if role in sent else iter(())


def _unused(what: str, error: Permanent, strict: bool) -> str:
    if strict:
        raise error
    return f"A {what} that was sent is not used: {error.message}."


def _read(path: Path) -> Dataset:
    try:
        return dcmread(path)
    except MALFORMED as error:
        raise HeaderUnusable(f"{path.name} does not parse ({type(error).__name__})", "export it again") from error


def _dose(path: Path, frame: str) -> DoseGrid:
    grid = read_dose(_read(path))
    if grid.frame_of_reference_uid != frame:
        raise GeometryUnusable(
            f"dose {grid.sop_instance_uid} and the images have different frames of reference",
            "export the dose in that of the MR series: register them in the planning system first",
        )
    return grid


def _structures(path: Path, frame: str) -> list[Structure]:
    ds = _read(path)
    if ds.get("SOPClassUID") != RTStructureSetStorage:
        raise HeaderUnusable(f"{path.name} is no RT Structure Set", "export organs and target volumes as RTSTRUCT")
    if frame not in frames_of_reference(ds):
        raise GeometryUnusable(
            f"structure set {ds.get('SOPInstanceUID')} and the images have different frames of reference",
            "export the structures in that of the MR series: register them in the planning system first",
        )
    return _here(ds, frame)


def _here(ds: Dataset, frame: str) -> list[Structure]:
    numbers = _numbers_in(ds, frame)
    return kept([s for s in structures(ds) if s.number in numbers])


def _numbers_in(ds: Dataset, frame: str) -> set[int]:
    """ROI Numbers of what lies in a frame of reference, or names none of its own."""
    rois = ds.get("StructureSetROISequence") or ()
    return {int(r.ROINumber) for r in rois if str(r.get("ReferencedFrameOfReferenceUID") or frame) == frame}


def _has_organs(instance: Instance, frame: str) -> bool:
    try:
        ds = dcmread(instance.path, specific_tags=list(_NAMES), force=True)
        if frame not in frames_of_reference(ds):
            return False
        here = _numbers_in(ds, frame)
        kinds = {int(o.ReferencedROINumber): str(o.get("RTROIInterpretedType") or "") for o in _observed(ds)}
        rois = [(str(r.get("ROIName") or ""), kinds.get(int(r.ROINumber), "")) for r in ds.StructureSetROISequence
                if int(r.ROINumber) in here]  # fmt: skip
    except MALFORMED:
        return False
    return any(organ_named(name) or is_ptv(name, kind) for name, kind in rois)


def _observed(ds: Dataset) -> Iterable[Dataset]:
    return ds.get("RTROIObservationsSequence") or ()
