"""Tier T0: made-up studies of `pipeline.phantom.mammogram`, from seeds that the training never drew."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from pipeline.core.errors import NotFound
from pipeline.evaluation.mammography.studies import StudyEntry

FIRST_SEED = 9001


def phantom_studies(count: int) -> list[StudyEntry]:
    """So many women. Raises NotFound where this installation makes none."""
    if find_spec("pipeline.phantom.mammogram") is None:
        raise NotFound("this version makes no mammograms up", "give a data set with --set, or a folder with --dicom")
    made = import_module("pipeline.phantom.mammogram")
    return [made.evaluation_study(seed) for seed in range(FIRST_SEED, FIRST_SEED + count)]
