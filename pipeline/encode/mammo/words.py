"""Marks, breasts and attempts in codes and in sentences: one home for what all objects of a mammography run say."""

from __future__ import annotations

from pydicom.sr.coding import Code

from pipeline.encode.codes import SCHEME
from pipeline.encode.common import Stamp, statements
from pipeline.encode.document import on_replaced, on_verified
from pipeline.encode.mammo.source import MarkedSource
from pipeline.marks import (
    Analysis,
    Attempt,
    Breast,
    Composite,
    Density,
    Kind,
    Laterality,
    Mark,
    MarkedStudy,
    Outcome,
    Shortcoming,
)

SIDES = {
    Laterality.LEFT: Code("80248007", "SCT", "Left breast"),
    Laterality.RIGHT: Code("73056007", "SCT", "Right breast"),
}
VIEWS = {
    "CC": Code("399162004", "SCT", "cranio-caudal"),
    "MLO": Code("399368009", "SCT", "medio-lateral oblique"),
    "ML": Code("399260004", "SCT", "medial-lateral"),
    "LM": Code("399352003", "SCT", "latero-medial"),
    "LMO": Code("399099002", "SCT", "latero-medial oblique"),
    "XCCL": Code("399192008", "SCT", "cranio-caudal exaggerated laterally"),
    "XCCM": Code("399101009", "SCT", "cranio-caudal exaggerated medially"),
    "FB": Code("399196006", "SCT", "caudo-cranial"),
    "SIO": Code("399188001", "SCT", "superolateral to inferomedial oblique"),
    "ISO": Code("441555000", "SCT", "inferomedial to superolateral oblique"),
}
"""PS3.16 CID 4014."""

_BREAST_DENSITY = Code("129793001", "SCT", "Mammography breast density")
_CLUSTER = Code("129769006", "SCT", "Calcification Cluster")
_DISTORTION = Code("129792006", "SCT", "Architectural distortion of breast")
_MASS = Code("129788004", "SCT", "Mammographic breast mass")

ON_ONE_IMAGE = {
    Kind.MASS: _BREAST_DENSITY,
    Kind.CALCIFICATIONS: _CLUSTER,
    Kind.DISTORTION: _DISTORTION,
    Kind.ASYMMETRY: _BREAST_DENSITY,
}
"""CID 6014: on one image there is no mass, which takes two views, but a density."""

ON_TWO_IMAGES = {**ON_ONE_IMAGE, Kind.MASS: _MASS}
"""CID 6016. An asymmetry stays a density: asymmetric tissue would have to be related contra-laterally (TID 4005)."""

FINDINGS = {**ON_TWO_IMAGES, Kind.ASYMMETRY: Code("129789007", "SCT", "Focal asymmetric breast tissue")}
"""Where no context group binds (TID 1500)."""

ANALYSES = {
    Analysis.DENSITY: Code("133890006", "SCT", "Breast composition analysis"),
    Analysis.QUALITY: Code("133887000", "SCT", "Image quality analysis"),
}
COLLOCATION = Code("133884007", "SCT", "Spatial collocation analysis")
"""CID 6043; the last of them is how marks on two views become one composite."""

DENSITIES = {
    Density.A: Code("129716005", "SCT", "Almost entirely fat"),
    Density.B: Code("129717001", "SCT", "Scattered fibroglandular densities"),
    Density.C: Code("129718006", "SCT", "Heterogeneously dense"),
    Density.D: Code("129719003", "SCT", "Extremely dense"),
}
"""CID 6000."""

QUALITY = {
    Shortcoming.MOTION: Code("111210", "DCM", "Motion blur"),
    Shortcoming.CLIPPED: Code("CLIPPED", SCHEME, "Values cut off inside the breast"),
    Shortcoming.CUT_OFF: Code("CUT_OFF", SCHEME, "Breast cut off by the edge of the image"),
    Shortcoming.NO_NIPPLE: Code("NO_NIPPLE", SCHEME, "Nipple not found"),
    Shortcoming.MISSING_VIEW: Code("MISSING_VIEW", SCHEME, "View is missing"),
    Shortcoming.SIDE_IN_DOUBT: Code("SIDE_IN_DOUBT", SCHEME, "Header and pixels disagree on the side"),
    Shortcoming.VIEW_IN_DOUBT: Code("VIEW_IN_DOUBT", SCHEME, "Header and pixels disagree on the view"),
    Shortcoming.INVERTED: Code("INVERTED", SCHEME, "Dark is dense, against the header"),
    Shortcoming.FEW_GREYS: Code("FEW_GREYS", SCHEME, "Few grey values"),
    Shortcoming.IMPLANT: Code("IMPLANT", SCHEME, "Implant, out of view or nearly so"),
}
"""Of CID 6041 but one says what is meant here."""

KINDS = {
    Kind.MASS: "mass",
    Kind.CALCIFICATIONS: "cluster of calcifications",
    Kind.DISTORTION: "architectural distortion",
    Kind.ASYMMETRY: "asymmetry",
}
_SIDE_WORDS = {Laterality.LEFT: "left breast", Laterality.RIGHT: "right breast"}
_ESTIMATE = "a measured, non-clinical estimate; no assessment of a physician"


