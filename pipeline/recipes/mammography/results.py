"""One run of the recipe on pixels that were read: models, marks on the images, and all that results say beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.contract import Inputs, Runtime
from pipeline.core.breast import QualityNote, Unread
from pipeline.core.clock import Stopwatch
from pipeline.findings import Algorithm
from pipeline.imaging.mammogram.study import missing_views
from pipeline.marks import Analysis, Attempt, Breast, Kind, MarkedStudy, Outcome
from pipeline.recipes.mammography.assemble import (
    Opened,
    Seen,
    breasts_of,
    composites_of,
    heat_of,
    marks_of,
    view_of,
)
from pipeline.recipes.mammography.examine import COARSE_MM, Examined, examine, is_coarse
from pipeline.recipes.mammography.given import examine_given, kinds_of, threshold_of
from pipeline.recipes.mammography.models import Models
from pipeline.recipes.mammography.options import check_options, shown_of
from pipeline.recipes.mammography.priors import said_of_priors
from pipeline.recipes.mammography.weights import load_models


def marked_study(
    opened: Mapping[str, Opened],
    unread: Sequence[Unread],
    inputs: Inputs,
    runtime: Runtime,
    algorithm: Algorithm,
    clock: Stopwatch,
    models: Models | None = None,
) -> MarkedStudy | tuple[Unread, ...]:
    """opened: by role. models: others than the shipped ones, in a test.

    The unread alone where none of the images shows enough of a breast.
    """
    options = check_options(inputs.options)
    looked = _examined(opened, options, runtime, models)
    clock.lap("models")
    unread = (*unread, *(opened[role].unread(why) for role, why in looked.failed.items()))
    seen = {role: Seen(opened[role], sight) for role, sight in looked.views.items()}
    if not seen:
        return unread
    threshold = _threshold(options, runtime, models)
    marks, rejected = marks_of(seen, threshold, algorithm.weights_sha256)
    breasts = breasts_of(seen)
    composites = composites_of(marks, seen)
    heat = {role: heat_of(one) for role, one in seen.items()} if options["heat_map"] else {}
    clock.lap("place")
    said = (*_remarks(seen, breasts, options), *said_of_priors(inputs, marks), *inputs.remarks, *runtime.remarks)
    return MarkedStudy(
        algorithm=algorithm,
        views=tuple(view_of(role, one) for role, one in seen.items()),
        breasts=breasts,
        score=max(b.score for b in breasts),
        marks=marks,
        composites=composites,
        attempts=tuple(attempts_of(seen, options["bundle"])),
        threshold=threshold,
        rejected=rejected,
        quality=_quality(seen),
        unread=unread,
        heat=heat,
        remarks=tuple(dict.fromkeys(said)),
        timings_s={"read": clock.laps.get("read", 0.0), **looked.laps, "place": clock.laps["place"]},
        wanted=shown_of(options),
    )


def attempts_of(seen: Mapping[str, Seen], bundle: str) -> Iterator[Attempt]:
    """What was sought and measured, on which views, and why not on others."""
    known = (kinds_of(bundle) or (Kind.MASS,)) if bundle else (Kind.MASS, Kind.CALCIFICATIONS)
    fine = {role for role, s in seen.items() if not is_coarse(s.opened.pixels)}
    for kind in Kind:
        looked = tuple(r for r in seen if kind in known and (kind is not Kind.CALCIFICATIONS or bundle or r in fine))
        left = tuple(r for r in seen if r not in looked)
        if looked:
            yield Attempt(kind, Outcome.SUCCEEDED, looked)
        if left:
            why = _COARSE if kind in known else _NOT_OURS if bundle else _TOGETHER
            yield Attempt(kind, Outcome.NOT_ATTEMPTED, left, why)
    whole = tuple(r for r, s in seen.items() if not s.opened.image.partial)
    parts = tuple(r for r in seen if r not in whole)
    if whole:
        yield Attempt(Analysis.DENSITY, Outcome.SUCCEEDED, whole)
    if parts:
        yield Attempt(Analysis.DENSITY, Outcome.NOT_ATTEMPTED, parts, "the image shows a part of the breast alone")
    yield Attempt(Analysis.QUALITY, Outcome.SUCCEEDED, tuple(seen))


_NOT_OURS = "the model of this configuration does not look for it"
_TOGETHER = "it is looked for together with masses and not told apart from them: a mark of one is called a mass"
_COARSE = f"pixels of more than {COARSE_MM} mm are too coarse for calcifications"


def _examined(
    opened: Mapping[str, Opened], options: Mapping[str, Any], runtime: Runtime, models: Models | None
) -> Examined:
    pixels = {role: one.pixels for role, one in opened.items()}
    if options["bundle"]:
        return examine_given(pixels, options["bundle"], runtime.device, runtime.tile_scale)
    return examine(pixels, models or load_models(runtime.device), runtime.device)


def _threshold(options: Mapping[str, Any], runtime: Runtime, models: Models | None) -> float:
    if options["threshold"] > 0:
        return float(options["threshold"])
    if options["bundle"]:
        return threshold_of(options["bundle"])
    return (models or load_models(runtime.device)).fusion.threshold(f"{options['operating_point']:g}")


def _quality(seen: Mapping[str, Seen]) -> tuple[QualityNote, ...]:
    notes = [note for one in seen.values() for note in one.opened.pixels.notes]
    return (*notes, *missing_views({role: one.opened.image for role, one in seen.items()}))


def _remarks(seen: Mapping[str, Seen], breasts: Sequence[Breast], options: Mapping[str, Any]) -> Iterator[str]:
    for one in seen.values():
        yield from one.opened.pixels.remarks
    if len(seen) == 1:
        yield "Only one view was read: what it does not show well was not seen from another side."
    if len(breasts) == 1:
        missing = breasts[0].laterality.other.word
        yield f"No image of the {missing} breast was read, so that the breasts could not be compared."
    elif alone := [role for role, one in seen.items() if not one.sight.compared and not options["bundle"]]:
        yield f"Not compared with the other breast, of which no such view was read: {', '.join(alone)}."
    yield from _about_marks(options)


def _about_marks(options: Mapping[str, Any]) -> Iterator[str]:
    if options["bundle"]:
        yield "Marks of this model were not judged by the false-positive step, which was trained on those of another."
        if not kinds_of(options["bundle"]):
            yield "The model does not say what kind of finding it marks; all are called masses."
    elif options["threshold"] > 0:
        yield f"Marks are shown from a score of {options['threshold'] * 100:g} of 100 on, as the configuration says."
    else:
        rate = f"{options['operating_point']:g}"
        yield (
            f"Marks are shown from the score on that gave {rate} false marks per image in cross-validation. A mark's "
            "score is how often such marks lay on a lesion there: also a low one is worth a look."
        )
