"""Stored values -> what a radiologist sees, 0…1 with dense bright; and values that shapes are looked at in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.pixels import apply_modality_lut, apply_voi, pixel_array

from pipeline.core.breast import Guess
from pipeline.core.errors import PixelsUnreadable
from pipeline.imaging.mammogram.image import MgImage
from pipeline.imaging.mammogram.voi import flat, table_index, window
from pipeline.imaging.values import MALFORMED

Floats = NDArray[np.float32]
_NOT_DECODED: tuple[type[Exception], ...] = (*MALFORMED, RuntimeError)
"""Decoders are plug-ins and raise what they like."""

SIGMOID_SLOPE = 4.0
"""Of SIGMOID, by the formula of PS3.3 C.11.2.1.3.1."""


@dataclass(frozen=True, slots=True)
class Opened:
    """One image, opened.

    tissue:  (rows, columns) float32, bright is dense, before any window: to look for shapes in.
    shown:   the same as displayed, 0…1; None where the header says nothing of display, or the values are raw.
    padding: True where there is no picture (PS3.3 C.7.5.1.1.2); None where that is nowhere.
    top:     the largest value that `tissue` can take; None where nobody knows.
    bits:    Bits Stored.
    remarks: sentences on what was odd.
    guesses: what nobody knew when the picture became DICOM.
    """

    tissue: Floats
    shown: Floats | None
    padding: NDArray[np.bool_] | None
    top: float | None
    bits: int
    remarks: tuple[str, ...] = ()
    guesses: frozenset[Guess] = frozenset()

    def turned_over(self) -> Opened:
        """Dark for bright: of an image that is inverted and does not say so."""
        shown = None if self.shown is None else 1 - self.shown
        if shown is not None and self.padding is not None:
            shown = np.where(self.padding, np.float32(0), shown)
        top = self.top if self.top is None else (0.0 if self.top else float(2**self.bits - 1))
        return replace(self, tissue=-self.tissue, shown=shown, top=top)


def open_image(image: MgImage) -> Opened:
    """Decode an image and bring its values to the sense in which dense is bright. Raises PixelsUnreadable."""
    return open_pixels(image.instance.path, image.instance.sop_instance_uid, image.for_processing)


def open_pixels(path: Path, uid: str, raw: bool) -> Opened:
    """The same of a file; raw: it is For Processing. Raises PixelsUnreadable."""
    try:
        ds = flat(dcmread(path, force=True))
        stored = np.asarray(pixel_array(ds, index=0 if int(ds.get("NumberOfFrames") or 1) > 1 else None))
        stored = stored[0] if stored.ndim == 3 and stored.shape[0] == 1 else stored
        if stored.ndim != 2:
            raise PixelsUnreadable(f"image {uid} is no plane of grey values", "send the mammogram, not a colour copy")
        opened = _opened(ds, stored, raw)
        return replace(opened, guesses=frozenset(g for g in Guess if g in str(ds.get("ImageComments") or "")))
    except _NOT_DECODED as error:
        raise PixelsUnreadable(
            f"the pixels of image {uid} do not decode ({type(error).__name__})",
            "the file may be truncated: send it again; `lantern doctor` lists the syntaxes that can be read",
        ) from error


def opened_picture(picture: NDArray[Any]) -> Opened:
    """The same of a picture at hand: whole numbers over the range of their type, or 0…1; bright is dense."""
    whole = np.issubdtype(picture.dtype, np.integer)
    top = float(np.iinfo(picture.dtype).max) if whole else 1.0
    if whole and picture.dtype.itemsize > 1:  # 12 bits in 16 are the rule
        top = float(2 ** int(np.ceil(np.log2(max(2.0, float(picture.max()) + 1)))) - 1)
    tissue = np.asarray(picture, np.float32)
    return Opened(tissue, np.asarray((tissue / top).clip(0, 1), np.float32), None, top, 16)


def _opened(ds: Dataset, stored: NDArray[Any], raw: bool) -> Opened:
    values = np.asarray(apply_modality_lut(stored, ds))
    padding = _padding(ds, stored)
    bits = int(ds.get("BitsStored") or 16)
    if raw:
        tissue = _attenuation(ds, values.astype(np.float32))
        return Opened(_filled(tissue, padding), None, padding, None, bits)
    dark = is_dark_dense(ds)
    sign = -1.0 if dark else 1.0
    shown, said = _displayed(ds, values)
    shown = 1 - shown if shown is not None and dark else shown
    tissue = np.asarray(sign * values.astype(np.float32), np.float32)
    if shown is not None and padding is not None:
        shown = np.where(padding, np.float32(0), shown)
    top = None if dark else float(2**bits - 1)
    return Opened(_filled(tissue, padding), shown, padding, 0.0 if dark else top, bits, said)


def is_dark_dense(ds: Dataset) -> bool:
    """MONOCHROME1 shows the least values white; Presentation LUT Shape INVERSE says the same again (C.8.11.3.1.2)."""
    return str(ds.get("PhotometricInterpretation")) == "MONOCHROME1"


def _padding(ds: Dataset, stored: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Pixel Padding Value, or the range up to Pixel Padding Range Limit; not where it would be a third of the breast.

    Many mammographs write 0 there and store 0 in the breast as well: such pixels are black either way.
    """
    value = ds.get("PixelPaddingValue")
    if value is None:
        return None
    other = ds.get("PixelPaddingRangeLimit")
    ends = sorted((int(value), int(value if other is None else other)))
    padding = (stored >= ends[0]) & (stored <= ends[1])
    return padding if padding.any() and not padding.all() else None


