"""DDSM's LJPEG files: bare streams of lossless JPEG (ISO 10918-1, SOF3), of any predictor and up to 16 bits.

GDCM decodes them, once they stand in a DICOM data set. The program that DDSM was compressed with (PVRG, Stanford)
has a way of its own with the first line: the standard predicts all of it from the left (H.1.2.1), PVRG uses the
predictor of the scan on it, with a line of half the range above. For predictors 1, 4 and 5 that is the same.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import pixel_array
from pydicom.uid import UID, JPEGLossless

from pipeline.core.errors import PixelsUnreadable
from pipeline.datasets.mammo.case import Picture
from pipeline.imaging.values import MALFORMED

_LOSSLESS, _SCAN = 0xC3, 0xDA
_NOT_DECODED: tuple[type[Exception], ...] = (*MALFORMED, RuntimeError)
_DIFFERENT = (2, 3, 6, 7)
_MODULO = 0xFFFF

Numbers = NDArray[np.int64]


def read_ljpeg(path: Path) -> Picture:
    """(rows, columns) uint16 as the stream has them; some of DDSM's say rows and columns the wrong way round.

    Where standard and PVRG differ, what is smoother is taken: the other way makes noise of the whole picture.
    Raises PixelsUnreadable.
    """
    try:
        stream = path.read_bytes()
        precision, rows, columns, predictor = _headers(stream)
        pixels = np.asarray(pixel_array(_as_dicom(stream, precision, rows, columns)), np.uint16)
    except _NOT_DECODED as error:
        raise PixelsUnreadable(
            f"{path.name} is no whole lossless JPEG stream ({type(error).__name__})", "fetch the file again from DDSM"
        ) from error
    if predictor not in _DIFFERENT:
        return pixels
    return min(pixels, as_pvrg(pixels, predictor, precision), key=_roughness)


def as_pvrg(pixels: Picture, predictor: int, precision: int) -> Picture:
    """What PVRG would have decoded where a decoder by the standard made `pixels`."""
    values = pixels.astype(np.int64)
    half = 2 ** (precision - 1)
    left = np.concatenate([[half], values[0, :-1]])
    steps = np.empty_like(values)
    steps[0] = values[0] - left
    steps[1:, 0] = values[1:, 0] - values[:-1, 0]
    steps[1:, 1:] = values[1:, 1:] - _predicted(predictor, values[1:, :-1], values[:-1, 1:], values[:-1, :-1])
    return _rebuilt(steps & _MODULO, predictor, half)


def _rebuilt(steps: Numbers, predictor: int, half: int) -> Picture:
    """Along diagonals: each value needs those to the left and above, which lie on the two diagonals before."""
    rows, columns = steps.shape
    made = np.full((rows + 1, columns + 1), half, np.int64)
    for diagonal in range(rows + columns - 1):
        r = np.arange(max(0, diagonal - columns + 1), min(rows, diagonal + 1))
        c = diagonal - r
        guess = _predicted(predictor, made[r + 1, c], made[r, c + 1], made[r, c])
        guess = np.where(c == 0, made[r, c + 1], guess)  # from above; of the first line, half the range
        made[r + 1, c + 1] = (guess + steps[r, c]) & _MODULO
    return made[1:, 1:].astype(np.uint16)


def _predicted(predictor: int, left: Numbers, above: Numbers, corner: Numbers) -> Numbers:
    """ISO 10918-1, table H.1, for those of _DIFFERENT."""
    match predictor:
        case 2:
            return above
        case 3:
            return corner
        case 6:
            return above + ((left - corner) >> 1)
    return (left + above) >> 1


def _roughness(pixels: Picture) -> float:
    """Mean step from a pixel to its right neighbour, on some lines."""
    lines = pixels[:: max(1, pixels.shape[0] // 64)].astype(np.int64)
    return float(np.abs(np.diff(lines, axis=1)).mean()) if lines.shape[1] > 1 else 0.0


def _headers(stream: bytes) -> tuple[int, int, int, int]:
    """Precision, rows, columns, predictor (ISO 10918-1 B.2.2, B.2.3). Raises ValueError."""
    if stream[:2] != b"\xff\xd8":
        raise ValueError("no start of image")
    at, frame = 2, (0, 0, 0)
    while at + 9 < len(stream) and stream[at] == 0xFF:
        marker, length = stream[at + 1], int.from_bytes(stream[at + 2 : at + 4], "big")
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker == _LOSSLESS:
            size = stream[at + 5 : at + 9]
            frame = stream[at + 4], int.from_bytes(size[:2], "big"), int.from_bytes(size[2:], "big")
        if marker == _SCAN and frame[0]:
            return *frame, stream[at + 5 + 2 * stream[at + 4]]
        at += 2 + length
    raise ValueError("no lossless frame, or no scan")


def _as_dicom(stream: bytes, precision: int, rows: int, columns: int) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(JPEGLossless)
    ds.Rows, ds.Columns, ds.SamplesPerPixel = rows, columns, 1
    ds.PhotometricInterpretation, ds.PixelRepresentation = "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = (8 if precision <= 8 else 16), precision, precision - 1
    ds.PixelData = encapsulate([stream])
    ds["PixelData"].VR = "OB"
    return ds
