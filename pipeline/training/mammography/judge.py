"""The false-positive step of mammography: marks of detectors that had not seen the woman, measured, and the SVM of
`pipeline.training.false_positives` fitted to them: the code of the brain's, on another table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.radiomics.classifier import Classifier
from pipeline.recipes.mammography.examine import Gathered, gather
from pipeline.recipes.mammography.fuse import Fusion
from pipeline.training.false_positives import Fitted, as_classifier, fit
from pipeline.training.mammography.fuse import RATES, Seen
from pipeline.training.mammography.material import Example, Tell
from pipeline.training.rejection.candidates import Samples, load_candidates, save_candidates
from pipeline.training.rejection.svm import Relevance, tune


def keep_candidates(
    given: Sequence[Example], seen: Sequence[Seen], fusions: Mapping[str, Fusion], folder: Path, tell: Tell
) -> None:
    """Measure the marks of every image whose lesions are placed, one file an image; those that are there are left.

    fusions: by patient, learnt without her.
    """
    by_name = {s.name: s for s in seen}
    for done, example in enumerate(given, start=1):
        path, one = folder / f"{example.name}.npz", by_name[example.name]
        if one.placed and not path.exists():
            other = by_name[one.other].maps if one.other in by_name else None
            fusion = fusions[example.patient]
            gathered = gather(example.look(), one.maps, other, fusion)
            lesion, diameter_mm = matched(gathered, one)
            table = gathered.features(fusion)
            save_candidates(path, table, lesion, diameter_mm, example.patient, example.name)
        tell("candidates", done, len(given))


def matched(gathered: Gathered, image: Seen) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """For each mark its lesion's number, 0 for none; and that one's diameter in mm, else the mark's own."""
    lesions, diameters = [], []
    for peak, corners in zip(gathered.peaks, gathered.outlines, strict=True):
        hit = [k for k, t in enumerate(image.targets, start=1) if t.is_hit(peak)]
        lesions.append(hit[0] if hit else 0)
        own = 2 * float(np.hypot(corners[:, 0] - peak.x_mm, corners[:, 1] - peak.y_mm).mean())
        diameters.append(2 * image.targets[hit[0] - 1].radius_mm if hit else own)
    return np.array(lesions, np.intp), np.array(diameters, float)


@dataclass(frozen=True, slots=True)
class Judged:
    """fitted: on all; by_fold: a classifier of each fold's women not seen, with the threshold of the former."""

    samples: Samples
    fitted: Fitted
    by_fold: Mapping[str, Classifier]


def judge(folder: Path, which: Mapping[str, int]) -> Judged:
    """Fit the step on the candidates in a folder. which: fold by patient."""
    samples = load_candidates(folder)
    fitted = fit(samples)
    of = np.array([which[patient] for patient in samples.group])
    by_fold = {}
    for number in sorted(set(which.values())):
        others = samples.where(of != number)
        tuned = tune(others.rows, others.is_lesion, others.group, Relevance())
        by_fold[f"fold{number}"] = as_classifier(others, tuned, fitted.threshold)
    return Judged(samples, fitted, by_fold)


def what_it_removes(judged: Judged, fusions: Mapping[str, Fusion]) -> dict[str, dict[str, Any]]:
    """At each operating point: lesions found and false positives per image before and after the step, out of fold."""
    samples, kept = judged.samples, judged.fitted.probability >= judged.fitted.threshold.value
    value = samples.column("mark_value")
    score = np.array([fusions[g].mark.of(v) for g, v in zip(samples.group, value, strict=True)])
    images = len(samples.volumes)
    found = {}
    for rate in RATES:
        shown = score >= np.array([fusions[g].operating[rate] for g in samples.group])
        found[rate] = {
            "lesions": [len(set(samples.lesion[samples.is_lesion & s])) for s in (shown, shown & kept)],
            "false_per_image": [float((~samples.is_lesion & s).sum()) / images for s in (shown, shown & kept)],
        }
    return found
