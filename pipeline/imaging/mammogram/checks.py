"""Header against pixels: side, view, which end is up, and whether dark is dense."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.core.breast import QualityNote, Shortcoming
from pipeline.imaging.mammogram.breast import is_sideways
from pipeline.imaging.mammogram.canonical import Edge
from pipeline.imaging.mammogram.image import MgImage, Origin
from pipeline.imaging.mammogram.layout import Lay
from pipeline.imaging.mammogram.orientation import Said
from pipeline.imaging.mammogram.pectoral import find_pectoral
from pipeline.imaging.mammogram.views import FROM_ABOVE, OBLIQUE

SURE_STRENGTH, SURE_CONTRAST = 0.05, 0.7
"""From these on, a muscle in the upper corner of a view from above means that it is none: half of oblique films."""

_ACROSS = (Edge.LEFT, Edge.RIGHT)


def header_notes(image: MgImage, said: Said, laid: Lay, bits: int, inverted: bool, role: str) -> Iterator[QualityNote]:
    """What header and pixels do not agree on, and what the header alone says against the image."""
    for words in (_other_edge(said, laid), _mirrored(image, said, laid), _other_side(image, said)):
        if words:
            yield QualityNote(Shortcoming.SIDE_IN_DOUBT, role, words)
            break
    words = _turned(said, laid) or _other_view(image, laid)
    if words:
        yield QualityNote(Shortcoming.VIEW_IN_DOUBT, role, words)
    if inverted:
        words = "Dark is dense in this image, and its header does not say so; it was turned over and read."
        yield QualityNote(Shortcoming.INVERTED, role, words)
    if bits <= 8 and image.origin is not Origin.FILM:
        words = f"The image has {bits} bits for each pixel: it was made from the mammogram and is not the original."
        yield QualityNote(Shortcoming.FEW_GREYS, role, words)
    if image.implant:
        yield QualityNote(Shortcoming.IMPLANT, role, "The breast has an implant that was pushed out of the view.")


def _other_edge(said: Said, laid: Lay) -> str:
    if said.wall is None or said.wall is laid.wall:
        return ""
    return (
        f"By its Patient Orientation the chest wall is at the {said.wall} edge of the image; the pixels show it at the "
        f"{laid.wall} edge. Side or orientation is wrong, or the image was flipped afterwards."
    )


def _mirrored(image: MgImage, said: Said, laid: Lay) -> str:
    """A left breast hangs with its chest wall at the left edge, a right one at the right: the other way round when
    upside down, or when the mammograph says that it flipped the image."""
    if laid.wall not in _ACROSS or image.instance.get("FieldOfViewHorizontalFlip") == "YES":
        return ""
    usual = Edge.LEFT if image.laterality.value == "L" else Edge.RIGHT
    turned = said.upright is False or laid.upside_down
    expected = {Edge.LEFT: Edge.RIGHT, Edge.RIGHT: Edge.LEFT}[usual] if turned else usual
    if laid.wall is expected:
        return ""
    return (
        f"The header says {image.laterality.word} breast, but the chest wall is at the {laid.wall} edge of the image, "
        f"as of a {image.laterality.other.word} breast. Side or orientation may be wrong."
    )


def _other_side(image: MgImage, said: Said) -> str:
    """The letter of Patient Orientation that goes towards the midline is that of the other side of the body."""
    if image.view in FROM_ABOVE and said.upright is False and said.wall in _ACROSS:
        return (
            f"By its Patient Orientation the image of the {image.laterality.word} breast hangs with the lateral side "
            "below: it is upside down, or of the other breast."
        )
    if image.view in OBLIQUE and said.upright and said.side_word == image.laterality.value:
        return (
            f"The header says {image.laterality.word} breast, but its Patient Orientation is that of a "
            f"{image.laterality.other.word} one."
        )
    return ""


def _turned(said: Said, laid: Lay) -> str:
    if said.wall is not None or not is_sideways(laid.found.mask):
        return ""
    return (
        "The breast seems to hang from the upper or lower edge, and the header has no Patient Orientation: the image "
        "may be turned by 90 degrees. Send it with its Patient Orientation, or turn it."
    )


def _other_view(image: MgImage, laid: Lay) -> str:
    mask = laid.found.mask
    at_top = bool(mask[:4].any())
    if laid.upside_down:
        return "The pectoral muscle was found at the bottom: the image is upside down, and was read the right way up."
    if image.view in OBLIQUE and laid.pectoral is None and not at_top and not mask[-4:].any():
        return (
            f"The header says {image.view}, but no pectoral muscle was found, and air surrounds the breast above and "
            "below: it may be a craniocaudal view."
        )
    if image.view in FROM_ABOVE and at_top and not mask[-4:].any():
        muscle = find_pectoral(laid.small, mask)
        share = float((muscle.mask((mask.shape[0], mask.shape[1])) & mask).sum() / mask.sum()) if muscle else 0.0
        if muscle and muscle.strength >= SURE_STRENGTH and muscle.contrast >= SURE_CONTRAST and share > 0.05:
            return f"The header says {image.view}, but a pectoral muscle shows in the upper corner: it may be an MLO."
    return ""
