"""A plan as tables for the terminal, from its data (schema lantern.plan/1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from node.cli.show import show


def show_plan(data: Mapping[str, Any]) -> None:
    """Lesions with what they are to get, sessions, the curve, other ways, and why."""
    show("Lesions", [_lesion(p, data["sessions"]) for p in data["prescriptions"]], as_json=False)
    show("Sessions", [_session(s) for s in data["sessions"]], as_json=False)
    show("Sessions against V12", [_option(o, data["chosen"]) for o in data["curve"]], as_json=False)
    show("Compared", [_way(c, data["alpha_beta_gy"]) for c in data["compared"]], as_json=False)
    show("Why", [{"lesion": w["lesion"], "not in session": w["not_in"], "because": w["because"]} for w in data["why"]],
         as_json=False, empty="one session: nothing to explain")  # fmt: skip


def _lesion(p: Mapping[str, Any], sessions: list[Mapping[str, Any]]) -> dict[str, Any]:
    diameter = p["diameter_mm"]
    return {
        "lesion": p["lesion"],
        "diameter mm": "" if diameter is None else f"{diameter:.1f}",
        "volume ml": f"{p['volume_ml']:.2f}",
        "prescription": f"{p['dose_gy']:g} Gy in {p['fractions']}",
        "session": ", ".join(str(s["number"]) for s in sessions if p["lesion"] in s["lesions"]),
        "source": p["source"],
    }


def _session(s: Mapping[str, Any]) -> dict[str, Any]:
    several = {name: f"{name} ({k} of {n})" if n > 1 else name for name, (k, n) in s["fractions"].items()}
    organs = "; ".join(f"{name} {gy:.1f}" for name, gy in s["organs_gy"].items())
    lesions = ", ".join(several[name] for name in s["lesions"])
    return {
        "session": s["number"],
        "day": s["day"],
        "lesions": lesions,
        "V12 ml": f"{s['v12_ml']:.1f}",
        "organs Gy": organs,
        "minutes": f"{s['minutes']:.0f}",
    }


def _option(o: Mapping[str, Any], chosen: int) -> dict[str, Any]:
    return {
        "sessions": f"{o['sessions']}{' (proposed)' if o['sessions'] == chosen else ''}",
        "V12 ml": ", ".join(f"{v:.1f}" for v in o["v12_ml"]),
        "best": "proven" if o["proven"] else f"within {o['gap']:.0%}",
        "exceeds": " ".join(o["broken"]) or "nothing",
    }


def _way(c: Mapping[str, Any], alpha_beta_gy: float) -> dict[str, Any]:
    return {
        "way": c["way"],
        "sessions": c["sessions"],
        "largest V12 ml": f"{c['v12_ml']:.1f}",
        f"mean brain BED Gy (a/b {alpha_beta_gy:g} Gy)": f"{c['brain_bed_gy']:.2f}",
    }
