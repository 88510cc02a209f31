"""The training of the false-positive step: by patient, seeded, honest about its threshold."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import ConfigInvalid
from pipeline.radiomics.classifier import Classifier
from pipeline.radiomics.features import Table
from pipeline.training.false_positives import SVM, as_classifier, main, save_candidates
from pipeline.training.rejection.baselines import NAMES as BASELINES
from pipeline.training.rejection.baselines import baseline_scores
from pipeline.training.rejection.candidates import Samples, load_candidates, neither
from pipeline.training.rejection.figures import Threshold, choose_threshold, figures
from pipeline.training.rejection.svm import Prune, Relevance, by_group, ranking, tune
from tests.support.candidates import measured_head

COLUMNS = ("volume_mm3", "ring_contrast", "vesselness", "elongation", "probability_mean", "probability_max", "noise")


def write_folder(folder: Path, volumes=12, each=16, settings="a" * 64, names=COLUMNS) -> Path:
    """Volumes with candidates whose elongation and contrast tell what they are; the last has none."""
    random = np.random.default_rng(3)
    for k in range(volumes):
        count = each if k < volumes - 1 else 0
        truth = np.arange(count) % 3 == 0
        rows = random.normal(size=(count, len(names)))
        rows[:, 3] += np.where(truth, 0, 2.0)
        rows[:, 1] += np.where(truth, 2.0, 0)
        rows[random.random(count) < 0.2, 6] = np.nan
        table = Table(names, rows, tuple(range(1, count + 1)), settings)
        lesion = np.where(truth, np.arange(1, count + 1), 0)
        save_candidates(folder / f"{k:02}.npz", table, lesion, random.uniform(2, 12, count), f"p{k // 2}", f"v{k}")
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two runs from the command line, on the same candidates."""
    folder = write_folder(tmp_path_factory.mktemp("candidates"))
    outs = [tmp_path_factory.mktemp("out") for _ in range(2)]
    for out in outs:
        main(["--candidates", str(folder), "--out", str(out)])
    return folder, outs


def test_the_same_candidates_give_the_same_files_byte_for_byte(trained):
    _, (first, second) = trained
    files = sorted(p.name for p in first.iterdir())
    assert files == ["false_positives.json", "false_positives.md", "false_positives_figures.json"]
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in files)


def test_the_shipped_model_is_that_of_the_candidates_and_names_its_rule(trained):
    folder, (out, _) = trained
    model = Classifier.from_json((out / "false_positives.json").read_bytes())
    samples = load_candidates(folder)
    assert model.training_sha256 == samples.fingerprint
    assert model.names == COLUMNS
    assert model.settings_sha256 == "a" * 64
    assert {"numpy", "scikit-learn", "pyradiomics"} <= model.libraries.keys()
    assert "too few for a 95 % bound" in model.about["threshold_rule"]
    table = Table(COLUMNS, samples.rows, tuple(range(len(samples.rows))), "a" * 64)
    kept = model.score(table) >= model.threshold
    assert kept[samples.is_lesion].mean() > 0.95
    assert kept[~samples.is_lesion].mean() < 0.5


def test_the_figures_tell_of_every_method_and_size(trained):
    _, (out, _) = trained
    told = json.loads((out / "false_positives_figures.json").read_text())
    assert told["counts"] == {"candidates": 176, "lesions": 66, "groups": 6, "volumes": 12, "folds": 5}
    assert set(told["methods"]) == {SVM, *BASELINES}
    svm = told["methods"][SVM]
    assert svm["false_positives_per_volume"][0] == pytest.approx(110 / 12)
    assert svm["lesions_kept"] >= 65
    assert svm["false_positives_removed"] > 0.4
    assert svm["auc"]["ci95"][0] < svm["auc"]["value"] < svm["auc"]["ci95"][1]
    assert list(svm["by_size"]) == sorted(svm["by_size"], key=["3-5 mm", "5-10 mm", "< 3 mm", ">= 10 mm"].index)
    assert sum(b["lesions"] for b in svm["by_size"].values()) == 66
    card = (out / "false_positives.md").read_text()
    assert all(f"| {name} |" in card for name in (SVM, *BASELINES, "< 3 mm", ">= 10 mm"))


