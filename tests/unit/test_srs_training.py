"""The training: batches that repeat, a run that goes on where it stopped, and what it ships."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from pipeline.core.errors import ConfigInvalid
from pipeline.phantom import t1c_phantom
from pipeline.recipes.srs.network import normalise, without_aliases
from pipeline.recipes.srs.weights import SLICES
from pipeline.training import bare_heads, volumes
from pipeline.training.__main__ import WRONG, main
from pipeline.training.config import Config, read_plan
from pipeline.training.export import Evidence, export_network, write_card
from pipeline.training.samples import SPECK_PX, Source, _weights
from pipeline.training.train import train
from pipeline.training.volumes import GREY_PER_UNIT, Head
from pipeline.weights import checked_bytes, data, model

SHIPPED = Path(__file__).parents[2] / "pipeline" / "training" / "srs.toml"


@pytest.fixture(scope="module")
def config() -> Config:
    small = {"steps": 3, "batch": 2, "crop": 32, "validate_every": 100, "checkpoint_every": 1, "warmup_steps": 1}
    return replace(read_plan(SHIPPED).slices, threads=1, share_slices=0.0, **small)


@pytest.fixture(scope="module")
def source(config: Config) -> Source:
    made = t1c_phantom(31, shape=(40, 96, 96), spacing_mm=(4.0, 2.5, 2.5), diameters_mm=(20.0, 30.0))
    stored = ((normalise(made.image.array.astype(np.float32)) + 1) * GREY_PER_UNIT).astype(np.uint8)
    centres = tuple(tuple(np.argwhere(made.truth.array == lesion.number).mean(0)) for lesion in made.lesions)
    return Source({"labelmap": [Head(stored, made.truth.array.astype(np.uint8), centres, "one")]}, [], config)


def test_the_shipped_configuration_is_complete_and_keeps_validation_anatomies_apart():
    plan = read_plan(SHIPPED)
    for config in (plan.slices, plan.volume, plan.hard, plan.again, plan.scan, plan.thick):
        assert not set(config.training_anatomies) & set(config.validation_anatomies)
    assert plan.thick.batch == plan.slices.batch
    assert plan.scan.side == plan.volume.side
    assert plan.hard.share_scans == plan.again.share_scans == 0  # tier T1 is measured with it on the scan
    assert len({patient for fold in plan.folds for patient in fold}) == sum(len(fold) for fold in plan.folds)


def test_a_wrong_configuration_names_every_missing_and_unknown_key(tmp_path: Path):
    wrong = SHIPPED.read_text().replace("batch =", "bach =")
    (tmp_path / "wrong.toml").write_text(wrong)
    with pytest.raises(ConfigInvalid, match=r"missing: batch; unknown: bach"):
        read_plan(tmp_path / "wrong.toml")


def test_a_batch_depends_on_its_number_alone(source: Source):
    first, again, other = source.batch(4), source.batch(4), source.batch(5)
    assert torch.equal(first.image, again.image)
    assert torch.equal(first.mask, again.mask)
    assert not torch.equal(first.image, other.image)


def test_batches_are_normalised_and_show_lesions(source: Source):
    batches = [source.batch(i) for i in range(30)]
    assert all(float(b.image.min()) >= -1 and float(b.image.max()) <= 4 for b in batches)
    assert sum(float(b.mask.sum()) for b in batches) > 100
    assert {float(v) for b in batches for v in b.mask.unique()} <= {0.0, 1.0}


def test_image_and_mask_are_warped_alike(source: Source):
    bright, all_of_it = [], []
    for batch in (source.batch(i) for i in range(12)):
        inside = batch.mask[:, 0] > 0
        bright += batch.image[:, 2][inside].tolist()
        all_of_it += batch.image[:, 2].flatten().tolist()
    assert np.median(bright) > np.median(all_of_it) + 0.5


def test_a_speck_on_a_lone_slice_is_neither_lesion_nor_background():
    mask = np.zeros((32, 32), np.float32)
    mask[4:7, 4:7] = 1
    assert SPECK_PX > 9
    mask[15:25, 15:25] = 1
    lone, with_neighbours = np.zeros((5, 32, 32), np.float32), np.zeros((5, 32, 32), np.float32)
    with_neighbours[4] = 1
    assert _weights(lone, mask)[5, 5] == 0
    assert _weights(with_neighbours, mask)[5, 5] > _weights(with_neighbours, mask)[20, 20] >= 1
    assert _weights(lone, mask)[0, 0] == 1


def test_a_run_that_was_stopped_ends_like_one_that_was_not(source: Source, config: Config, tmp_path: Path):
    def weights(folder: Path) -> dict[str, torch.Tensor]:
        return torch.load(folder / "checkpoint.pt", weights_only=True)["averaged"]

    def tell(step: int, loss: float, figures: dict[str, float] | None) -> None:
        if step == 2 and stop:
            raise KeyboardInterrupt

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    stop = False
    train(config, source, source, whole, tell)
    stop = True
    with pytest.raises(KeyboardInterrupt):
        train(config, source, source, parts, tell)
    stop = False
    train(config, source, source, parts, tell)
    before, after = weights(whole), weights(parts)
    assert all(torch.allclose(before[k].float(), after[k].float(), atol=1e-6) for k in before)


def test_what_is_exported_is_what_was_trained(source: Source, config: Config, tmp_path: Path):
    checkpoint = train(replace(config, steps=1), source, source, tmp_path, lambda *_: None)
    digest = export_network(SLICES, checkpoint, tmp_path)
    assert model(tmp_path, SLICES).sha256 == digest
    assert set(model(tmp_path, SLICES).data) == {d.name for d in data(tmp_path)}
    shipped = safetensors.torch.load(checked_bytes(tmp_path, SLICES))
    kept = torch.load(checkpoint, weights_only=True)["averaged"]
    assert shipped.keys() == without_aliases(kept).keys()
    assert all(torch.equal(value, kept[name]) for name, value in shipped.items())


def test_a_card_is_written_anew_between_its_marks_and_left_alone_around_them(tmp_path: Path):
    card = tmp_path / "README.md"
    write_card(card, "one model", Evidence("T0", "first table"))
    card.write_text("# Mine\n" + card.read_text() + "\nmore of mine\n")
    write_card(card, "one model", Evidence("T0", "second table"))
    text = card.read_text()
    assert text.startswith("# Mine\n")
    assert text.endswith("more of mine\n")
    assert "second table" in text
    assert "first table" not in text


@pytest.mark.parametrize("stage", ["slices", "volume"])
def test_the_scans_that_tier_t1_reads_are_in_no_head_of_the_training(stage: str, monkeypatch: pytest.MonkeyPatch):
    opened: list[str] = []

    class Opened(Exception):
        pass

    def note(path: Path) -> None:
        opened.append(path.parent.name)
        raise Opened

    rooms = {"slices": (volumes, volumes._make), "volume": (bare_heads, bare_heads._make)}
    room, make = rooms[stage]
    monkeypatch.setattr(room, "load_canonical", note)
    for number in range(12):
        with pytest.raises(Opened):
            make(getattr(read_plan(SHIPPED), stage), Path("data"), "real", number)
    assert set(opened) == {"icbm152_2009a"}


@pytest.mark.parametrize("wrong", [["--config", "nowhere.toml"], ["--data", "nowhere"]])
def test_what_is_not_there_is_said_in_words(wrong: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(["srs", *wrong]) == WRONG
    said = capsys.readouterr().err
    assert "nowhere" in said
    assert "Traceback" not in said
