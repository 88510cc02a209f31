"""All cases through a reader, to a report."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.core.errors import LanternError
from pipeline.evaluation.cases.case import Entry
from pipeline.evaluation.overlays import draw_overlays
from pipeline.evaluation.plots import draw_plots
from pipeline.evaluation.reading import Read, Subject
from pipeline.evaluation.report import full_markdown
from pipeline.evaluation.scoring import PHASES, CaseRow, score_case
from pipeline.evaluation.summary import false_positives, found, plain, summarise

SCHEMA = 1


def evaluate(
    entries: Sequence[Entry], subject: Subject, out: Path, seed: int, done: Callable[[str], None]
) -> dict[str, Any]:
    """Read and score every case; write report.md, report.json, timings.json, plots/ and overlays/ into `out`.

    done:    called with one line a case.
    returns: what report.json holds. Equal cases, reader and seed give an equal file: times stand in timings.json.

    A case that cannot be read is named under "unreadable" and left out.
    """
    out.mkdir(parents=True, exist_ok=True)
    rows: list[CaseRow] = []
    times: dict[str, dict[str, float]] = {}
    unreadable: list[dict[str, str]] = []
    overlays: list[str] = []
    for old in (out / "overlays").glob("*.png"):  # of an earlier run, that this report does not speak of
        old.unlink()
    for entry in entries:
        try:
            case = entry.load()
            started = time.perf_counter()
            read = subject.reader(case.image, case.group)
        except LanternError as error:
            unreadable.append({"name": entry.name, "why": str(error)})
            done(f"{entry.name}: not readable: {error}")
            continue
        times[case.name] = {**read.seconds, "total": round(time.perf_counter() - started, 3)}
        row = score_case(case, read, subject)
        rows.append(row)
        overlays += [str(p.relative_to(out)) for p in draw_overlays(case, read, row, out / "overlays")]
        done(_line(row, read, times[case.name]["total"]))
    report = _report(rows, subject, seed, overlays, unreadable, out)
    (out / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    (out / "timings.json").write_text(json.dumps(times, indent=1) + "\n")
    (out / "report.md").write_text(full_markdown(report, times))
    return report


def _report(
    rows: list[CaseRow],
    subject: Subject,
    seed: int,
    overlays: list[str],
    unreadable: list[dict[str, str]],
    out: Path,
) -> dict[str, Any]:
    tiers: dict[str, Any] = {}
    plots: dict[str, dict[str, str]] = {}
    for tier in sorted({r.tier for r in rows}):
        mine = [r for r in rows if r.tier == tier]
        # Where every case was seen in training there is no better figure: it is given, and the rows say what it is.
        counted = [r for r in mine if r.headline] or mine
        tiers[tier] = plain(summarise(counted, seed))
        tiers[tier]["apart"] = [r.name for r in mine if r not in counted]
        drawn = draw_plots(tier, tiers[tier], counted, out / "plots")
        plots[tier] = {kind: f"plots/{name}" for kind, name in drawn.items()}
    return {
        "schema": SCHEMA,
        "subject": {"name": subject.name, "version": subject.version, "operating_point": subject.operating_point},
        "seed": seed,
        "tiers": tiers,
        "cases": [plain(_case(r)) for r in rows],
        "unreadable": unreadable,
        "plots": plots,
        "overlays": overlays,
    }


def _case(row: CaseRow) -> dict[str, Any]:
    phases = {
        phase: {
            "found": sum(found(v, phase) for v in row.lesions),
            "false_positives": false_positives(row, phase),
            "lesionwise_dice": row.scan[phase].tumour.lw_dice,
            "lesionwise_dice_as_drawn": row.scan[phase].drawn.lw_dice,
            "dice_tumour": row.scan[phase].dice,
            "dice_as_drawn": row.scan[phase].dice_drawn,
        }
        for phase in PHASES
    }
    return {
        "name": row.name,
        "group": row.group,
        "tier": row.tier,
        "headline": row.headline,
        "fingerprint": row.fingerprint,
        "declined": row.declined,
        "remarks": row.remarks,
        "lesions": len(row.lesions),
        **phases,
        "each_lesion": [asdict(v) for v in row.lesions],
        "each_candidate": [asdict(c) for c in row.candidates],
    }


def _line(row: CaseRow, read: Read, seconds: float) -> str:
    if read.declined:
        return f"{row.name}: declined: {read.declined}"
    hits = [sum(found(v, p) for v in row.lesions) for p in PHASES]
    wrong = [false_positives(row, p) for p in PHASES]
    return (
        f"{row.name}: found {hits[0]} -> {hits[1]} of {len(row.lesions)}, false positives {wrong[0]} -> {wrong[1]}, "
        f"Dice {row.scan['after'].dice:.2f}, {seconds:.1f} s"
    )
