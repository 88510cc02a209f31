"""Contours that come back: which to plan from, and what a person changed since our own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import highdicom as hd
import numpy as np
import numpy.typing as npt
from pydicom import Dataset, dcmread

from pipeline.contract import Declined, Earlier, Inputs
from pipeline.core.errors import GeometryUnusable, HeaderUnusable
from pipeline.core.study import Instance, Series, Study
from pipeline.core.uid import is_ours, is_uid
from pipeline.findings import Correction, Corrections, Edit, Lesion, Origin, Verdict
from pipeline.imaging.header import MALFORMED
from pipeline.imaging.regions import RegionMeasure, measure
from pipeline.imaging.whole import read_whole
from pipeline.recipes.srs.apart import joined, with_rest
from pipeline.recipes.srs.contours import SAME, Drawn, drawn_on, has_tumours, unique, whose
from pipeline.recipes.srs.meant import Brain, meant_as_lesions
from pipeline.recipes.srs.tracking import tracking_uid

CONTOURS, OWN = "contours", "own"
"""Roles: what a person drew or changed; what was made here before, which they may have changed."""

ALIKE = 0.3
"""A contour without a name or UID of ours is the outline that it overlaps by more than this (Dice)."""

NOT_THE_SAME_MM = 20.0
"""One that has only the name of ours, and lies further from it than this, is another lesion."""

KEPT_UID = (
    "The outlines were changed without a new SOP Instance UID: under the same UID another system may still hold "
    "the ones that were made here."
)

LONGEST = 16
"""Characters of a ROI's name that planning systems take."""


def edited_in(study: Study) -> Instance | None:
    """The newest structure set or segmentation of a study with tumours in it that was not made here, if any.

    In a node the newest is what came last: editors copy the dates of what they edit. On files their own dates decide.
    """
    found = [
        i
        for s in study.series
        if s.modality in ("RTSTRUCT", "SEG")
        for i in s.instances
        if not is_ours(i.sop_instance_uid, i.series_instance_uid) and _has_tumours(i)
    ]
    return max(found, key=_came, default=None)


def _came(instance: Instance) -> tuple[float, tuple[str, str, str]]:
    return instance.arrived_at.timestamp() if instance.arrived_at else 0.0, _made(instance)


def _has_tumours(instance: Instance) -> bool:
    try:
        return has_tumours(dcmread(instance.path, stop_before_pixels=True))
    except MALFORMED:
        return False


def _made(instance: Instance) -> tuple[str, str, str]:
    """When it was drawn, as it says itself."""
    for prefix in ("StructureSet", "Content", "InstanceCreation", "Series"):
        if day := str(instance.get(f"{prefix}Date") or ""):
            return day, str(instance.get(f"{prefix}Time") or ""), instance.sop_instance_uid
    return "", "", instance.sop_instance_uid


def recall_own(inputs: Inputs, earlier: Earlier) -> Inputs:
    """The inputs, with the structure sets that were made here for this study, where contours came back."""
    if CONTOURS not in inputs.series or earlier.own is None:
        return inputs
    ours = [s for s in earlier.own.series if s.modality == "RTSTRUCT" and _is_of(s, inputs["t1c"])]
    newest = max(ours, key=lambda s: _made(s.first), default=None)
    if newest is None:
        return inputs
    return replace(
        inputs,
        series={**inputs.series, OWN: newest},
        why={**inputs.why, OWN: "the structure set that was made here before"},
    )


def _is_of(series: Series, images: Series) -> bool:
    return series.is_ours and images.series_instance_uid in series.drawn_on


@dataclass(frozen=True, slots=True, eq=False)
class Corrected:
    """Lesions as a person wants them, numbered 1...n in `labels`, and what that person changed."""

    labels: hd.Volume
    lesions: tuple[Lesion, ...]
    corrections: Corrections
    remarks: tuple[str, ...]

    @property
    def changes_nothing(self) -> bool:
        """Our own again: a gateway that gives objects new UIDs and sends them back must not start an endless loop."""
        edits = {c.edit for c in self.corrections.changes} - {Edit.LEFT_OUT}
        return self.corrections.compared and edits == {Edit.UNCHANGED}


