"""Which images of a study are read, by role; and why the others are not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.core.breast import Laterality, QualityNote, Shortcoming, Unread
from pipeline.core.study import Instance, Study
from pipeline.imaging.mammogram.image import MgImage, Origin, describe
from pipeline.imaging.view_codes import SOURCE_IMAGES

STANDARD = ("R-CC", "L-CC", "R-MLO", "L-MLO")
"""A screening examination."""

_OBLIQUE = {"MLO": "MLO", "LMO": "MLO"}


@dataclass(frozen=True, slots=True)
class Selection:
    """What is read of a study, and what is not.

    views:   by role: laterality and view, "R-MLO"; a second one is "R-MLO-2".
    unread:  every other image, with the reason.
    missing: one note for each of the four standard views that the study does not have.
    """

    views: Mapping[str, MgImage]
    unread: tuple[Unread, ...]
    missing: tuple[QualityNote, ...]


def select_views(study: Study) -> Selection:
    """The mammograms of a study that can be read, from headers alone. Never raises.

    Of one exposure, the image for presentation goes before the one for processing, and one of several presentations is
    taken; a synthetic view is read where the view was not acquired as well.
    """
    unread: list[Unread] = []
    images: list[MgImage] = []
    for instance in study.instances:
        found = describe(instance)
        if isinstance(found, MgImage):
            images.append(found)
        elif found is not None:
            unread.append(_left(instance, found))
    views: dict[str, MgImage] = {}
    for name in sorted({i.side_and_view for i in images}):
        kept, left = _without_repeats([i for i in images if i.side_and_view == name])
        unread += left
        for number, image in enumerate(sorted(kept, key=_order), start=1):
            views[name if number == 1 else f"{name}-{number}"] = image
    return Selection(views, tuple(unread), tuple(missing_views(views)))


def matching_roles(views: Mapping[str, MgImage], prior: Mapping[str, MgImage]) -> dict[str, str]:
    """For each role of a study the role of an earlier study that shows the same breast from the same side.

    Who is the same woman, and what is earlier, `pipeline.core.patient` says. A view without its like is left out.
    """
    of = {(v.laterality, _alike(v.view)): role for role, v in reversed(list(prior.items()))}
    pairs = ((role, of.get((v.laterality, _alike(v.view)))) for role, v in views.items())
    return {role: found for role, found in pairs if found}


def _alike(view: str) -> str:
    return _OBLIQUE.get(view, view)


def _left(instance: Instance, why: str) -> Unread:
    return Unread(instance.sop_instance_uid, instance.sop_class_uid, instance.path, why)


def _order(image: MgImage) -> tuple[object, ...]:
    """Whole before partial views; then as they were taken."""
    instance = image.instance
    taken = str(instance.get("AcquisitionTime") or instance.get("ContentTime") or "")
    number = instance.get("InstanceNumber")
    return image.partial, taken, number if isinstance(number, int) else 0, instance.sop_instance_uid


def _without_repeats(images: list[MgImage]) -> tuple[list[MgImage], list[Unread]]:
    """Of one side and view: one image for each exposure, and why the others are left."""
    shown = sorted((i for i in images if not i.for_processing), key=_order)
    raw = sorted((i for i in images if i.for_processing), key=_order)
    acquired = [i for i in shown if i.origin is not Origin.SYNTHETIC]
    kept: list[MgImage] = []
    left: list[Unread] = []
    for image in [*acquired, *raw, *(i for i in shown if i not in acquired)]:
        why = _why_left(image, kept)
        if why:
            left.append(_left(image.instance, why))
        else:
            kept.append(image)
    return kept, left


def _why_left(image: MgImage, kept: list[MgImage]) -> str:
    if image.origin is Origin.SYNTHETIC and kept:
        return _synthetic_twin(kept)
    twin = next((k for k in kept if _same_exposure(image, k)), None)
    if twin is None:
        return ""
    if image.for_processing and not twin.for_processing:
        return "it holds the raw values of an exposure whose image for presentation is read"
    return "it is another presentation of an exposure that is read"


def _synthetic_twin(kept: list[MgImage]) -> str:
    if kept[0].origin is Origin.SYNTHETIC:
        return "it is another synthetic view of a view that is read"
    return "it is a synthetic 2D view, and the same view was acquired as a mammogram, which is read"


def _same_exposure(a: MgImage, b: MgImage) -> bool:
    """One was made from the other, both from a third, or both were taken at the same time of the same day."""
    sources = [set(i.instance.get(SOURCE_IMAGES, ())) - {""} for i in (a, b)]
    if a.instance.sop_instance_uid in sources[1] or b.instance.sop_instance_uid in sources[0]:
        return True
    if sources[0] & sources[1]:
        return True
    times = [str(i.instance.get("AcquisitionTime") or "").partition(".")[0] for i in (a, b)]
    dates = {str(i.instance.get("AcquisitionDate") or "") for i in (a, b)} - {""}
    if "" in times:  # nobody knows: raw values and a presentation are taken for one exposure, two of a kind for two
        return a.for_processing != b.for_processing and not any(sources)
    return times[0] == times[1] and len(dates) < 2


def missing_views(views: Mapping[str, MgImage]) -> Iterable[QualityNote]:
    """One note for each of the four standard views that is not among these."""
    there = {f"{v.laterality.value}-{_alike(v.view)}" for v in views.values()}
    for role in STANDARD:
        if role not in there:
            side = Laterality(role[0]).word
            words = f"The {role[2:]} view of the {side} breast is not in the study, or could not be read."
            yield QualityNote(Shortcoming.MISSING_VIEW, role, words)
