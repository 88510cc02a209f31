"""Status codes, those that the node returns and those of peers: asked of the code that decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pynetdicom.status import STORAGE_SERVICE_CLASS_STATUS

from node import ask, retrieve_move, scu, stow
from node.conformance.model import Answer
from node.profiles import REFUSED_FOR
from node.status import NOT_THIS_CLASS, REFUSALS, SUCCESS

OUTCOMES = {
    scu.Status.ACCEPTED: "the destination has it; with a warning, a line in the log",
    scu.Status.LATER: "sent again later, under the same UIDs: after growing pauses, until [deliver] park_after_s",
    scu.Status.REFUSED: 'parked with the code and comment for a person; "lantern jobs retry" sends it again',
}
"""What becomes of an object."""

NOT_TAKEN = (
    "parked; the kind of object counts as not taken there, and further results, and those of "
    '"lantern jobs retry --compute", come in another form, until "lantern destinations probe" or '
    f"{REFUSED_FOR.days} days later"
)
"""What becomes of an object whose SOP Class is refused by status."""


def returned() -> tuple[Answer, ...]:
    """As storage SCP: success, and of every refusal the errors that lead to it."""
    whys: dict[int, list[str]] = {}
    for error, refusal in REFUSALS.items():
        whys.setdefault(refusal.status, []).append(_why(error))
    stored = "the object is durable: its file is synced and entered in the ledger; it is known again by its UID"
    refused = [
        Answer(f"0x{code:04X}", _meaning(code), f"nothing is kept; {'; or '.join(why)}") for code, why in whys.items()
    ]
    return (Answer(f"0x{SUCCESS:04X}", "Success", stored), *refused)


def _why(error: type[Exception]) -> str:
    known = {OSError: "the file system failed", MemoryError: "no memory", Exception: "anything else"}
    said = known.get(error) or (error.__doc__ or "").partition("\n")[0].rstrip(".")
    return said[:1].lower() + said[1:]


def _meaning(code: int) -> str:
    return STORAGE_SERVICE_CLASS_STATUS[code][1] or "Success"


def of_peers() -> tuple[Answer, ...]:
    """As storage SCU: what every one of the 65536 codes means for an object."""
    *kept, refused = (
        Answer(codes, outcome.value.capitalize(), OUTCOMES[outcome])
        for outcome in scu.Status
        for codes in [_codes(outcome)]
    )
    return (*kept, Answer(", ".join(ranges(NOT_THIS_CLASS.__contains__)), "Not this SOP Class", NOT_TAKEN), refused)


def _codes(outcome: scu.Status) -> str:
    if outcome is scu.Status.REFUSED:
        return "all others"
    return ", ".join(ranges(lambda code: scu.judge(code) is outcome))


def ranges(holds: Callable[[int], bool]) -> Iterator[str]:
    """The codes for which it holds: "0x0000", "0xA700-0xA7FF"."""
    first: int | None = None
    for code in range(0x10001):
        if code < 0x10000 and holds(code):
            first = code if first is None else first
        elif first is not None:
            yield f"0x{first:04X}" if first == code - 1 else f"0x{first:04X}-0x{code - 1:04X}"
            first = None


def of_find() -> tuple[Answer, ...]:
    """Of C-FIND."""
    pending = ", ".join(f"0x{code:04X}" for code in ask.PENDING)
    return (
        Answer(pending, "Pending", f"a match; at most {ask.MOST_MATCHES} to one question, all within the time limit"),
        Answer("0x0000", "Success", "all matches came"),
        Answer("all others", "Failure", "the answers are not used; who asked goes on without them, and says so"),
    )


def of_get() -> tuple[Answer, ...]:
    """Of C-GET."""
    whole = "the series is used when as many images came as C-FIND had said, else left out"
    return (
        Answer("0xFF00", "Pending", "the time limit begins anew"),
        Answer("0x0000", "Success", whole),
        Answer("all others", "Warning or failure", "the series is left out, and the result says so"),
    )


def of_move() -> tuple[Answer, ...]:
    """Of C-MOVE."""
    unknown = f"0x{retrieve_move.MOVE_DESTINATION_UNKNOWN:04X}"
    hint = "the PACS does not know this node: the retrieval ends, and the log says what to register"
    first, success, others = of_get()
    arrived = f"the series is used when all its images arrive within {retrieve_move.ARRIVE_S:g} s, else left out"
    return (
        first,
        Answer(success.codes, success.meaning, arrived),
        Answer(unknown, "Move destination unknown", hint),
        others,
    )


def of_web() -> tuple[Answer, ...]:
    """Of STOW-RS: HTTP status codes, and the reasons in the answer."""
    later = ", ".join(str(code) for code in sorted(stow.SERVICE_STATUS))
    same = "as the status codes of C-STORE"
    return (
        Answer("200, 202", "stored", OUTCOMES[scu.Status.ACCEPTED]),
        Answer("200, 202, 409 with Failure Reason", "not stored, and why", f"{same} (PS3.18 I.2.2)"),
        Answer(
            "409 without a reason", "conflict", "accepted when the service shows that it has the object, else parked"
        ),
        Answer(f"{later}, 5xx", "of the service, not of the object", OUTCOMES[scu.Status.LATER]),
        Answer("all others", "refused", OUTCOMES[scu.Status.REFUSED]),
    )
