"""What the proposed treatment sessions mean for one lesion: in words, and in colour."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence

from pydicom.sr.codedict import codes

from pipeline.core.errors import OurFault
from pipeline.encode.common import colour
from pipeline.findings import NOT_PLANNED, Findings, Lesion
from pipeline.sessions.plan import Plan
from pipeline.sessions.planned import Planned
from pipeline.sessions.told import ESTIMATE, sentences

RGB = tuple[int, int, int]

_TIERS = ((0.95, 1.0), (0.55, 1.0), (0.95, 0.65))
"""Saturation and value that lesions of one session take in turn."""

_SEVERAL = -1
_GOLDEN = 0.618033988749895
_BRAINSTEM = codes.SCT.BrainStem.value

_PALE = 0.18
"""Saturation of lesions that are treated in several sessions: they have the colour of none."""

_INSIDE_MM = 0.5
"""A lesion nearer to the brainstem than this lies in it."""


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
        return (
            *sentences(findings.planned.plan),
            *findings.planned.remarks,
            *remarked(findings),
            *_excluded(findings),
        )
    told = any("treatment sessions" in remark for remark in findings.remarks)  # the pipeline said why
    if findings.lesions and findings.sought.roi_type == "GTV" and not told:
        return ("No treatment sessions are proposed for these lesions.",)
    return ()


def _excluded(findings: Findings) -> tuple[str, ...]:
    planned = findings.planned
    names = [n.short_label for n in findings.lesions if planned and not planned.session_of(n.short_label)]
    return (f"Excluded from the proposed sessions: {', '.join(names)}.",) if names else ()


def remarked(findings: Findings) -> tuple[str, ...]:
    """Prescriptions to look at twice: a table by diameter knows nothing of the brainstem."""
    planned = findings.planned
    there = [n for n in findings.lesions if planned and planned.session_of(n.short_label) and _in_brainstem(n)]
    if planned is None or not there:
        return ()
    given = ", ".join(f"{n.short_label} ({prescribed(planned, n.short_label)})" for n in there)
    return (f"In or at the brainstem, where less is usually prescribed than by diameter alone: {given}.",)


def _in_brainstem(lesion: Lesion) -> bool:
    in_it = lesion.site is not None and lesion.site.code.value == _BRAINSTEM
    return in_it or lesion.distances_mm.get("brainstem", _INSIDE_MM) < _INSIDE_MM


def prescribed(planned: Planned, name: str) -> str:
    """ "18 Gy in 1", "-" for an excluded lesion."""
    dose = planned.prescription_of(name)
    return f"{dose.dose_gy:g} Gy in {dose.fractions}" if dose else "-"


def on_bed(plan: Plan) -> str:
    """What the numbers of biologically effective dose are."""
    return (
        f"BED: linear-quadratic, alpha/beta {plan.alpha_beta_gy:g} Gy, complete repair between sessions; of the brain "
        "the mean outside the targets, of organs the largest."
    )


def not_planned(findings: Findings) -> tuple[str, ...]:
    """The remarks that name outlines which may be lesions and are left out."""
    return tuple(words for words in findings.remarks if words.startswith(NOT_PLANNED))


def on_names(findings: Findings) -> tuple[str, ...]:
    """Why a lesion has a shorter name in some objects."""
    cut = [n for n in findings.lesions if n.short_label != n.label]
    if not cut:
        return ()
    return (
        "Structure set, plan and their pages have lesions' names in 16 characters, which planning systems take: there "
        f"{cut[0].label} is {cut[0].short_label}.",
    )


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

    With a plan of several sessions each session has its part of the colour circle, and a lesion that of its session;
    those that are treated in several are pale, and excluded ones grey.
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
        session = _SEVERAL if len(planned.session_of(name)) > 1 else sessions.get(name, 0)
        seen[session] = seen.get(session, -1) + 1
        made[name] = _of_session(session, planned.plan.chosen, seen[session])
    return made


def session_colour(session: int, sessions: int) -> RGB:
    """Of a session itself, in the middle of its part of the circle; white where there is one alone."""
    return _rgb((session - 1) / sessions, *_TIERS[0]) if sessions > 1 else (255, 255, 255)


def _rgb(hue: float, saturation: float, value: float) -> RGB:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _of_session(session: int, sessions: int, index: int) -> RGB:
    """Hues of a session lie within half of its part of the circle, so that parts keep apart; session 0 is grey, and
    what is treated in several is pale.
    """
    if not session:
        level = 110 + 37 * index % 110
        return level, level, level
    if session == _SEVERAL:
        return _rgb(index * _GOLDEN, _PALE, (1.0, 0.85)[index % 2])
    hue = (session - 1 + 0.5 * ((index * _GOLDEN) % 1.0 - 0.5)) / sessions
    return _rgb(hue, *_TIERS[index % len(_TIERS)])