def corrected(inputs: Inputs, image: hd.Volume, brain: Brain = lambda: None) -> Corrected | Declined:
    """Read the contours that came back, and compare them with ours. Sites and distances are for the caller to add.

    brain: asked for where a set of ours came back with ROIs that neither type nor name explains (see `meant`).
    """
    try:
        ds = read_whole(inputs[CONTOURS].first.path)
        unsure = whose(ds, inputs["t1c"])
        own = inputs[OWN].instances if OWN in inputs.series else ()
        ours = joined([drawn_on(dcmread(i.path), image) for i in own]) if own else None
        drawn = drawn_on(ds, image, partial(meant_as_lesions, ours=ours, image=image, brain=brain)) if ours else (
            drawn_on(ds, image)
        )  # fmt: skip
    except GeometryUnusable as error:
        return Declined(f"contours {inputs[CONTOURS].first.sop_instance_uid}: {error}")
    except HeaderUnusable:  # its words name a file of the archive
        return Declined("the contours are damaged: export them again")
    except MALFORMED as error:
        return Declined(f"the contours cannot be read ({type(error).__name__}): export them again")
    drawn = replace(drawn, algorithms=tuple(a or _tool(ds) or "unnamed software" for a in drawn.algorithms))
    came = len(drawn.names)
    if ours and len(own) > 1:
        drawn = with_rest(drawn, ours, _pairs(drawn, ours).values())
    regions = measure(drawn.labels)
    changes = _compared(drawn, regions, ours) if ours else [_added(drawn, k, {}) for k in range(len(regions))]
    uids = _different([c.tracking_uid for c in changes], regions, image)
    names = unique(drawn.names, LONGEST)
    now = [replace(c, label=n, tracking_uid=u) for c, n, u in zip(changes, names, uids, strict=False)]
    said = _said_before(ours) if ours else {}
    lesions = tuple(_lesion(drawn, k, region, now[k], said) for k, region in enumerate(regions))
    made = Corrections(
        by=_by(ds, "software" if all(_is_by_software(c) for c in now[:came]) else "an unnamed author"),
        sop_class_uid=str(ds.SOPClassUID),
        sop_instance_uid=_named_by_its_editor(ds) or str(ds.SOPInstanceUID),
        series_instance_uid=str(ds.SeriesInstanceUID),
        changes=(*now, *changes[len(regions) :], *(_left_out(name) for name in drawn.left_out)),
        compared=ours is not None,
    )
    kept = (KEPT_UID,) if _named_by_its_editor(ds) else ()
    return Corrected(drawn.labels, lesions, made, (*drawn.remarks, *unsure, *kept))


def _named_by_its_editor(ds: Dataset) -> str:
    """The SOP Instance UID of ours under which a changed object came; empty when its editor gave it one of its own."""
    for item in ds.get("OriginalAttributesSequence") or ():
        for before in item.get("ModifiedAttributesSequence") or ():
            if is_ours(str(before.get("SOPInstanceUID") or ""), str(ds.SeriesInstanceUID)):
                return str(before.SOPInstanceUID)
    return ""


@dataclass(frozen=True, slots=True)
class _Said:
    """What the models said of an outline, as our structure set has it."""

    probability: float | None = None
    verdict: Verdict | None = None
    agreement: float | None = None


def _said_before(ours: Drawn) -> dict[str, _Said]:
    """By tracking UID."""
    return {uid: _read(about) for uid, about in zip(ours.tracking_uids, ours.about, strict=True) if uid}


def _read(about: str) -> _Said:
    """Out of the words that `pipeline.encode.common.described` writes."""
    found = {name: re.search(rf"\b{name} ([0-9.]*[0-9])", about) for name in ("probability", "kept from", "agreement")}
    probability, threshold, agreement = (float(m[1]) if m else None for m in found.values())
    if probability is None or threshold is None:
        return _Said(probability, None, agreement)
    return _Said(probability, Verdict(probability, threshold, calibrated="(calibrated)" in about), agreement)


def _left_out(name: str) -> Correction:
    words = f"{name}: NOT PLANNED, for neither type nor name says that it is a tumour; give it the type GTV"
    return Correction(Edit.LEFT_OUT, name, "", Origin.MANUAL, words)


def _lesion(
    drawn: Drawn, k: int, region: RegionMeasure, change: Correction, before: Mapping[str, _Said]
) -> Lesion:  # fmt: skip
    """An outline that nobody changed keeps what the models said of it."""
    same = change.edit in (Edit.UNCHANGED, Edit.RENAMED)
    said = before.get(change.tracking_uid, _Said()) if same else _Said()
    return Lesion(
        number=k + 1,
        label=drawn.names[k],
        tracking_uid=change.tracking_uid,
        centroid_mm=region.centroid_mm,
        volume_mm3=region.volume_mm3,
        long_axis_mm=region.long_axis_mm,
        short_axis_mm=region.short_axis_mm,
        max_diameter_3d_mm=region.max_diameter_3d_mm,
        probability=said.probability,
        verdict=said.verdict,
        agreement=said.agreement,
        origin=change.origin,
        name=change.label,
        drawn_with=change.drawn_with,
    )


