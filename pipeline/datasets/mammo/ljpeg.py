"""DDSM's LJPEG files: bare streams of lossless JPEG (ISO 10918-1, SOF3), as any predictor and up to 16 bits.

GDCM decodes them, once they stand in a DICOM data set.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import pixel_array
from pydicom.uid import UID, JPEGLossless

from pipeline.core.errors import PixelsUnreadable
from pipeline.datasets.mammo.case import Picture
from pipeline.imaging.values import MALFORMED

_LOSSLESS = 0xC3
_NOT_DECODED: tuple[type[Exception], ...] = (*MALFORMED, RuntimeError)


def read_ljpeg(path: Path) -> Picture:
    """(rows, columns) uint16 as the stream has them; some of DDSM's say rows and columns the wrong way round.

    Raises PixelsUnreadable.
    """
    try:
        stream = path.read_bytes()
        precision, rows, columns = _frame(stream)
        return np.asarray(pixel_array(_as_dicom(stream, precision, rows, columns)), np.uint16)
    except _NOT_DECODED as error:
        raise PixelsUnreadable(
            f"{path.name} is no whole lossless JPEG stream ({type(error).__name__})", "fetch the file again from DDSM"
        ) from error


def _frame(stream: bytes) -> tuple[int, int, int]:
    """Precision, rows, columns from the frame header (ISO 10918-1 B.2.2). Raises ValueError."""
    if stream[:2] != b"\xff\xd8":
        raise ValueError("no start of image")
    at = 2
    while at + 9 < len(stream):
        marker, length = stream[at + 1], int.from_bytes(stream[at + 2 : at + 4], "big")
        if stream[at] != 0xFF:
            raise ValueError("no marker")
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker == _LOSSLESS:
            size = stream[at + 5 : at + 9]
            return stream[at + 4], int.from_bytes(size[:2], "big"), int.from_bytes(size[2:], "big")
        at += 2 + length
    raise ValueError("no lossless frame")


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
