"""C-FIND over one association (PS3.4 C.4.1, Study Root): bounded in time, and not believing what was not asked."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_context
from pynetdicom.association import Association
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind

from node.association import Watch, associate
from pipeline.core.errors import PeerUnreachable
from pipeline.core.route import Peer
from pipeline.imaging.header import MALFORMED

MODEL = StudyRootQueryRetrieveInformationModelFind
PENDING = (0xFF00, 0xFF01)
SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]

MOST_MATCHES = 10_000
"""Answers to one question; a system with more of them has not understood it."""

_MUST_AGREE = ("StudyInstanceUID", "SeriesInstanceUID", "PatientID")


class Asker:
    """C-FIND over one open association, all questions within one time limit."""

    def __init__(self, peer: Peer, association: Association, watch: Watch, timeout_s: float) -> None:
        self._peer, self._association, self._watch = peer, association, watch
        self._until = time.monotonic() + timeout_s

    def ask(self, level: str, **keys: str) -> list[Dataset]:
        """The matches at `level`; empty values ask for the attribute. Raises PeerUnreachable unless all came."""
        return list(self._answers(query(level, **keys), keys))

    def _answers(self, asked: Dataset, keys: dict[str, str]) -> Iterator[Dataset]:
        left_s = max(0.1, self._until - time.monotonic())
        self._association.dimse_timeout = left_s
        self._watch.allow(left_s)
        try:
            for number, (status, match) in enumerate(self._association.send_c_find(asked, MODEL)):
                if self._is_last(status):
                    return
                if number >= MOST_MATCHES:
                    raise PeerUnreachable(f"{self._peer.name} gives more than {MOST_MATCHES} answers to one question")
                if match is not None and _is_asked_for(match, keys):
                    yield match
        except (RuntimeError, ValueError) as error:  # the association is gone; the model was not accepted
            raise PeerUnreachable(f"{self._peer.name} does not answer C-FIND: {error}") from error
        raise PeerUnreachable(f"{self._peer.name} stopped in the middle of its C-FIND answers")

    def _is_last(self, status: Dataset) -> bool:
        if "Status" not in status:
            raise PeerUnreachable(f"{self._peer.name} did not answer C-FIND in time")
        if status.Status in PENDING:
            if time.monotonic() > self._until:
                raise PeerUnreachable(f"{self._peer.name} did not finish its C-FIND answers in time")
            return False
        if status.Status != 0x0000:
            hint = "may this node query it? Register our AE title for C-FIND there"
            raise PeerUnreachable(f"{self._peer.name} answered C-FIND with 0x{status.Status:04X}", hint)
        return True


@contextmanager
def asking(
    peer: Peer, *, calling_ae: str, timeout_s: float, tls: ssl.SSLContext | None = None, hint: str = ""
) -> Iterator[Asker]:
    """Somebody to ask, as long as the block lasts. Raises PeerUnreachable; `hint` when the peer has no C-FIND.

    timeout_s bounds opening the association and all answers together, each.
    """
    contexts = [build_context(MODEL, SYNTAXES)]
    with associate(peer, contexts, calling_ae=calling_ae, timeout_s=timeout_s, tls=tls) as (association, watch):
        if not association.accepted_contexts:
            raise PeerUnreachable(f"{peer.name} does not offer C-FIND (Study Root)", hint)
        yield Asker(peer, association, watch, timeout_s)


def query(level: str, **keys: str) -> Dataset:
    """An identifier (PS3.4 C.4.1.1.3): what is to agree, and, where the value is empty, what is to be told."""
    asked = Dataset()
    asked.QueryRetrieveLevel = level
    if not all(value.isascii() for value in keys.values()):
        asked.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in keys.items():
        setattr(asked, keyword, value)
    return asked


def _is_asked_for(match: Dataset, keys: Mapping[str, str]) -> bool:
    """Some systems ignore a key that they do not index, and answer with everything they have."""
    wanted = {k: keys[k] for k in _MUST_AGREE if keys.get(k)}
    return all(text_of(match, keyword) in ("", value.strip()) for keyword, value in wanted.items())


def text_of(match: Dataset, keyword: str) -> str:
    """The value of a match as text; several as in a file, with backslashes; empty without one that can be read."""
    try:
        value: Any = match.get(keyword)
    except MALFORMED:
        return ""
    if value is None:
        return ""
    return "\\".join(map(str, value)) if isinstance(value, MultiValue) else str(value).strip()


def number_of(match: Dataset, keyword: str) -> int | None:
    """The value of a match as a whole number; None when it is none."""
    text = text_of(match, keyword)
    return int(text) if text.isdecimal() else None