def _compared(drawn: Drawn, regions: Sequence[RegionMeasure], ours: Drawn) -> list[Correction]:
    """What became of each contour, in its order, then what of ours is gone."""
    before = measure(ours.labels)
    overlap = _dice(drawn.labels, ours.labels, regions, before)
    pairs = _paired(drawn, regions, ours, before, overlap)
    found = []
    for k, region in enumerate(regions):
        j = pairs.get(k)
        if j is None:
            found.append(_added(drawn, k, pairs))
            continue
        kept = _kept(drawn.names[k], region, ours, j, before[j], float(overlap[k, j]))
        found.append(_redrawn(kept, drawn.algorithms[k]) if _is_of_others(drawn, k, ours, j) else kept)
    gone = [j for j in range(len(before)) if j not in pairs.values()]
    return found + [
        Correction(Edit.DELETED, ours.names[j], ours.tracking_uids[j], _origin(ours.drawn_by[j]),
                   f"{ours.names[j]}: deleted ({before[j].volume_mm3:.0f} mm3)") for j in gone
    ]  # fmt: skip


def _added(drawn: Drawn, k: int, pairs: Mapping[int, int]) -> Correction:
    """Whose UID it has, where it is a second one of ours, goes to the other."""
    copied = drawn.tracking_uids[k] in {drawn.tracking_uids[other] for other in pairs}
    uid = "" if copied else drawn.tracking_uids[k]
    origin = _origin(drawn.drawn_by[k])
    tool = "" if origin is Origin.MANUAL else drawn.algorithms[k]
    words = f"{drawn.names[k]}: added"
    if k in drawn.assumed:
        words = f"{words}; without a type, taken as a lesion for it lies in the brain"
    if tool:
        words = f"{words}; its object says {origin.value}, drawn with {tool}"
    return Correction(Edit.ADDED, drawn.names[k], uid, origin, words, tool)


def _is_of_others(drawn: Drawn, k: int, ours: Drawn, j: int) -> bool:
    """Whether it is not our outline with a person's changes, but one that other software drew of the same lesion."""
    return (
        drawn.drawn_by[k] == Origin.AUTOMATIC
        and drawn.algorithms[k] != ours.algorithms[j]
        and drawn.names[k] != ours.names[j]
        and not (drawn.tracking_uids[k] and drawn.tracking_uids[k] == ours.tracking_uids[j])
    )


def _redrawn(kept: Correction, tool: str) -> Correction:
    if kept.edit is not Edit.CHANGED:
        return kept
    words = f"{kept.words}; its object says {Origin.AUTOMATIC.value}, drawn with {tool}"
    return replace(kept, origin=Origin.AUTOMATIC, words=words, drawn_with=tool)


def _kept(name: str, now: RegionMeasure, ours: Drawn, j: int, then: RegionMeasure, overlap: float) -> Correction:
    away_mm = float(np.linalg.norm(np.subtract(now.centroid_mm, then.centroid_mm)))
    renamed = name != ours.names[j]
    words = [f"called {name} now"] if renamed else []
    origin = _origin(ours.drawn_by[j])
    edit = Edit.RENAMED if renamed else Edit.UNCHANGED
    if overlap < SAME:
        edit = Edit.CHANGED
        origin = Origin.MANUAL if origin is Origin.MANUAL else Origin.SEMIAUTOMATIC
        words.append(
            f"outline changed: moved by {away_mm:.1f} mm, {then.volume_mm3:.0f} -> {now.volume_mm3:.0f} mm3, "
            f"overlap {overlap:.0%}"
        )
    said = f"{ours.names[j]}: {'; '.join(words) or 'unchanged'}"
    tool = "" if origin is Origin.MANUAL else ours.algorithms[j]
    return Correction(edit, name, ours.tracking_uids[j], origin, said, tool)


def _pairs(drawn: Drawn, ours: Drawn) -> dict[int, int]:
    now, before = measure(drawn.labels), measure(ours.labels)
    return _paired(drawn, now, ours, before, _dice(drawn.labels, ours.labels, now, before))