def test_candidates_are_kept_without_pickle(trained):
    folder, _ = trained
    with np.load(folder / "00.npz", allow_pickle=False) as kept:
        assert kept["names"].tolist() == list(COLUMNS)
    samples = load_candidates(folder)
    assert samples.volumes == tuple(f"v{k}" for k in range(12))
    assert len(samples.rows) == 11 * 16


def test_candidates_of_different_settings_do_not_mix(tmp_path):
    write_folder(tmp_path, volumes=2)
    table = Table(COLUMNS, np.zeros((1, 7)), (1,), "b" * 64)
    save_candidates(tmp_path / "other.npz", table, [True], [3.0], "p", "v")
    with pytest.raises(ConfigInvalid, match="same settings"):
        load_candidates(tmp_path)


def test_an_empty_folder_and_a_volume_given_twice_are_refused(tmp_path):
    with pytest.raises(ConfigInvalid, match="save_candidates"):
        load_candidates(tmp_path)
    table = Table(COLUMNS, np.zeros((1, 7)), (1,), "b" * 64)
    for name in ("one", "two"):
        save_candidates(tmp_path / f"{name}.npz", table, [True], [3.0], "p", "v")
    with pytest.raises(ConfigInvalid, match="more than once"):
        load_candidates(tmp_path)


def test_no_patient_is_on_both_sides_of_a_split():
    group = np.array([f"p{i // 7}" for i in range(140)])
    truth = np.arange(140) % 5 == 0
    splits = by_group(truth, group, 5)
    assert len(splits) == 5
    assert all(not set(group[train]) & set(group[test]) for train, test in splits)
    assert sorted(np.concatenate([test for _, test in splits])) == list(range(140))


def test_one_patient_is_not_enough():
    with pytest.raises(ConfigInvalid, match="two groups"):
        by_group(np.arange(20) % 2 == 0, np.array(["p"] * 20), 5)


def lost_at(group: np.ndarray, lesions: int = 400) -> tuple[int, Threshold]:
    """How many lesions the threshold loses when the first ones are the least likely."""
    truth = np.arange(1000) < lesions
    probability = np.where(truth, np.arange(1000) / 1000, 0.1)
    samples = Samples(("x",), np.zeros((1000, 1)), truth, np.ones(1000), group, group, ("v",), "s")
    threshold = choose_threshold(samples, probability)
    return int((probability[truth] < threshold.value).sum()), threshold


def test_the_threshold_is_the_largest_whose_bound_holds():
    alone, threshold = lost_at(np.arange(1000).astype(str))
    # 6 of 400 lost: 98.5 %, less 1.645 standard errors 97.5 %; 9 of 400: 97.75 % less 1.2 is below 97 %.
    assert 5 <= alone <= 8
    assert "Wilson's and over patients" in threshold.rule


