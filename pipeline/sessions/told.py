"""A plan as data for programs and as sentences for people."""

from __future__ import annotations

from typing import Any

from pipeline.sessions.case import Case
from pipeline.sessions.plan import Option, Plan
from pipeline.sessions.tables import course

SCHEMA = "lantern.plan/1"
ESTIMATE = "ESTIMATE - NOT FOR TREATMENT"
"""What everything that shows doses or sessions begins with."""

NOT_FOR_TREATMENT = f"{ESTIMATE}. RESEARCH USE ONLY - not a medical device"


def as_data(plan: Plan, case: Case) -> dict[str, Any]:
    """JSON-ready; every limit and prescription stands in it with its source. Doses in Gy, volumes in ml, BED in Gy."""
    brain = case.limits.brain()
    names = {name for s in plan.sessions for name in s.lesions}
    limits = [case.limits.organ(name) for name in sorted(plan.organs_bed_gy)]
    return {
        "schema": SCHEMA,
        "use": NOT_FOR_TREATMENT,
        "sessions": [
            {
                "number": s.number,
                "day": s.day,
                "lesions": list(s.lesions),
                "fractions": {name: list(of) for name, of in s.fractions.items()},
                "v12_ml": round(s.v12_ml, 2),
                "organs_gy": {name: round(gy, 2) for name, gy in s.organs_gy.items()},
                "minutes": s.minutes,
            }
            for s in plan.sessions
        ],
        "chosen": plan.chosen,
        "curve": [_option(o) for o in plan.curve],
        "why": [{"lesion": w.lesion, "not_in": w.session, "other": w.other, "because": w.words} for w in plan.why],
        "compared": [
            {
                "way": c.name,
                "sessions": c.sessions,
                "v12_ml": round(c.v12_ml, 2),
                "squared_gy2_ml": round(c.squared, 1),
                "brain_bed_gy": round(c.bed_gy, 3),
            }
            for c in plan.compared
        ],
        "brain_bed_gy": round(plan.brain_bed_gy, 3),
        "organs_bed_gy": {name: round(bed, 1) for name, bed in plan.organs_bed_gy.items()},
        "prescriptions": [
            {
                "lesion": n.name,
                "dose_gy": n.prescription.dose_gy,
                "fractions": n.prescription.fractions,
                "source": n.prescription.source,
            }
            for n in case.lesions
            if n.name in names
        ],
        "limits": [
            {"organ": "brain", "v_gy": brain.dose_gy, "warn_ml": brain.warn_ml, "most_ml": brain.most_ml,
             "source": brain.source},
            *({"organ": d.organ, "most_gy": d.most_gy, "source": d.source} for d in limits if d),
        ],
        "kernel": {"gradient_index": round(case.kernel.gradient_index, 3), "given_doses": list(plan.given)},
        "remarks": list(plan.remarks),
    }  # fmt: skip


def _option(o: Option) -> dict[str, Any]:
    return {
        "sessions": o.sessions,
        "v12_ml": [round(v, 2) for v in o.v12_ml],
        "squared_gy2_ml": round(o.squared, 1),
        "gap": round(o.gap, 4),
        "proven": o.proven,
        "broken": list(o.broken),
    }


def sentences(plan: Plan) -> tuple[str, ...]:
    """What a reader of the report is told of the plan, the warning first."""
    option = plan.option
    best = (
        "proven to have the least squared doses of all groupings that keep the limits"
        if option.proven
        else f"at most {option.gap:.0%} above the least squared doses of any grouping"
    )
    one = next((c for c in plan.compared if c.name == "one session"), None)
    whole = f", and all sessions together to those of {course(plan.chosen)}" if plan.chosen > 1 else ""
    return (
        f"{NOT_FOR_TREATMENT}.",
        f"Proposed: {plan.chosen} session(s), {best}; largest V12 of a session {option.v12_ml[0]:.1f} ml"
        + (f", {one.v12_ml:.1f} ml if all were treated in one." if one and plan.chosen > 1 else "."),
        f"{_doses(plan)} Each session is held to the limits of a single one{whole}.",
        *plan.remarks,
    )


def _doses(plan: Plan) -> str:
    """Where the doses come from."""
    estimated = "estimated from prescription, size and shape of each lesion, not calculated by a planning system."
    if not plan.given:
        return f"Doses are {estimated}"
    others = {name for s in plan.sessions for name in s.lesions} - set(plan.given)
    given = f"The doses of {', '.join(plan.given)} come from a planning system"
    return f"{given}; those of all others are {estimated}" if others else f"{given}."
