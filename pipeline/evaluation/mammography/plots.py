"""The curves of a tier: ROC, FROC, reliability."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from pipeline.evaluation.plots import draw_reliability, write_plots

MOST_FALSE_POSITIVES = 4.0


def draw_plots(tier: str, about: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Write the PNGs; kind -> file name."""
    bins = {name: found["bins"] for name, found in about["calibration"].items()}
    figures: dict[str, Callable[[Axes], None]] = {
        "ROC": lambda axes: _roc(axes, about),
        "FROC": lambda axes: _froc(axes, about),
        "reliability abnormal": lambda axes: draw_reliability(axes, bins["abnormal"], "images", "abnormal"),
        "reliability malignant": lambda axes: draw_reliability(axes, bins["malignant"], "images", "malignant"),
        "reliability marks": lambda axes: draw_reliability(axes, bins["marks"], "marks", "on a lesion"),
    }
    return write_plots(tier, figures, folder)


def _roc(axes: Axes, about: Mapping[str, Any]) -> None:
    words = {"abnormal": "abnormal or normal", "malignant": "malignant or not"}
    axes.plot([0, 1], [0, 1], "k:", linewidth=1)
    for question, points in about["curves"].items():
        value = about["levels"]["image"][question]["estimate"]["value"]
        if points:
            axes.plot(*zip(*points, strict=True), label=f"{words[question]}, AUC {value:.2f}")
            axes.legend(fontsize=7, loc="lower right")
    axes.set(xlabel="1 - specificity (images)", ylabel="sensitivity", xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.3)


def _froc(axes: Axes, about: Mapping[str, Any]) -> None:
    words = {"all": "false positives on all images", "normal": "on normal images alone"}
    for over, points in about["froc"].items():
        x = [0.0, *(p["false_positives_per_image"] for p in points)]
        y = [0.0, *(p["sensitivity"] for p in points)]
        axes.step(x, y, where="post", label=words[over])
    axes.set(xlabel="false positives per image", ylabel="sensitivity for lesions", ylim=(0, 1.02))
    axes.set_xlim(0, MOST_FALSE_POSITIVES)
    axes.legend(fontsize=7, loc="lower right")
    axes.grid(alpha=0.3)
