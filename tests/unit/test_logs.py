"""What a process says of a peer that cannot be reached: once, and with what to look at."""

from __future__ import annotations

import logging

import pytest

from node.ask import asking
from node.logs import set_up_logging
from pipeline.core.errors import PeerUnreachable
from pipeline.core.route import Peer
from tests.support.peers import free_port


def test_a_dead_peer_is_logged_by_whoever_asked_it_and_not_by_the_library_too(
    capfd: pytest.CaptureFixture[str],
) -> None:
    set_up_logging("work", "info", as_json=False)
    peer = Peer("pacs", "PACS", "127.0.0.1", free_port())
    with pytest.raises(PeerUnreachable) as raised, asking(peer, calling_ae="LANTERN", timeout_s=2.0):
        pass
    logging.getLogger("node.retrieve").warning("no earlier studies: %s", raised.value)
    lines = [line for line in capfd.readouterr().err.splitlines() if line.strip()]
    assert len(lines) == 1
    assert "no connection" in lines[0]
