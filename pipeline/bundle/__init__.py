"""A user's own model: a folder with lantern.toml, and a TorchScript file or a MONAI bundle beside it."""

from pipeline.bundle.bundle import Bundle, Heat, load_bundle
from pipeline.bundle.card import MAMMOGRAM, T1C, Card, checked_bytes, describe
from pipeline.bundle.keys import MANIFEST

__all__ = ["MAMMOGRAM", "MANIFEST", "T1C", "Bundle", "Card", "Heat", "checked_bytes", "describe", "load_bundle"]
