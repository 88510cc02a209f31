"""The figures of one tier, with their intervals, from the rows of its cases. Everything here is JSON in the end."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

import numpy as np

from pipeline.evaluation.calibration import calibration
from pipeline.evaluation.froc import RATES, found_at, froc, threshold_at
from pipeline.evaluation.intervals import (
    FEWEST_CLUSTERS,
    Estimate,
    difference,
    median,
    ratio,
    reduction,
    wilson,
)
from pipeline.evaluation.lesionwise import TOLERANCES_MM
from pipeline.evaluation.scoring import PHASES, CaseRow, LesionRow, Outline, ScanRow

BINS: tuple[tuple[str, float, float], ...] = (
    ("< 3 mm", 0.0, 3.0),
    ("3-5 mm", 3.0, 5.0),
    ("5-10 mm", 5.0, 10.0),
    ("> 10 mm", 10.0, math.inf),
)
"""By the diameter of a sphere of the lesion's volume; the lower end belongs to the bin."""

ALL_SIZES = ("all", 0.0, math.inf)
FROM_5_MM = (">= 5 mm", 5.0, math.inf)

BY = {"before": "probability", "after": "score"}

Flat = list[tuple[str, LesionRow]]


def summarise(rows: Sequence[CaseRow], seed: int) -> dict[str, Any]:
    """Figures before and after model 2, by size, FROC, calibration and the paired comparison."""
    groups = {r.group for r in rows}
    drawn_apart = any(r.scan[p].drawn is not r.scan[p].tumour for r in rows for p in PHASES)
    by_group = len(groups) >= FEWEST_CLUSTERS
    unit = {r.name: r.group if by_group else r.name for r in rows}
    lesions = [(unit[r.name], lesion) for r in rows for lesion in r.lesions]
    return {
        "cases": len(rows),
        "groups": len(groups),
        "lesions": len(lesions),
        "drawn_apart": drawn_apart,
        "declined": [r.name for r in rows if r.declined],
        "resampled_by": "patients or anatomies" if by_group else "scans, as there are too few patients or anatomies",
        **{phase: _phase(rows, unit, lesions, phase, seed) for phase in PHASES},
        "model_2": _paired(rows, unit, lesions, seed),
        "froc": {phase: _curve(rows, BY[phase]) for phase in PHASES},
        "at_false_positives": {phase: _at_rates(rows, lesions, BY[phase], seed) for phase in PHASES},
        "calibration": calibration([c for r in rows for c in r.candidates if c.lesions or c.is_false]),
    }


def found(lesion: LesionRow, phase: str) -> bool:
    """Whether the lesion has a candidate that counts in the phase."""
    return getattr(lesion, phase) is not None


def false_positives(row: CaseRow, phase: str) -> int:
    """Candidates of the phase that touch no tumour."""
    return sum(c.is_false and c.counts(phase) for c in row.candidates)


