"""Several images at one place: which to keep, or why nobody can tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.core.errors import GeometryUnusable
from pipeline.imaging.frames import Frame

SAME_PLACE_MM = 0.01
"""Images closer than this along the normal lie at the same place; scanners write positions to about 0.001 mm."""

MOST_REPEATS = 3
"""More acquisitions than this at the same places are a time series (perfusion, fMRI), not repeats."""

_SPLIT = "have the scanner or the PACS store them as series of their own"

_MAGNITUDE = {"M", "MAGNITUDE", "M_FFE", "M_SE", "M_IR"}
_OTHER_COMPONENT = {"P", "PHASE", "PHASE MAP", "R", "REAL", "I", "IMAGINARY", "MIXED"}

_DIMENSIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("time points", ("TemporalPositionIndex", "TemporalPositionIdentifier")),
    ("b-values", ("DiffusionBValue",)),
    ("diffusion directions", ("DiffusionGradientOrientation",)),
    ("echoes", ("EffectiveEchoTime", "EchoTime", "EchoNumbers")),
    ("inversion times", ("InversionTime",)),
    ("flip angles", ("FlipAngle",)),
    ("pulse sequences", ("SequenceName", "PulseSequenceName")),
    ("stacks", ("StackID",)),
    ("image types", ("FrameType", "ImageType")),
)
"""What may tell apart images at one place and leaves no rule for choosing among them."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One frame for each place, ascending along the normal, and sentences on what was left out."""

    frames: list[Frame]
    remarks: tuple[str, ...]


SamePixels = Callable[[list[Frame]], bool]
"""Whether all of these frames show the same pixels; asked only when headers do not tell frames apart."""


def count_places(frames: list[Frame]) -> int:
    """How many different places along the normal the frames lie at."""
    return len(_places(frames))


def one_per_place(frames: list[Frame], same_pixels: SamePixels) -> Kept:
    """Leave one frame at each place. Raises GeometryUnusable, naming what the images at one place differ in.

    Kept are magnitude before phase, real and imaginary images, the highest Acquisition Number of a few
    repeats, and one of identical copies.
    """
    remarks: list[str] = []
    places = _places(frames)
    for choose in (_magnitude, _decline_dimensions, _last_acquisition):
        if max(map(len, places)) > 1:
            places, said = choose(places)
            remarks += said
    if max(map(len, places)) > 1:
        places, said = _drop_copies(places, same_pixels)
        remarks += said
    return Kept([p[0] for p in places], tuple(remarks))


Places = list[list[Frame]]


def _places(frames: list[Frame]) -> Places:
    """Frames grouped by position along the normal of the first, ascending; the order of the input is lost."""
    ordered = sorted(frames, key=lambda f: (f.ref.sop_instance_uid, f.index))
    normal = ordered[0].normal
    along = np.array([np.dot(f.position_mm, normal) for f in ordered])
    order = np.argsort(along, kind="stable")
    starts = np.flatnonzero(np.diff(along[order]) > SAME_PLACE_MM) + 1
    groups = np.split(order, starts)
    return [sorted((ordered[i] for i in g), key=lambda f: (f.ref.sop_instance_uid, f.index)) for g in groups]


def _magnitude(places: Places) -> tuple[Places, list[str]]:
    components = {_component(f) for p in places for f in p}
    if components != {"magnitude", "other"} or not _all_have(places, lambda f: _component(f) == "magnitude"):
        return places, []
    kept = [[f for f in p if _component(f) == "magnitude"] for p in places]
    left_out = sum(map(len, places)) - sum(map(len, kept))
    return kept, [f"{left_out} phase, real or imaginary images were left out, the magnitude images were read"]


def _component(frame: Frame) -> str:
    words = {str(v) for v in (frame.get("ComplexImageComponent"), *_several(frame.get("ImageType"))) if v}
    if frame.get("ComplexImageComponent") == "MAGNITUDE":
        return "magnitude"
    if words & _OTHER_COMPONENT:
        return "other"
    return "magnitude" if words & _MAGNITUDE else "unknown"


def _decline_dimensions(places: Places) -> tuple[Places, list[str]]:
    for name, keywords in _DIMENSIONS:
        for keyword in keywords:
            values = _differing(places, keyword)
            if values:
                crowded = sum(len(p) > 1 for p in places)
                shown = ", ".join(values[:6]) + (", ..." if len(values) > 6 else "")
                raise GeometryUnusable(f"{len(values)} {name} ({shown}) lie at the same {crowded} places", _SPLIT)
    return places, []


def _differing(places: Places, keyword: str) -> list[str]:
    """The values of a keyword among images that share a place, when somewhere they differ."""
    sets = [{_hashable(f.get(keyword)) for f in p} for p in places if len(p) > 1]
    if all(len(s) == 1 for s in sets):
        return []
    return [_shown(v) for v in sorted(set[Any]().union(*sets), key=_sorting)]


def _last_acquisition(places: Places) -> tuple[Places, list[str]]:
    numbers = _differing(places, "AcquisitionNumber") or _differing(places, "FrameAcquisitionNumber")
    keyword = "AcquisitionNumber" if _differing(places, "AcquisitionNumber") else "FrameAcquisitionNumber"
    if not numbers:
        return places, []
    if max(map(len, places)) > MOST_REPEATS:
        raise GeometryUnusable(f"{len(numbers)} acquisitions lie at the same places, a time series", _SPLIT)
    candidates = sorted({f.get(keyword) for p in places for f in p if isinstance(f.get(keyword), int)})
    for number in reversed(candidates):
        if _all_have(places, lambda f, n=number: bool(f.get(keyword) == n)):  # type: ignore[misc]
            said = f"{len(numbers)} acquisitions lie at the same places; the last, number {number}, was read"
            return [[f for f in p if f.get(keyword) == number] for p in places], [said]
    raise GeometryUnusable(f"acquisitions {', '.join(numbers)} overlap only in part", _SPLIT)


def _drop_copies(places: Places, same_pixels: SamePixels) -> tuple[Places, list[str]]:
    crowded = [p for p in places if len(p) > 1]
    different = sum(not same_pixels(p) for p in crowded)
    if different:
        raise GeometryUnusable(
            f"{different} places have several different images, and their headers do not say why", _SPLIT
        )
    copies = sum(len(p) - 1 for p in crowded)
    return [p[:1] for p in places], [f"{copies} identical copies of images were left out"]


def _all_have(places: Places, wanted: Callable[[Frame], bool]) -> bool:
    return all(any(map(wanted, p)) for p in places)


def _several(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _hashable(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_hashable(v) for v in value)
    return round(value, 3) if isinstance(value, float) else value


def _sorting(value: Any) -> tuple[bool, float, str]:
    is_number = isinstance(value, int | float)
    return (not is_number, float(value) if is_number else 0.0, str(value))


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return "\\".join(map(_shown, value))
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
