"""What the node negotiates and asks: told by the code that does it, function by function."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom import build_context
from pynetdicom.presentation import PresentationContext

from node import ask, retrieve_get, retrieve_move, scu
from node.conformance.model import Context, Created, Question
from node.conformance.names import term
from node.find import count_by_asking
from node.priors import WANTED, find_priors
from node.syntaxes import supported_contexts
from pipeline.core.patient import Patient

AS_SCP = "SCP role proposed (PS3.7 D.3.3.4)"
NOBODY = Patient("ID", "", "", "", "2.25.1", "20260101", "")


def accepted() -> tuple[Context, ...]:
    """Of verification and storage SCP."""
    return _all(supported_contexts(), "SCP")


def sent(created: Iterable[Created]) -> tuple[Context, ...]:
    """Of storage SCU, for all that is created: an association proposes those of its files."""
    pairs = ((UID(c.sop_class.uid), UID(s.uid)) for c in created for s in c.syntaxes)
    return _all(scu.contexts_for(pairs), "SCU")


def echoed() -> tuple[Context, ...]:
    """Of verification SCU."""
    return _all(scu.echo_contexts(), "SCU")


def found() -> tuple[Context, ...]:
    """Of C-FIND."""
    return _all([build_context(ask.MODEL, ask.SYNTAXES)], "SCU")


def got() -> tuple[Context, ...]:
    """Of C-GET, with those for what comes back."""
    stored = set(retrieve_get.STORED)
    return tuple(
        _context(c, "SCP", AS_SCP) if c.abstract_syntax in stored else _context(c, "SCU")
        for c in retrieve_get.contexts()
    )


def moved() -> tuple[Context, ...]:
    """Of C-MOVE."""
    return _all([build_context(retrieve_move.MODEL, ask.SYNTAXES)], "SCU")


def _all(contexts: Iterable[PresentationContext], role: str) -> tuple[Context, ...]:
    return tuple(_context(c, role) for c in contexts)


def _context(context: Any, role: str, extended: str = "none") -> Context:
    return Context(term(context.abstract_syntax), tuple(map(term, context.transfer_syntax)), role, extended)


class _Listener(ask.Asker):
    """Notes what is asked, and gives an answer that leads to the next question."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []

    def ask(self, level: str, **keys: str) -> list[Dataset]:
        """One match: what was asked for, and new UIDs."""
        self.asked.append((level, keys))
        match = Dataset()
        for keyword, value in keys.items():
            setattr(match, keyword, value or {"Modality": keys.get("ModalitiesInStudy") or self._modality}.get(keyword))
        match.StudyInstanceUID = keys.get("StudyInstanceUID") or "2.25.2"
        if "StudyDate" in keys:
            match.StudyDate, self._modality = "20250101", keys.get("ModalitiesInStudy", "")
        for keyword in ("SeriesInstanceUID", "SOPInstanceUID"):
            if keyword in keys:
                setattr(match, keyword, keys[keyword] or "2.25.3")
        return [match]

    _modality = ""


def questions() -> tuple[Question, ...]:
    """The kinds of C-FIND that are asked, by asking them of nobody."""
    counted, earlier = _Listener(), _Listener()
    count_by_asking(counted, "2.25.2")
    for wanted in WANTED.values():
        find_priors(earlier, NOBODY, 1, lambda: None, wanted)
    asked = [("how many images a study has", a) for a in counted.asked]
    asked += [("earlier studies of the patient", a) for a in earlier.asked]
    return tuple(dict.fromkeys(_question(purpose, level, keys) for purpose, (level, keys) in asked))


def _question(purpose: str, level: str, keys: dict[str, str]) -> Question:
    matched = tuple(k for k, value in keys.items() if value)
    return Question(purpose, level, matched, tuple(k for k in keys if k not in matched))
