"""What a report tells of each lesion in rows and codes (PS3.16 TID 1411): all of it is there, and is what was found."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.findings import Findings, Lesion
from pipeline.proof.lattice import VOLUME
from pipeline.proof.statements import FINDING, FINDING_SITE, LATERALITY, Statement
from pipeline.proof.told import Place, is_named, meant, misplaced
from pipeline.templates.items import Term

OWN = "99LANTERN"

_VOLUME = Term("118565006", "SCT")
_CERTAINTY = Term("111012", "DCM")
_DISTANCE = Term("121206", "DCM")
_IDENTIFIER = Term("112039", "DCM")
_SIZES = {
    Term("103339001", "SCT"): ("long axis", "long_axis_mm", "mm"),
    Term("103340004", "SCT"): ("short axis", "short_axis_mm", "mm"),
    Term("L0JK", "IBSI"): ("3D diameter", "max_diameter_3d_mm", "mm"),
    Term("ENHANCING_VOLUME", OWN): ("volume of the enhancing part", "enhancing_volume_mm3", "mm3"),
}
_AGREEMENT = Term("AGREEMENT", OWN)
"""Told of lesions alone, and not of rejected candidates."""

_SHARES = {_CERTAINTY: ("certainty", "probability"), _AGREEMENT: ("agreement", "agreement")}
_UNITS = {
    "mm3": {"mm3": 1.0, "cm3": 1000.0, "ml": 1000.0, "mL": 1000.0},
    "mm": {"mm": 1.0, "cm": 10.0},
    "%": {"%": 1.0, "1": 100.0},
}
_SAID = 0.01
"""Numbers are written to a thousandth."""

_ANY_LENGTH = 1 << 30


def check_rows(one: Statement, lesion: Lesion, volume_mm3: float, name: str, *, complete: bool) -> Iterator[str]:
    """Sizes, certainty, agreement and distances; complete: whether nothing that was found may be missing.

    volume_mm3: as counted in the labels. Everything else is as the findings have it.
    """
    yield from _volume(one, volume_mm3, name, complete)
    wanted = {concept: (words, getattr(lesion, field), unit) for concept, (words, field, unit) in _SIZES.items()}
    for concept, (words, field) in _SHARES.items():
        share = getattr(lesion, field)
        wanted[concept] = (words, None if share is None else 100 * share, "%")
    for concept, (words, true, unit) in wanted.items():
        told = [value * _UNITS[unit].get(of, np.nan) for row, value, of in one.numbers() if row == concept]
        if true is None and told:
            yield f"the report gives {name} a {words} of {told[0]:.1f} {unit}, and none was found"
        elif true is not None and not told and complete and (one.is_group or concept != _AGREEMENT):
            yield f"the report gives {name} no {words}"
        elif true is not None:
            yield from (
                f"the report gives {name} a {words} of {value:.1f} {unit}, and {true:.1f} were found"
                for value in told
                if not abs(value - true) <= _SAID
            )


def _volume(one: Statement, true: float, name: str, complete: bool) -> Iterator[str]:
    told = [value * _UNITS["mm3"].get(unit, np.nan) for row, value, unit in one.numbers() if row == _VOLUME]
    if not told and complete:
        yield f"the report gives {name} no volume"
    for mm3 in told:
        if not abs(mm3 - true) <= max(VOLUME * true, _SAID):
            yield f"the report gives {name} {mm3:.1f} mm3, and {true:.1f} were found"


def check_distances(one: Statement, lesion: Lesion, name: str) -> Iterator[str]:
    """How far organs at risk are: as many as were measured, each as far."""
    told = sorted(value * _UNITS["mm"].get(unit, np.nan) for row, value, unit in one.numbers() if row == _DISTANCE)
    if not _alike(told, sorted(lesion.distances_mm.values())):
        yield f"the report gives {name} other distances to organs at risk than were found"


def check_codes(one: Statement, lesion: Lesion, findings: Findings, name: str) -> Iterator[str]:
    """Name, kind and place."""
    for child in one.item.children:
        if child.name == _IDENTIFIER and not is_named(
            str(child.dataset.get("TextValue") or ""), lesion.label, _ANY_LENGTH
        ):
            yield f"the report names {name} as something else"
    kinds = [child.code for child in one.item.children if child.name == FINDING]
    if one.is_group and kinds != [meant(findings.sought.finding)]:
        yield f"the report codes {name} as another finding"
    places: set[Place] = {
        (child.code, next((c.code for c in child.children if c.name == LATERALITY), None))
        for child in one.item.children
        if child.name == FINDING_SITE
    }
    yield from misplaced(places, lesion, findings.sought, name)


def _alike(told: list[float], true: list[float]) -> bool:
    return len(told) == len(true) and all(abs(a - b) <= _SAID for a, b in zip(told, true, strict=True))
