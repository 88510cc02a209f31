"""A report as Markdown; `card_tables` are those that the model card takes over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from pipeline.evaluation.mammography import published
from pipeline.evaluation.mammography.lesions import LEAST_RADIUS_MM
from pipeline.evaluation.mammography.marks import RATES
from pipeline.evaluation.report import Report, estimate, sensitivity

Times = Mapping[str, Mapping[str, float]]

HOW = f"""A mark hits a lesion when its centre lies inside the lesion's outline or within {LEAST_RADIUS_MM:g} mm of its
middle; a mark that hits none is a false positive, also in an image with lesions. Single calcifications nearer than 1 cm
to each other are one lesion. Images with a lesion whose place the data set does not say take no part in what counts
marks. A breast has the mean of the log odds of its images; a study the score of the more suspicious
breast. AUC: in brackets first the interval by DeLong, which takes images for independent, then the
BCa bootstrap over women (2000 resamples), which does not. Sensitivity: bootstrap over women with the threshold chosen
anew each time; Wilson. All at 95 %; "-" where there are too few. By density, kind, size
and pathology the thresholds are those of all images together. Benign images count as abnormal."""

_QUESTIONS = {"abnormal": "abnormal or normal", "malignant": "malignant or not"}


def evidence(report: Report) -> str:
    """One sentence for each tier: what the figures are worth (science.md F4)."""
    return " ".join(_evidence(tier, about, report["subject"]) for tier, about in report["tiers"].items())


def card_tables(report: Report) -> str:
    """Evidence, ROC, FROC and what they hang on, for each tier; of a report.json."""
    parts = [evidence(report)]
    for tier, about in report["tiers"].items():
        parts += [f"### {tier}", _levels(about), _froc(about), _kinds(about), _densities(about), _calibration(about)]
    return "\n\n".join(p for p in [*parts, HOW] if p) + "\n"


def markdown(report: Report, tier: str, times: Times | None = None) -> str:
    """The section of one tier; `times` are those of timings.json."""
    about = report["tiers"][tier]
    parts = [f"## {tier}", _evidence(tier, about, report["subject"]), _scope(about), HOW]
    parts += ["### Images, breasts, studies", _levels(about), "### Marks", _froc(about), _operating(about)]
    parts += ["### By what is seen", _kinds(about), "### By density", _densities(about)]
    parts += ["### Calibration", _calibration(about), _bins(about), _seconds(report, tier, times or {})]
    return "\n\n".join(p for p in parts if p)


def full_markdown(report: Report, times: Times | None = None) -> str:
    """The whole report; pictures are named relative to its folder."""
    subject = report["subject"]
    parts = [f"# Evaluation of {subject['name']} {subject['version']}", f"Seed {report['seed']}. Not for treatment."]
    for tier in report["tiers"]:
        parts.append(markdown(report, tier, times))
        parts.append("\n".join(f"![{kind} of {tier}]({path})" for kind, path in report["plots"].get(tier, {}).items()))
    parts += [published.section(), _pictures(report["overlays"]), _unreadable(report), _left(report)]
    return "\n\n".join(p for p in parts if p) + "\n"


def _evidence(tier: str, about: Mapping[str, Any], subject: Mapping[str, Any]) -> str:
    if tier == "T0":
        return "T0: made-up mammograms of the project's own generator; they say nothing of real ones."
    of = about["material"]
    how = "cross-validated by woman" if subject["cross_validated"] else "read by weights that never saw these women"
    if about["seen"]:
        how = "READ BY WEIGHTS THAT WERE TRAINED ON THESE WOMEN, which says nothing of others"
    images = ", ".join(f"{of[k]} {w}" for k, w in (("film", "films"), ("digital", "digital mammograms")) if of[k])
    return (
        f"T2 limited: {how}, on {images} of {about['women']} women ({', '.join(of['sources'])}; "
        f"{' and '.join(of['views'])}, {_views(of['views_per_breast'])} per breast; {_spacing(of)}"
        f"{'' if of['digital'] else '; no digital mammogram'}{'' if of['film'] else '; no film'}). "
        "Enriched with findings: precision in screening cannot be told from it. Research estimate, not for treatment."
    )


def _views(number: float) -> str:
    return "one view" if number == 1 else f"{number:g} views"


def _spacing(of: Mapping[str, Any]) -> str:
    sizes = of["spacing_um"]
    if not sizes:
        return "pixels of unknown size"
    return f"pixels of {sizes[0]} um" if len(sizes) == 1 else f"pixels of {sizes[0]}-{sizes[-1]} um"


def _scope(about: Mapping[str, Any]) -> str:
    said = (
        f"{about['images']} images of {about['women']} women; {about['abnormal']} abnormal, {about['malignant']} of "
        f"them malignant; {about['lesions_counted']} lesions with a place that count."
    )
    if about["lesions_without_place"]:
        names = ", ".join(about["images_without_marks_counted"])
        said += f" {about['lesions_without_place']} lesions have no place: left out where marks are counted: {names}."
    if any(about["unknown"].values()):
        said += " Truth unknown and left out of the AUC: " + ", ".join(
            f"{n} images ({_QUESTIONS[q]})" for q, n in about["unknown"].items() if n
        )
        said += "."
    if about["declined"]:
        said += f" Declined (score 0, lesions missed): {', '.join(about['declined'])}."
    if about["apart"]:
        said += f" Not in these figures, because the weights were trained on the woman: {len(about['apart'])} images."
    return said


def _levels(about: Mapping[str, Any]) -> str:
    lines = ["| AUC | n | abnormal or normal | malignant or not |", "|---|---|---|---|"]
    for level, found in about["levels"].items():
        lines.append(f"| {level} | {found['n']} | {_area(found['abnormal'])} | {_area(found['malignant'])} |")
    return "\n".join(lines)


def _area(found: Mapping[str, Any]) -> str:
    """ "0.85 [0.80, 0.89; 0.79, 0.89] (97 + 161)": DeLong; bootstrap; positive and negative."""
    value = found["estimate"]["value"]
    if value is None:
        return "-"
    boot, delong = found["estimate"], found["delong"]
    ends = ["-" if delong is None else f"{delong[0]:.2f}, {delong[1]:.2f}"]
    ends.append("-" if boot["low"] is None else f"{boot['low']:.2f}, {boot['high']:.2f}")
    return f"{value:.3f} [{'; '.join(ends)}] ({found['positive']} + {found['negative']})"


def _froc(about: Mapping[str, Any]) -> str:
    at = about["at_false_positives"]
    words = {"all": "all images", "normal": "normal images alone", "before": "all, before the false-positive step"}
    heads = [words[over] for over in at]
    lines = ["| sensitivity at false positives per image | " + " | ".join(heads) + " |", "|---" * (1 + len(at)) + "|"]
    for rate in (f"{r:g}" for r in RATES):
        lines.append(f"| {rate} | " + " | ".join(sensitivity(at[over][rate]["sensitivity"]) for over in at) + " |")
    said = f"\n\nThe false-positive step turned {about['turned_down']} marks down." if "before" in at else ""
    return "\n".join(lines) + said


def _operating(about: Mapping[str, Any]) -> str:
    found = about["operating_point"]
    if found is None:
        return ""
    rates = found["false_positives_per_image"]
    return (
        f"At the operating point (score {found['threshold']:g}): sensitivity {sensitivity(found['sensitivity'])}, "
        f"{estimate(rates['all'])} false positives per image, {estimate(rates['normal'])} per normal image."
    )


def _kinds(about: Mapping[str, Any]) -> str:
    lines = [
        "| lesions | n | AUC of their images against normal ones | " + " | ".join(f"at {r:g} FP" for r in RATES) + " |",
        "|---" * (3 + len(RATES)) + "|",
    ]
    for by in ("kind", "words", "size", "pathology"):
        for name, found in about["by"][by].items():
            if found["lesions"] or found["abnormal"]["positive"]:
                lines.append(f"| {name} | {found['lesions']} | {_area(found['abnormal'])} | {_at(found)} |")
    return "\n".join(lines) if len(lines) > 2 else ""


def _densities(about: Mapping[str, Any]) -> str:
    rows = about["by"]["density"]
    lines = [
        "| density | images | abnormal or normal | malignant or not | Brier | calibration error | lesions | "
        + " | ".join(f"at {r:g} FP" for r in RATES)
        + " |",
        "|---" * (7 + len(RATES)) + "|",
    ]
    for name, found in rows.items():
        cells = [name, found["images"], _area(found["abnormal"]), _area(found["malignant"])]
        cells += [_number(found["abnormal"][k]) for k in ("brier", "expected_error")]
        lines.append("| " + " | ".join(str(c) for c in [*cells, found["lesions"], _at(found)]) + " |")
    return "\n".join(lines) if rows else ""


def _at(found: Mapping[str, Any]) -> str:
    return " | ".join(sensitivity(v, short=True) for v in found["at"].values())


def _calibration(about: Mapping[str, Any]) -> str:
    lines = ["| calibration of | n | Brier | expected error | slope | intercept |", "|---|---|---|---|---|---|"]
    words = {"abnormal": "abnormal", "malignant": "malignant", "marks": "score of marks"}
    for name, found in about["calibration"].items():
        cells = [_number(found[k]) for k in ("brier", "expected_error", "slope", "intercept")]
        lines.append(f"| {words[name]} | {found['n']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _bins(about: Mapping[str, Any]) -> str:
    lines = ["| reliability | mean score | true | n |", "|---|---|---|---|"]
    for name, found in about["calibration"].items():
        lines += [f"| {name} | {b['mean_score']:.2f} | {b['lesions']:.2f} | {b['n']} |" for b in found["bins"]]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _seconds(report: Report, tier: str, times: Times) -> str:
    studies = {r["study"] for r in report["images"] if r["tier"] == tier}
    mine = [t for name, t in times.items() if name in studies]
    if not mine:
        return ""
    read, seen = (median(t[k] / t["images"] for t in mine) for k in ("read", "examine"))
    return f"Median seconds per image: {read:.2f} to open and lay it, {seen:.2f} for the models."


def _pictures(overlays: Sequence[str]) -> str:
    if not overlays:
        return ""
    head = (
        "## The worst misses and the worst false positives\n\nAt the operating point, or where there is none at one "
        "false positive per image. Lesions green, the surest marks red with their score."
    )
    return head + "\n\n" + "\n\n".join(f"![{path}]({path})" for path in overlays)


def _unreadable(report: Report) -> str:
    rows = [f"- {u['name']}: {u['why']}" for u in report["unreadable"]]
    return "## Images that could not be read\n\n" + "\n".join(rows) if rows else ""


def _left(report: Report) -> str:
    return "## Left out\n\n" + "\n".join(f"- {line}" for line in report["left_out"]) if report["left_out"] else ""
