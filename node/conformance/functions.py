"""The functions of the application entity: what starts them, what they negotiate, their limits and status codes."""

from __future__ import annotations

from dataclasses import replace

from config.settings import Settings
from node import retrieve_get, retrieve_move, stow
from node.association import CONNECT_TIMEOUT_S, requestor
from node.conformance import contexts, statuses
from node.conformance.model import Answer, Context, Created, Function, Web
from node.retrieve import FIND_S
from node.scu import SLOWEST_BYTES_PER_S
from node.wiring import acceptor_options

_ONE_EACH = "one for each destination, {n} as configured; of one destination one after another"
_OF_WORK = "one for each worker process; one after another"


def functions(settings: Settings, created: tuple[Created, ...]) -> tuple[Function, ...]:
    """Receive, deliver, verify, find, get, move."""
    return (_receive(settings), _deliver(settings, created), _verify(), _find(), _get(), _move())


def _receive(settings: Settings) -> Function:
    options = acceptor_options(settings)
    return Function(
        key="receive",
        name="Storage and Verification SCP",
        activity="Receive images",
        description=(
            "Waits for associations on its port. Of each object received it answers after it is on disk and in the "
            "ledger, and not before. Objects open a job when no more of their study have come for the quiet period of "
            "a route. The order of transfer syntaxes in a proposed context decides: the first that is supported is "
            "accepted."
        ),
        initiates=False,
        contexts=contexts.accepted(),
        max_pdu_bytes=options.max_pdu_bytes,
        associations=f"{options.max_associations}; more are rejected",
        limits=(
            ("wait for an association request", _seconds(options.acse_timeout_s)),
            ("silence on an association, or within a PDU", _seconds(options.network_timeout_s)),
            (
                "open connections, those without an association included",
                str(max(options.max_connections, 2 * options.max_associations)),
            ),
        ),
        answers=statuses.returned(),
    )


def _deliver(settings: Settings, created: tuple[Created, ...]) -> Function:
    waits = sorted({d.timeout_s for d in settings.destinations if not d.stow_url})
    dimse = sum(not d.stow_url for d in settings.destinations)
    return _asking(
        "deliver",
        "Storage SCU",
        "Deliver results",
        "Sends the objects of a job to each destination of its route, the oldest first, until the destination has "
        "them. An association proposes, of the contexts below, those for the objects that wait. They leave byte for "
        "byte as they were made; where a peer takes only another of the transfer syntaxes, the data set is rewritten "
        "without loss.",
        contexts.sent(created),
        _ONE_EACH.format(n=dimse),
        (
            ("wait for an answer", ", ".join(map(_seconds, waits)) or _seconds(30)),
            ("added for the size of an object", f"1 s for each {SLOWEST_BYTES_PER_S / 1000:g} kB"),
            ("pause after a failure, doubled each time",
             f"{settings.deliver.backoff_first_s:g} s to {settings.deliver.backoff_cap_s:g} s"),
            ("parked for a person after", _seconds(settings.deliver.park_after_s)),
        ),
        answers=statuses.of_peers(),
    )  # fmt: skip


def _verify() -> Function:
    return _asking(
        "verify",
        "Verification SCU",
        "Try a peer",
        'The commands "lantern destinations echo" and "lantern doctor" ask whether a peer is there.',
        contexts.echoed(),
        "one",
        (("wait for an answer", _seconds(10)),),
    )


def _find() -> Function:
    function = _asking(
        "find",
        "Query SCU (C-FIND)",
        "Ask what a PACS has",
        "Where a route says so: asks how many images a study has before it is analysed, and which earlier studies of "
        "the patient there are. Answers that do not agree with a unique key that was sent are passed over. Relational "
        "queries are not used.",
        contexts.found(),
        "one for each worker process, and one of the receiving process",
        (("all answers", _seconds(FIND_S)),),
        answers=statuses.of_find(),
    )
    return replace(function, questions=contexts.questions())


def _get() -> Function:
    return _asking(
        "get",
        "Retrieve SCU (C-GET)",
        "Fetch earlier studies by C-GET",
        "Where a peer says retrieve = get: one C-GET for each series, all of a study on one association, at SERIES or "
        "IMAGE level. The images come back on it. One context for each SOP Class and transfer syntax: what a PACS "
        "keeps it sends as it is.",
        contexts.got(),
        _OF_WORK,
        (("silence", _seconds(retrieve_get.SILENCE_S)), ("a study", _seconds(retrieve_get.LONGEST_S))),
        answers=statuses.of_get(),
    )


def _move() -> Function:
    return _asking(
        "move",
        "Retrieve SCU (C-MOVE)",
        "Fetch earlier studies by C-MOVE",
        "Where a peer says retrieve = move: one C-MOVE for each series to the node's own AE title, whose Storage SCP "
        "takes the images. The PACS must know that title with host and port.",
        contexts.moved(),
        _OF_WORK,
        (
            ("silence", _seconds(retrieve_move.SILENCE_S)),
            ("a study", _seconds(retrieve_move.LONGEST_S)),
            ("images that still arrive after the last answer", _seconds(retrieve_move.ARRIVE_S)),
        ),
        answers=statuses.of_move(),
    )


def _asking(
    key: str,
    name: str,
    activity: str,
    description: str,
    proposed: tuple[Context, ...],
    associations: str,
    limits: tuple[tuple[str, str], ...],
    answers: tuple[Answer, ...] = (),
) -> Function:
    return Function(
        key=key,
        name=name,
        activity=activity,
        description=description,
        initiates=True,
        contexts=proposed,
        max_pdu_bytes=int(requestor("LANTERN").maximum_pdu_size),
        associations=associations,
        limits=(("wait for a connection", f"at most {_seconds(CONNECT_TIMEOUT_S)}"), *limits),
        answers=answers,
    )


def web() -> Web:
    """STOW-RS."""
    return Web(
        media=(
            ("Request", "POST {root}/studies, one object in each"),
            ("Content-Type", 'multipart/related; type="application/dicom"'),
            ("Accept", "application/dicom+json"),
            ("Transfer syntax", "as the object was made; nothing is rewritten"),
            ("Authorization", "Bearer token, where one is configured"),
            ("Redirects, proxies of the environment", "not followed, not used"),
            ("Look whether an object is there (after 409)", "GET {root}/studies/…/series/…/instances/…/metadata"),
            ("Look whether the service is there", "GET {root}/studies?StudyInstanceUID=" + stow.NO_STUDY + "&limit=1"),
        ),
        answers=statuses.of_web(),
        limits=(("wait for a connection", f"at most {_seconds(stow.CONNECT_TIMEOUT_S)}"),),
    )


def _seconds(seconds: float) -> str:
    return f"{seconds:g} s" if seconds < 3600 else f"{seconds / 3600:g} h"
