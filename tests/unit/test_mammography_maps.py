"""Maps of the detectors of folds are made beside the other breast; and no woman is in two folds under two names."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import ConfigInvalid
from pipeline.recipes.mammography.looks import Look
from pipeline.training.mammography import maps
from pipeline.training.mammography.folds import STAGES
from pipeline.training.mammography.maps import load_maps, maps_folder, seen_by_folds
from pipeline.training.mammography.material import PAIRS, examples, looks_folder, make_looks
from tests.support.detectors import Bright, Heat, bright_models, brightest
from tests.support.women import read_women, said


class TellsTheOther(Bright):
    """A dense model that says everywhere whether it was given the other breast."""

    def heat_of(self, look: Look, other: Look | None, partner: object) -> Heat:
        return np.full_like(np.stack([brightest(look)] * 2), 1.0 if other is not None else 0.0)


@pytest.fixture(scope="module")
def women(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return read_women(tmp_path_factory.mktemp("women"))


@pytest.fixture
def runs(women: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Looks of three women, and detectors of one fold."""
    models = replace(bright_models(), dense=TellsTheOther())  # type: ignore[arg-type]
    monkeypatch.setattr(maps, "models_of", lambda *_given, **_more: models)
    for stage in STAGES:
        place = tmp_path / "mammography" / stage / "fold0.safetensors"
        place.parent.mkdir(parents=True)
        place.write_bytes(stage.encode())
    looks_folder(tmp_path).symlink_to(looks_folder(women))
    return tmp_path


@pytest.mark.parametrize("lost", [("a1",), ("a2",), ("a1", "a2", "b2"), ()])
def test_maps_that_were_stopped_between_two_images_go_on_beside_the_other_breast(runs: Path, lost: tuple[str, ...]):
    given = examples(runs)
    which = {e.patient: 0 for e in given}
    seen_by_folds(given, which, runs, said)
    folder = maps_folder(runs, "fold0")
    for name in lost:
        (folder / f"{name}.npz").unlink()
    seen_by_folds(given, which, runs, said)
    beside = {e.name: bool(load_maps(folder / f"{e.name}.npz").dense.max()) for e in given}
    assert beside == {"a1": True, "a2": True, "b1": True, "b2": True, "c1": False}


@pytest.mark.parametrize("kept", [False, True])
def test_ddsm_and_cbis_ddsm_are_not_learnt_from_together(tmp_path: Path, kept: bool):
    """kept: the looks of the one are there already, when the other is asked for."""
    looks_folder(tmp_path).mkdir(parents=True)
    sets = [("cbis", tmp_path / "cbis")]
    if kept:
        page = {"name": "A_1001_1.LEFT_CC", "collection": "ddsm"}
        (looks_folder(tmp_path) / "A_1001_1.LEFT_CC.plain.json").write_text(json.dumps(page))
        (looks_folder(tmp_path) / PAIRS).write_text("{}")
    else:
        sets.append(("ddsm", tmp_path / "ddsm"))
    with pytest.raises(ConfigInvalid, match="the same women under two names"):
        make_looks(sets, tmp_path, said)


def test_looks_of_both_that_are_there_already_are_refused_too(women: Path, tmp_path: Path):
    looks_folder(tmp_path).mkdir(parents=True)
    for page in looks_folder(women).glob("?1.plain.json"):
        one = "cbis" if page.name.startswith("a") else "ddsm"
        content = json.loads(page.read_text()) | {"collection": one}
        (looks_folder(tmp_path) / page.name).write_text(json.dumps(content))
    with pytest.raises(ConfigInvalid, match="the same women under two names"):
        examples(tmp_path)
