"""One table each way: what our errors are as DIMSE statuses, and what a peer's statuses are as our errors.

Storage statuses: PS3.4 B.2.3; general ones: PS3.7 Annex C. A peer's statuses are told in words, with what to do.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from pynetdicom.status import STORAGE_SERVICE_CLASS_STATUS

from pipeline.core.errors import (
    DiskFull,
    HeaderUnusable,
    LanternError,
    LedgerUnavailable,
    OurFault,
    PeerBusy,
    PeerRefused,
    PixelsUnreadable,
)

SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
OUT_OF_RESOURCES = 0xA700
NOT_AS_ANNOUNCED = 0xA900
CANNOT_UNDERSTAND = 0xC000

NOT_THIS_CLASS = frozenset({0x0118, 0x0122})
"""What a peer answers when it takes no object of that SOP Class (no such SOP Class; SOP Class not supported).

0xA9xx and 0xCxxx are about one data set: the next one of its class may be taken, so nothing is concluded from them.
"""

_LOG = "the peer's log may say why"
_ITSELF = "it is sent again by itself"
_ONE = (
    f"{_LOG}. If it refuses every object of this kind, say what it is to get: "
    "`segments`, `coordinates` and `page` of its [[destination]]"
)
_TODO = {
    OUT_OF_RESOURCES: f"the peer lacks space or memory: {_ITSELF}",
    NOT_AS_ANNOUNCED: _ONE,
    CANNOT_UNDERSTAND: _ONE,
    0x0105: _ONE,
    0x0106: _ONE,
    PROCESSING_FAILURE: f"the peer failed, and its log may say why: {_ITSELF}",
    0x0115: _ONE,
    0x0117: "the peer does not like the UID of this object: its log may say why",
    0x0118: "the peer negotiates objects of this kind, and takes none",
    0x0119: "the peer has the UID of this object for another kind: its log may say more",
    0x0120: _ONE,
    0x0121: _ONE,
    0x0122: "the peer negotiates objects of this kind, and takes none",
    0x0124: f"allow this node's AE title to store there: {_ITSELF}",
    0x0210: "the peer lost count of the messages: `lantern jobs retry` sends it again",
    0x0211: "the peer does not do C-STORE: is it an archive, and this its port and AE title?",
    0x0212: "the peer does not do C-STORE as DICOM says: its log may say more",
    0x0213: f"the peer lacks space or memory: {_ITSELF}",
    0xFE00: f"the peer broke off: {_ITSELF}",
}
"""What to do about a failure; 0xA7xx, 0xA9xx and 0xCxxx are one each."""

COMMENT_CHARACTERS = 64
"""Error Comment (0000,0902) is an LO (PS3.7 C, PS3.5 6.2)."""


class NotAsAnnounced(HeaderUnusable):
    """The data set is of another SOP Class or instance than the C-STORE command said (PS3.4 B.2.3, 0xA9xx)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """How an error is told: to the sender as `status`, to the log at `level`."""

    status: int
    level: int


REFUSALS: dict[type[Exception], Refusal] = {
    DiskFull: Refusal(OUT_OF_RESOURCES, logging.ERROR),
    LedgerUnavailable: Refusal(OUT_OF_RESOURCES, logging.ERROR),
    OSError: Refusal(OUT_OF_RESOURCES, logging.ERROR),
    MemoryError: Refusal(OUT_OF_RESOURCES, logging.ERROR),
    NotAsAnnounced: Refusal(NOT_AS_ANNOUNCED, logging.WARNING),
    HeaderUnusable: Refusal(CANNOT_UNDERSTAND, logging.WARNING),
    PixelsUnreadable: Refusal(CANNOT_UNDERSTAND, logging.WARNING),
    OurFault: Refusal(PROCESSING_FAILURE, logging.ERROR),
    Exception: Refusal(PROCESSING_FAILURE, logging.ERROR),
}
"""0xA7xx asks the sender to try again later; the others say that the same object would fail again."""


def refusal_of(error: Exception) -> Refusal:
    """The row of the error's nearest ancestor."""
    return next(REFUSALS[c] for c in type(error).__mro__ if c in REFUSALS)


def comment_of(error: Exception) -> str:
    """An Error Comment: our own words cut to fit, never those of a library, which might quote a patient."""
    said = error.message if isinstance(error, LanternError) else "the node could not process this object"
    return said.encode("ascii", "replace").decode().replace("\\", "/")[:COMMENT_CHARACTERS]


def words_of(code: int, comment: str = "") -> str:
    """A peer's C-STORE status, also the FailureReason of STOW-RS, for people: the code, what it means, what to do.

    comment: the peer's own words, one printable line.
    """
    sort, meaning = STORAGE_SERVICE_CLASS_STATUS.get(code, ("Failure", "a status that DICOM does not name"))
    said = " ".join([f"0x{code:04X}", *([meaning] if meaning else []), *([f"({comment})"] if comment else [])])
    group = code & 0xF000 if code >> 12 == 0xC else code & 0xFF00 if code >> 8 in (0xA7, 0xA9) else code
    return f"{said}; {_TODO.get(group, _LOG)}" if sort in ("Failure", "Cancel") else said


def error_of_answer(status: int, comment: str = "") -> LanternError | None:
    """What a peer's C-STORE answer means to us: None for success and warnings, else the error to raise or note."""
    said = f"the peer answered 0x{status:04X}" + (f": {comment}" if comment else "")
    if status == SUCCESS or status >> 12 == 0xB or status in (0x0001, 0x0107, 0x0116):
        return None
    if status >> 8 == 0xA7:
        return PeerBusy(said)
    return PeerRefused(said)
