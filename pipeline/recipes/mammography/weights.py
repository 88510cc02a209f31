"""The models that ship with the recipe, ready to use; each was compared with the SHA-256 in weights.toml."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from pipeline.core.errors import WeightsCorrupt
from pipeline.radiomics.classifier import Classifier
from pipeline.recipes.mammography.fuse import Fusion
from pipeline.recipes.mammography.models import Models
from pipeline.weights import checked_bytes

FOLDER = Path(__file__).parent

WOMEN = "women.json"
"""Beside the weights: by model, the women it was trained on, each with her data set in front."""
TRUNK, DENSE, PAIRS, SPECKS = "trunk", "dense", "pairs", "specks"
FUSION, FALSE_POSITIVES = "fusion", "false_positives"
"""Names of models in weights.toml."""


@lru_cache(maxsize=2)
def load_models(device: str, folder: Path = FOLDER) -> Models:
    """All of them on `device`; kept for the life of the process. Raises WeightsCorrupt."""
    content = {name: checked_bytes(folder, name) for name in (DENSE, PAIRS, SPECKS)}
    fusion = Fusion.from_json(checked_bytes(folder, FUSION))
    classifier = Classifier.from_json(checked_bytes(folder, FALSE_POSITIVES))
    return built(checked_bytes(folder, TRUNK), content, fusion, classifier, device)


def trunk_bytes(folder: Path = FOLDER) -> bytes:
    """The trunk that ships, as it lies there: training needs it before there is a weights.toml to compare it with."""
    return (folder / "trunk.safetensors").read_bytes()


def built(
    trunk: bytes, content: Mapping[str, bytes], fusion: Fusion, classifier: Classifier | None, device: str
) -> Models:
    """The detectors from their weights, by name. Raises WeightsCorrupt."""
    from safetensors.torch import load  # noqa: PLC0415

    from pipeline.recipes.mammography.dense import DenseHeads  # noqa: PLC0415
    from pipeline.recipes.mammography.pairs import load_pairs  # noqa: PLC0415
    from pipeline.recipes.mammography.partner import register  # noqa: PLC0415
    from pipeline.recipes.mammography.specks import load_specks  # noqa: PLC0415

    return Models(
        dense=DenseHeads.load(content[DENSE], load(trunk), device),
        pairs=load_pairs(content[PAIRS]).to(device).eval(),
        specks=load_specks(content[SPECKS]).to(device).eval(),
        fusion=fusion,
        classifier=classifier,
        register=register,
    )


def seen_women(folder: Path = FOLDER) -> frozenset[str]:
    """Women that any of the models was trained on, with and without the data set in front. Raises WeightsCorrupt."""
    try:
        women = {woman for row in json.loads((folder / WOMEN).read_text("utf-8")).values() for woman in row}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        why = f"{WOMEN} of the pipeline {folder.name} cannot be read: {error}"
        raise WeightsCorrupt(why, "install the node again, or ship the models again") from error
    return frozenset(women | {woman.partition("-")[2] for woman in women})