def plain(value: Any) -> Any:
    """JSON types; numbers with six digits, so that the last bits of a sum change no report."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def _phase(rows: Sequence[CaseRow], unit: dict[str, str], lesions: Flat, phase: str, seed: int) -> dict[str, Any]:
    units, ones = [unit[r.name] for r in rows], [1.0] * len(rows)
    wrong = [float(false_positives(r, phase)) for r in rows]
    right = [float(sum(bool(c.lesions) and c.counts(phase) for c in r.candidates)) for r in rows]

    def scans(of: Callable[[ScanRow], float]) -> Estimate:
        return ratio([of(r.scan[phase]) for r in rows], ones, units, seed)

    def middle(of: Callable[[ScanRow], float], drawn: str = "") -> Estimate:
        with_lesion = [r for r in rows if r.lesions]
        return median([of(r.scan[phase]) for r in with_lesion], [unit[r.name] for r in with_lesion], seed)

    return {
        "sensitivity": _sensitivity(lesions, lambda v: found(v, phase), seed),
        "false_positives_per_scan": ratio(wrong, ones, units, seed),
        "precision": ratio(right, [a + b for a, b in zip(right, wrong, strict=True)], units, seed),
        "by_size": {
            name: _size_bin(lesions, low, high, phase, seed) for name, low, high in (*BINS, FROM_5_MM, ALL_SIZES)
        },
        "lesionwise_tumour": _lesionwise(scans, lambda s: s.tumour),
        "lesionwise_as_drawn": _lesionwise(scans, lambda s: s.drawn),
        "scan_dice_tumour_median": middle(lambda s: s.dice),
        "scan_dice_as_drawn_median": middle(lambda s: s.dice_drawn),
    }


def _lesionwise(scans: Callable[..., Estimate], of: Callable[[ScanRow], Any]) -> dict[str, Estimate]:
    nsd = {f"nsd_{t:g}mm": scans(lambda s, k=k: of(s).lw_nsd[k]) for k, t in enumerate(TOLERANCES_MM)}
    return {
        "dice": scans(lambda s: of(s).lw_dice),
        "hd95_mm": scans(lambda s: of(s).lw_hd95_mm),
        **nsd,
        "false_positives": scans(lambda s: float(of(s).false_positives)),
    }


def _sensitivity(lesions: Flat, hit: Callable[[LesionRow], bool], seed: int) -> dict[str, Any]:
    hits = [float(hit(lesion)) for _, lesion in lesions]
    boot = ratio(hits, [1.0] * len(hits), [u for u, _ in lesions], seed)
    return {"found": int(sum(hits)), "of": len(hits), "estimate": boot, "wilson": wilson(int(sum(hits)), len(hits))}


def _size_bin(lesions: Flat, low: float, high: float, phase: str, seed: int) -> dict[str, Any]:
    inside = [(u, v) for u, v in lesions if low <= v.diameter_mm < high]
    drawn: list[tuple[str, Outline]] = [(u, getattr(v, phase)) for u, v in inside if found(v, phase)]
    units = [u for u, _ in drawn]

    def middle(of: Callable[[Outline], float]) -> Estimate:
        return median([of(o) for _, o in drawn], units, seed)

    return {
        "sensitivity": _sensitivity(inside, lambda v: found(v, phase), seed),
        "dice_median": middle(lambda o: o.dice),
        "dice_as_drawn_median": middle(lambda o: o.dice_drawn),
        "hd95_mm_median": middle(lambda o: o.hd95_mm),
        "mean_surface_mm_median": middle(lambda o: o.mean_surface_mm),
        "centre_shift_mm_median": middle(lambda o: o.centre_shift_mm),
        "volume_error_percent_median": middle(lambda o: 100 * o.volume_error),
        "absolute_volume_error_percent_median": middle(lambda o: 100 * abs(o.volume_error)),
    }


def _paired(rows: Sequence[CaseRow], unit: dict[str, str], lesions: Flat, seed: int) -> dict[str, Any]:
    units = [unit[r.name] for r in rows]
    wrong = {p: [float(false_positives(r, p)) for r in rows] for p in PHASES}
    seen = {p: [float(found(v, p)) for _, v in lesions] for p in PHASES}
    lw = {p: [r.scan[p].tumour.lw_dice for r in rows] for p in PHASES}
    return {
        "false_positives_removed": reduction(wrong["after"], wrong["before"], units, seed),
        "sensitivity_change": difference(seen["after"], seen["before"], [u for u, _ in lesions], seed),
        "lesionwise_dice_change": difference(lw["after"], lw["before"], units, seed),
        "lesions_lost": int(sum(seen["before"]) - sum(seen["after"])),
    }


def _curve(rows: Sequence[CaseRow], by: str) -> list[dict[str, float]]:
    return [asdict(p) for p in froc(rows, by)]


def _at_rates(rows: Sequence[CaseRow], lesions: Flat, by: str, seed: int) -> dict[str, Any]:
    """Sensitivity by size where the false positives per scan come nearest to each of RATES from below."""
    points = froc(rows, by)
    out = {}
    for rate in RATES:
        threshold = threshold_at(points, rate)
        sizes = {
            name: _sensitivity(
                [(u, v) for u, v in lesions if low <= v.diameter_mm < high],
                lambda v, t=threshold: found_at(v, by, t),  # type: ignore[misc]
                seed,
            )
            for name, low, high in (*BINS, FROM_5_MM, ALL_SIZES)
        }
        out[f"{rate:g}"] = {"threshold": threshold, "sensitivity": sizes}
    return out
