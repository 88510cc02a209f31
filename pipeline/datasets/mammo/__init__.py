"""Data sets of mammograms, each image with what is true of it: `cases("mias", folder)`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from pipeline.core.errors import HeaderUnusable
from pipeline.datasets.mammo.case import Case, Collection, Drawn, Finding, Pathology

__all__ = ["Case", "Collection", "Drawn", "Finding", "Pathology", "cases"]


def cases(collection: Collection | str, folder: Path) -> Iterator[Case]:
    """The images of a data set that are in a folder, one at a time, in a fixed order; pixels are read on demand.

    Raises HeaderUnusable when the folder is not that data set.
    """
    if not folder.is_dir():
        raise HeaderUnusable(f"{folder} is no folder", "give the folder that holds the data set")
    reader = import_module(f"{__name__}.{Collection(collection).value}")
    found: Iterator[Case] = reader.cases(folder)
    try:
        yield from found
    except (ValueError, KeyError, OSError) as error:
        of = Collection(collection).words
        what = f"a table or file of {of} is not as documented ({type(error).__name__}: {error})"
        raise HeaderUnusable(what, "fetch it again from the data set") from error
