"""Which Lantern this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from pipeline.core.uid import derive_uid

try:
    VERSION = version("lantern-dicom")
except PackageNotFoundError:  # run from a bare checkout
    VERSION = "0+unknown"

IMPLEMENTATION_CLASS_UID = derive_uid("lantern", "implementation class")
IMPLEMENTATION_VERSION_NAME = "LANTERN"
"""How it names itself in associations, called or calling, and in files (PS3.7 D.3.3.2, PS3.10 7.1)."""
