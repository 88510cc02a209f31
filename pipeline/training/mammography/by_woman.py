"""Models by woman: what evaluation reads the women of a cross-validation with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipeline.recipes.mammography.models import Models
from pipeline.training.mammography.dealing import dealing
from pipeline.training.mammography.folds import ALL, complete
from pipeline.training.mammography.material import examples


def models_by_woman(runs: Path, device: str = "cpu") -> Callable[[str], Models]:
    """Of a woman (the data set's word for her, with or without the data set in front) the models that never saw her;
    for a stranger those that were trained on all.

    Raises ConfigInvalid where the weights of folds were made with another dealing.
    """
    which = dealing(runs, examples(runs))
    named = which | {patient.partition("-")[2]: fold for patient, fold in which.items()}
    ready: dict[str, Models] = {}

    def models(woman: str) -> Models:
        name = f"fold{named[woman]}" if woman in named else ALL
        if name not in ready:
            ready.clear()  # one fold in memory is enough: women come fold by fold, or seldom
            ready[name] = complete(runs, name, device)
        return ready[name]

    return models
