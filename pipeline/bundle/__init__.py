"""A user's own model: a folder with lantern.toml, and a TorchScript file or a MONAI bundle beside it."""

from pipeline.bundle.bundle import Bundle, load_bundle
from pipeline.bundle.card import MANIFEST, Card, checked_bytes, describe

__all__ = ["MANIFEST", "Bundle", "Card", "checked_bytes", "describe", "load_bundle"]
