"""Errors as DIMSE statuses, and back."""

from __future__ import annotations

import pytest

from node.status import NotAsAnnounced, comment_of, error_of_answer, refusal_of
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
