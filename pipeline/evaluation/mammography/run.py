"""All studies through a subject, to a report."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.core.errors import LanternError
from pipeline.evaluation.mammography.overlays import draw_overlays
from pipeline.evaluation.mammography.plots import draw_plots
from pipeline.evaluation.mammography.report import full_markdown
from pipeline.evaluation.mammography.scoring import ImageRow, score_view
from pipeline.evaluation.mammography.studies import StudyEntry
from pipeline.evaluation.mammography.subject import Subject
from pipeline.evaluation.mammography.summary import summarise
from pipeline.evaluation.summary import plain
from pipeline.imaging.mammogram.read import MammogramPixels

SCHEMA = 1

Opened = dict[str, MammogramPixels | str]


def evaluate(
    studies: Sequence[StudyEntry],
    subject: Subject,
    out: Path,
    seed: int,
    done: Callable[[str], None],
    left_out: Sequence[str] = (),
) -> dict[str, Any]:
    """Read and score every study; write report.md, report.json, timings.json, plots/ and overlays/ into `out`.

    done:     called with one line a study.
    left_out: lines on images that no study was made of, for the report.
    returns:  what report.json holds. Equal studies, subject and seed give an equal file: times stand in timings.json.

    An image that cannot be read is named under "unreadable" and left out; so is a study that the subject fails on.
    """
    out.mkdir(parents=True, exist_ok=True)
    for old in (out / "overlays").glob("*.png"):  # of an earlier run, that this report does not speak of
        old.unlink()
    rows: list[ImageRow] = []
    times: dict[str, dict[str, float]] = {}
    unreadable: list[dict[str, str]] = []
    for study in studies:
        found = _study(study, subject, times, unreadable)
        rows += found
        done(_line(study, found))
    views = {(s.name, v.role): v for s in studies for v in s.views}
    report = _report(rows, subject, seed, out)
    overlays = []
    for tier, about in report["tiers"].items():
        counted = _counted([r for r in rows if r.tier == tier], subject)
        drawn = draw_overlays(counted, _threshold(about), views, out / "overlays")
        overlays += [str(p.relative_to(out)) for p in drawn]
    report |= {
        "unreadable": unreadable,
        "overlays": overlays,
        "left_out": list(left_out),
    }
    (out / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    (out / "timings.json").write_text(json.dumps(times, indent=1) + "\n")
    (out / "report.md").write_text(full_markdown(report, times))
    return report


def _study(
    study: StudyEntry, subject: Subject, times: dict[str, dict[str, float]], unreadable: list[dict[str, str]]
) -> list[ImageRow]:
    started = time.perf_counter()
    opened = _open(study, unreadable)
    read = time.perf_counter()
    views = {role: pixels for role, pixels in opened.items() if not isinstance(pixels, str)}
    try:
        said = subject.reader_for(study.woman)(views) if views else {}
        entries = [v for v in study.views if v.role in opened]
        found = [score_view(study, v, opened[v.role], said.get(v.role)) for v in entries]
    except LanternError as error:
        unreadable.append({"name": study.name, "why": str(error)})
        return []
    if found:
        seconds = time.perf_counter() - read
        times[study.name] = {"read": round(read - started, 3), "examine": round(seconds, 3), "images": len(found)}
    return found


def _open(study: StudyEntry, unreadable: list[dict[str, str]]) -> Opened:
    opened: Opened = {}
    for view in study.views:
        try:
            opened[view.role] = view.load()
        except LanternError as error:
            unreadable.append({"name": view.name, "why": str(error)})
    return opened


def _counted(rows: Sequence[ImageRow], subject: Subject) -> list[ImageRow]:
    """Without the women that the subject was trained on, in each tier; all where there are no others."""
    out = []
    for tier in sorted({r.tier for r in rows}):
        mine = [r for r in rows if r.tier == tier]
        out += [r for r in mine if r.woman not in subject.seen] or mine
    return out


def _report(rows: list[ImageRow], subject: Subject, seed: int, out: Path) -> dict[str, Any]:
    tiers: dict[str, Any] = {}
    plots: dict[str, dict[str, str]] = {}
    for tier in sorted({r.tier for r in rows}):
        mine = [r for r in rows if r.tier == tier]
        counted = _counted(mine, subject)
        tiers[tier] = plain(summarise(counted, seed, subject.operating_point))
        tiers[tier]["apart"] = [r.name for r in mine if r not in counted]
        tiers[tier]["seen"] = sum(r.woman in subject.seen for r in counted)
        plots[tier] = {kind: f"plots/{name}" for kind, name in draw_plots(tier, tiers[tier], out / "plots").items()}
    return {
        "schema": SCHEMA,
        "subject": {
            "name": subject.name,
            "version": subject.version,
            "operating_point": subject.operating_point,
            "cross_validated": subject.cross_validated,
        },
        "seed": seed,
        "tiers": tiers,
        "images": [plain(asdict(r)) for r in rows],
        "plots": plots,
    }


def _threshold(about: Mapping[str, Any]) -> float:
    """Of what is shown: the operating point, else that of one false positive per image."""
    point = about["operating_point"]
    found: float | None = point["threshold"] if point else about["at_false_positives"]["all"]["1"]["threshold"]
    return float("inf") if found is None else found


def _line(study: StudyEntry, rows: Sequence[ImageRow]) -> str:
    if not rows:
        return f"{study.name}: not readable"
    said = ", ".join(f"{r.role} declined" if r.declined else f"{r.role} {_score(r)}" for r in rows)
    return f"{study.name}: {said}"


def _score(row: ImageRow) -> str:
    truth: Mapping[bool | None, str] = {True: "abnormal", False: "normal", None: "unknown"}
    hits = sum(v.best > float("-inf") for v in row.lesions)
    return f"{row.score:.2f} ({truth[row.abnormal]}; {hits} of {len(row.lesions)} lesions marked)"