def percent(score: float) -> float:
    """0...1 as 0...100, to a tenth."""
    return round(100 * score, 1)


def suspicion(score: float) -> float:
    """A calibrated score as 0...99: what was learnt from a few hundred films is never certain."""
    return min(percent(score), 99.0)


def side(laterality: Laterality) -> str:
    """For people: "left breast"."""
    return _SIDE_WORDS[laterality]


def named(mark: Mark) -> str:
    """One mark in a line: "M1: mass on R-MLO, 63.1 of 100, 12.0 mm"."""
    size = "" if mark.long_axis_mm is None else f", {mark.long_axis_mm:.1f} mm"
    return f"{mark.label}: {KINDS[mark.kind]} on {mark.role}, {suspicion(mark.score):g} of 100{size}"


def why_rejected(mark: Mark, threshold: float) -> str:
    """What kept a mark from being shown: below `threshold`, turned down by the false-positive step, or both. What that
    step has against a mark that it kept is no reason."""
    said = []
    if mark.score < threshold:
        said.append("its score is below that from which marks are shown")
    if mark.verdict and not mark.verdict.kept:
        against = [reason.words for reason in mark.verdict.against]
        said += [words for words in (mark.verdict.barred or "turned down as a false positive", *against) if words]
    return "; ".join(said)


def combined(composite: Composite, study: MarkedStudy) -> str:
    """One composite in a line."""
    marks = [m for m in study.marks if m.number in composite.marks]
    where = " and ".join(f"{m.label} on {m.role}" for m in marks)
    what = f"{KINDS[composite.kind]} in the {side(composite.laterality)}"
    return f"{composite.label}: {what}, seen as {where}, {suspicion(composite.score):g} of 100"


def density_words(breast: Breast) -> str:
    """What was measured of the dense tissue; "" where nothing was."""
    if breast.density is None and breast.dense_share is None:
        return ""
    share = "" if breast.dense_share is None else f"{percent(breast.dense_share):g} % of the area is dense"
    letter = "" if breast.density is None else f"category {breast.density.value}"
    return f"{side(breast.laterality)} {', '.join(w for w in (letter, share) if w)}"


def sentences(study: MarkedStudy, source: MarkedSource, stamp: Stamp, *, listed: bool = True) -> tuple[str, ...]:
    """What the reader is told in every report, the warning first. listed: with a sentence for each mark."""
    first, *others = statements(study.algorithm)
    return (
        first,
        *_found(study, listed),
        f"Images read: {', '.join(image.view.role for image in source.images)}.",
        *on_verified(stamp),
        *on_replaced(stamp),
        _scores(study),
        *_density(study),
        *(f"Quality, {note.role}: {note.shortcoming.value}. {_ended(note.words)}" for note in study.quality),
        *_tried(study),
        *(f"Image {unread.sop_instance_uid} was not read: {_ended(unread.why)}" for unread in study.unread),
        *study.remarks,
        *others,
    )


def _found(study: MarkedStudy, with_marks: bool) -> tuple[str, ...]:
    at = f"{percent(study.threshold):g}"
    found = f"Marks: {len(study.marks)}, with a score of {at} or more of 100."
    if not study.marks:
        found = f"No mark by the algorithm with a score of {at} or more of 100. This does not exclude a cancer."
    listed = tuple(f"{named(mark)}." for mark in study.marks) if with_marks else ()
    together = tuple(f"{combined(c, study)}." for c in study.composites)
    rejected = f"Further {len(study.rejected)} are below that or were turned down; they need not be shown."
    return (found, *listed, *together, *((rejected,) if study.rejected else ()))


def _scores(study: MarkedStudy) -> str:
    breasts = [f"{side(b.laterality)} {suspicion(b.score):g}" for b in study.breasts]
    views = [f"{v.role} {suspicion(v.score):g}" for v in study.views]
    return (
        f"Suspicion, 0-100: study {suspicion(study.score):g}; {'; '.join([*breasts, *views])}. A research score: "
        "neither a probability of cancer nor a BI-RADS assessment, which only a physician gives."
    )


def _density(study: MarkedStudy) -> tuple[str, ...]:
    said = [words for b in study.breasts if (words := density_words(b))]
    return (f"Density: {'; '.join(said)} ({_ESTIMATE}).",) if said else ()


def _tried(study: MarkedStudy) -> tuple[str, ...]:
    """What failed or was not attempted, and why."""
    return tuple(
        f"{attempted(attempt)}, {', '.join(attempt.roles) or 'all images'}: {attempt.outcome.value}{why(attempt)}"
        for attempt in study.attempts
        if attempt.outcome is not Outcome.SUCCEEDED
    )


def why(attempt: Attempt) -> str:
    """ ": out of memory.", or a full stop."""
    return f": {_ended(attempt.why)}" if attempt.why else "."


def _ended(words: str) -> str:
    """With a full stop at its end."""
    return words if words.rstrip().endswith((".", "!", "?")) else f"{words.rstrip()}."


def attempted(attempt: Attempt) -> str:
    """For people: "Detection of mass", "Analysis of density"."""
    if isinstance(attempt.what, Kind):
        return f"Detection of {KINDS[attempt.what]}"
    return f"Analysis of {attempt.what.value}"
