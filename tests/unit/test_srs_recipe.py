"""The recipe: its options, what it declines and why, and the weights it accepts."""

from __future__ import annotations

import hashlib
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest

from pipeline.contract import Declined, Inputs, Runtime
from pipeline.core.errors import ConfigInvalid, WeightsCorrupt
from pipeline.core.study import Study
from pipeline.recipes.srs import PIPELINE
from pipeline.recipes.srs.params import PARAMS
from pipeline.recipes.srs.recipe import check_options
from pipeline.recipes.srs.suitability import why_not
from pipeline.recipes.srs.weights import FOLDER, SLICES, load_networks
from pipeline.weights import checked_bytes, model
from tests.support.heads import ball_study


def volume(n: int, slice_mm: float, pixel_mm: float = 1.0, inside: float = 100.0) -> hd.Volume:
    """A bright disc of 180 mm in every slice."""
    side = int(240 / pixel_mm)
    rows, columns = np.ogrid[:side, :side]
    disc = np.hypot(rows - side / 2, columns - side / 2) * pixel_mm < 90
    array = np.repeat(np.where(disc, inside, 0).astype(np.float32)[None], n, 0)
    return hd.Volume(array, np.diag([slice_mm, pixel_mm, pixel_mm, 1.0]), "PATIENT")


def test_options_have_defaults_and_unknown_ones_are_named():
    assert check_options({})["require_contrast"] is True
    assert check_options({"require_contrast": False})["require_contrast"] is False
    with pytest.raises(ConfigInvalid, match="contrst"):
        check_options({"contrst": False})
    with pytest.raises(ConfigInvalid, match="true or false"):
        check_options({"require_contrast": "no"})


def test_an_unknown_option_of_a_route_is_an_error_not_a_silent_default():
    with pytest.raises(ConfigInvalid, match="bundel"):
        PIPELINE.select(Study("1.2", ()), {"bundel": "x"})


def test_a_study_without_series_is_declined_in_words():
    answer = PIPELINE.select(Study("1.2", ()), {})
    assert isinstance(answer, Declined)
    assert "T1" in answer.reason


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (volume(5, 1.0), "5 slices"),
        (volume(20, 9.0), "9.0 mm apart"),
        (volume(40, 1.0), "covers 40 mm"),
        (volume(30, 5.0, inside=0.0), "same value"),
        (volume(30, 5.0, pixel_mm=0.4), ""),
        (volume(30, 5.0), ""),
    ],
)
def test_a_volume_the_model_was_not_made_for_is_refused_with_its_reason(made: hd.Volume, reason: str):
    said = why_not(made, PARAMS)
    assert reason in said
    assert bool(said) == bool(reason)


def test_something_small_that_is_no_head_is_declined_after_its_pixels_were_seen(tmp_path: Path):
    inputs = PIPELINE.select(ball_study(tmp_path), {})
    assert isinstance(inputs, Inputs)
    answer = PIPELINE.run(inputs, Runtime())
    assert isinstance(answer, Declined)
    assert "a head is at least 90 mm" in answer.reason


def test_weights_that_were_changed_are_refused(tmp_path: Path):
    name = model(FOLDER, SLICES).file
    content = bytearray((FOLDER / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / name).write_bytes(content)
    (tmp_path / "weights.toml").write_text((FOLDER / "weights.toml").read_text())
    with pytest.raises(WeightsCorrupt, match="SHA-256"):
        load_networks("cpu", tmp_path)


def test_missing_weights_are_refused(tmp_path: Path):
    with pytest.raises(WeightsCorrupt, match=r"weights\.toml"):
        checked_bytes(tmp_path / "nowhere", SLICES)
    (tmp_path / "weights.toml").write_text((FOLDER / "weights.toml").read_text())
    with pytest.raises(WeightsCorrupt, match="cannot be read"):
        checked_bytes(tmp_path, SLICES)


def test_the_shipped_weights_are_the_bytes_the_card_names_and_are_small():
    content = checked_bytes(FOLDER, SLICES)
    assert hashlib.sha256(content).hexdigest() in (FOLDER / "README.md").read_text()
    assert len(content) < 10_000_000


def test_a_network_is_loaded_once_per_process():
    assert load_networks("cpu") is load_networks("cpu")


def test_the_recipe_leaves_the_choice_of_device_to_its_runtime():
    assert not [p.name for p in FOLDER.glob("*.py") if "cuda" in p.read_text()]
