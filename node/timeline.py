"""Reports of several dates -> the lesions of each patient over time, read from the reports' content alone."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread

from node.told import Told, told
from pipeline.core.patient import is_same_person, patient_of
from pipeline.core.uid import is_ours
from pipeline.followup.change import Size
from pipeline.followup.timeline import Assessed, Seen, Visit, assess, targets
from pipeline.imaging.header import MALFORMED, looks_like_dicom

LINKS = ("MERGED_LESION", "SPLIT_LESION")
"""Containers of the comparison (pipeline/encode/followup.py) that tell which lesions became one, or several."""

_UID, _STUDY, _BELONGS_TO, _GROUP = "112040", "110180", "BELONGS_TO", "125007"
_FOLLOW_UP, _DOUBTFUL, _PRIOR_VOLUME = "FOLLOW_UP", "NEW_DOUBTFUL", "PRIOR_VOLUME"
_NOT_IMAGED, _CUT, _THEN, _NOW = "NOT_IMAGED_ONE", "NOT_IMAGED_ON", "EARLIER_DATE", "THIS_DATE"
_APART = "112226"  # Spacing between slices


@dataclass(frozen=True, slots=True)
class Timeline:
    """One patient. remarks: sentences on reports that were left out, or that cannot be told apart.

    targets: tracking UIDs of the lesions in the sum of longest diameters: those of the first date. A report does
             not say on how many slices a lesion is seen; it is taken to be on two.
    """

    patient_id: str
    dates: tuple[Assessed, ...]
    targets: frozenset[str]
    remarks: tuple[str, ...] = ()


def reports_in(folder: Path) -> list[Dataset]:
    """The reports (Modality SR) below a folder that were made here and are unchanged; all else is passed over."""
    paths = [folder] if folder.is_file() else sorted(p for p in folder.rglob("*") if p.is_file())
    return reports(p for p in paths if looks_like_dicom(p))


def reports(paths: Iterable[Path]) -> list[Dataset]:
    """The reports made here among these files."""
    found = {}
    for path in paths:
        try:
            ds = dcmread(path)
            ours = ds.get("Modality") == "SR" and is_ours(str(ds.SOPInstanceUID), str(ds.SeriesInstanceUID))
        except MALFORMED:
            continue
        if ours and "ContentSequence" in ds:
            found[str(ds.SOPInstanceUID)] = ds
    return list(found.values())


def timelines(found: Sequence[Dataset]) -> tuple[Timeline, ...]:
    """One for each patient (see `is_same_person`); reports that another supersedes are left out.

    A report without a Patient ID is of a patient of its own study.
    """
    gone = {
        str(item.ReferencedSOPInstanceUID)
        for ds in found
        for study in ds.get("PredecessorDocumentsSequence") or ()
        for series in study.get("ReferencedSeriesSequence") or ()
        for item in series.get("ReferencedSOPSequence") or ()
    }
    people: list[list[Dataset]] = []
    for ds in sorted((ds for ds in found if str(ds.SOPInstanceUID) not in gone), key=_patient):
        of = next((of for of in people if all(_goes_with(ds, other) for other in of)), None)
        if of is None:
            people.append([ds])
        else:
            of.append(ds)
    return tuple(_timeline(of) for of in people)


def _patient(ds: Dataset) -> tuple[str, ...]:
    who = patient_of(ds)
    return who.patient_id, who.issuer, who.birth_date, who.sex, who.study_instance_uid, str(ds.SOPInstanceUID)


def _goes_with(ds: Dataset, other: Dataset) -> bool:
    one, two = patient_of(ds), patient_of(other)
    nobody = not (one.patient_id or two.patient_id)
    return is_same_person(one, two) or (nobody and one.study_instance_uid == two.study_instance_uid)


def _timeline(found: Sequence[Dataset]) -> Timeline:
    newest: dict[str, Dataset] = {}
    for ds in sorted(found, key=_made):
        newest[str(ds.StudyInstanceUID)] = ds
    left_out = len(found) - len(newest)
    remarks = [f"{left_out} older report(s) of the same studies were left out."] if left_out else []
    cut = _cut_by_study(newest.values())
    visits = [_visit(ds, cut) for ds in newest.values()]
    undated = [v for v in visits if len(v.date) != 8]
    if undated:
        remarks.append(f"{len(undated)} report(s) without a Study Date stand first.")
    return Timeline(patient_of(found[0]).patient_id, assess(visits), targets(visits), tuple(remarks))


def _made(ds: Dataset) -> tuple[str, str, str]:
    return str(ds.get("ContentDate") or ""), str(ds.get("ContentTime") or ""), str(ds.SOPInstanceUID)


def _visit(ds: Dataset, cut: Mapping[str, set[str]]) -> Visit:
    doubtful = {uid for uid, items in _groups(ds) if _DOUBTFUL in items}
    hidden = {uid for uid, items in _groups(ds) if _THEN in _cut_on(items) and _PRIOR_VOLUME not in items}
    apart_mm = next((float(i.MeasuredValueSequence[0].NumericValue) for i in _walk(ds) if _name(i) == _APART), 1.0)
    lesions = {
        t.tracking_uid: _seen(t, apart_mm, t.tracking_uid in doubtful, t.tracking_uid in hidden)
        for t in told(ds)
        if _is_lesion(t)
    }
    study = str(ds.StudyInstanceUID)
    return Visit(str(ds.get("StudyDate") or ""), study, lesions, dict(_links(ds)), frozenset(cut[study]))


def _cut_by_study(found: Iterable[Dataset]) -> Mapping[str, set[str]]:
    """By study, the lesions of another date that its images do not show whole; each report tells it of two studies."""
    cut: dict[str, set[str]] = defaultdict(set)
    for ds in found:
        prior = next((str(i.UID) for box in _walk(ds) if _name(box) == _FOLLOW_UP
                      for i in box.get("ContentSequence") or () if _name(i) == _STUDY), "")  # fmt: skip
        studies = {_THEN: prior, _NOW: str(ds.StudyInstanceUID)}
        for uid, items in _groups(ds):
            for on in _cut_on(items):
                cut[studies[on]].add(uid)
        cut[studies[_NOW]].update(_not_imaged(ds))
    return cut


def _not_imaged(ds: Dataset) -> Iterable[str]:
    for box in _walk(ds):
        if _name(box) == _NOT_IMAGED:
            yield from (str(i.UID) for i in box.get("ContentSequence") or () if _name(i) == _UID)


def _cut_on(items: Mapping[str, list[Dataset]]) -> set[str]:
    """Of which dates the group of a lesion says that their images do not show all of its place."""
    said = {str(i.ConceptCodeSequence[0].CodeValue) for i in items.get(_CUT, ())}
    return said & {_THEN, _NOW}


def _is_lesion(t: Told) -> bool:
    return not t.rejected and bool(t.tracking_uid) and not math.isnan(t.volume_mm3)


def _seen(t: Told, apart_mm: float, doubtful: bool, hidden: bool) -> Seen:
    long_mm, short_mm = (0.0 if math.isnan(mm) else mm for mm in t.size_mm)
    return Seen(t.label, Size(t.volume_mm3, long_mm, short_mm, 2, (apart_mm, 1.0, 1.0)), doubtful, hidden)


def _links(ds: Dataset) -> Iterable[tuple[str, str]]:
    for item in _walk(ds):
        if _name(item) in LINKS:
            uids = {_name(i): str(i.UID) for i in item.get("ContentSequence") or () if "UID" in i}
            if _UID in uids and _BELONGS_TO in uids:
                yield uids[_UID], uids[_BELONGS_TO]


def _groups(ds: Dataset) -> Iterable[tuple[str, Mapping[str, list[Dataset]]]]:
    """Tracking UID and content items, by the code of their name, of each lesion's group."""
    for group in _walk(ds):
        items: dict[str, list[Dataset]] = defaultdict(list)
        for item in group.get("ContentSequence") or ():
            items[_name(item)].append(item)
        if _name(group) == _GROUP and _UID in items:
            yield str(items[_UID][0].UID), items


