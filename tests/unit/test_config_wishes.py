"""What one destination is to get, in the words of the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.load import load
from config.settings import Settings
from pipeline.core.errors import ConfigInvalid
from pipeline.core.forms import Holes
from pipeline.core.wishes import CoordinatesWish, FramesWish, ObjectsWish, PageWish, SegmentsWish, Validate, Wishes


def test_what_a_destination_is_to_get_is_wished_in_its_own_words() -> None:
    pacs = {"name": "pacs", "ae_title": "PACS", "host": "192.0.2.1", "port": 104}
    wished = {"segments": "labelmap", "frames": "full", "objects": "lesion", "holes": "xor", "coordinates": "2d"}
    settings = Settings.model_validate(
        {"destination": [{**pacs, **wished, "page": "never", "validate": "block"}, {**pacs, "name": "usual"}]}
    )
    odd, usual = settings.destinations
    assert odd.wishes == Wishes(
        SegmentsWish.LABELMAP, FramesWish.FULL, ObjectsWish.LESION, Holes.XOR, CoordinatesWish.IMAGE,
        PageWish.NEVER, Validate.BLOCK,
    )  # fmt: skip
    assert usual.wishes == Wishes()


def test_a_wish_that_there_is_not_is_said_with_those_that_there_are(tmp_path: Path) -> None:
    file = tmp_path / "lantern.toml"
    file.write_text(
        '[[destination]]\nname = "pacs"\nae_title = "PACS"\nhost = "192.0.2.1"\nport = 104\nsegments = "binari"\n'
    )
    with pytest.raises(ConfigInvalid) as told:
        load(file, {})
    said = str(told.value)
    assert "lantern.toml:6: [[destination]] segments" in said
    assert "'labelmap'" in said
