"""C-STORE and C-ECHO to a destination (PS3.4 B.2, PS3.7 9.1): what became of every file, never a guess."""

from __future__ import annotations

import logging
import re
import ssl
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydicom import dcmread, dcmwrite
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)
from pynetdicom import _config, build_context
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import Verification

from node.association import Watch, associate
from node.status import NOT_THIS_CLASS, words_of
from pipeline.core.errors import PeerRefused, PeerUnreachable
from pipeline.core.route import Destination, Peer

log = logging.getLogger(__name__)

# Files leave byte for byte and are not decoded first; read by send_c_store() of this process alone.
_config.STORE_SEND_CHUNKED_DATASET = True

PLAIN = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
"""What a data set may be rewritten to. Explicit first: it keeps the VR of private elements."""

REWRITABLE = frozenset(
    {
        *PLAIN,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
        JPEGLossless,
        JPEGLosslessSV1,
        JPEGLSLossless,
        JPEG2000Lossless,
    }
)
"""Transfer syntaxes from which PLAIN ones can be made without losing anything."""

MAX_CONTEXTS = 128
"""Presentation Context IDs are odd and at most 255 (PS3.8 9.3.2.2)."""

LONGEST_SHORT = 0xFFFE
BYTES_EACH = {"US": 2, "SS": 2, "UL": 4, "SL": 4, "FL": 4, "FD": 8, "AT": 4}
SHORT_VRS = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UI", *BYTES_EACH})
"""VRs whose length has 16 bits in Explicit VR (PS3.5 Table 7.1-2)."""

SLOWEST_BYTES_PER_S = 500_000.0
"""A transfer slower than this is given up: the time limit of one object is timeout_s plus its size over this."""


class Status(StrEnum):
    """What became of a file at the destination."""

    ACCEPTED = "accepted"  #: it has it
    LATER = "later"  #: the same file may be taken at another time
    REFUSED = "refused"  #: it will not take this file until somebody acts


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file. `detail`: status code of the peer, what it means, its comment and what to do; one line.

    unwanted: the peer does not take this kind of object: what it takes is not what we thought.
    refused_with: the status that said so although a presentation context was accepted; 0 when none was.
    """

    sop_instance_uid: str
    status: Status
    detail: str = ""
    unwanted: bool = False
    refused_with: int = 0


@dataclass(frozen=True, slots=True)
class _Item:
    """A file to be sent: its File Meta Information (PS3.10 7.1) and size in bytes."""

    path: Path
    sop_class_uid: UID
    sop_instance_uid: UID
    syntax: UID
    size: int

    @property
    def syntaxes(self) -> tuple[UID, ...]:
        """Transfer syntaxes it can be sent in, its own first."""
        return _sendable_as(self.syntax)


def _sendable_as(syntax: UID) -> tuple[UID, ...]:
    others = PLAIN if syntax in REWRITABLE else ()
    return (syntax, *(s for s in others if s != syntax))


def judge(code: int) -> Status:
    """What a C-STORE status (PS3.4 B.2.3, PS3.7 Annex C), also the FailureReason of STOW-RS, means for the file.

    Success and warnings (0xBxxx, 0x0001, 0x0107, 0x0116), and a duplicate (0x0111): it has it. Out of resources
    (0xA7xx, 0x0213), processing failure (0x0110), not authorised (0x0124, which a person mends at the peer, and parked
    results would not notice), cancelled: later. All else: refused.
    """
    if code in (0x0000, 0x0001, 0x0107, 0x0111, 0x0116) or 0xB000 <= code <= 0xBFFF:
        return Status.ACCEPTED
    if code in (0x0110, 0x0124, 0x0213, 0xFE00) or 0xA700 <= code <= 0xA7FF:
        return Status.LATER
    return Status.REFUSED


def clean(text: object, limit: int = 200) -> str:
    """One printable line of what a peer said, to be shown and logged."""
    return re.sub(r"[^\x20-\x7e\xa0-\uffff]+", " ", str(text)).strip()[:limit]


@dataclass(frozen=True, slots=True)
class _Break:
    """The association ended while the file at `index` waited for its answer."""

    index: int
    detail: str
    timed_out: bool


def send(
    destination: Destination,
    files: Sequence[Path],
    *,
    calling_ae: str,
    tls: ssl.SSLContext | None = None,
    on_tick: Callable[[], None] | None = None,
) -> list[Outcome]:
    """C-STORE `files` to `destination`; one Outcome per file, in their order.

    One association. A peer that aborts it in the middle gets the files after the culprit over another, so that one
    bad object does not hold up the rest; one that falls silent, or aborts twice running without an answer, does not.
    Files go byte for byte in their own transfer syntax, or, where the peer accepted only another and nothing is lost
    by it, rewritten as Explicit or Implicit VR Little Endian.
    on_tick is called before every file. A file takes at most timeout_s plus the time of a slow line, whatever the
    peer does. Raises PeerUnreachable when the peer answered for no file at all.
    """
    items: dict[int, _Item] = {}
    outcomes: dict[int, Outcome] = {}
    for index, path in enumerate(files):
        try:
            items[index] = _read(path)
        except (OSError, InvalidDicomError, AttributeError) as error:
            outcomes[index] = Outcome("", Status.REFUSED, clean(f"not a DICOM file that can be sent: {error}"))
    trouble = _send_items(destination, items, outcomes, calling_ae, tls, on_tick or (lambda: None))
    if trouble and not any(i in outcomes for i in items):
        raise trouble
    for index, item in items.items():
        outcomes.setdefault(index, Outcome(item.sop_instance_uid, Status.LATER, clean(trouble)))
    return [outcomes[i] for i in range(len(files))]


def _send_items(
    destination: Destination,
    items: dict[int, _Item],
    outcomes: dict[int, Outcome],
    calling_ae: str,
    tls: ssl.SSLContext | None,
    on_tick: Callable[[], None],
) -> PeerUnreachable | None:
    """Fill `outcomes` with the peer's answers; what went wrong if that left files without one."""
    culprits: list[_Break] = []
    while waiting := {i: m for i, m in items.items() if i not in outcomes and i not in {c.index for c in culprits}}:
        answered = len(outcomes)
        try:
            broke = _converse(destination, waiting, outcomes, calling_ae, tls, on_tick)
        except PeerUnreachable as error:
            return error
        if broke is None:
            break
        culprits.append(broke)
        if broke.timed_out or (len(outcomes) == answered and len(culprits) > 1):
            break
    return PeerUnreachable(f"{destination.name}: {culprits[-1].detail}") if culprits else None


