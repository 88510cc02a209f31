"""One table each way: what our errors are as DIMSE statuses, and what a peer's statuses are as our errors.

Storage statuses: PS3.4 B.2.3; general ones: PS3.7 Annex C.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

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


def error_of_answer(status: int, comment: str = "") -> LanternError | None:
    """What a peer's C-STORE answer means to us: None for success and warnings, else the error to raise or note."""
    said = f"the peer answered 0x{status:04X}" + (f": {comment}" if comment else "")
    if status == SUCCESS or status >> 12 == 0xB or status in (0x0001, 0x0107, 0x0116):
        return None
    if status >> 8 == 0xA7:
        return PeerBusy(said)
    return PeerRefused(said)
