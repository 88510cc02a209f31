"""What the proposed treatment sessions mean for one lesion: in words, and in colour."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence

from pipeline.core.errors import OurFault
from pipeline.encode.common import colour
from pipeline.findings import Findings, Lesion
from pipeline.sessions.planned import Planned
from pipeline.sessions.told import ESTIMATE, sentences

RGB = tuple[int, int, int]

_TIERS = ((0.95, 1.0), (0.55, 1.0), (0.95, 0.65))
"""Saturation and value that lesions of one session take in turn."""


def check_plan(findings: Findings) -> None:
    """Raises OurFault where the plan treats what is no lesion of the findings, or where two lesions have one name."""
    if findings.planned is None:
        return
    names = [lesion.short_label for lesion in findings.lesions]
    strange = {name for s in findings.planned.plan.sessions for name in s.lesions} - set(names)
    if strange or len(set(names)) < len(names):
        raise OurFault(f"plan and lesions differ: {', '.join(sorted(strange)) or 'two lesions have one name'}")


def proposed(findings: Findings, lesion: Lesion) -> tuple[str, ...]:
    """When a lesion would be treated and with what: one phrase for descriptions; none without a plan."""
    return () if findings.planned is None else (_phrase(findings.planned, lesion.short_label),)


def _phrase(planned: Planned, name: str) -> str:
    sessions, dose = planned.session_of(name), planned.prescription_of(name)
    if dose is None:
        return f"in no proposed session: excluded, {ESTIMATE}"
    when = f"session{'s' if len(sessions) > 1 else ''} {', '.join(map(str, sessions))} of {planned.plan.chosen}"
    in_all = f"{dose.dose_gy:g} Gy in {dose.fractions} fraction{'s' if dose.fractions > 1 else ''}"
    return f"{when}, {in_all}, {ESTIMATE}"


def said_of_plan(findings: Findings) -> tuple[str, ...]:
    """What the reader is told of the plan, the warning first; that there is none, where lesions could be treated."""
    if findings.planned is not None:
        return (*sentences(findings.planned.plan), *findings.planned.remarks, *_excluded(findings))
    told = any("treatment sessions" in remark for remark in findings.remarks)  # the pipeline said why
    if findings.lesions and findings.sought.roi_type == "GTV" and not told:
        return ("No treatment sessions are proposed for these lesions.",)
    return ()


def _excluded(findings: Findings) -> tuple[str, ...]:
    planned = findings.planned
    names = [n.short_label for n in findings.lesions if planned and not planned.session_of(n.short_label)]
    return (f"Excluded from the proposed sessions: {', '.join(names)}.",) if names else ()


def in_order(findings: Findings) -> tuple[Lesion, ...]:
    """The lesions session by session, in each as the plan has them; excluded ones last. As they are without a plan."""
    if findings.planned is None:
        return findings.lesions
    places = {name: k for k, name in enumerate(_by_session(findings.planned))}
    return tuple(sorted(findings.lesions, key=lambda n: (places.get(n.short_label, len(places)), n.number)))


def _by_session(planned: Planned) -> Mapping[str, int]:
    """Each lesion's first session, in the order of treatment."""
    first: dict[str, int] = {}
    for session in planned.plan.sessions:
        for name in session.lesions:
            first.setdefault(name, session.number)
    return first


def colours(findings: Findings) -> Mapping[int, RGB]:
    """RGB, 0...255, of each lesion by its number, the same in every object.

    With a plan of several sessions each session has its part of the colour circle, a lesion that of its first
    session; excluded lesions are grey.
    """
    planned = findings.planned
    if planned is None or planned.plan.chosen == 1:
        return {n.number: colour(n.number) for n in findings.lesions}
    lesions = in_order(findings)
    made = colours_by_name(planned, [n.short_label for n in lesions])
    return {n.number: made[n.short_label] for n in lesions}


def colours_by_name(planned: Planned, names: Sequence[str]) -> Mapping[str, RGB]:
    """The same of lesions by name, those of each session in the order of the plan; also of a plan without findings."""
    if planned.plan.chosen == 1:
        return {name: colour(number) for number, name in enumerate(names, start=1)}
    sessions = _by_session(planned)
    places = {name: k for k, name in enumerate(sessions)}
    seen: dict[int, int] = {}
    made = {}
    for name in sorted(names, key=lambda n: places.get(n, len(places))):
        session = sessions.get(name, 0)
        seen[session] = seen.get(session, -1) + 1
        made[name] = _of_session(session, planned.plan.chosen, seen[session])
    return made


def _of_session(session: int, sessions: int, index: int) -> RGB:
    """Hues of a session lie within half of its part of the circle, so that parts keep apart; session 0 is grey."""
    if not session:
        level = 110 + 37 * index % 110
        return level, level, level
    hue = (session - 1 + 0.5 * ((index * 0.618033988749895) % 1.0 - 0.5)) / sessions % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, *_TIERS[index % len(_TIERS)])
    return round(red * 255), round(green * 255), round(blue * 255)
