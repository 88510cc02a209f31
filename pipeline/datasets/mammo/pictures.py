"""Pixels of data sets: PNG, PGM, TIFF, JPEG files, and DICOM ones of any maker, bright is dense."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from pydicom import Dataset as Header
from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from pydicom.pixels import pixel_array

from pipeline.core.errors import HeaderUnusable, PixelsUnreadable
from pipeline.datasets.mammo.case import Picture, grey
from pipeline.imaging.values import MALFORMED

LARGEST_PIXELS = 400_000_000
"""No film is scanned finer: 24 x 30 cm at 15 um."""


def read_picture(path: Path) -> Picture:
    """A PNG, PGM, TIFF or JPEG file as uint8 or uint16, turned as its EXIF says; colour becomes grey.

    Raises PixelsUnreadable.
    """
    try:
        with Image.open(path) as image:
            if image.width * image.height > LARGEST_PIXELS:
                raise PixelsUnreadable(f"{path.name} has more pixels than any film scan")
            if getattr(image, "n_frames", 1) > 1:
                raise PixelsUnreadable(f"{path.name} holds several pages", "save each film as a file of its own")
            if image.mode in ("I;16", "I;16B", "I;16L", "I;16N", "I"):
                values = np.asarray(image).astype(np.int64)
                return grey(np.clip(values, 0, 65535).astype(np.uint16), path)
            if image.mode == "F":
                raise PixelsUnreadable(f"{path.name} holds fractions", "save the scan with 8 or 16 bits")
            return grey(np.asarray(ImageOps.exif_transpose(image).convert("L")), path)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PixelsUnreadable(f"{path.name} cannot be read: {error}", "give a whole PNG, TIFF or JPEG file") from error


def resolution_mm(path: Path) -> tuple[float, float] | None:
    """(down, across) from the resolution that the file states, when it can be one of a film scanner; else None.

    Programs write 72 or 96 dpi where they know nothing, so less than 100 dpi (0.25 mm) is not believed.
    """
    try:
        with Image.open(path) as image:
            across, down = (float(v) for v in image.info.get("dpi", (0, 0)))
    except (OSError, ValueError, TypeError, Image.DecompressionBombError):
        return None
    likely = all(100 <= v <= 2540 for v in (across, down))
    return (25.4 / down, 25.4 / across) if likely else None


def read_header(path: Path) -> Header:
    """A DICOM file without its pixels. Raises HeaderUnusable."""
    try:
        return dcmread(path, stop_before_pixels=True)
    except (InvalidDicomError, *MALFORMED) as error:
        raise HeaderUnusable(f"{path.name} is no DICOM file", "fetch it again from the data set") from error


def read_dicom(path: Path) -> Picture:
    """The stored values of a DICOM image; MONOCHROME1 is turned over, so that bright is dense.

    No window is applied: values stay those of the detector or the film. Raises PixelsUnreadable.
    """
    try:
        ds = dcmread(path)
        values = np.asarray(pixel_array(ds))
    except (InvalidDicomError, *MALFORMED, RuntimeError) as error:
        raise PixelsUnreadable(
            f"the pixels of {path.name} do not decode ({type(error).__name__})", "fetch the file again"
        ) from error
    if ds.get("PhotometricInterpretation") == "MONOCHROME1":
        values = 2 ** int(ds.get("BitsStored", 16)) - 1 - values.astype(np.int64)
    return grey(_unsigned(values), path)


def _unsigned(values: Picture) -> Picture:
    if np.issubdtype(values.dtype, np.unsignedinteger) or not np.issubdtype(values.dtype, np.integer):
        return values
    return np.clip(values.astype(np.int64) - min(int(values.min()), 0), 0, 65535).astype(np.uint16)


def spacing_of(header: Header) -> tuple[float, float] | None:
    """(down, across) Imager Pixel Spacing, else Pixel Spacing; None where neither is a size."""
    for keyword in ("ImagerPixelSpacing", "PixelSpacing"):
        try:
            down, across = (float(v) for v in header.get(keyword) or ())
        except (TypeError, ValueError):
            continue
        if down > 0 and across > 0:
            return down, across
    return None
