"""Models 1 and 2 on one volume, whatever file it came from: what the recipe, the training and the evaluation share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt

from pipeline.bundle import T1C, describe, load_bundle
from pipeline.contract import Declined, Runtime
from pipeline.core.clock import Stopwatch
from pipeline.findings import Verdict
from pipeline.radiomics.classifier import Classifier
from pipeline.radiomics.features import Table, measure
from pipeline.recipes.srs.anatomy import Anatomy, anatomy_of
from pipeline.recipes.srs.candidates import Candidate, find_candidates
from pipeline.recipes.srs.params import PARAMS, RADIOMICS, Params
from pipeline.recipes.srs.segmentation import Networks, Reading, read_lesions
from pipeline.recipes.srs.suitability import NO_BRAIN, why_not, why_not_brain
from pipeline.recipes.srs.weights import load_classifier, load_networks

BARRED = "lies outside the brain and only touches it, as an eye does"


@dataclass(frozen=True, slots=True)
class Gathered:
    """What model 1 found: labels 1…n (uint16, the grid of the volume), a candidate and a row of features for each."""

    anatomy: Anatomy
    reading: Reading
    labels: hd.Volume
    candidates: tuple[Candidate, ...]
    features: Table


@dataclass(frozen=True, slots=True)
class Examined:
    """What both models say; verdicts[i] is on candidates[i]."""

    gathered: Gathered
    verdicts: tuple[Verdict, ...]
    laps: Mapping[str, float] = field(default_factory=dict)


def examine(
    t1c: hd.Volume,
    runtime: Runtime,
    bundle: str = "",
    *,
    networks: Networks | None = None,
    classifier: Classifier | None = None,
) -> Examined | Declined:
    """Both models on a T1c volume: (slices, rows, columns) float32, LPS mm.

    bundle: the folder of a user's own model, which then takes the place of model 1.
    networks, classifier: others than the shipped ones, in a cross-validation.
    """
    clock = Stopwatch()
    gathered = gather(t1c, runtime, clock, bundle=bundle, networks=networks)
    if isinstance(gathered, Declined):
        return gathered
    said = (classifier or load_classifier()).verdicts(gathered.features)
    verdicts = tuple(
        replace(v, calibrated=not bundle, barred="" if c.at_brain else BARRED)
        for v, c in zip(said, gathered.candidates, strict=True)
    )
    clock.lap("judge")
    return Examined(gathered, verdicts, clock.laps)


def head_in(t1c: hd.Volume, runtime: Runtime) -> Anatomy | Declined:
    """The head of a T1 volume, or why it is none that can be read."""
    if reason := why_not(t1c, PARAMS):
        return Declined(reason)
    anatomy = anatomy_of(t1c, runtime.device, runtime.threads)
    if anatomy is None or (reason := why_not_brain(anatomy, t1c, PARAMS)):
        return Declined(reason if anatomy else NO_BRAIN)
    return anatomy


def gather(
    t1c: hd.Volume, runtime: Runtime, clock: Stopwatch, *, bundle: str = "", networks: Networks | None = None
) -> Gathered | Declined:
    """Model 1 and the features that model 2 judges by. `networks` are others than the shipped ones, in a training."""
    anatomy = head_in(t1c, runtime)
    if isinstance(anatomy, Declined):
        return anatomy
    clock.lap("anatomy")
    reading = _read(t1c, anatomy, runtime, bundle, networks)
    clock.lap("segment")
    labels, candidates = find_candidates(t1c, anatomy.brain, reading, _params(bundle))
    marked_ml = sum(c.region.volume_mm3 for c in candidates) / 1000
    if marked_ml > PARAMS.largest_share * anatomy.brain_ml:
        return Declined(f"the model marks {marked_ml:.0f} ml as lesion in a brain of {anatomy.brain_ml:.0f} ml")
    clock.lap("outline")
    features = measure(t1c, labels, RADIOMICS, reading.probability, anatomy.brain, anatomy.atlas_mm)
    clock.lap("features")
    return Gathered(anatomy, reading, labels, candidates, features.with_columns(_said_by_readings(candidates)))


def _said_by_readings(candidates: tuple[Candidate, ...]) -> dict[str, npt.NDArray[np.float64]]:
    """What the single readings of model 1 say of each candidate, as features."""
    return {
        "agreement": np.array([np.nan if c.agreement is None else c.agreement for c in candidates], float),
        "volume_peak": np.array([c.volume_peak for c in candidates], float),
        "slices_peak": np.array([c.slices_peak for c in candidates], float),
    }


def _params(bundle: str) -> Params:
    """A user's model brings its own threshold, and its outline is that threshold."""
    if not bundle:
        return PARAMS
    level = describe(Path(bundle)).output.threshold
    return replace(PARAMS, likely=level, candidate=level, outline_share=0.0)


def _read(t1c: hd.Volume, anatomy: Anatomy, runtime: Runtime, bundle: str, networks: Networks | None) -> Reading:
    if bundle:
        given = load_bundle(Path(bundle), runtime.device, T1C).probability(t1c, runtime.device, runtime.tile_scale)
        found = np.asarray(given, np.float32)
        return Reading(found, found, np.s_[0:0, 0:0, 0:0])
    ready = networks or load_networks(runtime.device)
    return read_lesions(t1c, anatomy.brain, ready, PARAMS, runtime.device, runtime.tile_scale)
