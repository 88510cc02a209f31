"""A report as Markdown; the tables are the ones that go into the model card."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

from pipeline.evaluation.summary import ALL_SIZES, BINS, FROM_5_MM

Report = Mapping[str, Any]
Times = Mapping[str, Mapping[str, float]]

TIERS = {
    "T0": "T0: phantoms of pipeline.phantom, unseen seeds, the generator of part of the training",
    "T1": "T1: synthetic lesions put into real MR, by another model of their look than the training's",
    "T2": "T2: real scans with the truth of experts",
}

HOW = """A lesion is found when a candidate overlaps it (dilated once); a false positive touches no tumour at all. In
brackets: 95 % intervals, BCa bootstrap over {unit} (2000 resamples);
for sensitivity the Wilson interval follows after a semicolon; "-" where there are too few. Lesion-wise figures follow
BraTS-METS (misses and false positives count 0), but merge neighbouring predictions, and a miss costs the image's
diagonal as HD95. Sizes are diameters of spheres of the
lesions' volumes. "Before" and "after" mean model 2."""


def markdown(report: Report, tier: str, times: Times | None = None) -> str:
    """The section of one tier; `times` are those of timings.json. Raises KeyError when the report has no such tier."""
    about = report["tiers"][tier]
    parts = [f"### {TIERS[tier]}", _scope(about), HOW.format(unit=about["resampled_by"]), _sizes(about), _scans(about)]
    parts += [_froc(about), _calibration(about), _cases(report["cases"], tier), _seconds(report, tier, times or {})]
    return "\n\n".join(p for p in parts if p) + "\n"


def full_markdown(report: Report, times: Times | None = None) -> str:
    """The whole report; pictures are named relative to its folder."""
    subject = report["subject"]
    parts = [
        f"# Evaluation of {subject['name']} {subject['version']}",
        f"Operating point before model 2: certainty of {subject['operating_point']:g}. Seed {report['seed']}.",
    ]
    for tier in report["tiers"]:
        parts.append(markdown(report, tier, times))
        parts.append("\n".join(f"![{kind} of {tier}]({path})" for kind, path in report["plots"].get(tier, {}).items()))
    parts.append(_pictures(report["overlays"]))
    if report["unreadable"]:
        rows = [f"- {u['name']}: {u['why']}" for u in report["unreadable"]]
        parts.append("## Cases that could not be read\n\n" + "\n".join(rows))
    return "\n\n".join(p for p in parts if p) + "\n"


def _scope(about: Mapping[str, Any]) -> str:
    said = f"{about['cases']} scans of {about['groups']} patients or anatomies, {about['lesions']} lesions."
    if about["declined"]:
        said += f" Declined by the pipeline (their lesions count as missed): {', '.join(about['declined'])}."
    if about.get("apart"):
        said += f" Not in these figures, because a network was trained on the anatomy: {', '.join(about['apart'])}."
    return said


def _sizes(about: Mapping[str, Any]) -> str:
    head = (
        "| size | n | sensitivity before | after | Dice (tumour) | Dice (as drawn) | surface mm "
        "| centre shift mm | volume error % |\n|---|---|---|---|---|---|---|---|---|"
    )
    rows = []
    for name in (n for n, _, _ in (*BINS, FROM_5_MM, ALL_SIZES)):
        before, after = (about[p]["by_size"][name] for p in ("before", "after"))
        keys = ("dice_median", "dice_as_drawn_median", "mean_surface_mm_median", "centre_shift_mm_median")
        cells = [estimate(after[k]) for k in keys] + [estimate(after["volume_error_percent_median"], 0)]
        hit = [sensitivity(v["sensitivity"]) for v in (before, after)]
        rows.append("| " + " | ".join([name, str(before["sensitivity"]["of"]), *hit, *cells]) + " |")
    return "\n".join([head, *rows]) + "\n\nOutlines: medians over the lesions that were found, after model 2."


