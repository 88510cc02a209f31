"""The classifier as it is shipped: a JSON that decides as scikit-learn does, and says why."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.errors import WeightsCorrupt
from pipeline.radiomics.classifier import Classifier
from pipeline.radiomics.features import Table
from pipeline.radiomics.words import words
from pipeline.training.false_positives import as_classifier
from pipeline.training.rejection.candidates import Samples
from pipeline.training.rejection.figures import Threshold
from pipeline.training.rejection.svm import Relevance, tune

NAMES = ("elongation", "core_minus_shell", "probability_mean", "original_glcm_JointEntropy", "original_glcm_MCC",
         "log-sigma-2-0-mm-3D_firstorder_Mean", "slices", "voxels")  # fmt: skip


def samples(seed=0, count=240) -> Samples:
    """Lesions are round, the network is sure of them; texture is missing in the small."""
    random = np.random.default_rng(seed)
    truth = random.random(count) < 0.4
    rows = random.normal(size=(count, len(NAMES)))
    rows[:, 0] += np.where(truth, 1.3, 3.0)
    rows[:, 2] += np.where(truth, 1.5, 0.0)
    rows[:, 4] = 3 * rows[:, 3] + 1e-3 * random.normal(size=count)
    rows[random.random(count) < 0.3, 3:5] = np.nan
    rows[:, 6] = 4.0
    group = np.array([f"p{i % 12}" for i in range(count)])
    return Samples(NAMES, rows, truth, random.uniform(2, 12, count), group, group, tuple(sorted(set(group))), "s" * 64)


@pytest.fixture(scope="module")
def trained():
    given = samples()
    tuned = tune(given.rows, given.is_lesion, given.group, Relevance())
    return given, tuned, as_classifier(given, tuned, Threshold(0.3, "a test's"))


def table(rows, classifier) -> Table:
    return Table(classifier.names, np.asarray(rows, float), tuple(range(1, len(rows) + 1)), classifier.settings_sha256)


def test_it_decides_as_scikit_learn_does_to_nine_digits(trained):
    _, tuned, classifier = trained
    rows = samples(seed=1).rows
    rows[0] = np.nan
    rows[1] *= 1000
    read = Classifier.from_json(classifier.to_json())
    pipeline = tuned.model.calibrated_classifiers_[0].estimator
    given = table(rows, read)
    np.testing.assert_allclose(read.decisions(given), pipeline.decision_function(rows), atol=1e-9, rtol=0)
    np.testing.assert_allclose(read.score(given), tuned.model.predict_proba(rows)[:, 1], atol=1e-9, rtol=0)


def test_the_json_reads_back_to_the_last_bit_and_the_classifier_pickles(trained):
    *_, classifier = trained
    content = classifier.to_json()
    assert Classifier.from_json(content).to_json() == content
    assert pickle.loads(pickle.dumps(classifier)).to_json() == content
    assert not classifier.from_json(content).support.flags.writeable


def test_constant_and_doubled_columns_are_not_looked_at(trained):
    *_, classifier = trained
    seen = {classifier.names[i] for i in classifier.features_seen()}
    assert "slices" not in seen
    assert {"elongation", "probability_mean"} <= seen
    columns = [c for c in classifier.columns if c < len(NAMES)]
    assert not {NAMES.index("original_glcm_JointEntropy"), NAMES.index("original_glcm_MCC")} <= set(columns)


def test_reasons_name_what_spoke_against_a_candidate(trained):
    given, _, classifier = trained
    row = np.nanmedian(given.rows[given.is_lesion], axis=0)
    row[NAMES.index("elongation")] = 5.0
    row[NAMES.index("probability_mean")] = -1.5
    (verdict,) = classifier.verdicts(table([row], classifier))
    assert not verdict.kept
    assert verdict.threshold == 0.3
    said = {r.feature: r for r in verdict.against}
    assert said["elongation"].words == "more elongated than most lesions, as vessels are"
    assert said["probability_mean"].words == "network less sure throughout"
    assert said["elongation"].value == 5.0
    assert len(verdict.against) <= 3
    weights = [r.weight for r in verdict.against]
    assert weights == sorted(weights, reverse=True)
    assert min(weights) > 0


def test_the_weight_of_a_reason_is_what_the_decision_gains_without_it(trained):
    given, _, classifier = trained
    row = given.rows[~given.is_lesion & ~np.isnan(given.rows).any(axis=1)][0]
    (verdict,) = classifier.verdicts(table([row], classifier))
    reason = verdict.against[0]
    mended = row.copy()
    at = NAMES.index(reason.feature)
    mended[at] = np.nanmedian(given.rows[given.is_lesion, at])
    before, after = classifier.decisions(table([row, mended], classifier))
    assert reason.weight == pytest.approx(after - before)


def test_a_typical_lesion_has_nothing_against_it_and_is_kept(trained):
    given, _, classifier = trained
    (verdict,) = classifier.verdicts(table([np.nanmedian(given.rows[given.is_lesion], axis=0)], classifier))
    assert verdict.kept
    assert verdict.against == ()


def test_what_could_not_be_measured_is_no_reason(trained):
    *_, classifier = trained
    (verdict,) = classifier.verdicts(table([np.full(len(NAMES), np.nan)], classifier))
    assert verdict.against == ()
    assert 0 <= verdict.score <= 1


def test_no_candidates_have_no_verdicts(trained):
    *_, classifier = trained
    assert classifier.verdicts(table(np.empty((0, len(NAMES))), classifier)) == ()


def test_a_table_made_otherwise_is_refused_with_a_hint(trained):
    *_, classifier = trained
    good = table(np.zeros((1, len(NAMES))), classifier)
    for bad in (replace(good, settings_sha256="0" * 64), replace(good, names=tuple(reversed(NAMES)))):
        with pytest.raises(WeightsCorrupt, match="train again"):
            classifier.score(bad)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.pop("dual"),
        lambda d: d.update(format=99),
        lambda d: d.update(median=d["median"][1:]),
        lambda d: d.update(columns=[*d["columns"][1:], 10_000]),
        lambda d: d.update(support=[[0.0]]),
        lambda d: d.update(more=1),
    ],
)
def test_a_spoilt_model_is_refused(trained, spoil):
    content = json.loads(trained[2].to_json())
    spoil(content)
    with pytest.raises(WeightsCorrupt):
        Classifier.from_json(json.dumps(content).encode())
    with pytest.raises(WeightsCorrupt):
        Classifier.from_json(b"\x80\x04pickle")


def test_words_of_radiomics_carry_the_ibsi_code():
    assert words("original_glcm_JointEntropy", 2.0, 1.0) == (
        "texture unlike lesions': more glcm JointEntropy, IBSI TU9B"
    )
    assert words("log-sigma-2-0-mm-3D_firstorder_Mean", 0.0, 1.0).endswith("less firstorder Mean, IBSI Q4LE, LoG 2 mm")
    assert "IBSI" not in words("original_glcm_MCC", 2.0, 1.0)
