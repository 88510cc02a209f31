"""Which Lantern this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("lantern-dicom")
except PackageNotFoundError:  # run from a bare checkout
    VERSION = "0+unknown"
