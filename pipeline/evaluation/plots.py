"""The curves of a tier: FROC before and after model 2, Dice by size, calibration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipeline.evaluation.scoring import CaseRow

MOST_FALSE_POSITIVES = 10.0


def draw_plots(tier: str, about: Mapping[str, Any], rows: Sequence[CaseRow], folder: Path) -> dict[str, str]:
    """Write three PNGs; kind -> file name."""
    figures: dict[str, Callable[[Axes], None]] = {
        "FROC": lambda axes: _froc(axes, about),
        "Dice by size": lambda axes: _dice(axes, rows),
        "calibration": lambda axes: draw_reliability(axes, about["calibration"]["bins"], "candidates", "lesions"),
    }
    return write_plots(tier, figures, folder)


def write_plots(tier: str, figures: Mapping[str, Callable[[Axes], None]], folder: Path) -> dict[str, str]:
    """One PNG for each kind of figure; kind -> file name."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for kind, draw in figures.items():
        figure = Figure(figsize=(4.6, 3.6), dpi=100, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        draw(axes)
        axes.set_title(f"{kind}, {tier}", fontsize=10)
        name = f"{tier}-{kind.lower().replace(' ', '-')}.png"
        figure.savefig(folder / name, metadata={"Software": None})
        written[kind] = name
    return written


def _froc(axes: Axes, about: Mapping[str, Any]) -> None:
    words = {"before": "network's probability", "after": "model 2's score"}
    for phase, points in about["froc"].items():
        x = [0.0, *(p["false_positives_per_scan"] for p in points)]
        y = [0.0, *(p["sensitivity"] for p in points)]
        (line,) = axes.step(x, y, where="post", label=words[phase])
        now = about[phase]
        place = now["false_positives_per_scan"]["value"], now["sensitivity"]["estimate"]["value"]
        if None not in place:
            axes.plot(*place, "o", color=line.get_color(), label=f"operating point {phase} model 2")
    axes.set(xlabel="false positives per scan", ylabel="sensitivity", ylim=(0, 1.02))
    axes.set_xlim(0, min(MOST_FALSE_POSITIVES, max(axes.get_xlim()[1], 1.0)))
    axes.legend(fontsize=7, loc="lower right")
    axes.grid(alpha=0.3)


def _dice(axes: Axes, rows: Sequence[CaseRow]) -> None:
    lesions = [v for r in rows for v in r.lesions]
    found = [(v.diameter_mm, v.after.dice) for v in lesions if v.after is not None]
    missed = [v.diameter_mm for v in lesions if v.after is None]
    if found:
        axes.plot(*zip(*found, strict=True), ".", alpha=0.7, label="found")
    axes.plot(missed, [0.0] * len(missed), "rx", label="missed")
    axes.set(xlabel="diameter in mm", ylabel="Dice of the lesion", ylim=(-0.03, 1.02))
    axes.legend(fontsize=7)
    axes.grid(alpha=0.3)


def draw_reliability(axes: Axes, bins: Sequence[Mapping[str, float]], of: str, truth: str) -> None:
    """Share of the truth against the mean score, and how many there are. bins: of `calibration.reliability`."""
    axes.plot([0, 1], [0, 1], "k:", linewidth=1)
    axes.plot([b["mean_score"] for b in bins], [b["lesions"] for b in bins], "o-")
    for b in bins:
        axes.annotate(
            str(b["n"]), (b["mean_score"], b["lesions"]), fontsize=7, xytext=(3, 3), textcoords="offset points"
        )
    axes.set(xlabel=f"mean score of the {of}", ylabel=f"share that are {truth}", xlim=(0, 1), ylim=(-0.02, 1.04))
    axes.grid(alpha=0.3)