def test_lesions_of_one_patient_that_are_lost_together_count_as_one_piece_of_evidence():
    spread, _ = lost_at((np.arange(1000) % 40).astype(str))
    together, _ = lost_at((np.arange(1000) // 10).astype(str))
    assert together < spread


def test_a_lesion_is_kept_when_any_of_its_parts_is():
    truth = np.array([1, 1, 1, 0], bool)
    lesion = np.array(["v/1", "v/1", "v/2", ""])
    group = np.array(["a", "a", "b", "b"])
    case = Samples(("x",), np.zeros((4, 1)), truth, np.full(4, 12.0), group, group, ("v",), "s", lesion)
    found = figures(case, np.array([0.1, 0.9, 0.2, 0.6]), 0.5)
    assert (found["lesions"], found["lesions_kept"], found["false_positives"]) == (2, 1, 1)


@pytest.mark.parametrize(("lesions", "lost"), [(40, 0), (60, 1), (80, 1)])
def test_with_few_lesions_at_most_two_percent_are_lost_and_the_rule_says_so(lesions, lost):
    found, threshold = lost_at(np.arange(1000).astype(str), lesions)
    assert found == lost
    assert f"({lost} of {lesions} lesions lost)" in threshold.rule


def test_figures_of_a_known_case_are_as_counted_by_hand():
    truth = np.array([1, 1, 1, 0, 0, 0, 0, 0], bool)
    probability = np.array([0.9, 0.8, 0.2, 0.7, 0.1, 0.1, 0.1, 0.3])
    diameter = np.array([2, 4, 12, 2, 2, 4, 4, 12.0])
    group = np.array(list("abcabcab"))
    case = Samples(("x",), np.zeros((8, 1)), truth, diameter, group, group, ("a", "b", "c", "d"), "s")
    found = figures(case, probability, 0.5)
    assert found["lesions_kept"] == 2
    assert found["false_positives_removed"] == pytest.approx(0.8)
    assert found["false_positives_per_volume"] == [1.25, 0.25]
    assert found["brier"] == pytest.approx(np.mean((probability - truth) ** 2))
    assert found["auc"]["value"] == pytest.approx(13 / 15)
    assert found["by_size"]["< 3 mm"]["false_positives_removed"] == 0.5
    assert found["by_size"][">= 10 mm"]["lesions_kept"] == 0
    assert found["by_size"]["5-10 mm"]["sensitivity_kept"] is None


def test_the_slope_tells_calibrated_from_too_sure():
    random = np.random.default_rng(0)
    p = random.uniform(0.05, 0.95, 4000)
    truth = random.random(4000) < p
    group = np.array(["g"] * 4000)
    case = Samples(("x",), p[:, None], truth, p, group, group, ("v",), "s")
    sure = 1 / (1 + ((1 - p) / p) ** 2)
    assert figures(case, p, 0.5)["calibration_slope"] == pytest.approx(1.0, abs=0.1)
    assert figures(case, sure, 0.5)["calibration_slope"] == pytest.approx(0.5, abs=0.05)


def test_pruning_keeps_the_first_of_what_hangs_together():
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 100))
    x = np.column_stack([a, np.ones(100), -2 * a, b, b + 0.01 * a])
    assert Prune().fit(x).columns_.tolist() == [0, 3]


def test_ranking_prefers_few_lost_lesions():
    truth = np.arange(100) < 50
    perfect = truth.astype(float)
    reversed_ = -perfect
    assert ranking(truth, perfect) == 1.0
    assert ranking(truth, reversed_) < 0.3


@pytest.mark.slow
def test_it_learns_vessels_from_blobs_and_tells_unseen_ones_apart():
    parts = []
    for seed in range(8):
        table, truth = measured_head(seed)
        parts.append((table, truth, np.full(len(truth), f"v{seed}")))
    first = parts[0][0]
    rows = np.concatenate([table.rows for table, *_ in parts[:6]])
    truth, volume = (np.concatenate([p[k] for p in parts[:6]]) for k in (1, 2))
    known = Samples(
        first.names, rows, truth, np.ones(len(rows)), volume, volume, tuple(np.unique(volume)), first.settings_sha256
    )
    tuned = tune(known.rows, known.is_lesion, known.group, Relevance())
    classifier = as_classifier(known, tuned, Threshold(0.5, "a test's"))
    for table, truth, _ in parts[6:]:
        scores = classifier.score(table)
        assert scores[truth].min() > scores[~truth].max()
        turned_down = [v for v, t in zip(classifier.verdicts(table), truth, strict=True) if not t]
        assert all(v.against and not v.kept for v in turned_down)


def test_baselines_bear_columns_and_candidates_without_values():
    random = np.random.default_rng(0)
    rows = random.normal(size=(60, 8))
    rows[:, 7] = np.nan
    rows[3] = np.nan
    group = np.array([f"p{i % 6}" for i in range(60)])
    truth = rows[:, 0] > np.nanmean(rows[:, 0])
    case = Samples((*COLUMNS, "never"), rows, truth, np.ones(60), group, group, tuple(np.unique(group)), "s")
    found = baseline_scores(case, by_group(truth, group, 3))
    assert set(found) == set(BASELINES)
    assert all(np.isfinite(p).all() and (p >= 0).all() and (p <= 1).all() for p in found.values())


def test_a_tiny_lesion_in_a_huge_candidate_teaches_nothing():
    count = 4
    names = ("volume_mm3", "x")
    truth = np.array([True, True, True, False])
    diameter = np.array([7.7, 7.7, 7.7, 26.0])  # 239 mm3
    rows = np.array([[9128.0, 0], [3000.0, 0], [20.0, 0], [9128.0, 0]])
    group = np.array(["a"] * count)
    found = Samples(names, rows, truth, diameter, group, group, ("v",), "s")
    assert neither(found).tolist() == [True, False, False, False]
