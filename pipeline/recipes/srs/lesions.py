"""From judged candidates to lesions as a physician would list them: numbered by size, named by place, tracked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import highdicom as hd
import numpy as np

from pipeline.contract import Declined, Inputs, Runtime
from pipeline.core.clock import Stopwatch
from pipeline.findings import Corrections, Edit, Lesion, Verdict
from pipeline.recipes.srs.anatomy import Anatomy
from pipeline.recipes.srs.candidates import Candidate
from pipeline.recipes.srs.corrections import CONTOURS, OWN, Corrected, corrected
from pipeline.recipes.srs.examine import Examined, examine, head_in
from pipeline.recipes.srs.given import DOSE, ORGANS
from pipeline.recipes.srs.segmentation import cut_out
from pipeline.recipes.srs.tracking import tracking_uid

UNCHANGED = "the contours are those that were sent from here: nothing was changed"
NOT_USED = "these corrections are not used, and the results sent before stand"

_UNPLACED = "The head could not be placed in the atlas with confidence; lesions are named without a site."


@dataclass(frozen=True, slots=True)
class Described:
    """Lesions and rejected candidates, each numbered from 1 in its own label volume (None when there is none)."""

    labels: hd.Volume | None
    lesions: tuple[Lesion, ...]
    rejected_labels: hd.Volume | None
    rejected: tuple[Lesion, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """What is to be followed, planned and told of one head, whoever drew it.

    corrections: what a person changed; None where the models found it all. laps: seconds by stage.
    probability: of model 1, cut to where there is any; None where it is not wanted, and of what a person drew.
    """

    anatomy: Anatomy
    found: Described
    corrections: Corrections | None = None
    laps: Mapping[str, float] = field(default_factory=dict)
    probability: hd.Volume | None = None


@dataclass(frozen=True, slots=True)
class Beside:
    """What is wanted beside lesions: rejected_labels a label volume of the rejected; probability that of each voxel."""

    rejected_labels: bool = False
    probability: bool = False


def see(inputs: Inputs, t1c: hd.Volume, runtime: Runtime, bundle: str, beside: Beside) -> Seen | Declined:
    """Lesions as a person drew them, where contours came; else, or where these cannot be used, as the models find them.

    Once results of ours are there, contours that cannot be used are declined: whoever sent them waits for an answer.
    """
    unused: tuple[str, ...] = ()
    if CONTOURS in inputs.series:
        drawn = seen_by_person(inputs, t1c, runtime)
        if isinstance(drawn, Seen) or drawn.reason.startswith(UNCHANGED):
            return drawn
        if OWN in inputs.series:
            return Declined(f"{NOT_USED}: {drawn.reason}")
        unused = (f"Contours that were sent are not used: {drawn.reason}.",)
    seen = seen_by_models(t1c, runtime, bundle, beside)
    if isinstance(seen, Declined):
        return seen
    return replace(seen, found=replace(seen.found, remarks=(*seen.found.remarks, *unused)))


def seen_by_models(t1c: hd.Volume, runtime: Runtime, bundle: str, beside: Beside) -> Seen | Declined:
    """Lesions as models 1 and 2 find them."""
    examined = examine(t1c, runtime, bundle)
    if isinstance(examined, Declined):
        return examined
    found = describe(examined, with_rejected_labels=beside.rejected_labels)
    map_ = cut_out(t1c.with_array(examined.gathered.reading.probability)) if beside.probability else None
    return Seen(examined.gathered.anatomy, found, laps=examined.laps, probability=map_)


def seen_by_person(inputs: Inputs, t1c: hd.Volume, runtime: Runtime) -> Seen | Declined:
    """Lesions as a person drew or changed them, with sites and distances of this head."""
    clock = Stopwatch()
    head = cache(lambda: head_in(t1c, runtime))
    drawn = corrected(inputs, t1c, lambda: _brain(head()))
    if isinstance(drawn, Declined):
        return drawn
    if drawn.changes_nothing and not {DOSE, ORGANS} & inputs.series.keys():
        return Declined(_nothing_changed(drawn))
    clock.lap("contours")
    anatomy = head()
    if isinstance(anatomy, Declined):
        return anatomy
    lesions = tuple(
        replace(
            lesion,
            site=anatomy.site(drawn.labels, lesion.number),
            distances_mm=anatomy.distances_mm(drawn.labels, lesion.number),
        )
        for lesion in drawn.lesions
    )
    clock.lap("anatomy")
    found = Described(drawn.labels, lesions, None, (), drawn.remarks)
    return Seen(anatomy, found, drawn.corrections, clock.laps)


def _brain(head: Anatomy | Declined) -> np.ndarray | None:
    return None if isinstance(head, Declined) else head.brain


def _nothing_changed(drawn: Corrected) -> str:
    """Without names of ROIs: it goes to logs."""
    unknown = sum(c.edit is Edit.LEFT_OUT for c in drawn.corrections.changes)
    but = f", but for {unknown} outline(s) without a type or a name of a tumour: give those the type GTV"
    return f"{UNCHANGED}{but if unknown else ''}"


def describe(examined: Examined, *, with_rejected_labels: bool) -> Described:
    """Split the candidates by their verdicts, and say of each what is known."""
    judged = list(zip(examined.gathered.candidates, examined.verdicts, strict=True))
    kept = [(c, v) for c, v in judged if v.kept]
    turned_down = [(c, v) for c, v in judged if not v.kept]
    taken: set[str] = set()
    lesions = _lesions(examined, kept, "BM", taken)
    return Described(
        labels=_relabelled(examined, kept),
        lesions=lesions,
        rejected_labels=_relabelled(examined, turned_down) if with_rejected_labels else None,
        rejected=_lesions(examined, turned_down, "FP", taken),
        remarks=(_UNPLACED,) if any(lesion.site is None for lesion in lesions) else (),
    )


Judged = Sequence[tuple[Candidate, Verdict]]


def _relabelled(examined: Examined, judged: Judged) -> hd.Volume | None:
    """The labels of these candidates alone, 1…n without a gap. Candidates come largest first, and stay so."""
    if not judged:
        return None
    labels = examined.gathered.labels
    table = np.zeros(len(examined.gathered.candidates) + 1, np.uint16)
    for number, (candidate, _) in enumerate(judged, start=1):
        table[candidate.region.number] = number
    return labels.with_array(table[labels.array])


def _lesions(examined: Examined, judged: Judged, prefix: str, taken: set[str]) -> tuple[Lesion, ...]:
    return tuple(
        _lesion(examined, candidate, verdict, number, prefix, taken)
        for number, (candidate, verdict) in enumerate(judged, start=1)
    )


def _lesion(
    examined: Examined,
    candidate: Candidate,
    verdict: Verdict,
    number: int,
    prefix: str,
    taken: set[str],
) -> Lesion:
    region, gathered = candidate.region, examined.gathered
    # What is barred lies outside the brain: no lobe is its place.
    site = None if verdict.barred else gathered.anatomy.site(gathered.labels, region.number)
    name = f"{prefix}{number:02d}"
    uid = tracking_uid(gathered.labels, region.centroid_mm, taken)
    taken.add(uid)
    return Lesion(
        number=number,
        label=f"{name}_{site.name}" if site else name,
        tracking_uid=uid,
        centroid_mm=region.centroid_mm,
        volume_mm3=region.volume_mm3,
        long_axis_mm=region.long_axis_mm,
        short_axis_mm=region.short_axis_mm,
        max_diameter_3d_mm=region.max_diameter_3d_mm,
        probability=verdict.score,
        site=site,
        distances_mm=gathered.anatomy.distances_mm(gathered.labels, region.number),
        agreement=candidate.agreement,
        enhancing_volume_mm3=candidate.enhancing_volume_mm3,
        verdict=verdict,
    )