def _paired(
    drawn: Drawn,
    regions: Sequence[RegionMeasure],
    ours: Drawn,
    before: Sequence[RegionMeasure],
    overlap: npt.NDArray[np.float64],
) -> dict[int, int]:
    """Contour -> ours that it was, one to one: by tracking UID, else by name and place, else by overlap."""
    ways: list[tuple[int, float, float, int, int]] = []
    for k, now in enumerate(regions):
        for j, then in enumerate(before):
            away_mm = float(np.linalg.norm(np.subtract(now.centroid_mm, then.centroid_mm)))
            uid = bool(drawn.tracking_uids[k]) and drawn.tracking_uids[k] == ours.tracking_uids[j]
            near = overlap[k, j] > 0 or away_mm <= NOT_THE_SAME_MM
            way = 0 if uid else 1 if drawn.names[k] == ours.names[j] and near else 2 if overlap[k, j] > ALIKE else 3
            if way < 3:
                ways.append((way, -float(overlap[k, j]), away_mm, k, j))
    pairs: dict[int, int] = {}
    for *_, k, j in sorted(ways):
        if k not in pairs and j not in pairs.values():
            pairs[k] = j
    return pairs


def _dice(
    first: hd.Volume, second: hd.Volume, regions: Sequence[RegionMeasure], others: Sequence[RegionMeasure]
) -> npt.NDArray[np.float64]:
    """(regions, others) overlap of labels on one grid."""
    a, b = np.asarray(first.array), np.asarray(second.array)
    both = (a > 0) & (b > 0)
    shared = np.zeros((len(regions), len(others)))
    np.add.at(shared, (a[both].astype(int) - 1, b[both].astype(int) - 1), 1)
    sizes = np.add.outer([r.voxels for r in regions], [r.voxels for r in others])
    return np.asarray(2 * shared / sizes)


def _origin(drawn_by: str) -> Origin:
    return Origin(drawn_by) if drawn_by in set(Origin) else Origin.MANUAL


def _different(uids: Sequence[str], regions: Sequence[RegionMeasure], image: hd.Volume) -> list[str]:
    """Tracking UIDs of the contours; those that have none, or that of another, get one from where they lie."""
    had = list(uids[: len(regions)])
    keeps = [is_uid(uid) and uid not in had[:k] for k, uid in enumerate(had)]
    taken = {uid for uid, kept in zip(had, keeps, strict=True) if kept}
    made = []
    for uid, kept, region in zip(had, keeps, regions, strict=True):
        made.append(uid if kept else tracking_uid(image, region.centroid_mm, taken))
        taken.add(made[-1])
    return made


def _is_by_software(change: Correction) -> bool:
    return change.origin is Origin.AUTOMATIC and change.edit in (Edit.ADDED, Edit.CHANGED)


def followed_too(corrections: Corrections | None, lesions: Sequence[Lesion]) -> Corrections | None:
    """The same with the tracking UIDs that the lesions have now: a comparison with an earlier study may give others."""
    if corrections is None:
        return None
    now = [
        replace(c, tracking_uid=lesion.tracking_uid) for c, lesion in zip(corrections.changes, lesions, strict=False)
    ]
    return replace(corrections, changes=(*now, *corrections.changes[len(now) :]))


def _by(ds: Dataset, unnamed: str) -> str:
    """Who drew it (`unnamed` where no name is given), with what and when, in the words of the file."""
    who = next((str(ds.get(k)) for k in ("OperatorsName", "ContentCreatorName", "ReviewerName") if ds.get(k)), "")
    when = " ".join(p for p in _moment(ds) if p)
    return ", ".join(p for p in (who or unnamed, _tool(ds), when) if p)


def _tool(ds: Dataset) -> str:
    """Manufacturer, model and version of what wrote the file, as far as it says."""
    versions = ds.get("SoftwareVersions") or ""
    version = str(versions if isinstance(versions, str) else versions[0])
    parts = (*(str(ds.get(k) or "") for k in ("Manufacturer", "ManufacturerModelName")), version)
    return " ".join(p.strip() for p in parts if p.strip())


def _moment(ds: Dataset) -> tuple[str, str]:
    for prefix in ("StructureSet", "Content", "InstanceCreation"):
        if ds.get(f"{prefix}Date"):
            return str(ds.get(f"{prefix}Date")), str(ds.get(f"{prefix}Time") or "").partition(".")[0]
    return "", ""
