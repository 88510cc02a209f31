"""Women are dealt into folds once: whoever comes or goes, nobody is read by weights that have seen her."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.core.errors import ConfigInvalid
from pipeline.training.mammography.by_woman import models_by_woman
from pipeline.training.mammography.dealing import PAGE, dealing, keep_dealing, keep_learnt, learnt
from pipeline.training.mammography.folds import STAGES
from pipeline.training.mammography.maps import maps_folder
from pipeline.training.mammography.material import Example, examples, folds, looks_folder
from pipeline.training.mammography.stages import Workshop


def women(count: int, collection: str = "mias") -> list[Example]:
    """One image each; every third malignant, every second abnormal."""
    return [
        Example(f"{collection}{k:03d}", collection, f"{collection}-{k:03d}", "s", "R-MLO", k % 2 == 0 or k % 3 == 0,
                k % 3 == 0, (), "", Path())
        for k in range(count)
    ]  # fmt: skip


def weights_made(runs: Path, stages: tuple[str, ...] = STAGES) -> None:
    """As if these detectors had been trained."""
    for stage in stages:
        for name in (*(f"fold{k}" for k in range(5)), "all"):
            path = runs / "mammography" / stage / f"{name}.safetensors"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(f"{stage} {name}".encode())


def trained(runs: Path, given: list[Example]) -> dict[str, int]:
    """A whole training of the detectors on these women."""
    which = keep_dealing(runs, given)
    for stage in STAGES:
        keep_learnt(runs, stage, given, which)
    weights_made(runs)
    return which


def test_the_first_dealing_is_that_of_seed_0(tmp_path: Path) -> None:
    given = women(129)
    assert keep_dealing(tmp_path, given) == folds(given) == json.loads((tmp_path / "mammography" / PAGE).read_text())


def test_nobody_changes_her_fold_when_a_set_comes_or_a_woman_goes(tmp_path: Path) -> None:
    given = women(129)
    before = trained(tmp_path, given)
    more = keep_dealing(tmp_path, [*given, *women(50, "ddsm")])
    assert {w: more[w] for w in before} == before
    sizes = [sum(more[w] == k for w in more if w.startswith("ddsm")) for k in range(5)]
    assert sizes == [10] * 5
    fewer = keep_dealing(tmp_path, given[1:])
    assert {w: fewer[w] for w in before} == before, "she who left is still known to the weights"


def test_new_women_are_dealt_alike_by_what_they_have(tmp_path: Path) -> None:
    which = folds(women(60, "ddsm"), known=trained(tmp_path, women(7)))
    ill = [sum(which[e.patient] == k for e in women(60, "ddsm") if e.malignant) for k in range(5)]
    assert max(ill) - min(ill) <= 1


def test_weights_of_another_dealing_are_refused(tmp_path: Path) -> None:
    trained(tmp_path / "one", women(40))
    keep_dealing(tmp_path / "other", women(41))
    shutil.copytree(tmp_path / "one" / "mammography" / "pairs", tmp_path / "other" / "mammography" / "pairs")
    with pytest.raises(ConfigInvalid, match=r"pairs in .* were made with another dealing") as refused:
        dealing(tmp_path / "other", women(41))
    assert "train them anew" in refused.value.hint


def test_weights_that_nobody_can_tell_the_dealing_of_are_refused(tmp_path: Path) -> None:
    weights_made(tmp_path, ("dense",))
    with pytest.raises(ConfigInvalid, match="nobody wrote down"):
        keep_dealing(tmp_path, women(10))
    assert not (tmp_path / "mammography" / PAGE).exists()


def older_run(runs: Path, given: list[Example]) -> dict[str, int]:
    """Trained and read before dealings were written down."""
    weights_made(runs)
    which = folds(given)
    for example in given:
        place = maps_folder(runs, f"fold{which[example.patient]}") / f"{example.name}.npz"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    return which


def test_a_run_from_before_goes_on_with_the_dealing_that_its_maps_tell(tmp_path: Path) -> None:
    which = older_run(tmp_path, women(30))
    assert dealing(tmp_path, women(30)) == which
    assert not (tmp_path / "mammography" / PAGE).exists(), "reading writes nothing"
    assert keep_dealing(tmp_path, women(30)) == which
    assert learnt(tmp_path, "dense") == which
    more = keep_dealing(tmp_path, [*women(30), *women(20, "ddsm")])
    assert {w: more[w] for w in which} == which


def test_a_run_from_before_with_women_it_has_no_maps_of_is_refused(tmp_path: Path) -> None:
    older_run(tmp_path, women(30))
    with pytest.raises(ConfigInvalid, match="nobody wrote down"):
        dealing(tmp_path, [*women(30), *women(1, "ddsm")])


def test_a_lost_page_is_told_again_by_those_beside_the_weights(tmp_path: Path) -> None:
    before = trained(tmp_path, women(30))
    (tmp_path / "mammography" / PAGE).unlink()
    more = keep_dealing(tmp_path, women(40))
    assert {w: more[w] for w in before} == before


def test_a_spoilt_page_is_refused(tmp_path: Path) -> None:
    trained(tmp_path, women(5))
    (tmp_path / "mammography" / PAGE).write_text('["mias-000"]')
    with pytest.raises(ConfigInvalid, match="cannot be read"):
        dealing(tmp_path, women(5))


def test_weights_that_are_all_there_have_learnt_from_nobody_new(tmp_path: Path) -> None:
    before = trained(tmp_path, women(10))
    more = [*women(10), *women(5, "ddsm")]
    which = keep_dealing(tmp_path, more)
    keep_learnt(tmp_path, "dense", more, which)
    assert learnt(tmp_path, "dense") == before
    (tmp_path / "mammography" / "dense" / "fold1.safetensors").unlink()
    keep_learnt(tmp_path, "dense", more, which)
    assert learnt(tmp_path, "dense") == which


def _looks(runs: Path, given: list[Example]) -> None:
    looks_folder(runs).mkdir(parents=True, exist_ok=True)
    fields = ("name", "collection", "patient", "study", "role", "label", "malignant", "tissue")
    for example in given:
        page = {key: getattr(example, key) for key in fields} | {"lesions": []}
        (looks_folder(runs) / f"{example.name}.plain.json").write_text(json.dumps(page))


def test_stages_and_evaluation_refuse_weights_of_another_dealing(tmp_path: Path) -> None:
    trained(tmp_path, women(40))
    (tmp_path / "mammography" / PAGE).write_text(json.dumps(folds([replace(e, label=True) for e in women(40)])))
    _looks(tmp_path, women(40))
    assert len(examples(tmp_path)) == 40
    workshop = Workshop((), tmp_path, None, lambda *_: None, print)
    for stage in ("dense", "pairs", "specks", "fuse", "judge"):
        with pytest.raises(ConfigInvalid, match="another dealing"):
            workshop.run(stage)
    with pytest.raises(ConfigInvalid, match="another dealing"):
        models_by_woman(tmp_path)
