"""The proposed treatment sessions as a part of the report, and what a lesion's own group says of them.

They stand in a container of their own beside those of TID 1500 (which is extensible): nothing in it is measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import highdicom as hd
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from pipeline.encode import codes as own
from pipeline.encode.common import Encoded, Part
from pipeline.encode.measurements import number
from pipeline.encode.text import plain
from pipeline.findings import Findings, Lesion
from pipeline.sessions.plan import Compared, Option, Plan, Session
from pipeline.sessions.planned import Planned
from pipeline.sessions.tables import DoseLimit, VolumeLimit, course
from pipeline.sessions.told import NOT_FOR_TREATMENT

_CONTAINS = hd.sr.RelationshipTypeValues.CONTAINS
_ONE, _DAY, _MINUTE, _PERCENT = codes.UCUM.NoUnits, codes.UCUM.Day, codes.UCUM.Minute, codes.UCUM.Percent


def proposed_measurements(findings: Findings, lesion: Lesion) -> list[Any]:
    """Prescription and fractions of a lesion, then number and day of each of its sessions."""
    planned = findings.planned
    dose = planned.prescription_of(lesion.short_label) if planned else None
    if planned is None or dose is None:
        return []
    rows = [number(own.PRESCRIPTION, dose.dose_gy, own.GRAY), number(own.FRACTIONS, dose.fractions, _ONE)]
    for session in planned.plan.sessions:
        if lesion.short_label in session.lesions:
            rows.append(number(own.SESSION_NUMBER, session.number, _ONE))
            rows.append(number(own.SESSION_DAY, session.day, _DAY))
    return rows


def proposed_evaluations(findings: Findings, lesion: Lesion) -> list[Any]:
    """That all these rows are an estimate, or that the lesion is excluded; nothing without a plan."""
    if findings.planned is None:
        return []
    treated = findings.planned.session_of(lesion.short_label)
    return [hd.sr.QualitativeEvaluation(own.PROPOSAL, own.ESTIMATED if treated else own.EXCLUDED)]


def proposed_sessions(findings: Findings, planned: Planned, others: Sequence[Encoded]) -> Any:
    """The container of all; `others` are the other objects of the same work, those of the doses among them."""
    plan = planned.plan
    items: list[Any] = [_text(codes.DCM.Comment, f"{NOT_FOR_TREATMENT}."), *_method(planned)]
    for session in plan.sessions:
        maps = [e for e in others if e.part in (Part.DOSE_MAP, Part.RT_DOSE) and e.number == session.number]
        items.append(_session(session, findings, planned, maps))
    items += _cumulative(plan)
    items.append(_box(own.CURVE, (_option(o, plan) for o in plan.curve)))
    items.append(_box(own.COMPARISON, (_compared(c) for c in plan.compared)))
    items += [_text(own.WHY, f"{w.lesion} not in session {w.session}: {w.words}") for w in plan.why]
    items.append(_box(own.LIMITS, _limits(planned)))
    treated = [n for n in findings.lesions if planned.session_of(n.short_label)]
    items.append(_box(own.PRESCRIPTIONS, (_prescribed(planned, n) for n in treated)))
    return _box(own.SESSIONS, items)


def _method(planned: Planned) -> list[Any]:
    """Whose doses were given and whose estimated, and how: beyond the grids of all that is given, too."""
    kernel = planned.case.kernel
    words = (
        f"{_sources(planned.plan)} fall with the distance from each lesion, whose shape counts near it and whose "
        f"volume far away, as an inverse power fitted to published plans; gradient index V50/V100 "
        f"{kernel.gradient_index:.2f}. Doses of lesions add."
    )
    if not planned.plan.given:
        words += " No planning system calculated them."
    return [_text(own.DOSE_METHOD, words), *number(own.GRADIENT_INDEX, kernel.gradient_index, _ONE)]


def _sources(plan: Plan) -> str:
    """Up to the words of how estimated doses fall."""
    if not plan.given:
        return "Doses"
    others = sorted({name for s in plan.sessions for name in s.lesions} - set(plan.given))
    of = f"Those of {', '.join(others)}, and of all" if others else "Those of all"
    return (
        f"Doses of {', '.join(plan.given)} were given by a planning system. {of} beyond what was given, are estimated: "
        "they"
    )


def _session(session: Session, findings: Findings, planned: Planned, maps: Sequence[Encoded]) -> Any:
    items = [
        *number(own.SESSION_NUMBER, session.number, _ONE),
        *number(own.SESSION_DAY, session.day, _DAY),
        *number(own.SESSION_TIME, session.minutes, _MINUTE),
        *number(own.V12, session.v12_ml, own.ML, finding_sites=[hd.sr.FindingSite(own.BRAIN)]),
    ]
    for name, gy in session.organs_gy.items():
        items += number(own.LARGEST_DOSE, gy, own.GRAY, finding_sites=_sites(name))
    by_name = {n.short_label: n for n in findings.lesions}
    items += [_treated(by_name[name], session, planned) for name in session.lesions]
    items += [_dose_object(e) for e in maps]
    return _box(own.SESSION, items)


def _treated(lesion: Lesion, session: Session, planned: Planned) -> Any:
    """A lesion of a session: who it is, which of how many fractions, how much."""
    fraction, fractions = session.fractions[lesion.short_label]
    dose = planned.prescription_of(lesion.short_label)
    return _box(
        own.SESSION_LESION,
        (
            *_tracking(lesion),
            *number(own.FRACTION, fraction, _ONE),
            *number(own.FRACTIONS, fractions, _ONE),
            *(number(own.SESSION_DOSE, dose.per_session_gy, own.GRAY) if dose else ()),
        ),
    )


def _dose_object(encoded: Encoded) -> Any:
    kind = hd.sr.ImageContentItem if encoded.part is Part.DOSE_MAP else hd.sr.CompositeContentItem
    ds = encoded.dataset
    return kind(own.DOSE_IMAGE, ds.SOPClassUID, ds.SOPInstanceUID, relationship_type=_CONTAINS)


def _cumulative(plan: Plan) -> list[Any]:
    how = {"method": own.LINEAR_QUADRATIC}
    brain = [hd.sr.FindingSite(own.BRAIN)]
    items = [*number(own.BED, plan.brain_bed_gy, own.GRAY, derivation=codes.SCT.Mean, finding_sites=brain, **how)]
    for name, bed in plan.organs_bed_gy.items():
        items += number(own.BED, bed, own.GRAY, derivation=codes.SCT.Maximum, finding_sites=_sites(name), **how)
    return items


def _option(option: Option, plan: Plan) -> Any:
    return _box(
        own.OPTION,
        (
            *number(own.COUNT, option.sessions, _ONE),
            _code(own.CHOSEN, own.YES if option.sessions == plan.chosen else own.NO),
            *(item for v in option.v12_ml for item in number(own.V12, v, own.ML)),
            *number(own.SQUARED, option.squared, own.GRAY2_ML),
            *number(own.GAP, 100 * option.gap, _PERCENT),
            _code(own.PROVEN, own.YES if option.proven else own.NO),
            *(_text(own.EXCEEDED, words) for words in option.broken),
        ),
    )


def _compared(way: Compared) -> Any:
    return _box(
        own.COMPARED,
        (
            _text(own.WAY, way.name),
            *number(own.COUNT, way.sessions, _ONE),
            *number(own.LARGEST_V12, way.v12_ml, own.ML),
            *number(own.SQUARED, way.squared, own.GRAY2_ML),
            *number(own.BED, way.bed_gy, own.GRAY, derivation=codes.SCT.Mean, method=own.LINEAR_QUADRATIC),
        ),
    )


def _limits(planned: Planned) -> list[Any]:
    """Those of a single session, which each session is held to, and those of the whole course."""
    limits, plan = planned.case.limits, planned.plan
    rows: list[VolumeLimit | DoseLimit | None] = []
    for sessions in dict.fromkeys((1, course(plan.chosen))):
        rows.append(limits.brain(sessions))
        rows += [limits.organ(name, sessions) for name in sorted(plan.organs_bed_gy)]
    return [_limit(row) for row in dict.fromkeys(rows) if row]


def _limit(row: VolumeLimit | DoseLimit) -> Any:
    items: list[Any] = [hd.sr.FindingSite(own.BRAIN)] if row.organ == "brain" else _sites(row.organ)
    items += number(own.FRACTIONS, row.fractions, _ONE)
    if isinstance(row, VolumeLimit):
        items += number(own.AT_DOSE, row.dose_gy, own.GRAY)
        items += number(own.REMARKED_VOLUME, row.warn_ml, own.ML)
        items += number(own.VOLUME_LIMIT, row.most_ml, own.ML)
    else:
        items += number(own.DOSE_LIMIT, row.most_gy, own.GRAY)
    return _box(own.LIMIT, [*items, _text(own.SOURCE, row.source)])


def _prescribed(planned: Planned, lesion: Lesion) -> Any:
    dose = planned.prescription_of(lesion.short_label)
    rows = () if dose is None else (
        *number(own.PRESCRIPTION, dose.dose_gy, own.GRAY),
        *number(own.FRACTIONS, dose.fractions, _ONE),
        _text(own.SOURCE, dose.source),
    )  # fmt: skip
    return _box(own.PRESCRIBED, (*_tracking(lesion), *rows))


def _tracking(lesion: Lesion) -> Any:
    return hd.sr.TrackingIdentifier(uid=lesion.tracking_uid, identifier=plain(lesion.label))


def _sites(name: str) -> list[Any]:
    sites, side = own.organ(plain(name))
    return [hd.sr.FindingSite(site, laterality=side) for site in sites]


def _box(name: Code, items: Iterable[Any]) -> Any:
    box = hd.sr.ContainerContentItem(name=name, relationship_type=_CONTAINS)
    box.ContentSequence = hd.sr.ContentSequence(items)
    return box


def _text(name: Any, words: str) -> Any:
    return hd.sr.TextContentItem(name=name, value=plain(words), relationship_type=_CONTAINS)


def _code(name: Code, value: Code) -> Any:
    return hd.sr.CodeContentItem(name=name, value=value, relationship_type=_CONTAINS)
