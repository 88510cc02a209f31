"""Was a contrast agent given? From the Contrast/Bolus attributes first, from words second."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pipeline.core.study import Series
from pipeline.imaging.mr_words import (
    BOTH_WAYS,
    CONTRAST_GIVEN,
    DESCRIBED_BY,
    NO_CONTRAST,
    described_by,
    found,
    plain_text,
)


class Contrast(StrEnum):
    """Whether a contrast agent was given."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ContrastEvidence:
    """The answer, the sentence it rests on, and whether that is an attribute (strong) or a word (weak)."""

    given: Contrast
    why: str
    strong: bool


AGENT = (
    "ContrastBolusAgent",
    "ContrastBolusAgentSequence",
    "ContrastBolusIngredient",
    "ContrastBolusIngredientCodeSequence",
)
"""PS3.3 C.7.6.4 and C.7.6.4b: the agent by name. Technicians type the first one, so it also says what was not given."""

AMOUNT = ("ContrastBolusVolume", "ContrastBolusTotalDose")
"""A volume or dose above 0 says that something was injected, even where the name was left empty (Philips, Canon)."""

NOTHING = {"none", "no", "n", "n a", "na", "nil", "non", "without", "w o", "wo", "not given", "no contrast"} | {
    "nein",
    "ohne",
    "keine",
    "kein",
    "aucun",
    "sans",
    "0",
    "-",
    "--",
    "off",
    "false",
    "noncontrast",
    "negative",
    "unenhanced",
    "non-contrast",
    "no agent",
}
"""What technicians and scanners write into Contrast/Bolus Agent when there was none."""

BY_MOUTH = {"oral", "po", "rectal", "per os", "by mouth"}
"""Routes (PS3.16 CID 11) that bring nothing to the brain."""


def contrast_of(series: Series) -> ContrastEvidence:
    """Whether a contrast agent was given, and how we know.

    Attributes beat words; among words those for "without" beat those for "with". The Contrast/Bolus module is
    required when an agent was used (PS3.3 A.4.3), so without it and without a word the answer is NO. Where
    an agent is recorded but the description says "without", the answer is UNKNOWN: nobody can tell from here.
    """
    recorded, worded = _recorded(series), _worded(series)
    if recorded is None:
        why = "no ContrastBolusAgent, and no word for contrast in the description"
        return worded or ContrastEvidence(Contrast.NO, why, strong=False)
    if recorded.given is Contrast.YES and worded is not None and worded.given is Contrast.NO:
        return ContrastEvidence(Contrast.UNKNOWN, f"{recorded.why}, but {worded.why}", strong=True)
    return recorded


def _worded(series: Series) -> ContrastEvidence | None:
    """What the description says, else the protocol name."""
    for keyword in DESCRIBED_BY:
        text = BOTH_WAYS.sub(" ", described_by(series, keyword))
        without, given = found(NO_CONTRAST, text), found(CONTRAST_GIVEN, text)
        if without:
            return ContrastEvidence(Contrast.NO, f'{keyword} says "{without}"', strong=False)
        if given:
            why = f'no ContrastBolusAgent, but {keyword} says "{given}"'
            return ContrastEvidence(Contrast.YES, why, strong=False)
    return None


def _recorded(series: Series) -> ContrastEvidence | None:
    route = plain_text(str(series.get("ContrastBolusRoute") or ""))
    if route in BY_MOUTH:
        return ContrastEvidence(Contrast.NO, f"ContrastBolusRoute is {route}", strong=True)
    administered = series.get("ContrastBolusAgentAdministered")
    if administered in ("YES", "NO"):
        why = f"ContrastBolusAgentAdministered is {administered}"
        return ContrastEvidence(Contrast(administered.lower()), why, strong=True)
    for keyword in AGENT:
        name = _name(series.get(keyword))
        if name:
            given = Contrast.NO if plain_text(name) in NOTHING else Contrast.YES
            return ContrastEvidence(given, f"{keyword} is {name}", strong=True)
    for keyword in AMOUNT:
        amount = series.get(keyword)
        if isinstance(amount, int | float) and amount > 0:
            return ContrastEvidence(Contrast.YES, f"{keyword} is {amount:g} ml", strong=True)
    return None


def _name(value: Any) -> str:
    return " ".join(str(v) for v in value if v) if isinstance(value, tuple) else str(value or "").strip()
