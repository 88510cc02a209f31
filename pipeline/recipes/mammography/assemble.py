"""What was seen on the views of a study -> marks on the images as they were sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.core.breast import Laterality, Unread
from pipeline.core.uid import derive_uid
from pipeline.imaging.mammogram.canonical import Canonical
from pipeline.imaging.mammogram.density import density_of, of_breast
from pipeline.imaging.mammogram.image import MgImage
from pipeline.imaging.mammogram.read import MammogramPixels
from pipeline.imaging.mammogram.views import FROM_ABOVE, OBLIQUE
from pipeline.marks import Breast, Composite, Mark, View
from pipeline.recipes.mammography import fuse
from pipeline.recipes.mammography.composites import Depth, axis_of, behind_mm, paired
from pipeline.recipes.mammography.examine import Found, Sight

TRACKED_MM = 3.0
"""A mark in the same cell of this grid over an image is the same mark."""
HEAT_MM = 0.8
"""Of the grid of heat over the whole image, about."""


@dataclass(frozen=True, slots=True)
class Opened:
    """One view: its header and its pixels."""

    image: MgImage
    pixels: MammogramPixels

    def unread(self, why: str) -> Unread:
        """The image as one that was not looked at after all."""
        instance = self.image.instance
        return Unread(instance.sop_instance_uid, instance.sop_class_uid, instance.path, why)


@dataclass(frozen=True, slots=True)
class Seen:
    """One view, and what was seen on it."""

    opened: Opened
    sight: Sight

    @property
    def image(self) -> MgImage:
        """Its header."""
        return self.opened.image

    @property
    def pixels(self) -> MammogramPixels:
        """Its pixels."""
        return self.opened.pixels


def view_of(role: str, seen: Seen) -> View:
    """What results say of an image."""
    instance, canonical = seen.image.instance, seen.pixels.canonical
    nipple = seen.pixels.nipple_px
    return View(
        role=role,
        laterality=seen.image.laterality,
        view=seen.image.view,
        sop_instance_uid=instance.sop_instance_uid,
        sop_class_uid=instance.sop_class_uid,
        path=instance.path,
        rows=canonical.image_shape[0],
        columns=canonical.image_shape[1],
        spacing_mm=seen.pixels.spacing_mm,
        score=seen.sight.abnormal,
        nipple_px=_within(canonical, [nipple])[0] if nipple else None,
        malignant=seen.sight.malignant,
    )


def breasts_of(views: Mapping[str, Seen]) -> tuple[Breast, ...]:
    """Right first. The score is the mean of the log odds of its views; the dense share the mean of theirs."""
    made = []
    for side in (Laterality.RIGHT, Laterality.LEFT):
        own = [s for s in views.values() if s.image.laterality is side]
        if own:
            share = of_breast(s.pixels.dense_share for s in own if not s.image.partial)
            score = fuse.of_breast([s.sight.abnormal for s in own])
            made.append(Breast(side, score, None if share is None else density_of(share), share))
    return tuple(made)


def marks_of(views: Mapping[str, Seen], threshold: float, model: str) -> tuple[tuple[Mark, ...], tuple[Mark, ...]]:
    """Those that are shown, and the rejected: below the threshold, or turned down. The most suspicious first.

    model: what found them; a mark of another model is another mark.
    """
    taken: set[str] = set()
    every = [_mark(role, seen, found, model, taken) for role, seen in views.items() for found in seen.sight.found]
    every.sort(key=lambda m: -m.score)
    shown = [m for m in every if m.score >= threshold and (m.verdict is None or m.verdict.kept)]
    left = [m for m in every if m not in shown]
    return _numbered(shown, "M"), _numbered(left, "C")


def composites_of(marks: Sequence[Mark], views: Mapping[str, Seen]) -> tuple[Composite, ...]:
    """Marks from above and from the side that lie as far behind the nipple; see composites.py."""
    by_number = {m.number: m for m in marks}
    pairs = paired([d for m in marks if (d := _depth(m, views[m.role])) is not None])
    made = []
    for number, pair in enumerate(sorted(pairs, key=lambda p: min(p.marks)), start=1):
        parts = tuple(sorted(pair.marks))
        first = by_number[parts[0]]
        uid = derive_uid("mammography composite", *(by_number[n].tracking_uid for n in parts))
        side = views[first.role].image.laterality
        made.append(Composite(number, f"F{number}", side, first.kind, parts, pair.score, uid))
    return tuple(made)


def heat_of(seen: Seen) -> NDArray[np.uint8]:
    """(rows, columns) over the whole image as sent; 255 is a score of 1."""
    canonical, sight = seen.pixels.canonical, seen.sight
    wide = round(sight.heat_mm * 1000 / canonical.spacing_um)
    size = (sight.heat.shape[1] * wide, sight.heat.shape[0] * wide)
    large = np.asarray(Image.fromarray(sight.heat).resize(size, Image.Resampling.BILINEAR))
    picture = large[: canonical.shape[0], : canonical.shape[1]] * seen.pixels.breast
    down, across = seen.image.spacing.working
    shape = tuple(max(8, round(n * mm / HEAT_MM)) for n, mm in zip(canonical.image_shape, (down, across), strict=True))
    return np.asarray(np.rint(canonical.on_image(picture, (shape[0], shape[1])) * 255).clip(0, 255), np.uint8)


def _mark(role: str, seen: Seen, found: Found, model: str, taken: set[str]) -> Mark:
    canonical, instance = seen.pixels.canonical, seen.image.instance
    center = _within(canonical, [found.center])[0]
    uid = _tracking_uid(instance.sop_instance_uid, center, seen.image.spacing.working, model, taken)
    taken.add(uid)
    known = seen.pixels.spacing_mm is not None
    outline = _clockwise(_within(canonical, found.outline))
    size = found.long_axis_mm if known else None
    return Mark(0, "", role, found.kind, center, outline, size, found.score, uid, found.verdict)


def _tracking_uid(
    image: str, center: tuple[float, float], spacing_mm: tuple[float, float], model: str, taken: set[str]
) -> str:
    cell = ",".join(str(int(v * mm / TRACKED_MM)) for v, mm in zip(center, spacing_mm[::-1], strict=True))
    while (uid := derive_uid(image, "mammography mark", model, cell)) in taken:
        cell += "'"
    return uid


def _within(canonical: Canonical, points: Iterable[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Places of the canonical picture on the image as sent, none of them outside of it."""
    rows, columns = canonical.image_shape
    placed = np.clip(canonical.to_image(list(points)), 0, (columns, rows))
    return tuple((float(x), float(y)) for x, y in placed)


def _clockwise(corners: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """On the screen, where rows go down; a mirrored picture turns the way round."""
    x, y = np.array(corners).T
    area = float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())
    return corners if area > 0 else corners[::-1]


def _depth(mark: Mark, seen: Seen) -> Depth | None:
    """None on views that are neither from above nor oblique, and where the nipple is not known."""
    view, pixels = seen.image.view, seen.pixels
    if pixels.nipple_px is None or view not in FROM_ABOVE | OBLIQUE:
        return None
    center = pixels.canonical.from_image([mark.center_px])[0]
    axis = axis_of(pixels.muscle_px if view in OBLIQUE else ())
    behind = behind_mm((center[0], center[1]), pixels.nipple_px, axis, pixels.canonical.spacing_um / 1000)
    return Depth(mark.number, seen.image.laterality, view in FROM_ABOVE, mark.kind, behind, mark.score)


def _numbered(marks: Sequence[Mark], letter: str) -> tuple[Mark, ...]:
    return tuple(replace(m, number=n, label=f"{letter}{n}") for n, m in enumerate(marks, start=1))
