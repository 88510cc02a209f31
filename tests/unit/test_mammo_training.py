"""How the dense model of the mammography recipe is trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.marks import Kind
from pipeline.recipes.mammography.cells import TEXTURE, width
from pipeline.recipes.mammography.dense import DenseHeads
from pipeline.recipes.mammography.looks import CELL
from pipeline.recipes.mammography.trunk import trunk_state
from pipeline.training.mammography import dense
from pipeline.training.mammography.dense import Member, dense_file, fit, heats, standardised, table, train_dense
from pipeline.training.mammography.material import Example, Lesion, Reading, examples, folds
from pipeline.training.mammography.rows import Rows, owners, rows_of
from tests.support.women import read_women, said


@pytest.fixture
def few_groups(monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Little to describe cells by: what is tested is how it is learnt from."""
    groups = ("c8", TEXTURE)
    monkeypatch.setattr(dense, "GROUPS", groups)
    monkeypatch.setattr(dense, "MEMBERS", (Member(groups, 0.2), Member(("c8",), 0.2)))
    return groups


def rows(features: np.ndarray, lesion: np.ndarray, malignant: tuple[bool, ...]) -> Rows:
    kinds = tuple(Kind.MASS for _ in malignant)
    return Rows(features.astype(np.float16), lesion, np.ones(len(lesion)), malignant, kinds)


def planted(count: int, groups: tuple[str, ...]) -> Rows:
    """Lesions are high in feature 2; of two lesions the malignant one is high in feature 5 too. A gap in feature 7."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(count, 2 * sum(map(width, groups))))
    lesion = rng.choice([-1, 0, 1], count)
    features[:, 2] += 3 * (lesion >= 0)
    features[:, 5] += 3 * (lesion == 1)
    features[::2, 7] = np.nan
    return rows(features, lesion, (False, True))


def test_the_fit_finds_what_tells_lesions_and_what_tells_malignant_ones(few_groups: tuple[str, ...]) -> None:
    given = standardised(table([planted(2000, few_groups)]))
    weights, _ = fit(given, (Member(few_groups, 0.2), Member(("c8",), 0.2)))
    assert int(weights[0].abs().argmax()) == 2
    assert int(weights[1].abs().argmax()) == 5
    assert weights[1, 5] > 0
    assert torch.isfinite(weights).all()


def test_a_member_uses_its_own_groups_alone(few_groups: tuple[str, ...]) -> None:
    given = standardised(table([planted(500, few_groups)]))
    weights, _ = fit(given, (Member(("c8",), 0.2),))
    once = len(weights[0]) // 2
    assert weights[0, :40].abs().min() > 0
    assert not weights[:, 40:once].any()
    assert not weights[:, once + 40 :].any()


def test_what_is_not_a_number_counts_as_the_mean(few_groups: tuple[str, ...]) -> None:
    given = standardised(table([planted(500, few_groups)]))
    assert not given.features[::2, 7].any()
    assert float(given.features[1::2, 7].std()) == pytest.approx(1, abs=0.1)


def test_lesions_and_the_rest_weigh_as_much_whatever_their_number(few_groups: tuple[str, ...]) -> None:
    given = planted(900, few_groups)
    weight = standardised(table([given])).weight
    for which, positive in enumerate((given.lesion >= 0, given.lesion == 1)):
        ours, theirs = (float(weight[cells, which].sum()) for cells in (positive, ~positive))
        assert ours == pytest.approx(0.5 * theirs, rel=1e-4)


def test_cells_of_the_rim_of_a_lesion_are_neither_hers_nor_normal() -> None:
    lesion = Lesion(10.5 * CELL, 8.5 * CELL, 2.0 * CELL, Kind.MASS, True, True)
    example = Example("x", "mias", "p", "s", "R-MLO", True, True, (lesion,), "", Path())
    owner = owners(example, (20, 22))
    assert owner[8, 10] == 0
    assert owner[8, 12] == owner[8, 13] == -2
    assert owner[8, 14] == -1
    tissue, features = np.ones((20, 22), np.float32), np.zeros((3, 20, 22), np.float32)
    features[0] = owner
    found = rows_of(example, tissue, features)
    assert found is not None
    assert np.array_equal(found.features[:, 0], found.lesion)
    assert set(found.lesion) == {0, -1}
    assert rows_of(replace(example, lesions=(replace(lesion, placed=False),)), tissue, features) is None


def test_every_fold_s_model_answers_like_the_product_does(tmp_path: Path, few_groups: tuple[str, ...]) -> None:
    runs = read_women(tmp_path)
    given = [*examples(runs), *examples(runs, Reading.CHANGED)]
    which = folds(given, count=3)
    train_dense(given, which, runs, said)
    written = {f: dense_file(runs, f).read_bytes() for f in (0, 1, 2, None)}
    assert written[which["mias-c"]] == written[None]  # nobody said where the finding on her only image is
    assert len(set(written.values())) == 3
    train_dense(given, which, runs, said)
    assert {f: dense_file(runs, f).read_bytes() for f in (0, 1, 2, None)} == written
    looks = {e.name: e for e in examples(runs)}
    one = looks["a1"]
    heads = DenseHeads.load(written[which[one.patient]], trunk_state(dense.TRUNK.read_bytes()))
    assert heads.linear.groups == few_groups
    kept = next(h for e, h in zip(given, heats(given, which, runs), strict=True) if e is one or e.name == "a1")
    asked = heads.heat(one.look(), looks["a2"].look(), one.affine)
    there = np.isfinite(asked[0])
    assert np.array_equal(np.isfinite(kept[0]), there)
    assert np.abs(asked[:, there] - kept[:, there]).max() < 0.05
