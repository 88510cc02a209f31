"""The proposed treatment sessions as a report tells them, against the plan of the findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydicom import Dataset

from pipeline.findings import Lesion
from pipeline.proof.rows import OWN
from pipeline.proof.statements import TRACKING, Statement
from pipeline.proof.truth import Truth
from pipeline.sessions.plan import Session
from pipeline.sessions.planned import Planned
from pipeline.templates.items import Item, Term

_SESSION, _TREATED = Term("SESSION_ONE", OWN), Term("SESSION_LESION", OWN)
_NUMBER, _DAY = Term("SESSION_NUMBER", OWN), Term("SESSION_DAY", OWN)
_V12, _ORGAN = Term("V12", OWN), Term("128531", "DCM")
_PRESCRIPTION, _FRACTIONS = Term("130009", "DCM"), Term("121386", "DCM")
_FRACTION, _DOSE = Term("121385", "DCM"), Term("SESSION_DOSE", OWN)
_MAP = Term("121342", "DCM")
_SAID = 0.01

Rows = dict[Term, list[float]]


def check_proposal(one: Statement, lesion: Lesion, planned: Planned | None, name: str) -> Iterator[str]:
    """What a lesion's own group tells: dose, fractions, and number and day of each of its sessions."""
    if planned is None:
        return
    dose = planned.prescription_of(lesion.short_label)
    mine = [s for s in planned.plan.sessions if lesion.short_label in s.lesions]
    wanted = {
        _PRESCRIPTION: [dose.dose_gy] if dose else [],
        _FRACTIONS: [float(dose.fractions)] if dose else [],
        _NUMBER: [float(s.number) for s in mine],
        _DAY: [float(s.day) for s in mine],
    }
    if not _agree(_rows(one.item), wanted):
        yield f"the report gives {name} other sessions or doses than were planned"


def check_sessions(root: Item, files: Mapping[str, Dataset], truth: Truth) -> Iterator[str]:
    """Each session once, with its lesions, volumes, doses and the maps that show them."""
    planned = truth.findings.planned
    if planned is None:
        return
    boxes = [item for item in root.walk() if item.name == _SESSION]
    if len(boxes) != len(planned.plan.sessions):
        yield f"the report has {len(boxes)} sessions, and {len(planned.plan.sessions)} were planned"
        return
    for box, session in zip(boxes, planned.plan.sessions, strict=True):
        yield from _session(box, session, planned, truth)
        yield from _maps(box, session, files)


def _session(box: Item, session: Session, planned: Planned, truth: Truth) -> Iterator[str]:
    wanted = {
        _NUMBER: [float(session.number)],
        _DAY: [float(session.day)],
        _V12: [session.v12_ml],
        _ORGAN: sorted(session.organs_gy.values()),
    }
    if not _agree(_rows(box), wanted):
        yield f"the report gives session {session.number} another day, or other volumes and doses, than were planned"
    told = {_tracked(item): _rows(item) for item in box.children if item.name == _TREATED}
    lesions = {n.tracking_uid: n for n in truth.findings.lesions if n.short_label in session.lesions}
    if told.keys() != lesions.keys():
        yield f"the report treats other lesions in session {session.number} than were planned"
        return
    for uid, lesion in lesions.items():
        fraction, fractions = session.fractions[lesion.short_label]
        dose = planned.prescription_of(lesion.short_label)
        doses = {_DOSE: [dose.per_session_gy]} if dose else {}
        if not _agree(told[uid], {_FRACTION: [float(fraction)], _FRACTIONS: [float(fractions)], **doses}):
            yield f"the report gives lesion {lesion.number} another dose in session {session.number} than was planned"


def _maps(box: Item, session: Session, files: Mapping[str, Dataset]) -> Iterator[str]:
    for item in box.children:
        shown = files.get(item.image[1]) if item.name == _MAP else None
        if shown is not None and int(shown.get("InstanceNumber") or 0) != session.number:
            yield f"session {session.number} points at the dose of another session"


def _tracked(item: Item) -> str:
    return next((str(c.dataset.get("UID") or "") for c in item.children if c.name == TRACKING), "")


def _rows(item: Item) -> Rows:
    found: Rows = {}
    for child in item.children:
        if child.value_type == "NUM" and child.name is not None and child.number is not None:
            found.setdefault(child.name, []).append(child.number[0])
    return found


def _agree(told: Rows, wanted: Mapping[Term, list[float]]) -> bool:
    """The same numbers in any order, and none missing."""
    for concept, numbers in wanted.items():
        here = sorted(told.get(concept, []))
        if len(here) != len(numbers):
            return False
        if any(abs(a - b) > _SAID for a, b in zip(here, sorted(numbers), strict=True)):
            return False
    return True