def _filled(tissue: Floats, padding: NDArray[np.bool_] | None) -> Floats:
    """Padding becomes as dark as the darkest of the picture."""
    if padding is None:
        return tissue
    return np.where(padding, tissue[~padding].min(), tissue)


def is_rising(ds: Dataset) -> bool:
    """Raw values grow with the dose at the detector, so that high is dark."""
    sign = ds.get("PixelIntensityRelationshipSign")
    return (sign == 1) if sign in (1, -1) else is_dark_dense(ds)


def _attenuation(ds: Dataset, values: Floats) -> Floats:
    """How much the breast took of the beam, from raw values: minus the logarithm of the dose at the detector.

    Pixel Intensity Relationship and its sign (C.8.11.3.1.2); without the sign, MONOCHROME1 says that high is dark.
    """
    rising = is_rising(ds)
    if str(ds.get("PixelIntensityRelationship") or "LIN") == "LOG":
        return np.asarray(-values if rising else values, np.float32)
    top = max(2.0 ** int(ds.get("BitsStored") or 16) - 1, float(values.max()))
    dose = np.maximum(values if rising else top - values, 0)
    least = max(1.0, 1e-3 * float(dose.max()))  # dead pixels and metal must not outshine the breast
    return np.asarray(-np.log(np.maximum(dose, least)), np.float32)


def _displayed(ds: Dataset, values: NDArray[Any]) -> tuple[Floats | None, tuple[str, ...]]:
    """By the first VOI LUT or window (PS3.3 C.11.2), 0…1; None where there is none that can be used."""
    table = ds.get("VOILUTSequence")
    if table:
        try:
            return _by_table(ds, values), ()
        except _NOT_DECODED:
            return _by_window(ds, values), ("The VOI LUT of an image could not be used.",)
    return _by_window(ds, values), ()


def _by_table(ds: Dataset, values: NDArray[Any]) -> Floats:
    """The table called NORMAL, else the first; scaled by what it holds, for some claim more bits than they use."""
    index = table_index(ds) or 0
    whole = values if np.issubdtype(values.dtype, np.integer) else np.rint(values).astype(np.int32)
    out = np.asarray(apply_voi(whole, ds, index=index), np.float32)
    count, first, _ = (int(v) for v in ds.VOILUTSequence[index].LUTDescriptor)
    ends = np.array([[first, first + (count or 65536) - 1]], whole.dtype)
    ends = np.concatenate([ends, np.clip([[whole.min(), whole.max()]], *ends[0])]).astype(whole.dtype)
    levels = np.asarray(apply_voi(ends, ds, index=index), np.float32)
    low, high = float(levels.min()), float(levels.max())
    return np.asarray((out - low) / max(high - low, 1e-6), np.float32).clip(0, 1)


def _by_window(ds: Dataset, values: NDArray[Any]) -> Floats | None:
    found = window(ds)
    if found is None:
        return None
    center, width, function = found
    return _FUNCTIONS[function](values.astype(np.float32), center, width)


def _linear(values: Floats, center: float, width: float) -> Floats:
    """C.11.2.1.2.1."""
    return np.asarray(((values - (center - 0.5)) / max(width - 1, 1e-6) + 0.5).clip(0, 1), np.float32)


def _linear_exact(values: Floats, center: float, width: float) -> Floats:
    """C.11.2.1.3.2."""
    return np.asarray(((values - center) / width + 0.5).clip(0, 1), np.float32)


def _sigmoid(values: Floats, center: float, width: float) -> Floats:
    """C.11.2.1.3.1."""
    return np.asarray(1 / (1 + np.exp(-SIGMOID_SLOPE * (values - center) / width)), np.float32)


_FUNCTIONS: dict[str, Callable[[Floats, float, float], Floats]] = {
    "LINEAR": _linear,
    "LINEAR_EXACT": _linear_exact,
    "SIGMOID": _sigmoid,
}