def _walk(ds: Dataset) -> Iterable[Dataset]:
    for item in ds.get("ContentSequence") or ():
        yield item
        yield from _walk(item)


def _name(item: Dataset) -> str:
    names = item.get("ConceptNameCodeSequence")
    return str(names[0].CodeValue) if names else ""


def as_data(timeline: Timeline) -> dict[str, Any]:
    """For `--json`: dates with their sums and words, lesions with a size for each date (null where it is not seen)."""
    uids = list(dict.fromkeys(uid for a in timeline.dates for uid in a.visit.lesions))
    return {
        "schema": "lantern.timeline/1",
        "patient_id": timeline.patient_id,
        "use": "research only, no assessment: relative to these dates alone; steroids and clinical state are not known",
        "dates": [_date(a) for a in timeline.dates],
        "lesions": [_lesion(timeline, uid) for uid in uids],
        "remarks": list(timeline.remarks),
    }


def _date(a: Assessed) -> dict[str, Any]:
    return {
        "date": a.visit.date,
        "study_instance_uid": a.visit.study_instance_uid,
        "lesions": len(a.visit.lesions),
        "new": list(a.new),
        "sum_mm": round(a.sum_mm, 2),
        "baseline_percent": _rounded(a.baseline_percent),
        "nadir_percent": _rounded(a.nadir_percent),
        "response": a.response and str(a.response),
        "words": a.response.words if a.response else "baseline",
    }


def _lesion(timeline: Timeline, uid: str) -> dict[str, Any]:
    seen = [a.visit.lesions.get(uid) for a in timeline.dates]
    here = [s for s in seen if s]
    first, last = here[0].size.volume_mm3, here[-1].size.volume_mm3
    cut = [uid in a.visit.cut for a in timeline.dates]
    ends = [k for k, s in enumerate(seen) if s]
    whole = not (cut[ends[0]] or cut[ends[-1]])
    belongs_to = next((a.visit.links[uid] for a in timeline.dates if uid in a.visit.links), None)
    return {
        "tracking_uid": uid,
        "label": here[-1].label,
        "target": uid in timeline.targets,
        "belongs_to": belongs_to,
        "sizes": [s and {"volume_ml": round(s.size.volume_mm3 / 1000, 4), "long_axis_mm": round(s.size.long_axis_mm, 2)}
                  for s in seen],
        "volume_percent": _rounded(100 * (last / first - 1)) if len(here) > 1 and first and whole else None,
        "not_imaged": cut,
        "seen_last": seen[-1] is not None,
        "lost": uid in timeline.dates[-1].lost,
    }  # fmt: skip


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
