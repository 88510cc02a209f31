"""Errors as DIMSE statuses, and back."""

from __future__ import annotations

import pytest

from node.scu import Status, judge
from node.status import NotAsAnnounced, comment_of, error_of_answer, refusal_of, words_of
from pipeline.core.errors import DiskFull, HeaderUnusable, IllegalMove, LedgerUnavailable, PeerBusy, PeerRefused


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DiskFull("full"), 0xA700),
        (LedgerUnavailable("locked"), 0xA700),
        (PermissionError("archive"), 0xA700),
        (NotAsAnnounced("other class"), 0xA900),
        (HeaderUnusable("no UID"), 0xC000),
        (IllegalMove("bug"), 0x0110),
        (ZeroDivisionError("bug"), 0x0110),
    ],
)
def test_an_error_is_told_by_its_nearest_ancestor(error: Exception, status: int) -> None:
    assert refusal_of(error).status == status


def test_an_error_comment_fits_and_quotes_nobody() -> None:
    assert comment_of(HeaderUnusable("x" * 100)) == "x" * 64
    assert comment_of(HeaderUnusable("a\\b é")) == "a/b ?"
    assert "Doe" not in comment_of(ValueError("bad value Doe^Jane"))


@pytest.mark.parametrize("status", [0x0000, 0xB000, 0xB006, 0xB007])
def test_success_and_warnings_of_a_peer_are_no_error(status: int) -> None:
    assert error_of_answer(status) is None


@pytest.mark.parametrize(("status", "error"), [(0xA700, PeerBusy), (0xA7FF, PeerBusy), (0xA900, PeerRefused),
                                               (0xC123, PeerRefused), (0x0122, PeerRefused)])  # fmt: skip
def test_a_peers_failure_says_whether_to_try_again(status: int, error: type[Exception]) -> None:
    assert type(error_of_answer(status, "why")) is error


@pytest.mark.parametrize(("status", "meaning", "todo"), [
    (0x0122, "Refused: SOP Class Not Supported", "takes none"),
    (0x0118, "No Such SOP Class", "takes none"),
    (0xA7AB, "Refused: Out of Resources", "sent again by itself"),
    (0x0213, "Resource Limitation", "sent again by itself"),
    (0xA9AB, "Data Set Does Not Match SOP Class", "`segments`"),
    (0xC123, "Cannot Understand", "`segments`"),
    (0x0110, "Processing Failure", "sent again by itself"),
    (0x0117, "Invalid Object Instance", "UID"),
    (0x0124, "Refused: Not Authorised", "AE title"),
    (0x0210, "Duplicate Invocation", "retry"),
    (0x0211, "Unrecognised Operation", "archive"),
    (0x0999, "a status that DICOM does not name", "log"),
])  # fmt: skip
def test_a_failure_is_told_by_its_meaning_and_what_to_do(status: int, meaning: str, todo: str) -> None:
    said = words_of(status)
    assert said.startswith(f"0x{status:04X} {meaning}; ")
    assert todo in said.partition(";")[2]


def test_no_status_but_success_is_a_bare_number() -> None:
    assert words_of(0x0000) == "0x0000"
    assert words_of(0xB000, "no room") == "0xB000 Coercion of Data Elements (no room)"
    assert all(len(words_of(code)) > len("0x0000 ") for code in range(1, 0x10000))


def test_what_is_said_to_be_sent_again_is_what_is_sent_again() -> None:
    later = {code for code in range(0x10000) if "sent again by itself" in words_of(code)}
    assert later == {code for code in range(0x10000) if judge(code) is Status.LATER}
