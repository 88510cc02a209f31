"""The part of a model card that tells of the false-positive step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.training.rejection.figures import BINS_MM, bin_name


def markdown(figures: Mapping[str, Any], one: str = "volume", whose: str = "patients or anatomies") -> str:
    """Figures as `false_positives.fit` gives them, as Markdown. one: what candidates lie in; whose: the groups."""
    counts, chosen = figures["counts"], figures["chosen"]
    lines = [
        "## False-positive step",
        "",
        f"{counts['candidates']} candidates ({counts['lesions']} lesions, some in parts) in {counts['volumes']} "
        f"{one}s of {counts['groups']} {whose}. All figures are out of fold ({counts['folds']} outer "
        "folds by patient; features, hyper-parameters and calibration chosen inside each). Sensitivity is of "
        "candidates that are lesions: lesions that are no candidates are not in it.",
        "",
        f"Threshold: {figures['threshold_rule']}. Each method below stands at its own threshold by the same rule. "
        f"Chosen on all data: {', '.join(f'{k} = {v:g}' for k, v in chosen.items())}.",
        "",
        f"| method | lesions kept | FP removed | FP per {one} | AUC | Brier | calibration slope |",
        "|---|---|---|---|---|---|---|",
        *(_method(name, f) for name, f in figures["methods"].items()),
        "",
        "By size, of the SVM (intervals: Wilson, 95 %; of the AUC: bootstrap over patients):",
        "",
        f"| size | lesions kept | FP removed | FP per {one} |",
        "|---|---|---|---|",
        *(_size(bin_name(*b), next(iter(figures["methods"].values()))["by_size"][bin_name(*b)]) for b in BINS_MM),
        "",
    ]
    return "\n".join(lines)


def _method(name: str, f: Mapping[str, Any]) -> str:
    auc = f["auc"]
    low, high = auc["ci95"]
    between = f" ({low:.2f}-{high:.2f})" if low is not None else ""
    return f"| {name} | {_rates(f)} | {auc['value']:.3f}{between} | {f['brier']:.3f} | {f['calibration_slope']:.2f} |"


def _size(name: str, f: Mapping[str, Any]) -> str:
    return f"| {name} | {_rates(f)} |"


def _rates(f: Mapping[str, Any]) -> str:
    before, after = f["false_positives_per_volume"]
    lesions = _share(f["sensitivity_kept"], f["sensitivity_kept_ci95"], f"{f['lesions_kept']} of {f['lesions']}")
    removed = _share(f["false_positives_removed"], f["false_positives_removed_ci95"], f"of {f['false_positives']}")
    return f"{lesions} | {removed} | {before:.2f} -> {after:.2f}"


def _share(share: float | None, interval: tuple[float, float], of: str) -> str:
    return f"{share:.1%} ({interval[0]:.1%}-{interval[1]:.1%}; {of})" if share is not None else f"- ({of})"
