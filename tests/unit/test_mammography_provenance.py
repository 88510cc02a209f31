"""What is said of the training comes from what was trained on, whatever that was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline import weights
from pipeline.core.errors import WeightsCorrupt
from pipeline.evaluation.mammography.shipped import subject
from pipeline.recipes.mammography.weights import FOLDER, FUSION, WOMEN, seen_women
from pipeline.training.mammography.material import Example
from pipeline.training.mammography.provenance import entries, licence, training
from pipeline.training.mammography.ship import evidence_tier, export


def images(collection: str, women: int, views: tuple[str, ...] = ("MLO",)) -> list[Example]:
    """Both breasts of so many women, in these views."""
    return [
        Example(f"{collection}{k}{side}{view}", collection, f"{collection}-{collection}{k:03d}", str(k),
                f"{side}-{view}", False, False, (), "", Path())
        for k in range(women) for side in "RL" for view in views
    ]  # fmt: skip


ROW = {"auc": 0.9, "value": 0.7, "lesions": 50, "ci95": [0.8, 0.95]}
FOUND = {"abnormal": ROW, "malignant": ROW, "sensitivity": {"1": ROW}}


def test_of_mini_mias_the_shipped_words_stay() -> None:
    given, about = images("mias", 129), weights.manifest(FOLDER)
    assert training(given) == about["training"]
    assert entries(given)[0] in weights.data(FOLDER)
    head, tail = about["evidence_tier"].partition(": area")[0], about["evidence_tier"].rpartition("; ")[2]
    assert evidence_tier(FOUND, given).startswith(f"{head}: area")
    assert evidence_tier(FOUND, given).endswith(f"; {tail}")


def test_the_licence_of_shipped_weights_says_what_the_films_that_they_learnt_from_are_for() -> None:
    said = licence(images("mias", 129))
    assert said == "Apache-2.0; learnt from mini-MIAS films, which are for research purposes only"
    for model in weights.models(FOLDER):
        seen = any(d.startswith("mini-MIAS") for d in model.data)
        assert model.licence == (said if seen else "Apache-2.0"), model.name


def test_the_licence_is_no_part_of_the_weights_fingerprint(tmp_path: Path) -> None:
    for name, collection in (("a", "mias"), ("b", "ddsm")):
        (tmp_path / name).mkdir()
        export(FUSION, b"{}", tmp_path / name, images(collection, 1))
    a, b = (weights.model(tmp_path / n, FUSION).licence for n in "ab")
    assert a != b
    assert b == "Apache-2.0; learnt from DDSM, whose terms may bind"
    assert weights.fingerprint(tmp_path / "a") == weights.fingerprint(tmp_path / "b")


def test_another_set_is_named_with_its_images_women_and_views() -> None:
    given = [*images("mias", 3), *images("vindr", 4, ("MLO", "CC"))]
    said, tier = training(given), evidence_tier(FOUND, given)
    assert "mini-MIAS: 6 films of 3 British women" in said
    assert "VinDr-Mammo: 16 digital mammograms of 4 women, oblique and craniocaudal views" in said
    assert "no digital mammogram" not in said
    assert "6 old films and 16 digital mammograms (oblique and craniocaudal views) of 7 women" in tier
    assert "not tried on digital" not in tier
    assert [e.name for e in entries(given)] == ["mini-MIAS, 3 women", "VinDr-Mammo, 4 women"]


def test_films_of_ddsm_are_not_called_mini_mias(tmp_path: Path) -> None:
    export(FUSION, b"{}", tmp_path, images("ddsm", 5, ("CC",)))
    assert weights.manifest(tmp_path)["training"].startswith("DDSM: 10 films of 5 women, craniocaudal views alone; ")
    assert [d.name for d in weights.data(tmp_path)] == ["DDSM, 5 women"]
    assert json.loads((tmp_path / WOMEN).read_text()) == {FUSION: [f"ddsm-ddsm{k:03d}" for k in range(5)]}
    assert {"ddsm-ddsm004", "ddsm004"} <= seen_women(tmp_path)


def test_names_of_women_on_one_s_own_films_are_not_written_down(tmp_path: Path) -> None:
    export(FUSION, b"{}", tmp_path, [*images("film", 2), *images("mias", 1)])
    assert seen_women(tmp_path) == {"mias-mias000", "mias000"}


def test_evaluation_counts_the_women_of_the_shipped_weights_as_seen() -> None:
    seen = subject(None).seen
    assert len([w for w in seen if w.startswith("mias-")]) == 129
    assert "mias148" in seen
    assert "ddsm004" not in seen


def test_weights_without_the_women_they_have_seen_are_not_evaluated(tmp_path: Path) -> None:
    with pytest.raises(WeightsCorrupt, match="cannot be read"):
        seen_women(tmp_path)