def _converse(
    destination: Destination,
    items: dict[int, _Item],
    outcomes: dict[int, Outcome],
    calling_ae: str,
    tls: ssl.SSLContext | None,
    on_tick: Callable[[], None],
) -> _Break | None:
    """One association: add the peer's answers to `outcomes`; None when every file got one."""
    contexts = _contexts(items.values())
    proposed = {c.abstract_syntax for c in contexts}
    with associate(destination, contexts, calling_ae=calling_ae, timeout_s=destination.timeout_s, tls=tls) as (
        association,
        watch,
    ):
        for message_id, (index, item) in enumerate(items.items(), start=1):
            on_tick()
            limit_s = destination.timeout_s + item.size / SLOWEST_BYTES_PER_S
            if item.sop_class_uid not in proposed:
                outcomes[index] = Outcome(item.sop_instance_uid, Status.LATER, "too many SOP Classes at once")
                continue
            begun = time.monotonic()
            outcome = _store(association, watch, item, message_id & 0xFFFF, limit_s)
            if outcome is None:
                timed_out = time.monotonic() - begun >= limit_s
                why = f"no answer within {limit_s:.0f} s" if timed_out else "the association was aborted"
                return _Break(index, f"{why} while {item.sop_instance_uid} was sent", timed_out)
            outcomes[index] = outcome
    return None


def _contexts(items: Iterable[_Item]) -> list[PresentationContext]:
    return contexts_for((i.sop_class_uid, i.syntax) for i in items)


def contexts_for(files: Iterable[tuple[UID, UID]]) -> list[PresentationContext]:
    """What `send` proposes for files of these (SOP Class, transfer syntax).

    One context per SOP Class and transfer syntax: the peer then says of each whether it takes it.
    """
    pairs = dict.fromkeys((sop_class, s) for sop_class, syntax in files for s in _sendable_as(syntax))
    return [build_context(sop_class, syntax) for sop_class, syntax in pairs][:MAX_CONTEXTS]


def echo_contexts() -> list[PresentationContext]:
    """What `echo` proposes."""
    return [build_context(Verification, list(PLAIN))]


def _store(association: Association, watch: Watch, item: _Item, message_id: int, limit_s: float) -> Outcome | None:
    """Send one file; None when the association ended before its answer."""
    accepted = {c.transfer_syntax[0] for c in association.accepted_contexts if c.abstract_syntax == item.sop_class_uid}
    syntax = next((s for s in item.syntaxes if s in accepted), None)
    if syntax is None:
        said = f"no presentation context accepted for {item.sop_class_uid.name} in {item.syntax.name}"
        return Outcome(item.sop_instance_uid, Status.REFUSED, said, unwanted=True)
    association.dimse_timeout = limit_s
    watch.allow(limit_s)
    try:
        with _rewritten(item, syntax) as path:
            watch.allow(limit_s)
            answer = association.send_c_store(path, msg_id=message_id)
    except RuntimeError:  # the association ended since the last file
        return None
    except _NotRewritable as error:
        return Outcome(item.sop_instance_uid, Status.REFUSED, clean(error))
    except OSError as error:  # the file is gone, or there is no room to rewrite it
        return Outcome(item.sop_instance_uid, Status.LATER, clean(error))
    return _outcome(item, answer) if "Status" in answer else None


