"""The training of the recipe `mammography` from its command line, on made-up looks and maps of stand-ins."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline import weights
from pipeline.core.errors import NotFound
from pipeline.radiomics.classifier import Classifier
from pipeline.recipes.mammography.fuse import Fusion
from pipeline.recipes.mammography.weights import FALSE_POSITIVES, FOLDER, FUSION
from pipeline.training.__main__ import DONE, WRONG, main
from pipeline.training.export import BEGIN, END
from pipeline.training.mammography.folds import fold_names, trained_file
from pipeline.training.mammography.maps import keep_maps, load_maps, maps_folder
from pipeline.training.mammography.material import examples, folds
from tests.support.looks import WOMEN, written_looks

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Looks of a few women, and maps as if the detectors had been asked."""
    folder = tmp_path_factory.mktemp("runs")
    written_looks(folder)
    return folder


@pytest.fixture(scope="module")
def shipped(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("recipe")
    stages = ["--stage", "fuse", "--stage", "judge"]
    assert main(["mammography", "--runs", str(runs), "--out", str(out), *stages]) == DONE
    return out


def test_every_fold_has_constants_and_a_step_of_its_own(runs: Path, shipped: Path):
    names = fold_names(folds(examples(runs)))
    assert len(names) == 5
    constants = {Fusion.from_json(trained_file(runs, "fuse", n).read_bytes()).to_json() for n in (*names, "all")}
    assert len(constants) == 6
    steps = [Classifier.from_json(trained_file(runs, "judge", n).read_bytes()) for n in (*names, "all")]
    assert len({s.training_sha256 for s in steps}) == 6
    assert len({s.threshold for s in steps}) == 1
    assert shipped.is_dir()


def test_what_ships_is_what_was_made_on_all(runs: Path, shipped: Path):
    for name, stage in ((FUSION, "fuse"), (FALSE_POSITIVES, "judge")):
        assert weights.checked_bytes(shipped, name) == trained_file(runs, stage, "all").read_bytes()
    assert f"mini-MIAS, {WOMEN} women" in {d.name for d in weights.data(shipped)}


def test_the_card_and_every_result_tell_the_figures(runs: Path, shipped: Path):
    shutil.copy(FOLDER / "trunk.safetensors", shipped)
    (shipped / "README.md").write_text(f"before\n{BEGIN}\noutdated\n{END}\nafter\n")
    assert main(["mammography", "--runs", str(runs), "--out", str(shipped), "--stage", "report"]) == DONE
    found = json.loads((runs / "mammography" / "fuse" / "figures.json").read_text())
    card, tier = (shipped / "README.md").read_text(), weights.manifest(shipped)["evidence_tier"]
    assert card.startswith("before")
    assert card.endswith("after\n")
    assert "outdated" not in card
    assert all(model.sha256 in card for model in weights.models(shipped))
    assert tier in card
    for said in (card, tier):
        assert f"{found['sensitivity']['1']['value']:.2f}" in said
        assert f"{found['malignant']['auc']:.2f}" in said


def test_the_step_loses_at_most_two_in_a_hundred_lesions_and_adds_nothing(runs: Path, shipped: Path):
    removed = json.loads((runs / "mammography" / "judge" / "removed.json").read_text())
    for row in removed.values():
        before, after = row["lesions"]
        assert before - after <= max(1, 0.02 * WOMEN)
        assert row["false_per_image"][1] <= row["false_per_image"][0]
    assert shipped.is_dir()


def test_maps_are_kept_exactly(runs: Path, tmp_path: Path):
    maps = load_maps(next(iter(sorted((runs / "mammography" / "maps").rglob("*.npz")))))
    keep_maps(tmp_path / "again.npz", maps)
    again = load_maps(tmp_path / "again.npz")
    assert np.array_equal(maps.dense, again.dense)
    assert np.array_equal(maps.specks, again.specks)


def test_maps_of_detectors_that_were_trained_anew_lie_apart(runs: Path, tmp_path: Path):
    shutil.copytree(runs / "mammography" / "dense", tmp_path / "mammography" / "dense")
    for stage in ("pairs", "specks"):
        shutil.copytree(runs / "mammography" / stage, tmp_path / "mammography" / stage)
    before = maps_folder(tmp_path, "fold1")
    assert before.name == maps_folder(runs, "fold1").name
    (tmp_path / "mammography" / "pairs" / "fold1.safetensors").write_bytes(b"other")
    assert maps_folder(tmp_path, "fold1") != before
    assert maps_folder(tmp_path, "fold2").name == maps_folder(runs, "fold2").name


def test_a_stage_whose_forerunner_is_missing_says_which(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["mammography", "--runs", str(tmp_path), "--stage", "judge", "--no-ship"]) == WRONG
    assert "run the stage looks first" in capsys.readouterr().err
    with pytest.raises(NotFound, match="pairs has not made fold3"):
        trained_file(tmp_path, "pairs", "fold3")
    assert main(["mammography", "--runs", str(tmp_path), "--out", str(tmp_path), "--stage", "report"]) == WRONG


@pytest.mark.parametrize("wrong", [["--set", "mias"], ["--set", "other=there"], ["--stage", "thick"]])
def test_what_cannot_be_asked_for_is_refused_before_anything_runs(wrong: list[str]):
    with pytest.raises(SystemExit) as refused:
        main(["mammography", *wrong])
    assert refused.value.code == 2


def test_both_recipes_are_named_by_the_help(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert "pipeline.training srs" in said
    assert "pipeline.training mammography" in said
