"""An image of a study -> a breast that lies as all others do, with its masks and the way back to the image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.core.breast import Guess, Laterality, QualityNote, Shortcoming, Unread
from pipeline.core.errors import PixelsUnreadable
from pipeline.imaging.mammogram.breast import COARSE_MM, find_breast, is_inverted, why_no_breast
from pipeline.imaging.mammogram.canonical import Canonical, Edge, Floats, canonical, coarse, cut, resample
from pipeline.imaging.mammogram.checks import header_notes
from pipeline.imaging.mammogram.density import dense_share
from pipeline.imaging.mammogram.image import MgImage
from pipeline.imaging.mammogram.layout import Lay, lay
from pipeline.imaging.mammogram.normal import fall_off, normalise, tissue_range
from pipeline.imaging.mammogram.orientation import Said, said_of
from pipeline.imaging.mammogram.quality import pixel_notes
from pipeline.imaging.mammogram.spacing import Spacing
from pipeline.imaging.mammogram.values import Opened, open_image, opened_picture

Mask = NDArray[np.bool_]

WORKING_UM = 100.0
"""Spacing of canonical pictures, unless another is asked for."""
MARGIN_MM = 4.0
"""Of air kept around a breast."""
LEAST_CONTRAST = 0.2
"""Of the display, between the darkest and the brightest of the breast: with less, a window is not used."""
CLIPPED_AWAY = 0.5
"""A window that shows more of the breast than this as plain black or white is not used."""


@dataclass(frozen=True, slots=True)
class MammogramPixels:
    """One view, ready to be looked at. All pictures are canonical: chest wall left, head or lateral side up.

    picture:     (rows, columns) float32, as displayed, 0…1, bright is dense; 0 where there is no breast.
    breast, pectoral: bool, same grid; the muscle is inside the breast, and empty where none was found.
    canonical:   from the image as sent to the picture and back.
    spacing_mm:  (down, across) of the image as sent, in the plane of the breast; None where nobody knows.
    chest_wall:  the edge of the image as sent.
    nipple_px:   (column, row) in the picture, seen or where it should be; None where the breast is cut off there.
    muscle_px:   corners of the pectoral triangle in the picture; empty where none was found.
    dense_share: 0…1 of the breast without muscle.
    inverted:    it was dark where dense, without a tag, and was turned over.
    notes:       shortcomings; `role` in them is laterality and view.
    remarks:     sentences for the reader of the results.
    """

    picture: Floats
    breast: Mask
    pectoral: Mask
    canonical: Canonical
    spacing_mm: tuple[float, float] | None
    chest_wall: Edge
    nipple_px: tuple[float, float] | None
    muscle_px: tuple[tuple[float, float], ...]
    dense_share: float
    inverted: bool
    notes: tuple[QualityNote, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def normal(self) -> Floats:
        """The picture made alike to all others in brightness: what models are trained on, see `normal.normalise`."""
        return normalise(self.picture, self.breast, self.pectoral, self.canonical.spacing_um)


def read_view(image: MgImage, spacing_um: float = WORKING_UM, role: str = "") -> MammogramPixels | Unread:
    """Open one image of `study.select_views`; or why it cannot be read after all.

    role: written into the notes; laterality and view by default.
    """
    instance, name = image.instance, role or image.side_and_view
    try:
        opened = open_image(image)
        spacing = Spacing(None, image.spacing.working, "guessed") if Guess.SIZE in opened.guesses else image.spacing
        said = said_of(instance, image.laterality, image.view)
        made = _prepared(opened, spacing, image.view, said, spacing_um, name)
    except PixelsUnreadable as error:
        return Unread(instance.sop_instance_uid, instance.sop_class_uid, instance.path, str(error))
    if isinstance(made, str):
        return Unread(instance.sop_instance_uid, instance.sop_class_uid, instance.path, made)
    pixels, laid = made
    notes = (
        *header_notes(image, said, laid, opened.bits, pixels.inverted, name),
        *_guess_notes(opened, name),
        *pixels.notes,
    )
    size = () if spacing.mm else (f"The size of a pixel of {name} is {spacing.words}; nothing is measured by it.",)
    return replace(pixels, notes=notes, remarks=(*image.remarks, *opened.remarks, *size, *pixels.remarks))


def _guess_notes(opened: Opened, name: str) -> Iterator[QualityNote]:
    for guess, doubt in ((Guess.SIDE, Shortcoming.SIDE_IN_DOUBT), (Guess.VIEW, Shortcoming.VIEW_IN_DOUBT)):
        if guess in opened.guesses:
            yield QualityNote(doubt, name, f"{guess} when the film was converted; nobody said it. It may be wrong.")


def prepare(
    picture: NDArray[np.generic],
    spacing_mm: tuple[float, float],
    laterality: Laterality,
    view: str,
    spacing_um: float = WORKING_UM,
) -> MammogramPixels | str:
    """The same from a picture at hand (rows, columns), whole numbers or 0…1, bright is dense: for training.

    Or a reason why it shows no breast.
    """
    spacing = Spacing(spacing_mm, spacing_mm, "given")
    made = _prepared(opened_picture(picture), spacing, view, Said(None, None), spacing_um, f"{laterality.value}-{view}")
    return made if isinstance(made, str) else made[0]


def _prepared(
    opened: Opened, spacing: Spacing, view: str, said: Said, spacing_um: float, role: str
) -> tuple[MammogramPixels, Lay] | str:
    small = coarse(opened.tissue, spacing.working, COARSE_MM)
    blank = why_no_breast(small, None, only_blank=True)
    if blank:
        return blank
    inverted = is_inverted(small)
    if inverted:
        small, opened = -small, opened.turned_over()
    found = find_breast(small)
    why = why_no_breast(small, found)
    if why or found is None:
        return why
    laid = lay(small, found, said, view)
    transform, box = _transform(opened, spacing, laid, spacing_um)
    shape = transform.shape
    breast = cut(laid.found.mask.astype(np.float32), box, shape) > 0.5
    muscle = cut(laid.muscle.astype(np.float32), box, shape) > 0.5
    picture, remarks = _picture(opened, transform, breast, breast & muscle)
    even = picture + fall_off(picture, breast, breast & muscle, spacing_um)
    pixels = MammogramPixels(
        picture=np.asarray(picture * breast, np.float32),
        breast=breast,
        pectoral=breast & muscle,
        canonical=transform,
        spacing_mm=spacing.mm,
        chest_wall=laid.wall,
        nipple_px=_placed(laid.nipple_px, box, shape),
        muscle_px=tuple(p for p in (_placed(c, box, shape) for c in laid.muscle_px) if p),
        dense_share=dense_share(even, breast, breast & muscle, spacing_um),
        inverted=inverted,
        notes=tuple(pixel_notes(opened, transform, picture, breast, breast & muscle, laid, view, role)),
        remarks=remarks,
    )
    return pixels, laid


def _transform(
    opened: Opened, spacing: Spacing, laid: Lay, spacing_um: float
) -> tuple[Canonical, tuple[float, float, float, float]]:
    """The transform, and what it cuts out of the laid coarse grid."""
    rows, columns = opened.tissue.shape
    full = (columns, rows) if laid.turn.transpose else (rows, columns)
    steps = [n / m for n, m in zip(full[::-1], laid.found.mask.shape[::-1], strict=True)]  # pixels per coarse one
    margin = int(np.ceil(MARGIN_MM / COARSE_MM))
    left, top, right, bottom = laid.found.box
    low = [int(max(0, v - margin) * s) for v, s in zip((left, top), steps, strict=True)]
    high = [min(n, int(np.ceil((v + margin) * s))) for n, v, s in zip(full[::-1], (right, bottom), steps, strict=True)]
    made = canonical((rows, columns), spacing.working, laid.turn, (*low, *high), spacing_um)
    down, across = spacing.working[::-1] if laid.turn.transpose else spacing.working
    ends = [low[axis] + made.shape[1 - axis] * spacing_um / 1000 / mm for axis, mm in ((0, across), (1, down))]
    return made, (low[0] / steps[0], low[1] / steps[1], ends[0] / steps[0], ends[1] / steps[1])


def _placed(
    point: tuple[float, float] | None, box: tuple[float, float, float, float], shape: tuple[int, int]
) -> tuple[float, float] | None:
    """A point of the laid coarse grid in the picture."""
    if point is None:
        return None
    left, top, right, bottom = box
    return (point[0] - left) / (right - left) * shape[1], (point[1] - top) / (bottom - top) * shape[0]


def _picture(opened: Opened, transform: Canonical, breast: Mask, muscle: Mask) -> tuple[Floats, tuple[str, ...]]:
    """As displayed, or, where the header says nothing usable of display, a presentation of our own."""
    if opened.shown is not None:
        shown = resample(opened.shown, transform)
        if _is_usable(shown[breast]):
            return shown, ()
    return _own(resample(opened.tissue, transform), transform, breast, muscle), _own_words(opened)


def _is_usable(inside: Floats) -> bool:
    if inside.size == 0 or float(((inside <= 0.002) | (inside >= 0.998)).mean()) >= CLIPPED_AWAY:
        return False
    low, high = np.percentile(inside, [1, 99])
    return bool(high - low >= LEAST_CONTRAST)


def _own_words(opened: Opened) -> tuple[str, ...]:
    if opened.shown is not None:
        return ("The display window of an image shows the breast black, white or flat; one of our own was used.",)
    return ("An image was given a presentation of our own, for its header has none.",)


def _own(tissue: Floats, transform: Canonical, breast: Mask, muscle: Mask) -> Floats:
    """Evened towards the skin, and the range of the tissue spread over 0.1…0.9, as radiologists are used to."""
    even = tissue + fall_off(tissue, breast, muscle, transform.spacing_um)
    low, high = tissue_range(even, breast, muscle, transform.spacing_um)
    return np.asarray((0.1 + 0.8 * (even - low) / max(high - low, 1e-6)).clip(0, 1), np.float32)
