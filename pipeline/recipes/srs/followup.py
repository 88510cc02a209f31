"""The study before: which of its images and results to use, and what became of its lesions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import highdicom as hd
import numpy as np
import numpy.typing as npt
from pydicom import dcmread
from scipy import ndimage

from pipeline.contract import Declined, Earlier, Inputs, Runtime
from pipeline.core.errors import GeometryUnusable, PixelsUnreadable
from pipeline.core.patient import digits, is_earlier, is_same_person, patient_of
from pipeline.core.study import Series, Study
from pipeline.core.uid import derive_uid
from pipeline.findings import Lesion
from pipeline.followup.change import Before, FollowUp, Status
from pipeline.followup.compare import Now, compare
from pipeline.followup.drawn import drawn_in, sizes_in
from pipeline.followup.field import cut_by, field_of
from pipeline.followup.match import match, relate
from pipeline.followup.register import Registration, register
from pipeline.imaging.header import MALFORMED
from pipeline.imaging.mr_series import rank_t1c
from pipeline.imaging.read import SeriesVolume, read_volume
from pipeline.imaging.references import series_named
from pipeline.imaging.regions import measure

if TYPE_CHECKING:
    from pipeline.recipes.srs.lesions import Described

T1C, PRIOR_T1C, PRIOR_SEG = "t1c", "prior_t1c", "prior_seg"

OURS = "LANTERN_SEG"
"""Content Label of segmentations of lesions; those of rejected candidates have another."""

AROUND_MM = 6.0
"""So far about a lesion the brain is looked at, to tell what in it enhances."""

AS_BRIGHT, LEAST_CONTRAST, BRIGHT_PART = 0.75, 0.2, 70
"""What is new to the models was there before if its place had this share of its contrast, and this contrast at least;
of the brighter part, by a percentile."""

Mask = npt.NDArray[np.bool_]


def recall(inputs: Inputs, earlier: Earlier, options: Mapping[str, Any]) -> Inputs:
    """The inputs, with the T1c of the newest earlier study that has one, and our segmentation on it; headers only."""
    now = inputs[T1C]
    for study in earlier.priors:
        if not _before(study, now):
            continue
        ranking = rank_t1c(study.series, require_contrast=options["require_contrast"])
        if ranking.best is None:
            continue
        prior = ranking.best.series
        found, why = {PRIOR_T1C: prior}, {PRIOR_T1C: f"of the newest earlier study that has one: {ranking.best.why}"}
        seg = _our_seg(study, prior)
        if seg:
            found[PRIOR_SEG], why[PRIOR_SEG] = seg, "the newest segmentation made here on the earlier images"
        return replace(inputs, series={**inputs.series, **found}, why={**inputs.why, **why})
    return inputs


def _before(study: Study, now: Series) -> bool:
    """A study of the same patient, of an earlier day."""
    if not study.series:
        return False
    then = study.series[0]
    uid, day = now.first.study_instance_uid, digits(_date(now))
    today = replace(patient_of(now), study_instance_uid=uid, study_date=day)
    return is_same_person(patient_of(then), today) and is_earlier(study.study_instance_uid, digits(_date(then)), today)


def _date(series: Series) -> str:
    return str(series.get("StudyDate") or series.get("SeriesDate") or series.get("AcquisitionDate") or "")


def _our_seg(study: Study, images: Series) -> Series | None:
    ours = [
        s
        for s in study.series
        if s.modality == "SEG" and s.get("ContentLabel") == OURS and s.is_ours and _names(s, images)
    ]
    return max(ours, key=_made, default=None)


def _made(series: Series) -> tuple[str, str, str]:
    """When: by the clock of who made it, which is this program."""
    first = series.first
    day, at = (
        str(first.get(f"InstanceCreation{what}") or first.get(f"Series{what}") or "") for what in ("Date", "Time")
    )
    return day, at, series.series_instance_uid


def _names(seg: Series, images: Series) -> bool:
    try:
        ds = dcmread(seg.first.path, stop_before_pixels=True)
        return images.series_instance_uid in series_named(ds)
    except MALFORMED:
        return False


@dataclass(frozen=True, slots=True)
class Followed:
    """Lesions and rejected candidates with the tracking UIDs they had before; what became of each; what is to be said.

    follow_up: None without an earlier study, or where it could not be used, which a remark then says.
    """

    lesions: tuple[Lesion, ...]
    rejected: tuple[Lesion, ...]
    follow_up: FollowUp | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Prior:
    """Lesions of the earlier date on its own grid. drawn_by: a sentence."""

    image: hd.Volume
    labels: hd.Volume
    names: Mapping[int, tuple[str, str]]
    drawn_by: str


def follow(
    inputs: Inputs, today: SeriesVolume, found: Described, now: Mask, runtime: Runtime, options: Mapping[str, Any]
) -> Followed:
    """What became of the lesions of the earlier study, if there is one; the lesions of today stay as they were found.

    today: the images of today; found: what is on them; now: the brain in them, for what enhances on the earlier images.
    """
    if PRIOR_T1C not in inputs.series:
        return Followed(found.lesions, found.rejected)
    try:
        earlier = read_volume(inputs[PRIOR_T1C], fill_missing=options["fill_missing_slices"])
        laid = register(earlier.volume, today.volume)
        prior = _prior(inputs, earlier.volume, runtime, options)
    except (GeometryUnusable, PixelsUnreadable) as error:
        prior = Declined(str(error))
    if isinstance(prior, Declined):
        return Followed(found.lesions, found.rejected, None, (f"Not compared with the earlier study: {prior.reason}.",))
    t1c = today.volume
    labels = _or_none(found.labels, t1c)
    brain = _carried(now, t1c, earlier.volume, laid)
    bright = _bright_before(labels, t1c, prior, laid, now, brain)
    cut_now = cut_by(field_of(t1c, today.filled), prior.labels, prior.names, laid.to_later)
    cut_then = cut_by(
        field_of(earlier.volume, earlier.filled), labels, (x.number for x in found.lesions), laid.to_earlier
    )
    return _followed(inputs, prior, laid, labels, brain, found, bright, cut_then, cut_now)


def _prior(inputs: Inputs, image: hd.Volume, runtime: Runtime, options: Mapping[str, Any]) -> _Prior | Declined:
    if PRIOR_SEG in inputs.series:
        drawn = drawn_in(inputs[PRIOR_SEG].first.path, image)
        return _Prior(image, drawn.labels, drawn.names, "as segmented here for the earlier study")
    # Models take seconds to import, and are here already: it is they that found what is followed.
    from pipeline.recipes.srs.examine import examine  # noqa: PLC0415
    from pipeline.recipes.srs.lesions import describe  # noqa: PLC0415

    examined = examine(image, runtime, options["bundle"])
    if isinstance(examined, Declined):
        return examined
    found = describe(examined, with_rejected_labels=False)
    labels = _or_none(found.labels, image)
    names = {lesion.number: (lesion.tracking_uid, lesion.label) for lesion in found.lesions}
    return _Prior(image, labels, names, "as the same models find them on the earlier images now")


def _or_none(labels: hd.Volume | None, image: hd.Volume) -> hd.Volume:
    return labels if labels is not None else image.with_array(np.zeros(image.spatial_shape, np.uint16))


def _followed(
    inputs: Inputs,
    prior: _Prior,
    laid: Registration,
    labels: hd.Volume,
    brain: Mask,
    found: Described,
    bright: frozenset[int],
    cut_then: frozenset[int],
    cut_now: frozenset[int],
) -> Followed:
    sizes = sizes_in(prior.labels, _enhancing_mm3(prior, brain))
    then = {k: Before(*prior.names[k], size) for k, size in sizes.items()}
    of_now = sizes_in(labels, {x.number: x.enhancing_volume_mm3 for x in found.lesions})
    now = {x.number: Now(x.tracking_uid, x.label, of_now[x.number], x.number in bright) for x in found.lesions}
    matched = match(relate(prior.labels, labels, laid), tuple(then), tuple(now))
    compared = compare(matched, then, now, cut_then=cut_then, cut_now=cut_now)
    lesions = tuple(
        replace(lesion, tracking_uid=change.tracking_uid)
        for lesion, change in zip(found.lesions, compared.changes, strict=True)
    )
    taken = {b.tracking_uid for b in then.values()} | {lesion.tracking_uid for lesion in lesions}
    first, current = inputs[PRIOR_T1C], inputs[T1C]
    follow_up = FollowUp(
        prior_study_instance_uid=first.first.study_instance_uid,
        prior_series_instance_uid=first.series_instance_uid,
        prior_date=_date(first),
        days=_days(_date(first), _date(current)),
        changes=compared.changes,
        gone=compared.gone,
        fit=laid.fit,
        drawn_by=prior.drawn_by,
        sum_then_mm=compared.sum_then_mm,
        sum_now_mm=compared.sum_now_mm,
        response=compared.response,
        of_targets=compared.of_targets,
    )
    said = (follow_up.words, *_not_imaged(follow_up))
    return Followed(lesions, _elsewhere(found.rejected, taken), follow_up, said)


def _not_imaged(follow_up: FollowUp) -> tuple[str, ...]:
    cut = [c for c in (*follow_up.changes, *follow_up.gone) if c.status is Status.NOT_IMAGED]
    return (f"Not compared: {'; '.join(f'{c.label} ({c.cuts})' for c in cut)}.",) if cut else ()


def _elsewhere(rejected: tuple[Lesion, ...], taken: set[str]) -> tuple[Lesion, ...]:
    """No rejected candidate is called as a lesion of either date is."""
    return tuple(
        replace(r, tracking_uid=derive_uid(r.tracking_uid, "rejected")) if r.tracking_uid in taken else r
        for r in rejected
    )


def _enhancing_mm3(prior: _Prior, brain: Mask) -> dict[int, float | None]:
    """Measured as on the images of today (`candidates.enhancing`), whoever drew the outlines."""
    from pipeline.recipes.srs.candidates import enhancing  # noqa: PLC0415

    image, labels = np.asarray(prior.image.array, np.float32), np.asarray(prior.labels.array)
    found: dict[int, float | None] = {}
    for region in measure(prior.labels):
        box = _wider(region.box, prior.image)
        bright = enhancing(image[box], labels[box] == region.number, brain[box] & (labels[box] == 0))
        found[region.number] = float(bright.sum() * np.prod(prior.image.spacing))
    return found


def _bright_before(
    labels: hd.Volume, t1c: hd.Volume, prior: _Prior, laid: Registration, brain: Mask, brain_then: Mask
) -> frozenset[int]:
    """Lesions of today whose place was about as bright, against the brain around, on the earlier date."""
    today = np.asarray(labels.array)
    now = _contrasts(t1c, today, brain & (today == 0))
    there = _carried(today, t1c, prior.image, laid)
    then = _contrasts(prior.image, there, brain_then & (there == 0) & (np.asarray(prior.labels.array) == 0))
    return frozenset(k for k, c in now.items() if then.get(k, 0.0) >= max(AS_BRIGHT * c, LEAST_CONTRAST))


def _contrasts(image: hd.Volume, labels: npt.NDArray[Any], around: Mask) -> dict[int, float]:
    """How much brighter the brighter part of each region is than the brain around it, as a share of that."""
    found = {}
    for number, filled in enumerate(ndimage.find_objects(labels.astype(np.int32, copy=False)), start=1):
        if filled is None:
            continue
        box = _wider(filled, image)
        array, mask = np.asarray(image.array, np.float32)[box], labels[box] == number
        near = around[box] & ~ndimage.binary_dilation(mask)
        normal = float(np.median(array[near])) if near.any() else 0.0
        if normal > 0:
            found[number] = (float(np.percentile(array[mask], BRIGHT_PART)) - normal) / normal
    return found


def _wider(box: tuple[slice, ...], image: hd.Volume) -> tuple[slice, ...]:
    steps = (int(np.ceil(AROUND_MM / mm)) for mm in image.spacing)
    return tuple(slice(max(0, s.start - k), s.stop + k) for s, k in zip(box, steps, strict=True))


def _carried(labels: npt.NDArray[Any], now: hd.Volume, then: hd.Volume, laid: Registration) -> npt.NDArray[Any]:
    """Labels, or a mask, of today where they lie in the earlier images."""
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = laid.matrix, laid.offset_mm
    index = np.linalg.inv(now.affine) @ motion @ then.affine
    values = labels.astype(np.uint16)
    shape = tuple(then.spatial_shape)
    carried = ndimage.affine_transform(values, index[:3, :3], index[:3, 3], output_shape=shape, order=0)
    return np.asarray(carried, labels.dtype)


def _days(then: str, now: str) -> int | None:
    try:
        return (date.fromisoformat(now) - date.fromisoformat(then)).days
    except ValueError:
        return None
