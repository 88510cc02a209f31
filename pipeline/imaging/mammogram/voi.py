"""Which of the transformations that a header offers is the one that is displayed (PS3.3 C.11.2)."""

from __future__ import annotations

import math
from typing import Any

from pydicom import Dataset

from pipeline.imaging.values import MALFORMED

FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
"""VOI LUT Function; whatever else stands there is read as LINEAR."""

_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")


def flat(ds: Dataset) -> Dataset:
    """Multi-frame objects say it in functional groups (PS3.3 C.7.6.16.2.9, C.7.6.16.2.10): those of the first frame,
    beside what the header says itself. Changes `ds`, and gives it back."""
    for groups in _GROUPS:
        for keyword in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
            for item in (ds.get(groups) or [Dataset()])[0].get(keyword) or []:
                ds.update({e.tag: e for e in item if e.tag not in ds})
    return ds


def table_index(ds: Dataset) -> int | None:
    """Of the item of the VOI LUT Sequence that is called NORMAL, else 0; None where there is no table."""
    items = ds.get("VOILUTSequence")
    if not items:
        return None
    names = [str(i.get("LUTExplanation") or "").upper() for i in items]
    return names.index("NORMAL") if "NORMAL" in names else 0


def window(ds: Dataset) -> tuple[float, float, str] | None:
    """Center, width and function of the first window; None where there is none that can be used."""
    center, width = (_first(ds.get(k)) for k in ("WindowCenter", "WindowWidth"))
    said = str(ds.get("VOILUTFunction") or "LINEAR").upper()
    function = said if said in FUNCTIONS else "LINEAR"
    if center is None or width is None or (width < 1 and function == "LINEAR") or width <= 0:
        return None
    return center, width, function


def _first(value: Any) -> float | None:
    """Of several windows the first: it is the one that the maker means to be seen."""
    try:
        items = list(value) if not isinstance(value, str | int | float) and value is not None else [value]
        number = float(items[0]) if items and items[0] not in (None, "") else math.nan
        return number if math.isfinite(number) else None
    except MALFORMED:
        return None