def _outcome(item: _Item, answer: Dataset) -> Outcome:
    code = int(answer.Status)
    outcome = answered(str(item.sop_instance_uid), code, clean(answer.get("ErrorComment") or ""))
    if code != 0 and outcome.status is Status.ACCEPTED:
        log.warning("%s was taken with a warning: %s", item.sop_instance_uid, outcome.detail)
    return outcome


def answered(sop_instance_uid: str, code: int, comment: str = "") -> Outcome:
    """What the peer's status `code` and its comment, one printable line, make of a file."""
    refused = code if code in NOT_THIS_CLASS else 0
    return Outcome(sop_instance_uid, judge(code), words_of(code, comment), bool(refused), refused)


def _read(path: Path) -> _Item:
    meta = read_file_meta_info(path)
    return _Item(
        path=path,
        sop_class_uid=UID(meta.MediaStorageSOPClassUID),
        sop_instance_uid=UID(meta.MediaStorageSOPInstanceUID),
        syntax=UID(meta.TransferSyntaxUID),
        size=path.stat().st_size,
    )


class _NotRewritable(Exception):
    """The peer does not take the file's own transfer syntax, and another cannot be made."""


@contextmanager
def _rewritten(item: _Item, syntax: UID) -> Iterator[Path]:
    """The file, in `syntax`: itself, or a copy that lives as long as the block."""
    if syntax == item.syntax:
        yield item.path
        return
    with tempfile.TemporaryDirectory(prefix="lantern-send-") as folder:
        copy = Path(folder) / "object.dcm"
        try:
            _rewrite(item.path, copy, syntax)
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            said = f"only {syntax.name} is accepted, and {item.syntax.name} cannot be rewritten: {error}"
            raise _NotRewritable(said) from error
        yield copy


def _rewrite(path: Path, copy: Path, syntax: UID) -> None:
    dataset = dcmread(path)
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        if dataset.get("SamplesPerPixel", 1) != 1:
            raise ValueError("the colours of a compressed image might change")
        dataset.decompress(generate_instance_uid=False)
    if not syntax.is_implicit_VR and (keyword := _too_long(dataset)):
        raise ValueError(f"a value of {keyword} is longer than its VR can be there: it must take Implicit VR as well")
    dataset.file_meta.TransferSyntaxUID = syntax
    dcmwrite(copy, dataset, implicit_vr=syntax.is_implicit_VR, little_endian=True, enforce_file_format=True)


def _too_long(dataset: Dataset) -> str:
    """The keyword of a value that Explicit VR could only hold as UN, which readers do not take for numbers; "" if none.

    PS3.5 7.1.2: most VRs have a length of 16 bits there; 6.2.2 allows UN instead, and contours would be lost.
    """
    for element in dataset.iterall():
        if element.VR in SHORT_VRS and element.VM and _encoded_length(element) > LONGEST_SHORT:
            return str(element.keyword or element.tag)
    return ""


def _encoded_length(element: DataElement) -> int:
    values = element.value if element.VM > 1 else [element.value]
    size = BYTES_EACH.get(element.VR)
    if size is not None:
        return size * len(values)
    return sum(len(str(v).encode(errors="replace")) + 1 for v in values)


def echo(
    peer: Destination | Peer, *, calling_ae: str, tls: ssl.SSLContext | None = None, timeout_s: float = 10.0
) -> str:
    """C-ECHO (PS3.7 9.1.5): what the peer calls its software; may be empty.

    Raises PeerUnreachable without an association or an answer, PeerRefused when it will not do C-ECHO.
    """
    with associate(peer, echo_contexts(), calling_ae=calling_ae, timeout_s=timeout_s, tls=tls) as (association, watch):
        if not association.accepted_contexts:
            raise PeerRefused(f"{peer.name} takes associations, but not C-ECHO", "results may still be welcome")
        verify(peer, association, watch, timeout_s)
        return clean(association.acceptor.implementation_version_name or "")


def verify(peer: Destination | Peer, association: Association, watch: Watch, timeout_s: float) -> None:
    """C-ECHO on an association that has a context for it. Raises PeerUnreachable without an answer, PeerRefused."""
    watch.allow(timeout_s)
    try:
        answer: Any = association.send_c_echo()
    except RuntimeError:
        answer = Dataset()
    if "Status" not in answer:
        raise PeerUnreachable(f"{peer.name} took the association, but did not answer C-ECHO")
    if answer.Status != 0:
        raise PeerRefused(f"{peer.name} answered C-ECHO with 0x{answer.Status:04X}")
