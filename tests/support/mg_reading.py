"""One mammogram, described and read, or why not; and files whose header is changed."""

from __future__ import annotations

from typing import Any

from pydicom import dcmread

from pipeline.core.breast import Shortcoming, Unread
from pipeline.core.study import Instance
from pipeline.imaging.header import read_header
from pipeline.imaging.mammogram.image import MgImage, describe
from pipeline.imaging.mammogram.read import MammogramPixels, read_view

WIDE_UM = 250.0


def described(one: Instance) -> MgImage:
    found = describe(one)
    assert isinstance(found, MgImage), found
    return found


def read(one: Instance, spacing_um: float = WIDE_UM) -> MammogramPixels:
    found = read_view(described(one), spacing_um)
    assert isinstance(found, MammogramPixels), found
    return found


def why(one: Instance) -> str:
    """Of an image that is not read, by header or by pixels."""
    found = describe(one)
    made = read_view(found, WIDE_UM) if isinstance(found, MgImage) else found
    return made.why if isinstance(made, Unread) else str(made)


def shortcomings(made: MammogramPixels) -> list[Shortcoming]:
    return [n.shortcoming for n in made.notes]


def edited(one: Instance, **tags: Any) -> Instance:
    ds = dcmread(one.path)
    for keyword, value in tags.items():
        setattr(ds, keyword, value)
    ds.save_as(one.path)
    return read_header(one.path)