def _scans(about: Mapping[str, Any]) -> str:
    before, after, change = about["before"], about["after"], about["model_2"]
    lines = ["| per scan | before | after |", "|---|---|---|"]

    def line(name: str, *keys: str, digits: int = 2) -> None:
        cells = []
        for phase in (before, after):
            value: Any = phase
            for key in keys:
                value = value[key]
            cells.append(estimate(value, digits))
        lines.append(f"| {name} | {cells[0]} | {cells[1]} |")

    line("false positives", "false_positives_per_scan")
    line("precision", "precision")
    kinds = [("lesionwise_tumour", "tumour"), ("lesionwise_as_drawn", "as drawn")]
    for which, words in kinds if about["drawn_apart"] else kinds[:1]:
        line(f"lesion-wise Dice, {words}", which, "dice")
        line(f"lesion-wise NSD 0.5 mm, {words}", which, "nsd_0.5mm")
        line(f"lesion-wise NSD 1 mm, {words}", which, "nsd_1mm")
        line(f"lesion-wise HD95 mm, {words}", which, "hd95_mm", digits=1)
    line("Dice of the scan (median), tumour", "scan_dice_tumour_median")
    if about["drawn_apart"]:
        line("Dice of the scan (median), as drawn", "scan_dice_as_drawn_median")
    removed, lost = change["false_positives_removed"], change["sensitivity_change"]
    said = (
        f"Model 2 takes away {estimate(removed, percent=True)} of the false positives and {change['lesions_lost']} "
        f"found lesions; change of sensitivity {estimate(lost, percent=True)} (paired bootstrap)."
    )
    return "\n".join(lines) + "\n\n" + said


def _froc(about: Mapping[str, Any]) -> str:
    rates = about["at_false_positives"]
    names = [n for n, _, _ in (*BINS, FROM_5_MM, ALL_SIZES)]
    lines = ["| sensitivity at up to | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for phase, words in (("before", "network alone"), ("after", "model 2's score")):
        for rate, row in rates[phase].items():
            cells = [sensitivity(row["sensitivity"][n], short=True) for n in names]
            lines.append(f"| {rate} FP per scan, {words} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _calibration(about: Mapping[str, Any]) -> str:
    of = about["calibration"]
    if not of["candidates"]:
        return ""
    slope = "-" if of["slope"] is None else f"{of['slope']:.2f}, intercept {of['intercept']:.2f}"
    return f"Calibration of the score over {of['candidates']} candidates: Brier {of['brier']:.3f}, slope {slope}."


def _cases(rows: list[Mapping[str, Any]], tier: str) -> str:
    lines = [
        "| case | lesions | found before | after | FP before | after | lesion-wise Dice after "
        "| Dice (tumour) | Dice (as drawn) |",
        "|---" * 9 + "|",
    ]
    for row in (r for r in rows if r["tier"] == tier):
        cells = [row["name"] + ("" if row["headline"] else " (seen in training)"), row["lesions"]]
        cells += [row[p]["found"] for p in ("before", "after")]
        cells += [row[p]["false_positives"] for p in ("before", "after")]
        cells += [f"{row['after'][k]:.2f}" for k in ("lesionwise_dice", "dice_tumour", "dice_as_drawn")]
        lines.append("| " + " | ".join(str(c) for c in cells) + " |")
    return "\n".join(lines)


def _seconds(report: Report, tier: str, times: Times) -> str:
    mine = [times[r["name"]] for r in report["cases"] if r["tier"] == tier and r["name"] in times]
    stages = list(dict.fromkeys(stage for t in mine for stage in t))
    said = [f"{stage} {median([t[stage] for t in mine if stage in t]):.1f}" for stage in stages]
    return f"Median seconds per scan: {', '.join(said)}." if said else ""


def _pictures(overlays: list[str]) -> str:
    if not overlays:
        return ""
    return "## Every miss and every false positive\n\n" + "\n\n".join(f"![{path}]({path})" for path in overlays)


def estimate(value: Mapping[str, Any], digits: int = 2, *, percent: bool = False) -> str:
    """ "0.83 [0.71, 0.90]", or with percent "83 % [71, 90]"; "-" for what does not exist."""
    if value["value"] is None:
        return "-"
    scale, places, unit = (100, 0, " %") if percent else (1, digits, "")
    said = f"{scale * value['value']:.{places}f}{unit}"
    if value["low"] is None:
        return said
    return f"{said} [{scale * value['low']:.{places}f}, {scale * value['high']:.{places}f}]"


def sensitivity(value: Mapping[str, Any], *, short: bool = False) -> str:
    """ "41/46 = 0.89 [0.80, 0.95; 0.77, 0.95]": bootstrap; Wilson. short: no intervals but Wilson's."""
    if not value["of"]:
        return "-"
    boot, wilson = value["estimate"], value["wilson"]
    ends = f"{wilson[0]:.2f}, {wilson[1]:.2f}"
    if not short:
        first = "-" if boot["low"] is None else f"{boot['low']:.2f}, {boot['high']:.2f}"
        ends = f"{first}; {ends}"
    return f"{value['found']}/{value['of']} = {boot['value']:.2f} [{ends}]"
