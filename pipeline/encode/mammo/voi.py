"""How an image is displayed, as a presentation state may say it: one table or one window (PS3.3 C.11.8)."""

from __future__ import annotations

from typing import Any

import highdicom as hd
import numpy as np
from pydicom import Dataset

from pipeline.imaging.mammogram.voi import flat, table_index, window
from pipeline.imaging.values import MALFORMED


def displayed(header: Dataset) -> tuple[Any, ...] | None:
    """The one transformation that the image was looked at with: its table NORMAL or first, else its first window.

    A presentation state holds "no more than one VOI LUT Sequence containing a single Item or one pair of Window Center
    and Window Width", and images often hold several. None where there is none that can be used.
    """
    ds = flat(_copy(header))
    index = table_index(ds)
    if index is not None:
        try:
            return (hd.pr.SoftcopyVOILUTTransformation(voi_luts=[_of_16_bits(ds.VOILUTSequence[index])]),)
        except MALFORMED:
            pass  # as `imaging.mammogram.values`: a table that cannot be used leaves the window
    found = window(ds)
    if found is None:
        return None
    center, width, function = found
    return (hd.pr.SoftcopyVOILUTTransformation(center, width, voi_lut_function=function),)


def _copy(header: Dataset) -> Dataset:
    """`flat` writes into what it is given."""
    made = Dataset()
    made.update({e.tag: e for e in header})
    return made


def _of_16_bits(table: Dataset) -> Any:
    """A VOI LUT of the same shape with values of 16 bits: presentation states know 8 and 16 alone (PS3.3 C.11.8), and
    what was white in 12 bits has to stay white; some claim more bits than they use."""
    count, first, claimed = (int(v) for v in table.LUTDescriptor)
    data = table.LUTData
    if isinstance(data, bytes):
        values = np.frombuffer(data, np.uint8 if len(data) == (count or 65536) else np.dtype("<u2"))
    else:
        values = np.asarray(data, np.int64)
    bits = min(claimed, int(values.max()).bit_length()) or claimed
    stretched = np.rint(values * (65535 / (2**bits - 1))).astype(np.uint16)
    made = hd.VOILUT(0, stretched, lut_explanation=str(table.get("LUTExplanation") or "")[:64] or None)
    length = made.LUTDescriptor[0]
    signed = first < 0  # highdicom knows none; the length is unsigned however it is written (PS3.3 C.11.2.1.1)
    made.LUTDescriptor = [length - 65536 if signed and length >= 32768 else length, first, 16]
    made["LUTDescriptor"].VR = "SS" if signed else "US"
    return made
